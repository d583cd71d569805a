"""What the compiled core can do. Its functions never raise for what is wrong with the data.

They stop at the first row or record that they do not understand and say where; the caller reads that part the slow
way, which either understands it or has the words for the error. Arrays are C-contiguous and allocated by the caller,
their length is the number of rows or entries they have room for; what lies behind the rows reported is undefined. The
interpreter's lock is released, so that threads can work on parts of one buffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mmap import mmap

    import numpy as np
    from numpy.typing import NDArray

    Buffer = bytes | bytearray | memoryview | mmap
    Floats = NDArray[np.float32]
    Csr = tuple[Floats, NDArray[np.int32], NDArray[np.int64]]

# why a text parser stopped
END, FULL, CELL, SHORT, LONG = range(5)
# why a count of frames ended: the next is cut off by the buffer's end, a limit is reached, or it is no whole record
CUT, ENOUGH, ODD = range(3)


class Core(Protocol):
    """The module `_core`. A `csr` is data and indices (n_entries,) and indptr (n_rows + 1,)."""

    def count_lines(self, text: Buffer, /) -> int:
        """Return the number of lines, a last one without newline included."""

    def count_entries(self, text: Buffer, /) -> int:
        """Return the number of colons: libsvm lines have at most as many pairs."""

    def csv(self, text: Buffer, delimiter: int, lead: Floats, features: Floats, /) -> tuple[int, int, int, int]:
        """Read CSV rows: the first cells go to `lead` (n_rows, n_lead), the others to `features` (n_rows, width).

        A cell is a decimal number, nan, inf or infinity in any case, blanks around it allowed, correctly rounded to
        float32; an empty one beside others is NaN; empty lines are passed over.

        Returns
        -------
        rows written, offset of the row and column (from 0) of the cell that was not understood, and why
        """

    def libsvm(
        self, text: Buffer, labelled: bool, labels: Floats, weights: Floats, csr: Csr, /
    ) -> tuple[int, int, int, int, int, int, bool]:
        """Read lines `label[:weight] index:value ...`, or unlabelled ones, whose numbers without a colon are ignored.

        Indices are below 2**31 - 1; a weight that is not given is 1.

        Returns
        -------
        rows written, offset of the row and token (from 0) that was not understood, why; highest index or -1, number
        of rows with a weight, and whether the indices of every row rise
        """

    def frames(self, buffer: Buffer, max_records: int, max_bytes: int, /) -> tuple[int, int, int]:
        """Count whole RecordIO records, up to `max_records` or until their payloads reach `max_bytes`.

        Returns
        -------
        records, offset behind the last, and why there are no more
        """

    def record(self, buffer: Buffer, /) -> tuple[int, bool, int | None, int] | None:
        """Describe the protobuf record at the start of the buffer.

        Returns
        -------
        number of values, whether they have keys, shape where it is one number, and number of labels; or None where
        the record is not understood
        """

    def dense(self, buffer: Buffer, features: Floats, labels: Floats, /) -> tuple[int, int]:
        """Copy records with as many values and labels as `features` (n_rows, width) and `labels` have columns.

        Returns
        -------
        rows written, and offset of the first record left over
        """

    def sparse_count(self, buffer: Buffer, width: int, n_labels: int, /) -> tuple[int, int, int]:
        """Return how many sparse records of this width follow each other, their entries, and the offset behind."""

    def sparse(self, buffer: Buffer, width: int, labels: Floats, csr: Csr, /) -> tuple[int, int, bool]:
        """Copy such records, `labels` (n_rows, n_labels).

        Returns
        -------
        rows written, offset of the first record left over, and whether the keys of every row rise
        """
