"""What fixes a network and the series it takes; weights and this are all of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sagecask_forecasting.deepar.calendar import Frequency, feature_names
from sagecask_forecasting.deepar.lags import Reach, lags, reach

LikelihoodName = Literal["gaussian", "beta", "negative-binomial", "student-T", "deterministic-L1"]


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a network and the form of its series.

    context, horizon : points that the network reads before it forecasts, and that it forecasts
    cardinality : values of each category; empty where the model has none
    embedding : numbers that stand for one category's value
    dynamic : number of dynamic features
    cells, layers : units of a recurrent layer, and recurrent layers
    """

    frequency: Frequency
    context: int
    horizon: int
    likelihood: LikelihoodName
    cardinality: tuple[int, ...]
    embedding: int
    dynamic: int
    cells: int
    layers: int

    @property
    def lags(self) -> tuple[int, ...]:
        """Lags of the target that every step sees, in points, ascending."""
        return lags(self.frequency)

    @property
    def features(self) -> int:
        """Numbers known of every point in time: of the calendar, the age, and dynamic features."""
        return len(feature_names(self.frequency)) + 1 + self.dynamic

    @property
    def reach(self) -> Reach:
        """The points that a window looks at."""
        return reach(self.lags, self.context, self.horizon)

    @property
    def varying(self) -> int:
        """Inputs of the first recurrent layer that change from step to step."""
        return len(self.lags) + self.features

    @property
    def static(self) -> int:
        """Inputs of the first recurrent layer that are one for a whole window: embeddings and the scale."""
        return len(self.cardinality) * self.embedding + 1
