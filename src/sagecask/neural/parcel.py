"""A value handed to several processes: pickled once, its arrays in memory that all of them share."""

from __future__ import annotations

import mmap
import os
import pickle
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

_ALIGNED = 64


class Parcel:
    """A file in memory, which child processes get as `descriptor`.

    Arrays of numpy are written beside the pickle, so each process maps them instead of having a copy; what one changes
    the others do not see. Tensors go into the pickle: tasks had better hold arrays.

    Source: https://docs.python.org/3/library/pickle.html, "Out-of-band Buffers"
    """

    def __init__(self, value: object) -> None:
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        self.descriptor = os.memfd_create("sagecask-training")
        parts = [memoryview(head), *(buffer.raw() for buffer in buffers)]
        with os.fdopen(os.dup(self.descriptor), "wb") as file:
            file.write(len(parts).to_bytes(8, "little"))
            for part in parts:
                file.write(part.nbytes.to_bytes(8, "little"))
            for part in parts:
                file.write(bytes(-file.tell() % _ALIGNED))
                file.write(part)

    def __enter__(self) -> Parcel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)


def unpack(descriptor: int) -> Any:  # noqa: ANN401 - as pickle has it
    """Return the value of a parcel; the descriptor may be closed then."""
    view = memoryview(mmap.mmap(descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE))
    count = int.from_bytes(view[:8], "little")
    lengths = [int.from_bytes(view[8 + 8 * index : 16 + 8 * index], "little") for index in range(count)]
    parts, end = [], 8 + 8 * count
    for length in lengths:
        start = end + -end % _ALIGNED
        end = start + length
        parts.append(view[start:end])
    # written by the parent of this process, moments ago
    return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301
