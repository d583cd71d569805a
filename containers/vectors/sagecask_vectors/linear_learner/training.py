"""Training from a job to a model: learn scaling, train all models epoch by epoch, choose one, score it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from sagecask.errors import UserError
from sagecask.neural.devices import device
from sagecask_vectors.linear_learner import settings
from sagecask_vectors.linear_learner.data import LabelledRows
from sagecask_vectors.linear_learner.final import Final
from sagecask_vectors.linear_learner.losses import loss_of
from sagecask_vectors.linear_learner.model import LinearModel
from sagecask_vectors.linear_learner.progress import Progress
from sagecask_vectors.linear_learner.resuming import Resuming
from sagecask_vectors.linear_learner.rows import Scaler
from sagecask_vectors.linear_learner.scaling import Scaling, scaling_of
from sagecask_vectors.linear_learner.selection import Selection
from sagecask_vectors.linear_learner.solver import Problem, Solver, starting_weights
from sagecask_vectors.linear_learner.threshold import Aim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sagecask.algorithm import Job
    from sagecask.formats import Batch
    from sagecask_vectors.linear_learner.hyperparameters import LinearLearnerHyperparameters
    from sagecask_vectors.linear_learner.losses import Loss
    from sagecask_vectors.linear_learner.settings import ModelSettings

    LinearJob = Job[LinearLearnerHyperparameters]

_log = logging.getLogger(__name__)
# hosts ask one another whether to stop once in so many steps
_STOP_STEPS = 32
# multiplications of a mini-batch below which threads cost more than they give
SMALL = 2**23
_LINKS = {"logistic": "logistic", "softmax_loss": "softmax"}


def train(job: LinearJob) -> LinearModel:
    """Return the best model of the job.

    Raises
    ------
    UserError : the data do not go with the hyperparameters, or every model has diverged
    """
    return Training(job).run()


class Training:
    """One job."""

    def __init__(self, job: LinearJob) -> None:
        given = job.hyperparameters
        self._job = job
        self._given = given
        width = None if given.feature_dim == "auto" else given.feature_dim
        train = _labelled(job, "train", width)
        sample = next(train.epoch(given.num_point_for_scaler))
        self._sample = sample
        others = [name for name in job.channels if name != "train"]
        self._rows = {"train": train} | {name: _labelled(job, name, sample.width) for name in others}
        self._scaling = _scaling(job, sample)
        outputs = settings.num_outputs(given)
        count = settings.num_models(given, (sample.width + 1) * outputs)
        self._loss: Loss = loss_of(settings.loss_name(given), given)
        self._models = settings.neighbourhood(given, count)
        problem = _problem(job, self._loss, self._scaling, class_weights(job, sample, self._models))
        self._solver = Solver(problem, self._models, _weights(given, sample.width, count * outputs), job.cluster)
        self._selection = _selection(job, self._rows, sample, self._loss, self._scaling)
        self._progress = Progress(
            given.early_stopping_patience, given.early_stopping_tolerance, by_loss="validation" not in job.channels
        )
        self._resuming = Resuming(job.checkpoints, job.cluster, self._solver, self._progress)
        _log.info(
            "%d models of %d features, %d output(s) each, on %s", count, sample.width, outputs, problem.scaler.where
        )

    def run(self) -> LinearModel:
        """Train up to `epochs` epochs, on from the newest checkpoint, and score the best model."""
        threads = torch.get_num_threads()
        if self._solver.weights.numel() * self._given.mini_batch_size < SMALL:
            torch.set_num_threads(1)
        try:
            return self._run()
        finally:
            torch.set_num_threads(threads)

    def _run(self) -> LinearModel:
        first = self._resuming.restore()
        if first:
            _log.info("resuming from a checkpoint: %d epochs are done", first)
        for epoch in range(first, self._given.epochs):
            if self._progress.exhausted:
                break
            if not self._epoch(epoch):
                break
            self._resuming.save(epoch)
        return self._finish()

    def _epoch(self, epoch: int) -> bool:
        """Train and judge all models for one epoch; return whether it came to its end."""
        start = time.perf_counter()
        loss, count, whole = self._steps()
        seconds = time.perf_counter() - start
        standing = self._selection.standing(self._solver)
        watched = self._progress.update(epoch, standing, self._solver, settings.num_outputs(self._given))
        report, objective = self._job.report, self._loss.objective
        report.quality("train", objective, "loss", loss / max(count, 1), epoch=epoch)
        if self._selection.name == "validation":
            report.quality("validation", objective, "loss", float(standing.losses[0]), epoch=epoch)
        criterion = self._criterion
        report.early_stopping(criterion, -watched if criterion == objective else watched, epoch=epoch)
        report.progress(epoch + 1, self._given.epochs)
        report.throughput(count / max(seconds, 1e-9))
        return whole

    @property
    def _criterion(self) -> str:
        """Name of what early stopping watches, as log lines have it."""
        if self._selection.name == "train" or self._selection.aim is None:
            return self._loss.objective
        return f"sampled_{self._selection.aim.criterion}"

    def _steps(self) -> tuple[float, float, bool]:
        """Go once through the train rows, unless asked to stop.

        Returns
        -------
        loss, count : summed over rows, of the first model; and the rows
        whole : whether all rows were seen
        """
        loss, count = 0.0, 0.0
        solver, size = self._solver, self._given.mini_batch_size
        losses = []
        for batch in self._rows["train"].epoch(size):
            assert batch.labels is not None
            labels = solver.labels(self._scaling.labels(batch.labels))
            batch_loss, rows = solver.step(solver.rows(batch), labels)
            if solver.steps == 1 and rows < size:
                raise UserError(
                    f"linear-learner: mini_batch_size must be at most the number of train rows; got {size} and "
                    f"{rows:.0f} rows"
                )
            losses.append(batch_loss)
            count += rows
            if len(losses) == _STOP_STEPS:
                loss += sum(map(float, losses))
                losses = []
            if self._stop(solver.steps):
                return loss + sum(map(float, losses)), count, False
        return loss + sum(map(float, losses)), count, True

    def _stop(self, steps: int) -> bool:
        if self._job.cluster.size == 1:
            return self._job.stop_requested()
        return steps % _STOP_STEPS == 0 and self._job.cluster.any(self._job.stop_requested())

    def _finish(self) -> LinearModel:
        best = self._progress.best
        assert best is not None
        if not np.isfinite(best.loss):
            raise UserError(
                "linear-learner: every model has diverged; learning_rate must be lower, or normalize_data true"
            )
        _log.info("model %d of epoch %d is the best: %s", best.model, best.epoch, self._models[best.model])
        weights, bias = self._scaling.undone(best.weights)
        link = _LINKS.get(settings.loss_name(self._given), "identity")
        model = LinearModel(weights, bias, self._given.predictor_type, link)
        final = Final(self._job, self._loss, self._scaling.label_scale)
        if self._selection.name != "train":
            final.on_sample(model, self._sample)
        model = final.on_selection(model, self._selection)
        if "test" in self._rows:
            final.on(model, "test", self._rows["test"].epoch)
        return model


def _labelled(job: LinearJob, channel: str, width: int | None) -> LabelledRows:
    given = job.hyperparameters
    n_classes = {"binary_classifier": 2, "multiclass_classifier": given.num_classes}.get(given.predictor_type)
    return LabelledRows(job.channels[channel], job.cluster, n_classes, width)


def _scaling(job: LinearJob, sample: Batch) -> Scaling:
    given = job.hyperparameters
    regression = given.predictor_type == "regressor"
    normalize = given.normalize_data is not False
    normalize_label = regression and given.normalize_label is not False
    shift = given.use_bias if given.unbias_data == "auto" else given.unbias_data
    shift_label = regression and given.use_bias and given.unbias_label is not False
    return scaling_of(
        sample,
        job.cluster,
        features=(shift if given.unbias_data != "auto" else shift and normalize, normalize),
        label=(shift_label if given.unbias_label != "auto" else shift_label and normalize_label, normalize_label),
    )


def _problem(job: LinearJob, loss: Loss, scaling: Scaling, weights: NDArray[np.float32] | None) -> Problem:
    given, number = job.hyperparameters, settings.number
    return Problem(
        loss=loss,
        scaler=Scaler(scaling, device(job.gpus)),
        outputs=settings.num_outputs(given),
        decays=(number(given.beta_1, 0.9), number(given.beta_2, 0.999), number(given.momentum, 0.9)),
        bias_mult=(number(given.bias_lr_mult, 10.0), number(given.bias_wd_mult, 0.0)),
        use_bias=given.use_bias,
        class_weights=weights,
    )


def _weights(given: LinearLearnerHyperparameters, width: int, columns: int) -> NDArray[np.float32]:
    uniform = given.init_scale if given.init_method == "uniform" else None
    bias = given.init_bias if given.use_bias else 0.0
    draw = np.random.default_rng(settings.SEED)
    return starting_weights(width, columns, draw, uniform=uniform, normal=given.init_sigma, bias=bias)


def class_weights(job: LinearJob, sample: Batch, models: list[ModelSettings]) -> NDArray[np.float32] | None:
    """Return (n_classes, n_models or 1) weights of rows by class, or None where all rows count the same."""
    given = job.hyperparameters
    assert sample.labels is not None
    if given.predictor_type == "multiclass_classifier" and given.balance_multiclass_weights:
        counts = _class_counts(job, sample, settings.num_outputs(given))
        known = counts > 0
        weights = np.where(known, counts.sum() / known.sum() / np.maximum(counts, 1), 1e6)
        return weights[:, None].astype(np.float32)
    weight = given.positive_example_weight_mult
    if given.predictor_type != "binary_classifier" or weight == 1:
        return None
    if not isinstance(weight, str):
        return np.array([[1], [weight]], np.float32)
    negatives, positives = _class_counts(job, sample, 2)
    balanced = negatives / max(positives, 1) or 1.0
    powers = [1.0] if weight == "balanced" else [each.positive_weight for each in models]
    return np.array([[1] * len(powers), [balanced**power for power in powers]], np.float32)


def _class_counts(job: LinearJob, sample: Batch, n_classes: int) -> NDArray[np.int64]:
    assert sample.labels is not None
    counts = np.bincount(sample.labels.astype(np.int64), minlength=n_classes)
    job.cluster.sum(counts)
    return counts


def _selection(
    job: LinearJob, rows: Mapping[str, LabelledRows], sample: Batch, loss: Loss, scaling: Scaling
) -> Selection:
    given = job.hyperparameters
    binary = given.predictor_type == "binary_classifier"
    aim = Aim.of(given) if binary and given.binary_classifier_model_selection_criteria != "loss_function" else None
    calibrating = given.num_calibration_samples
    validation = rows.get("validation")
    return Selection(
        name="train" if validation is None else "validation",
        batches=(lambda _size: iter([sample])) if validation is None else validation.epoch,
        loss=loss,
        scaling=scaling,
        cluster=job.cluster,
        aim=aim,
        cut_at=0.5 if settings.loss_name(given) == "hinge_loss" else 0.0,
        most=None if calibrating == "auto" else -(-calibrating // job.cluster.size),
        shared_weights=given.positive_example_weight_mult != "auto",
    )
