"""What was learned: a network's shape, its weights and the sizes of the training series. Needs no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sagecask.algorithm import Model
from sagecask.errors import DataError
from sagecask.neural.weights import save_weights
from sagecask_forecasting.deepar.answers import answers, predictions
from sagecask_forecasting.deepar.configuration import Configuration
from sagecask_forecasting.deepar.forecast import Forecaster
from sagecask_forecasting.deepar.series import panel_of
from sagecask_forecasting.deepar.splitting import part_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from sagecask.formats import MediaType, Predictions, Records
    from sagecask_forecasting.deepar.panel import Panel
    from sagecask_forecasting.deepar.scaling import Scales
    from sagecask_forecasting.deepar.shape import Shape

NAME = "model_algo-1"
DESCRIPTION = "model_algo-1.json"
FORMAT = 1
# numbers that sample paths of one request may have, 128 MiB of them, and that an answer with samples may hold
MOST_DRAWN = 2**25
MOST_ANSWERED = 2**23
# paths that are drawn side by side: their states and pasts stay below some hundred MiB
MOST_PATHS = 2**14
LARGEST = np.finfo(np.float32).max


@dataclass(frozen=True, eq=False)
class DeepARModel(Model["Records"]):
    """A network that forecasts.

    weights : arrays by name, as `weights.sizes` has them
    unseen : of each category, values below its cardinality that no training series had
    configuration : what requests get that do not say
    seed : of every request's draws; None is another one each time
    threads : that a request may use
    """

    shape: Shape
    weights: Mapping[str, NDArray[np.float32]]
    scales: Scales
    unseen: tuple[frozenset[int], ...] = ()
    configuration: Configuration = field(default_factory=Configuration)
    seed: int | None = None
    threads: int = 1

    @cached_property
    def forecaster(self) -> Forecaster:
        """The network, ready to draw."""
        return Forecaster(self.shape, self.weights, self.scales, self.threads)

    def save(self, folder: Path) -> None:
        """Write the arrays as safetensors, and beside them what they are in JSON; equal models give equal bytes."""
        save_weights(folder / NAME, {**self.weights, **self.scales.arrays()})
        text = json.dumps(describe(self.shape, self.unseen), indent=2)
        (folder / DESCRIPTION).write_text(f"{text}\n", encoding="utf-8")

    def predict(self, batch: Records, accept: MediaType) -> Predictions:  # noqa: ARG002 - no variant by Accept
        """Return the forecasts of all instances right after their last point: `mean`, `quantiles`, `samples`.

        Raises
        ------
        DataError : an instance or the configuration is not what it must be, or more is asked for than memory allows
        """
        configuration = self.configuration.under(batch.configuration, "request body, configuration")
        panel = panel_of(batch, self.shape, self.unseen)
        self._refuse_too_many(len(panel), configuration)
        parts = [answers(paths, configuration) for paths in self.paths(panel, configuration.num_samples)]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return predictions(columns, configuration)

    def paths(self, panel: Panel, num_samples: int) -> Iterator[NDArray[np.float32]]:
        """Yield (n, num_samples, horizon) of some series after the others."""
        generator = np.random.default_rng(self.seed)
        size = max(1, MOST_PATHS // num_samples)
        for start in range(0, len(panel), size):
            some = part_of(panel, start, start + size)
            counts = [min(MOST_PATHS, num_samples - at) for at in range(0, num_samples, MOST_PATHS)]
            # values next to the largest of float32 draw infinite ones, for which JSON has no word
            with np.errstate(over="ignore"):
                paths = np.concatenate([self.forecaster.samples(some, count, generator) for count in counts], axis=1)
            yield np.clip(paths, -LARGEST, LARGEST, out=paths)

    def _refuse_too_many(self, n_series: int, configuration: Configuration) -> None:
        drawn = n_series * configuration.num_samples * self.shape.horizon
        most = MOST_ANSWERED if "samples" in configuration.output_types else MOST_DRAWN
        if drawn > most:
            fewer, are = most // (n_series * self.shape.horizon), "s" if n_series > 1 else ""
            raise DataError(
                f"request body, configuration, num_samples: at most {fewer} are needed for {n_series} instance{are} of "
                f"{self.shape.horizon} points, for memory's sake; got {configuration.num_samples}"
            )


def describe(shape: Shape, unseen: tuple[frozenset[int], ...]) -> dict[str, object]:
    """Return a network's shape as hyperparameters name it, and the categories' values that training did not have."""
    return {
        "algorithm": "forecasting-deepar",
        "format": FORMAT,
        "time_freq": str(shape.frequency),
        "context_length": shape.context,
        "prediction_length": shape.horizon,
        "likelihood": shape.likelihood,
        "cardinality": list(shape.cardinality),
        "unseen": [sorted(values) for values in unseen],
        "embedding_dimension": shape.embedding,
        "num_dynamic_feat": shape.dynamic,
        "num_cells": shape.cells,
        "num_layers": shape.layers,
        "lags": list(shape.lags),
    }
