"""The file `model_algo-1`: named arrays, which numpy.load reads, and what the original containers put under that name.

The originals are MXNet's lists of arrays (MXNet 1.x, src/ndarray/ndarray.cc, `NDArray::Save`), plain or as the member
`*.params` of a zip archive. They are read, never written.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from sagecask.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

NAME = "model_algo-1"
_LIST_MAGIC = 0x112
# versions of a single array's form: sizes of dimensions have been 64-bit since the first that has a magic
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_DTYPES = ("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8")


def save(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as an uncompressed npz; equal arrays give equal bytes."""
    with (folder / NAME).open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load(folder: Path, owner: str) -> dict[str, NDArray[Any]]:
    """Return the named arrays; those of an MXNet list without names are called `0`, `1` and so on.

    Parameters
    ----------
    owner : the algorithm's name, for messages

    Raises
    ------
    ModelDataError : the file is missing, or of no form that is known
    """
    path = folder / NAME
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelDataError(f"{path}: the model file of {owner} is needed; got {error.strerror}") from error
    try:
        return _read(content)
    except (ValueError, struct.error, zipfile.BadZipFile, zlib.error, EOFError, KeyError, IndexError) as error:
        raise ModelDataError(f"{path}: a sound model file of {owner} is needed; got {error}") from error


def of_shape(
    arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int | None, ...], owner: str
) -> NDArray[np.float32]:
    """Return one array as float32 after a look at its shape, in which None is any size.

    Raises
    ------
    ModelDataError : it is missing, of another shape, or has values that are no finite numbers
    """
    array = arrays.get(name)
    sizes = "x".join("n" if size is None else str(size) for size in shape)
    wanted = f"{sizes} numbers" if shape else "one number"
    got = "none" if array is None else f"{'x'.join(map(str, array.shape)) or 'one number'} of {array.dtype}"
    if (
        array is None
        or array.dtype.kind not in "fiu"
        or len(array.shape) != len(shape)
        or any(want not in {None, have} for want, have in zip(shape, array.shape, strict=True))
    ):
        raise ModelDataError(f'{NAME}: {owner} needs an array "{name}" of {wanted}; got {got}')
    if not np.isfinite(array).all():
        raise ModelDataError(f'{NAME}: {owner} needs finite numbers in "{name}"; got others')
    # of a single number numpy makes a list of one
    return np.ascontiguousarray(array, dtype=np.float32).reshape(array.shape)


def _read(content: bytes) -> dict[str, NDArray[Any]]:
    if content[:4] != b"PK\x03\x04":
        return read_mxnet(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [name for name in archive.namelist() if name.endswith("params")]
        if members:
            return read_mxnet(archive.read(members[0]))
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def read_mxnet(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of an MXNet list or dictionary of dense arrays.

    Raises
    ------
    ValueError, struct.error : it is none
    """
    stream = _Stream(content)
    if stream.number("Q") != _LIST_MAGIC:
        raise ValueError("neither an npz file nor a list of MXNet arrays")
    stream.number("Q")
    arrays = [_mxnet_array(stream) for _ in range(stream.number("Q"))]
    names = [stream.take(stream.number("Q")).decode() for _ in range(stream.number("Q"))]
    if names and len(names) != len(arrays):
        raise ValueError(f"{len(names)} names for {len(arrays)} arrays")
    # modules tell arguments from auxiliary states by a prefix
    keys = [name.removeprefix("arg:") for name in names] or [str(index) for index in range(len(arrays))]
    return dict(zip(keys, arrays, strict=True))


class _Stream:
    """Bytes that are taken one after another; running out is a ValueError."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, size: int) -> bytes:
        piece = self._content[self._at : self._at + size]
        if len(piece) < size:
            raise ValueError("a list of MXNet arrays that ends early")
        self._at += size
        return piece

    def number(self, form: str) -> int:
        return int(struct.unpack(f"<{form}", self.take(struct.calcsize(form)))[0])


def _mxnet_array(stream: _Stream) -> NDArray[Any]:
    magic = stream.number("I")
    if magic in {_V2, _V3} and stream.number("i") > 0:
        raise ValueError("a sparse MXNet array, which no original writes")
    # before there was a magic, the first number was that of the dimensions, of 32 bits each
    count, size = (stream.number("I"), "q") if magic in {_V1, _V2, _V3} else (magic, "I")
    if count > 32:
        raise ValueError(f"an MXNet array of {count} dimensions")
    shape = [stream.number(size) for _ in range(count)]
    stream.take(8)
    kind = stream.number("i")
    if not 0 <= kind < len(_DTYPES) or any(length < 0 for length in shape):
        raise ValueError(f"an MXNet array of type {kind} and shape {shape}")
    dtype = np.dtype(_DTYPES[kind])
    return np.frombuffer(stream.take(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)
