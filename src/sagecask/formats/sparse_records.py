"""Sparse rows as framed protobuf records, all rows at a time: sizes first, then each field is filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.formats.framing import MAGIC, MAX_PART_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Bytes = NDArray[np.uint8]
    Numbers = NDArray[np.int64]

# field tags of record.proto, with the key of the features between them
FEATURES, KEYED, TENSOR, VALUES, KEYS, SHAPE = b"\x0a", b"\x0a\x06values\x12", b"\x12", b"\x0a", b"\x12", b"\x1a"


def write_sparse(features: csr_matrix, labels: NDArray[np.float32], label_field: bytes) -> bytes:
    """Return a record a row: a Float32Tensor with keys and shape, then the label field.

    Parameters
    ----------
    labels : (n_rows, label_size) float32
    label_field : the field as one record has it, which ends in its numbers; other records differ in these alone

    Raises
    ------
    ValueError : a record is longer than the length word can say
    """
    offsets = features.indptr.astype(np.int64)
    data, keys = features.data[: offsets[-1]], features.indices[: offsets[-1]].astype(np.int64)
    key_ends = np.concatenate([[0], np.cumsum(_sizes(keys))])
    counts, key_bytes = np.diff(offsets), np.diff(key_ends[offsets])
    width = np.array([features.shape[1]])
    shape = SHAPE + _varint(_sizes(width)) + _varint(width)
    # a row without entries has neither values nor keys
    given = np.flatnonzero(counts)
    tensor = np.full(len(counts), len(shape))
    for size in (4 * counts, key_bytes):
        tensor[given] += (1 + _sizes(size) + size)[given]
    value = 1 + _sizes(tensor) + tensor
    entry = len(KEYED) + _sizes(value) + value
    message = 1 + _sizes(entry) + entry + len(label_field)
    if len(message) and message.max() > MAX_PART_BYTES:
        raise ValueError(f"a payload of at most {MAX_PART_BYTES} bytes is needed; got {message.max()}")
    ends = np.cumsum(8 + message + -message % 4)
    # padding is zeros
    out = np.zeros(ends[-1] if len(ends) else 0, dtype=np.uint8)
    at = np.concatenate([[0], ends])[:-1]
    at = _put(out, at, MAGIC)
    out[at[:, None] + np.arange(4)] = message.astype("<u4").view(np.uint8).reshape(-1, 4)
    at += 4
    for tag, size in ((FEATURES, entry), (KEYED, value), (TENSOR, tensor)):
        at = _put_varint(out, _put(out, at, tag), size)
    values_at = _put_varint(out, _put(out, at[given], VALUES), 4 * counts[given])
    keys_at = _put_varint(out, _put(out, values_at + 4 * counts[given], KEYS), key_bytes[given])
    at[given] = keys_at + key_bytes[given]
    entries = np.repeat(values_at - 4 * offsets[given], counts[given]) + 4 * np.arange(len(data))
    out[entries[:, None] + np.arange(4)] = data.astype("<f4").view(np.uint8).reshape(-1, 4)
    _put_varint(out, np.repeat(keys_at - key_ends[offsets[given]], counts[given]) + key_ends[:-1], keys)
    at = _put(out, _put(out, at, shape), label_field)
    numbers = np.ascontiguousarray(labels, dtype="<f4").view(np.uint8)
    out[at[:, None] - numbers.shape[1] + np.arange(numbers.shape[1])] = numbers
    return out.tobytes()


def _sizes(numbers: Numbers) -> Numbers:
    """Return how many bytes each number takes as a varint, 7 bits a byte."""
    sizes = np.ones(len(numbers), dtype=np.int64)
    for bits in range(7, 63, 7):
        more = numbers >> bits > 0
        if not more.any():
            break
        sizes += more
    return sizes


def _varint(number: Numbers) -> bytes:
    out = np.zeros(_sizes(number)[0], dtype=np.uint8)
    _put_varint(out, np.array([0]), number)
    return out.tobytes()


def _put(out: Bytes, at: Numbers, text: bytes) -> Numbers:
    """Write the same bytes at every place, and return the places behind them."""
    for place, byte in enumerate(text):
        out[at + place] = byte
    return at + len(text)


def _put_varint(out: Bytes, at: Numbers, numbers: Numbers) -> Numbers:
    """Write a number at each place, and return the places behind them."""
    sizes = _sizes(numbers)
    for place in range(int(sizes.max(initial=0))):
        longer = sizes > place + 1
        here = slice(None) if place == 0 else sizes > place
        out[at[here] + place] = ((numbers[here] >> 7 * place) & 127) | (longer[here] << 7)
    return at + sizes
