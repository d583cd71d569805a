"""One training job: series read, network fitted, test series forecast."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from sagecask.neural.fit import fit
from sagecask.neural.plan import Plan
from sagecask_forecasting.deepar.averaging import averages
from sagecask_forecasting.deepar.evaluation import scores, testable
from sagecask_forecasting.deepar.model import DeepARModel
from sagecask_forecasting.deepar.scaling import Scales
from sagecask_forecasting.deepar.series import Form, Series, read, read_test
from sagecask_forecasting.deepar.shape import Shape
from sagecask_forecasting.deepar.task import ForecastTask

if TYPE_CHECKING:
    from sagecask.algorithm import Job
    from sagecask_forecasting.deepar.hyperparameters import DeepARHyperparameters
    from sagecask_forecasting.deepar.panel import Panel

_log = logging.getLogger(__name__)

# largest norm of a gradient
_CLIP = 10.0
# there is no hyperparameter for it
_SEED = 0
# mini-batches from one metric line to the next, or more where an epoch would have more than so many lines
_BATCHES_PER_LINE = 5
_LINES_PER_EPOCH = 20


def train(job: Job[DeepARHyperparameters], seed: int = _SEED) -> DeepARModel:
    """Fit the network, write its metric lines, and return the weights of the best epoch.

    Parameters
    ----------
    seed : of first weights, windows and zoneout

    Raises
    ------
    DataError : a series is not what it must be, or none is long enough
    """
    given = job.hyperparameters
    form = Form(given.time_freq, given.prediction_length, given.likelihood, given.cardinality, given.num_dynamic_feat)
    series = read(job.channels["train"], form)
    # before hours of training, not after
    test = testable(read_test(job.channels["test"], form, series), form.horizon) if "test" in job.channels else None
    shape = _shape(given, series)
    scales = Scales.fit(series.panel, shape)
    task = ForecastTask(series.panel, shape, scales, mini_batch_size=given.mini_batch_size, dropout=given.dropout_rate)
    task.describe()
    fitted = fit(task, _plan(given, task.mini_batches, seed), job)
    weights = {name: tensor.float().numpy() for name, tensor in averages(fitted.weights).items()}
    model = DeepARModel(shape, weights, scales, series.unseen)
    job.report.quality("train", "final_loss", "loss", fitted.loss)
    if test is not None and not fitted.stopped and job.cluster.is_master:
        # what comes now may be cut off
        job.save(model)
        _evaluate(model, test, job)
    return model


def _shape(given: DeepARHyperparameters, series: Series) -> Shape:
    return Shape(
        frequency=given.time_freq,
        context=given.context_length,
        horizon=given.prediction_length,
        likelihood=given.likelihood,
        cardinality=series.cardinality,
        embedding=given.embedding_dimension,
        dynamic=series.dynamic,
        cells=given.num_cells,
        layers=given.num_layers,
    )


def _plan(given: DeepARHyperparameters, mini_batches: int, seed: int) -> Plan:
    settings = given.model_dump(exclude={"epochs", "early_stopping_patience", "num_eval_samples", "test_quantiles"})
    return Plan(
        epochs=given.epochs,
        optimizer=partial(torch.optim.Adam, lr=given.learning_rate, fused=True),
        gradient_clip=_CLIP,
        patience=given.early_stopping_patience,
        seed=seed,
        batches_per_line=max(_BATCHES_PER_LINE, mini_batches // _LINES_PER_EPOCH),
        settings=settings | {"time_freq": str(given.time_freq)},
    )


def _evaluate(model: DeepARModel, test: Panel, job: Job[DeepARHyperparameters]) -> None:
    given = job.hyperparameters
    seeded = replace(model, seed=_SEED, threads=torch.get_num_threads())
    found = scores(seeded, test, given.num_eval_samples, given.test_quantiles, job.stop_requested)
    if found is None:
        _log.info("stopped on request: the test channel is left out")
    else:
        found.tell(job.report)
