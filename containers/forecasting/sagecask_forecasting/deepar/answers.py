"""Sample paths to what a request asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.formats import Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask_forecasting.deepar.configuration import Configuration


def answers(paths: NDArray[np.float32], configuration: Configuration) -> dict[str, NDArray[np.float64]]:
    """Return the columns `mean`, `quantiles` and `samples`, as far as they are asked for.

    Parameters
    ----------
    paths : (n_series, num_samples, horizon)

    Returns
    -------
    (n_series, horizon), (n_series, n_quantiles, horizon) and (n_series, num_samples, horizon)
    """
    columns: dict[str, NDArray[np.float64]] = {}
    if "mean" in configuration.output_types:
        columns["mean"] = shortest(paths.mean(axis=1, dtype=np.float64))
    if "quantiles" in configuration.output_types:
        levels = list(configuration.quantiles.values())
        columns["quantiles"] = shortest(np.quantile(paths, levels, axis=1).swapaxes(0, 1))
    if "samples" in configuration.output_types:
        columns["samples"] = shortest(paths)
    return columns


def predictions(columns: dict[str, NDArray[np.float64]], configuration: Configuration) -> Predictions:
    """Return the answer, its quantiles under the request's own texts."""
    texts = list(configuration.quantiles)
    return Predictions(
        {
            name: [dict(zip(texts, each, strict=True)) for each in column] if name == "quantiles" else column
            for name, column in columns.items()
        }
    )


def shortest(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return doubles that print with no more digits than a float32 has."""
    return values.astype(np.float32).astype("S16").astype(np.float64)
