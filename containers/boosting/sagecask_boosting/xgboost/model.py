"""What was learned: one booster, or several that answer together."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
import xgboost as xgb
from scipy.sparse import csr_matrix

from sagecask.algorithm import InferenceSettings, Model
from sagecask.errors import AlgorithmError, DataError
from sagecask.formats import AnswerForm, Batch, Predictions
from sagecask_boosting.xgboost.answers import selected
from sagecask_boosting.xgboost.forest import FlatForest, dense_rows, flat_forest
from sagecask_boosting.xgboost.loading import FILE, reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from sagecask.formats import MediaType

# all rows on one line, and a list of numbers in JSON
_MULTI_MODEL = AnswerForm(outer_key=None, csv_between_rows=",", csv_final_newline=False, bare_values=True)
# rows that the library's threads do not answer sooner than the flat forest's one
FEW_ROWS = 64
_VOTED = frozenset({"multi:softmax", "binary:hinge"})


class XGBoostModel(Model[Batch]):
    """Boosters of one objective.

    Parameters
    ----------
    boosters : at least one
    numbered : whether files are named xgboost-model-0, xgboost-model-1 …, as cross validation does
    settings : how to answer
    """

    def __init__(
        self,
        boosters: Sequence[xgb.Booster],
        *,
        numbered: bool = False,
        settings: InferenceSettings = InferenceSettings(),  # noqa: B008 - frozen
    ) -> None:
        self.boosters = tuple(boosters)
        self._numbered = numbered
        self._settings = settings
        self._forests: tuple[FlatForest | None, ...] = (None,) * len(self.boosters)

    def prepare(self) -> None:
        """Do now what the first answer would wait for, and what processes forked from this one can share."""
        self._forests = tuple(map(flat_forest, self.boosters))
        _ = self._members, self.objective, self._num_class

    @property
    def width(self) -> int:
        return max(booster.num_features() for booster in self.boosters)

    def save(self, folder: Path) -> None:
        for index, booster in enumerate(self.boosters):
            name = f"{FILE}-{index}" if self._numbered else FILE
            # what save_model writes to a name without extension, less its warning that it does
            (folder / name).write_bytes(booster.save_raw("ubj"))

    def predict(self, batch: Batch, accept: MediaType) -> Predictions:  # noqa: ARG002 - no variant by Accept
        """Return the column `score`, or the columns of selectable inference.

        score : (n_rows,) or (n_rows, n_classes) float32
        """
        scores = self.scores(batch)
        batched = self._settings.batch
        if self._settings.multi_model and not self._settings.outputs:
            return Predictions({"score": scores}, _MULTI_MODEL)
        if not self._settings.outputs:
            return Predictions({"score": scores}, AnswerForm(csv_lists="bracketed" if batched else "flat"))
        columns = selected(self._settings.outputs, scores, self.objective, self._num_class)
        return Predictions(columns, AnswerForm(csv_lists="quoted", csv_final_newline=batched))

    def scores(self, batch: Batch) -> NDArray[np.float32]:
        """Return what the objective answers; of several models the most frequent class, else the mean.

        Raises
        ------
        DataError : the rows do not fit the model
        AlgorithmError : the library failed
        """
        answer = self._quickly(batch.features)
        if answer is not None:
            return answer
        values = batch.features if isinstance(batch.features, np.ndarray) else batch.features.data
        if np.isinf(values).any():
            raise DataError("request body: finite numbers, or none where a value is missing; got infinity")
        answers = [
            self._score(member, forest, batch) for member, forest in zip(self._members, self._forests, strict=True)
        ]
        if len(answers) == 1:
            return answers[0]
        stacked = np.stack(answers)
        return _most_frequent(stacked) if self.objective in _VOTED else stacked.mean(axis=0, dtype=np.float32)

    def _quickly(self, features: NDArray[np.float32] | csr_matrix) -> NDArray[np.float32] | None:
        """Return one forest's answer to dense rows of its width, as most requests are; else None."""
        forest = self._forests[0]
        if forest is None or len(self._forests) > 1 or not isinstance(features, np.ndarray):
            return None
        if features.shape[1] != forest.width or not self._forest_is_best(len(features)):
            return None
        rows = dense_rows(features)
        return None if rows is None else forest.predict(rows)

    def _forest_is_best(self, n_rows: int) -> bool:
        # many rows are worth the library's threads where it may use some
        return n_rows > 0 and (self._settings.threads == 1 or n_rows <= FEW_ROWS)

    @cached_property
    def objective(self) -> str:
        """Name of the learning task and loss."""
        return str(self._config["objective"]["name"])

    @cached_property
    def _config(self) -> dict[str, dict[str, str]]:
        return cast("dict[str, dict[str, str]]", json.loads(self.boosters[0].save_config())["learner"])

    @cached_property
    def _num_class(self) -> int:
        return int(self._config["learner_model_param"]["num_class"])

    @cached_property
    def _members(self) -> list[tuple[xgb.Booster, int, bool]]:
        """Each booster with its number of features, and whether it is of plain trees, made ready to answer."""
        members = []
        for booster in self.boosters:
            booster.set_param({"nthread": self._settings.threads})
            name = json.loads(booster.save_config())["learner"]["gradient_booster"]["name"]
            members.append((booster, booster.num_features(), name == "gbtree"))
        return members

    def _score(
        self, member: tuple[xgb.Booster, int, bool], forest: FlatForest | None, batch: Batch
    ) -> NDArray[np.float32]:
        booster, width, plain_trees = member
        features = fitted(batch, width)
        if not len(batch):
            several = self.objective == "multi:softprob"
            return np.zeros((0, self._num_class) if several else 0, np.float32)
        rows = dense_rows(features) if forest and self._forest_is_best(len(batch)) else None
        quick = forest.predict(rows) if forest and rows is not None else None
        if quick is not None:
            return quick
        try:
            if plain_trees:
                # a third of the time of the way through a matrix for a single row
                answer = booster.inplace_predict(features, missing=np.nan, validate_features=False)
            else:
                data = xgb.DMatrix(features, missing=np.nan, nthread=self._settings.threads)
                answer = booster.predict(data, validate_features=False)
        except xgb.core.XGBoostError as error:
            raise AlgorithmError(f"xgboost: prediction failed; got {reason(error)}") from error
        return np.asarray(answer, np.float32)


def fitted(batch: Batch, width: int) -> NDArray[np.float32] | csr_matrix:
    """Return the features with `width` columns; what a row lacks at its end is missing.

    Dense rows may lack one column, since a model of one-based libsvm has an empty column more than its data.

    Raises
    ------
    DataError : dense rows of another width, or sparse rows that are wider
    """
    features = batch.features
    if batch.width == width:
        return features
    if isinstance(features, np.ndarray):
        if batch.width != width - 1:
            raise DataError(f"request body: rows of {width} features; got {batch.width}")
        return np.pad(features, ((0, 0), (0, 1)), constant_values=np.nan)
    if batch.width > width:
        raise DataError(f"request body: rows of at most {width} features; got {batch.width}")
    return csr_matrix((features.data, features.indices, features.indptr), shape=(len(batch), width))


def _most_frequent(classes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the class that most models chose, the lowest of several; classes : (n_models, n_rows)."""
    known = np.unique(classes)
    votes = (classes[:, :, None] == known).sum(axis=0)
    winners: NDArray[np.float32] = known[votes.argmax(axis=1)] if len(known) else classes[0]
    return winners
