"""The file `model_algo-1`: an index as faiss writes it (faiss 1.15, impl/index_write.cpp), checked before use.

faiss trusts the sizes that a file claims, so the file is walked through first: every array must lie inside it and have
the length that the others imply.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import ModelDataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NAME = "model_algo-1"
METRICS = {"INNER_PRODUCT": 0, "L2": 1}
_FLAT = {b"IxF2": 1, b"IxFI": 0}
# d, ntotal, two numbers without meaning, is_trained, metric_type
_HEADER = struct.Struct("<iqqq?i")
_UNUSED = 1 << 20
FLAT_OFFSET = 4 + _HEADER.size + 8
"""Bytes of a Flat file before its vectors."""


@dataclass(frozen=True, slots=True)
class IndexFile:
    """What a checked file holds.

    kind : `Flat`, `IVFFlat` or `IVFPQ`
    metric : `L2` or `INNER_PRODUCT`
    dim : length of a vector
    count : number of vectors
    lists : number of inverted lists, 0 of Flat
    """

    path: Path
    kind: str
    metric: str
    dim: int
    count: int
    lists: int = 0

    def vectors(self) -> NDArray[np.float32]:
        """Return (count, dim) of a Flat file, read anew."""
        return np.fromfile(self.path, "<f4", offset=FLAT_OFFSET).reshape(self.count, self.dim)


def write_flat(path: Path, vectors: NDArray[np.float32], metric: str) -> None:
    """Write what faiss writes for an IndexFlat of these vectors, without the copy of them that it would make.

    vectors : (n, d) float32, C-contiguous
    metric : `L2` or `INNER_PRODUCT`
    """
    count, dim = vectors.shape
    code = METRICS[metric]
    name = next(name for name, each in _FLAT.items() if each == code)
    with path.open("wb") as file:
        file.write(name + _HEADER.pack(dim, count, _UNUSED, _UNUSED, True, code) + struct.pack("<q", vectors.size))
        vectors.astype("<f4", copy=False).tofile(file)


def checked(path: Path) -> IndexFile:
    """Look through an index file.

    Raises
    ------
    ModelDataError : it is missing, no faiss index of these kinds, or its sizes do not fit together
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _Walk(content).index(path)
    except OSError as error:
        raise ModelDataError(f"{path}: the index file of knn is needed; got {error.strerror}") from error
    except (ValueError, struct.error) as error:
        raise ModelDataError(f"{path}: a sound faiss index is needed; got {error}") from error


@dataclass(slots=True)
class _Header:
    name: bytes
    dim: int
    count: int
    metric: int


