"""From channels to the matrices that the library trains on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import xgboost as xgb

from sagecask.channels import FileRules
from sagecask.errors import DataError
from sagecask.formats import Batch, Layout, concatenate
from sagecask_boosting.xgboost import checks
from sagecask_boosting.xgboost.evaluation import OF_CLASSES
from sagecask_boosting.xgboost.rules import metric_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sagecask.channels import Channel
    from sagecask_boosting.xgboost.hyperparameters import XGBoostHyperparameters

_CSV = frozenset({"text/csv", "csv"})
_RECORDIO = frozenset({"application/x-recordio-protobuf", "recordio-protobuf"})
# the channel's own folder counts as the first of three
_MAX_DEPTH = 3


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """The rows of both channels, of one width and checked; `validation` is None without that channel."""

    train: Batch
    validation: Batch | None

    @classmethod
    def read(cls, channels: Mapping[str, Channel], given: XGBoostHyperparameters) -> Data:
        """Read train and validation into memory.

        Raises
        ------
        DataError : a channel is empty, or has rows that the objective or a metric cannot take
        """
        train = _read(channels["train"], given)
        checks.check_training_labels(_labels(train), given.objective)
        if "validation" not in channels:
            return cls(train, None)
        return cls(*_align(train, _read(channels["validation"], given)))

    def merged(self) -> Batch:
        """Return the rows of train, then those of validation."""
        return self.train if self.validation is None else concatenate([self.train, self.validation])


def matrix(batch: Batch, given: XGBoostHyperparameters) -> xgb.DMatrix:
    """Return the library's form of a batch: NaN, and in CSR what is absent, are missing."""
    data = xgb.DMatrix(batch.features, label=batch.labels, weight=batch.weights, missing=np.nan, nthread=given.nthread)
    if given.objective == "survival:aft":
        lower, upper = survival_bounds(_labels(batch))
        data.set_info(label_lower_bound=lower, label_upper_bound=upper)
    return data


def survival_bounds(labels: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the interval in which each event lies, for accelerated failure time models.

    A label above 0 is the time of the event, one below 0 a row that was last seen without the event at -label, as in
    the library's Cox regression.

    labels, results : (n_rows,)
    """
    return np.abs(labels), np.where(labels > 0, labels, np.inf).astype(np.float32)


def rows(batch: Batch, index: NDArray[np.intp]) -> Batch:
    """Return some rows of a batch."""
    return Batch(
        batch.features[index],
        None if batch.labels is None else batch.labels[index],
        None if batch.weights is None else batch.weights[index],
    )


def _read(channel: Channel, given: XGBoostHyperparameters) -> Batch:
    content_type = channel.content_type.essence
    layout = Layout(label_size=1, weighted=given.csv_weights == 1 and content_type in _CSV, delimiter=None)
    batch = channel.read(layout, FileRules(_MAX_DEPTH, refuse_hidden=True, skip_underscore=content_type in _RECORDIO))
    checks.check_batch(channel.name, batch, given)
    asked = metric_names(given)
    checks.check_metrics(channel.name, _labels(batch), asked, given.objective)
    if set(asked) & set(OF_CLASSES):
        checks.check_class_labels(channel.name, _labels(batch))
    return batch


def _labels(batch: Batch) -> NDArray[np.float32]:
    assert batch.labels is not None
    return batch.labels


def _align(train: Batch, validation: Batch) -> tuple[Batch, Batch]:
    """Give sparse rows the wider width of both; dense ones must agree.

    Raises
    ------
    DataError : dense rows of different widths
    """
    if train.width == validation.width:
        return train, validation
    if not (train.sparse and validation.sparse):
        raise DataError(
            f'channel "validation": rows of {train.width} features as in channel "train"; got {validation.width}'
        )
    width = max(train.width, validation.width)
    return _widened(train, width), _widened(validation, width)


def _widened(batch: Batch, width: int) -> Batch:
    features = batch.features.copy()
    features.resize((len(batch), width))
    return replace(batch, features=features)
