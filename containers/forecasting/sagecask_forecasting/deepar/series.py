"""Time series as channels and requests have them, to a panel; what is wrong with one is said with its place.

Source: deepar-in-formats.md, and deepar.md for what series must have in common.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from sagecask.channels import FileRules
from sagecask.errors import DataError
from sagecask.formats.instances import kind
from sagecask.formats.lines import quote
from sagecask_forecasting.deepar.features import Categories, DynamicFeatures
from sagecask_forecasting.deepar.panel import Panel
from sagecask_forecasting.deepar.pieces import Pieces
from sagecask_forecasting.deepar.target import Targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagecask.channels import Channel
    from sagecask.formats import Records
    from sagecask_forecasting.deepar.calendar import Frequency
    from sagecask_forecasting.deepar.shape import LikelihoodName, Shape

_log = logging.getLogger(__name__)

RULES = FileRules(
    skip=(".*", "_SUCCESS"),
    content_types={
        ".json": "application/jsonlines",
        ".jsonl": "application/jsonlines",
        ".parquet": "application/x-parquet",
    },
)
FEWEST_OBSERVATIONS = 300
_KEYS = ("start", "target", "cat", "dynamic_feat")


@dataclass(frozen=True, slots=True)
class Form:
    """What the series of a channel must be like.

    cardinality : values of each category; "auto" takes what the data has, "ignore" does not look at cat
    dynamic : dynamic features, the same way
    reasons : what says so of cardinality and of dynamic features, as the end of a sentence
    """

    frequency: Frequency
    horizon: int
    likelihood: LikelihoodName
    cardinality: tuple[int, ...] | Literal["auto", "ignore"] = "auto"
    dynamic: int | Literal["auto", "ignore"] = "auto"
    reasons: tuple[str, str] = (
        'as hyperparameter "cardinality" says',
        'as hyperparameter "num_dynamic_feat" says',
    )


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The series of a channel.

    cardinality : values of each category
    unseen : of each category, those of its values that no series has
    """

    panel: Panel
    cardinality: tuple[int, ...]
    unseen: tuple[frozenset[int], ...]

    @property
    def dynamic(self) -> int:
        """Number of dynamic features."""
        return int(self.panel.dynamic.shape[1])


def read(channel: Channel, form: Form) -> Series:
    """Return the training series, in the order of files and lines; those too short to learn from are among them.

    Raises
    ------
    DataError : a series is not what it must be, none is long enough, or all of them have too few values
    """
    where = f'channel "{channel.name}"'
    reader = _read(channel, form)
    panel = reader.panel()
    _refuse_short(panel, form.horizon, where)
    observations = int(np.count_nonzero(~np.isnan(panel.values)))
    if observations < FEWEST_OBSERVATIONS:
        raise DataError(
            f"{where}: at least {FEWEST_OBSERVATIONS} observations in all series are needed; got {observations}"
        )
    cardinality = reader.categories.cardinality(where)
    unseen = tuple(
        frozenset(range(size)) - frozenset(np.unique(panel.categories[:, at]).tolist())
        for at, size in enumerate(cardinality)
    )
    for at, values in enumerate(unseen, 1):
        if values:
            _log.warning(
                "%s: cat, value %d: %d of the values from 0 to %d occur in no series, such as %d",
                where, at, len(values), cardinality[at - 1] - 1, min(values),
            )  # fmt: skip
    _log.info("%s: %d series of %d observations", where, len(panel), observations)
    return Series(panel, cardinality, unseen)


def read_test(channel: Channel, form: Form, train: Series) -> Panel:
    """Return the test series, whose last `form.horizon` points are to be forecast; those too short are among them.

    Raises
    ------
    DataError : there is none, or one is not what it must be or lacks what the training series have
    """
    reason = 'as in channel "train"'
    like = replace(
        form,
        cardinality="ignore" if form.cardinality == "ignore" else train.cardinality,
        dynamic="ignore" if form.dynamic == "ignore" else train.dynamic,
        reasons=(reason, reason),
    )
    return _read(channel, like).panel()