@dataclass(slots=True)
class _Walk:
    """Goes through the bytes of a file; every ValueError says what was found."""

    content: mmap.mmap
    at: int = field(default=0)

    def index(self, path: Path) -> IndexFile:
        header = self._header()
        kind, lists = "Flat", 0
        if header.name in _FLAT:
            self._flat(header)
        elif header.name in {b"IwFl", b"IwPQ"}:
            kind = "IVFFlat" if header.name == b"IwFl" else "IVFPQ"
            lists = self._inverted(header)
        else:
            raise ValueError(f"an index of kind {header.name.decode('latin-1')!r}, not Flat, IVFFlat or IVFPQ")
        if self.at != len(self.content):
            raise ValueError(f"{len(self.content) - self.at} bytes after its end")
        if not header.count:
            raise ValueError("one without vectors")
        metric = next(name for name, code in METRICS.items() if code == header.metric)
        return IndexFile(path, kind, metric, header.dim, header.count, lists)

    def _header(self) -> _Header:
        name = self._take(4)
        dim, count, _, _, trained, metric = _HEADER.unpack(self._take(_HEADER.size))
        if dim < 1 or count < 0:
            raise ValueError(f"{count} vectors of {dim} numbers")
        if not trained:
            raise ValueError("one that was not trained")
        if metric not in METRICS.values():
            raise ValueError(f"metric number {metric}, neither L2 nor INNER_PRODUCT")
        return _Header(name, dim, count, metric)

    def _flat(self, header: _Header) -> None:
        if _FLAT[header.name] != header.metric:
            raise ValueError(f"metric number {header.metric} in an index of kind {header.name.decode()}")
        size = self._number()
        if size != header.count * header.dim:
            raise ValueError(f"{size} numbers in {header.count} vectors of {header.dim}")
        self._finite(size)

    def _inverted(self, header: _Header) -> int:
        lists, probes = self._number(), self._number()
        if lists < 1 or probes < 1:
            raise ValueError(f"{probes} of {lists} lists to visit")
        centroids = self._header()
        if (centroids.count, centroids.dim) != (lists, header.dim) or centroids.name not in _FLAT:
            raise ValueError(f"{centroids.count} centroids of {centroids.dim} numbers for {lists} lists")
        self._flat(centroids)
        # a map from rows to lists, which only indexes that rows are removed from have
        if self._take(1) != b"\0" or self._number():
            raise ValueError("a direct map, which no index of knn has")
        code_size = 4 * header.dim if header.name == b"IwFl" else self._quantizer(header)
        self._lists(lists, code_size, header.count)
        return lists

    def _quantizer(self, header: _Header) -> int:
        """Go through the product quantiser; return the bytes of a vector's code."""
        self._take(1)
        code_size, dim, parts, bits = (self._number() for _ in range(4))
        if dim != header.dim or not 1 <= parts <= dim or dim % parts or not 1 <= bits <= 16:
            raise ValueError(f"a quantiser of {parts} parts of {bits} bits for {dim} of {header.dim} numbers")
        if code_size != -(-parts * bits // 8):
            raise ValueError(f"codes of {code_size} bytes for {parts} parts of {bits} bits")
        size = self._number()
        if size != dim << bits:
            raise ValueError(f"{size} numbers in the quantiser's centroids, not {dim << bits}")
        self._finite(size)
        return code_size

    def _lists(self, lists: int, code_size: int, count: int) -> None:
        if self._take(4) != b"ilar" or (self._number(), self._number()) != (lists, code_size):
            raise ValueError("inverted lists of another size, or kept elsewhere")
        form, numbers = self._take(4), self._numbers(self._number())
        sizes = np.zeros(lists, np.int64)
        if form == b"full" and len(numbers) == lists:
            sizes[:] = numbers
        elif form == b"sprs" and len(numbers) % 2 == 0 and (numbers[::2] < lists).all() and (numbers >= 0).all():
            sizes[numbers[::2]] = numbers[1::2]
        else:
            raise ValueError("a table of list sizes of another length")
        if (sizes < 0).any() or (sizes > count).any() or sizes.sum() != count:
            raise ValueError(f"{sizes.sum()} vectors in the lists, not {count}")
        for size in sizes[sizes > 0].tolist():
            self._skip(size * code_size)
            numbers = self._numbers(size)
            if (numbers < 0).any() or (numbers >= count).any():
                raise ValueError(f"the number of a vector outside 0 to {count - 1}")

    def _finite(self, size: int) -> None:
        self._skip(4 * size)
        if size and not _all_finite(self.content, size, self.at - 4 * size):
            raise ValueError("numbers that are not finite")

    def _numbers(self, size: int) -> NDArray[np.int64]:
        return np.frombuffer(self._take(8 * size), "<i8").astype(np.int64)

    def _number(self) -> int:
        return int(struct.unpack("<q", self._take(8))[0])

    def _take(self, size: int) -> bytes:
        self._skip(size)
        return self.content[self.at - size : self.at]

    def _skip(self, size: int) -> None:
        if not 0 <= size <= len(self.content) - self.at:
            raise ValueError("one that ends early")
        self.at += size


def _all_finite(content: mmap.mmap, size: int, offset: int) -> bool:
    numbers = np.frombuffer(content, "<f4", size, offset)
    # both are NaN where any is; no array of the numbers' length is made
    return bool(np.isfinite(numbers.min()) and np.isfinite(numbers.max()))
