"""A trained forest: predicting, and its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.algorithm import Model
from sagecask.errors import DataError
from sagecask.formats import AnswerForm, Batch, Predictions
from sagecask_vectors import model_file
from sagecask_vectors.randomcutforest.forest import Forest
from sagecask_vectors.randomcutforest.sampling import dense
from sagecask_vectors.stream import refuse_missing, rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sagecask.formats import MediaType

OWNER = "randomcutforest"
_FORM = AnswerForm(outer_key="scores")
# numbers of sparse rows that are written out at a time
_DENSE_NUMBERS = 1 << 20


class RandomCutForestModel(Model[Batch]):
    """Answers each row with its `score`.

    threads : how many one prediction may use
    """

    def __init__(self, forest: Forest, *, threads: int = 1) -> None:
        self.forest = forest
        self._threads = threads

    @property
    def width(self) -> int:
        return self.forest.width

    def save(self, folder: Path) -> None:
        model_file.save(folder, self.forest.arrays)

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1) -> RandomCutForestModel:
        """Read what `save` wrote.

        Raises
        ------
        ModelDataError : the file is missing, or is no forest
        """
        arrays = model_file.load(folder, OWNER)
        return cls(Forest.of(arrays, f"{folder / model_file.NAME}"), threads=threads)

    def predict(self, batch: Batch, accept: MediaType) -> Predictions:  # noqa: ARG002 - all answers are alike
        self._check(batch)
        return Predictions({"score": self.scores(batch)}, _FORM)

    def scores(self, batch: Batch) -> NDArray[np.float32]:
        """Return (n_rows,) scores of rows that have been checked; sparse ones are written out a few at a time."""
        if isinstance(batch.features, np.ndarray):
            return self.forest.scores(batch.features, self._threads)
        size = max(1, _DENSE_NUMBERS // self.width)
        scores = np.empty(len(batch), np.float32)
        for start in range(0, len(batch), size):
            part = dense(rows(batch, start, start + size).features)
            # a sparse row may end before the last feature
            part = np.pad(part, ((0, 0), (0, self.width - batch.width)))
            scores[start : start + size] = self.forest.scores(part, self._threads)
        return scores

    def _check(self, batch: Batch) -> None:
        if batch.width > self.width or (batch.width < self.width and not batch.sparse):
            raise DataError(f"request body: {self.width} features a row are needed (feature_dim); got {batch.width}")
        refuse_missing(batch, "request body, row")
