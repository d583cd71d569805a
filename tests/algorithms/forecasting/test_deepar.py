"""Training jobs of DeepAR: what an epoch is, what the log says, which data make a model."""

from __future__ import annotations

import json
import re
import signal

import numpy as np
import pytest
import torch
from sagecask_forecasting.deepar.algorithm import DeepAR
from sagecask_forecasting.deepar.calendar import Frequency
from sagecask_forecasting.deepar.drawing import Places
from sagecask_forecasting.deepar.evaluation import scores
from sagecask_forecasting.deepar.loading import load
from sagecask_forecasting.deepar.panel import Panel
from sagecask_forecasting.deepar.scaling import Scales
from sagecask_forecasting.deepar.shape import Shape
from sagecask_forecasting.deepar.splitting import part_of, split
from sagecask_forecasting.deepar.task import ForecastTask

from sagecask.algorithm import InferenceSettings
from sagecask.errors import DataError
from sagecask.neural.task import Part


def panel(lengths: list[int], ahead: int = 0) -> Panel:
    values = np.arange(sum(lengths), dtype=np.float32) + 1
    dynamic = np.arange(sum(lengths) + ahead * len(lengths), dtype=np.float32)[:, None]
    starts = np.array(["2024-01-01"] * len(lengths), "M8[D]")
    return Panel(starts, np.array(lengths), values, np.empty((len(lengths), 0), np.int64), dynamic, ahead)


def shape(dynamic: int = 1) -> Shape:
    return Shape(Frequency(1, "D"), 4, 3, "gaussian", (), 2, dynamic, 4, 1)


@pytest.mark.parametrize(("n_series", "batch", "rounds"), [(200, 32, 2), (12, 128, 107), (5000, 64, 1), (1, 1, 10)])
def test_epoch_over_few_series_is_stretched_to_ten_mini_batches(n_series: int, batch: int, rounds: int) -> None:
    assert Places.of(np.full(n_series, 30), 7).rounds(batch) == rounds


def test_windows_are_drawn_evenly_from_all_series_that_are_long_enough() -> None:
    series, at = Places.of(np.array([2, 3, 10]), 3).draw(800, np.random.default_rng(0))
    assert np.bincount(series).tolist() == [0, 800, 800]
    assert set(at[series == 1].tolist()) == {0}
    assert np.bincount(at[series == 2], minlength=8).min() > 60
    assert at.max() == 7


def test_two_processes_take_the_parts_of_the_batches_of_one() -> None:
    some, form = panel([9] * 5), shape()

    def batches(part: Part) -> list[tuple[torch.Tensor, ...]]:
        task = ForecastTask(some, form, Scales.fit(some, form), mini_batch_size=3, dropout=0)
        return list(task.batches(0, np.random.default_rng(4), part))

    whole, first, second = (batches(Part(*numbers)) for numbers in ((0, 1), (0, 2), (1, 2)))
    assert [len(batch[0]) for batch in whole] == [3] * 10
    for one, *others in zip(whole, first, second, strict=True):
        for tensor, *parts in zip(one, *others, strict=True):
            assert torch.equal(tensor, torch.cat(parts)) or tensor.isnan().any()