def panel_of(records: Records, shape: Shape, unseen: Sequence[frozenset[int]] = ()) -> Panel:
    """Return the series of a request, whose dynamic features reach to the end of the horizon.

    Parameters
    ----------
    unseen : of each category, values that did not occur in training

    Raises
    ------
    DataError : an instance is not what it must be, or has other features than the model
    """
    reason = "as in training"
    form = Form(shape.frequency, shape.horizon, shape.likelihood, shape.cardinality, shape.dynamic, (reason, reason))
    reader = _Reader(form, ahead=True, unseen=unseen)
    reader.add(records)
    return reader.panel()


def _read(channel: Channel, form: Form) -> _Reader:
    reader = _Reader(form)
    for records in channel.records(RULES):
        reader.add(records)
    if not len(reader):
        raise DataError(f'channel "{channel.name}": at least one series is needed; got none')
    return reader


class _Reader:
    """Series as they come, to arrays."""

    def __init__(self, form: Form, *, ahead: bool = False, unseen: Sequence[frozenset[int]] = ()) -> None:
        given = {"auto": None, "ignore": ()}
        counts = {"auto": None, "ignore": 0}
        self._form, self._ahead, self._unseen = form, ahead, unseen
        self._starts: list[np.datetime64] = []
        self._lengths: list[int] = []
        self._values = Pieces()
        # a server's log has other readers than a training job's
        self._warned = ahead
        self._targets = Targets(form.likelihood, warned=ahead)
        cardinality, dynamic = form.cardinality, form.dynamic
        self.categories = Categories(
            given[cardinality] if isinstance(cardinality, str) else cardinality, form.reasons[0]
        )
        self._dynamic = DynamicFeatures(
            counts[dynamic] if isinstance(dynamic, str) else dynamic, form.reasons[1], form.horizon, ahead=ahead
        )

    def __len__(self) -> int:
        return len(self._lengths)

    def add(self, records: Records) -> None:
        for value, place in zip(records.values, records.places, strict=True):
            found = self._fields(value, place)
            self._starts.append(self._form.frequency.start(found["start"], place))
            target = self._targets.read(found["target"], place)
            self._values.add(target)
            self._lengths.append(len(target))
            ignored = self._form.cardinality == "ignore"
            self.categories.add(None if ignored else found.get("cat"), place, self._unseen)
            ignored = self._form.dynamic == "ignore"
            self._dynamic.add(None if ignored else found.get("dynamic_feat"), len(target), place)

    def panel(self) -> Panel:
        return Panel(
            np.array(self._starts, self._form.frequency.dtype),
            np.array(self._lengths, np.int64),
            self._values.array(),
            self.categories.array(),
            self._dynamic.array(),
            self._form.horizon if self._ahead else 0,
        )

    def _fields(self, value: object, place: str) -> Mapping[str, object]:
        if not isinstance(value, Mapping):
            raise DataError(f"{place}: an object with start and target is needed; got {kind(value)}")
        if "start" not in value or "target" not in value:
            names = ", ".join(map(quote, list(value)[:8])) or "nothing"
            raise DataError(f"{place}: start and target, and maybe cat and dynamic_feat, are needed; got {names}")
        if not self._warned and len(value) > 2 and (others := [name for name in value if name not in _KEYS]):
            self._warned = True
            _log.warning("%s: %s is not read; %s are", place, ", ".join(map(quote, others[:8])), ", ".join(_KEYS))
        return value


def _refuse_short(panel: Panel, horizon: int, where: str) -> None:
    """Refuse a channel whose series are all shorter than the horizon, and say how many are."""
    short = int(np.count_nonzero(panel.lengths < horizon))
    if short == len(panel):
        raise DataError(
            f"{where}: a series of at least prediction_length ({horizon}) points is needed; got {short} series, the "
            f"longest of {panel.lengths.max()}"
        )
    if short:
        _log.warning(
            "%s: %d of %d series are shorter than prediction_length (%d) and left out",
            where,
            short,
            len(panel),
            horizon,
        )
