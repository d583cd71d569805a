"""Rows that arrive one by one, dense and sparse mixed, on their way into one matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Values = Sequence[float | None] | NDArray[np.float32 | np.float64 | np.int32]

# CSR positions are int32, as the training libraries want them
MAX_WIDTH = 2**31 - 1


class Rows:
    """Collects rows of one width; `width` is None as long as no row has set it.

    mixed : whether dense and sparse rows may alternate, as they may in a request
    """

    def __init__(self, width: int | None, *, mixed: bool = True) -> None:
        self.width = width
        self._mixed = mixed
        self._keys: list[NDArray[np.int64] | None] = []
        self._values: list[Values] = []

    def __len__(self) -> int:
        return len(self._values)

    def add_dense(self, values: Values, where: str) -> None:
        """Append one value per feature; None is missing.

        Raises
        ------
        DataError : there is no value, the width differs, or the rows before are sparse
        """
        self._keep_width(len(values), where)
        self._keep_form("dense", where)
        self._keys.append(None)
        self._values.append(values)

    def add_sparse(self, keys: Sequence[int], values: Values, width: int, where: str) -> None:
        """Append the values at zero-based positions `keys`, each in [0, width).

        Raises
        ------
        DataError : counts differ, a key is out of range or occurs twice, the width differs, or the rows before are
            dense
        """
        if len(keys) != len(values):
            raise DataError(f"{where}: as many keys as values are needed; got {len(keys)} and {len(values)}")
        self._keep_width(width, where)
        self._keep_form("sparse", where)
        for key in (min(keys, default=0), max(keys, default=0)):
            if not 0 <= key < width:
                raise DataError(f"{where}: keys in [0, {width}) are needed; got {key}")
        if len(set(keys)) != len(keys):
            raise DataError(f"{where}: each key at most once is needed; got one twice")
        self._keys.append(np.array(keys, dtype=np.int64))
        self._values.append(values)

    def features(self) -> NDArray[np.float32] | csr_matrix:
        """Return (n_rows, width) float32: dense when every row is, else CSR in which dense rows keep their zeros."""
        width = self.width or 0
        with np.errstate(over="ignore", invalid="ignore"):
            if all(keys is None for keys in self._keys):
                return np.array(self._values, dtype=np.float32).reshape(len(self), width)
            values = [np.array(each, dtype=np.float32) for each in self._values]
        keys = [np.arange(width) if each is None else each for each in self._keys]
        counts = [len(each) for each in values]
        return to_csr(np.concatenate(values), np.concatenate(keys), counts, width)

    def _keep_form(self, form: str, where: str) -> None:
        if self._mixed or not self._keys:
            return
        before = "dense" if self._keys[0] is None else "sparse"
        if form != before:
            raise DataError(f"{where}: {before} features as before are needed; got {form} ones")

    def _keep_width(self, width: int, where: str) -> None:
        if self.width is None:
            if not 0 < width <= MAX_WIDTH:
                raise DataError(f"{where}: between 1 and {MAX_WIDTH} features are needed; got {width}")
            self.width = width
        if width != self.width:
            raise DataError(f"{where}: {width} features, expected {self.width}")


def to_csr(
    values: NDArray[np.float32],
    keys: NDArray[np.integer],
    counts: Sequence[int] | NDArray[np.integer],
    width: int,
) -> csr_matrix:
    """Return rows of `counts` entries each as CSR, (n_rows, width) float32, sorted by position.

    Raises
    ------
    ValueError : a row names a position twice
    """
    return as_csr(values, keys, np.concatenate([[0], np.cumsum(counts)]), width)


def as_csr(
    values: NDArray[np.float32],
    keys: NDArray[np.integer],
    ends: NDArray[np.integer],
    width: int,
    *,
    rising: bool = False,
) -> csr_matrix:
    """Return the same from `ends` (n_rows + 1,), from 0: where each row ends.

    `rising` says that the positions of every row are known to rise, which saves looking twice.

    Raises
    ------
    ValueError : a row names a position twice
    """
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - costs start-up that dense requests need not pay

    # int64 offsets would make scipy widen the positions too
    offsets = ends.astype(np.int32 if ends[-1] <= MAX_WIDTH else np.int64)
    matrix = csr_matrix((values, keys.astype(offsets.dtype, copy=False), offsets), shape=(len(offsets) - 1, width))
    if rising:
        matrix.has_canonical_format = True
        return matrix
    matrix.sort_indices()
    if not matrix.has_canonical_format:
        raise ValueError("a position occurs twice in a row")
    return matrix


def dense_to_csr(features: NDArray[np.float32]) -> csr_matrix:
    """Return dense rows as CSR with every entry kept: a zero that is given is not a value that is absent."""
    rows, width = features.shape
    return to_csr(features.ravel(), np.tile(np.arange(width), rows), np.full(rows, width), width)


def join_labels(labels: Sequence[NDArray[np.float32] | None], where: Sequence[str]) -> NDArray[np.float32] | None:
    """Return (n_rows,) or (n_rows, label_size) float32, or None where no row has a label.

    `where` names each row in messages.

    Raises
    ------
    DataError : some rows have labels and others none, their number differs, or one is not finite
    """
    if all(each is None for each in labels):
        return None
    first = next(each for each in labels if each is not None)
    for each, place in zip(labels, where, strict=True):
        if each is None or len(each) != len(first):
            got = 0 if each is None else len(each)
            raise DataError(f"{place}: {len(first)} label{'s' * (len(first) != 1)} as in other rows needed; got {got}")
        if not np.isfinite(each).all():
            raise DataError(f"{place}: a finite number as label is needed; got {each[~np.isfinite(each)][0]:g}")
    table = np.array(labels, dtype=np.float32)
    return table[:, 0] if len(first) == 1 else table