def test_parts_of_a_panel_keep_values_and_features_together() -> None:
    part = part_of(panel([2, 3, 4], ahead=1), 1, 3)
    assert part.values.tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert part.dynamic[:, 0].tolist() == [3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_last_points_are_parted_from_those_before() -> None:
    before, last = split(panel([3, 5]), 2)
    assert (before.values.tolist(), last.tolist()) == ([1, 4, 5, 6], [[2, 3], [7, 8]])
    assert (before.lengths.tolist(), before.ahead, len(before.dynamic)) == ([1, 3], 2, 8)


def test_log_has_the_lines_of_the_original(jobs, capsys):
    jobs.fit(jobs.waves(), jobs.waves(), test_quantiles="[0.1, 0.5]")
    number = r"[-\d.e]+"
    forms = [
        rf"#quality_metric: host=algo-1, epoch=0, batch=0 train loss <loss>={number}",
        rf"#quality_metric: host=algo-1, epoch=0, batch=5 train loss <loss>={number}",
        rf"#quality_metric: host=algo-1, epoch=0, train loss <loss>={number}",
        r"#progress_metric: host=algo-1, completed 100 % of epochs",
        rf"#throughput_metric: host=algo-1, train throughput={number} records/second",
        rf"#quality_metric: host=algo-1, train final_loss <loss>={number}",
        rf"#test_score \(algo-1, RMSE\): {number}",
        rf"#test_score \(algo-1, mean_absolute_QuantileLoss\): {number}",
        rf"#test_score \(algo-1, mean_wQuantileLoss\): {number}",
        rf"#test_score \(algo-1, wQuantileLoss\[0.1\]\): {number}",
        rf"#test_score \(algo-1, wQuantileLoss\[0.5\]\): {number}",
        rf"#quality_metric: host=algo-1, test RMSE <loss>={number}",
        rf"#quality_metric: host=algo-1, test mean_wQuantileLoss <loss>={number}",
    ]
    printed = capsys.readouterr().out
    assert [line for line, form in zip(printed.splitlines(), forms, strict=True) if not re.fullmatch(form, line)] == []
    found = {metric.name: len(re.findall(metric.pattern, printed)) for metric in DeepAR.declaration.metrics}
    assert found == {
        metric.name: 2 if metric.name == "train:loss:batch" else 1 for metric in DeepAR.declaration.metrics
    }


def test_training_ends_without_progress_and_keeps_the_best_epoch(jobs, capsys):
    # hardly learning, the loss goes up and down with the windows that are drawn
    jobs.fit(jobs.waves(), epochs=200, early_stopping_patience=2, learning_rate=1e-9)
    printed = capsys.readouterr().out
    losses = [float(text) for text in re.findall(r"epoch=\d+, train loss <loss>=(\S+)", printed)]
    assert len(losses) < 200
    assert losses[-3] == min(losses)
    assert f"train final_loss <loss>={losses[-3]!r}" in printed


def test_scores_are_those_of_the_definition(jobs):
    model = jobs.fit(jobs.waves(), likelihood="deterministic-L1")
    target = np.concatenate([np.tile([3.0, 4.0, 5.0], 6), [2.0, np.nan, -4.0]]).astype(np.float32)
    none = np.empty((1, 0), np.int64), np.empty((21, 0), np.float32)
    some = Panel(np.array(["2024-01-01"], "M8[D]"), np.array([21]), target, *none)
    found = scores(model, some, 2, (0.5, 0.9), lambda: False)
    (paths,) = model.paths(split(some, 3)[0], 2)
    errors = np.array([2.0, -4.0]) - paths[0, 0, [0, 2]]
    assert found.rmse == pytest.approx(np.sqrt((errors**2).mean()))
    assert found.absolute[0.5] == pytest.approx(np.abs(errors).sum())
    assert found.weighted[0.9] == pytest.approx(2 * np.maximum(0.9 * errors, -0.1 * errors).sum() / 6)


def test_waves_are_learnt(jobs):
    settings = {"epochs": 12, "num_cells": 12, "mini_batch_size": 16, "learning_rate": 0.02, "context_length": 7}
    model = jobs.fit(jobs.waves(), **settings)
    (series, *_) = jobs.waves(1, 63)
    target = series["target"]
    asked = {**series, "target": target[:60]}
    forecast = jobs.ask(model, asked, num_samples=50, output_types=["mean"])["mean"][0]
    # a level's wave is half of it up and down
    assert np.abs(forecast - target[60:]).max() < 0.15 * np.mean(target)


@pytest.mark.parametrize("likelihood", ["gaussian", "beta", "negative-binomial", "student-T", "deterministic-L1"])
def test_every_likelihood_trains_and_forecasts_its_kind_of_values(likelihood, jobs):
    draw = np.random.default_rng(1)
    kinds = {"beta": draw.beta(2, 3, 60), "negative-binomial": draw.poisson(3.0, 60)}
    values = kinds.get(likelihood, draw.normal(size=60))
    series = [{"start": "2024-01-01", "target": np.roll(values, shift).tolist()} for shift in range(6)]
    model = jobs.fit(series, likelihood=likelihood)
    paths = jobs.ask(model, series[0], num_samples=40, output_types=["samples"])["samples"]
    assert paths.shape == (1, 40, 3)
    assert np.isfinite(paths).all()
    if likelihood == "beta":
        assert ((paths >= 0) & (paths <= 1)).all()
    if likelihood == "negative-binomial":
        assert ((paths >= 0) & (paths == paths.round())).all()


@pytest.mark.parametrize("likelihood", ["gaussian", "student-T", "negative-binomial"])
def test_zeros_alone_train_and_forecast(likelihood, jobs):
    series = [{"start": "2024-01-01", "target": [0.0] * 60}] * 6
    model = jobs.fit(series, series, likelihood=likelihood)
    assert np.isfinite(jobs.ask(model, series[0])["mean"]).all()


def test_series_shorter_than_the_context_train_and_forecast(jobs):
    series = jobs.waves(100, 4)
    model = jobs.fit(series, series, context_length=30)
    empty, unknown = ({"start": "2024-01-01", "target": target} for target in ([], ["NaN", None]))
    forecast = jobs.ask(model, series[0], empty, unknown)["mean"]
    assert forecast.shape == (3, 3)
    assert np.isfinite(forecast).all()


def test_test_series_without_a_known_value_to_compare_with_are_refused(jobs):
    series = [{**each, "target": [*each["target"][:-3], None, None, None]} for each in jobs.waves()]
    with pytest.raises(DataError) as caught:
        jobs.fit(jobs.waves(), series)
    assert str(caught.value) == (
        'channel "test": a known value among the last prediction_length (3) points of a series is needed; got none'
    )


def test_job_that_goes_on_from_a_checkpoint_writes_the_same_model(jobs):
    def files(label, epochs, checkpoints):
        directory = jobs.job(jobs.waves(), label=label, epochs=epochs)
        directory.paths.checkpoint_config.write_text(json.dumps({"LocalPath": str(jobs.folder / checkpoints)}))
        jobs.run(directory)
        return {path.name: path.read_bytes() for path in directory.paths.model.iterdir()}

    files("begun", 2, "first")
    assert files("resumed", 4, "first") == files("whole", 4, "second")


def test_stopped_job_leaves_a_model_that_answers(jobs):
    directory = jobs.job(jobs.waves(), jobs.waves(), epochs=100_000)
    with directory.start("forecasting-deepar") as process:
        while "epoch=1, train loss" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=60)
    assert (process.returncode, directory.failure) == (0, None), rest
    assert "train final_loss" in rest
    assert "test_score" not in rest
    model = load(directory.paths.model, InferenceSettings())
    assert len(jobs.ask(model, jobs.waves(1)[0])["mean"]) == 1
