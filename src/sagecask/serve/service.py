"""What a server serves: the application around one model, or around those of a multi-model endpoint."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagecask.serve.app import create_app, create_multi_model_app
from sagecask.serve.loaded_models import LoadedModels, new_scratch
from sagecask.serve.loading import algorithm_for, load
from sagecask.serve.metrics import Metrics, ModelState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

    from sagecask.contract import ServingJob
    from sagecask.serve.app import Application

# places to count in beside those of the workers: one that ends and the one that follows live at the same time
SPARE_SLOTS = 8


@dataclass(frozen=True)
class Service:
    """An application, and what its server must know of it.

    title : what is served, for the log
    workers : processes
    begin : what each of them does first
    """

    title: str
    app: Application
    workers: int
    begin: Callable[[], None] = lambda: None

    def hooks(self) -> dict[str, Any]:
        """Return gunicorn's hooks by which every worker counts in a place of its own."""

        def pre_fork(arbiter: Arbiter, worker: Worker) -> None:
            taken = {other.sagecask_slot for other in arbiter.WORKERS.values()}
            worker.sagecask_slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)

        def post_fork(_: Arbiter, worker: Worker) -> None:
            self.app.metrics.count_in(worker.sagecask_slot)
            worker.log.metrics = self.app.metrics
            self.begin()

        return {"pre_fork": pre_fork, "post_fork": post_fork}


@contextmanager
def one_model(job: ServingJob, named: str | None) -> Iterator[Service]:
    """Load the model before the workers are forked, so that they share its memory.

    Raises
    ------
    ModelDataError : there is no model folder, or it is of another algorithm or damaged
    UsageError : it cannot be known which algorithm to serve with
    """
    started = time.monotonic()
    algorithm = algorithm_for(job.model_dir, named)
    model = load(algorithm, job.model_dir, job)
    title = algorithm.declaration.name
    state = ModelState(job.model_name or title, time.monotonic() - started, loaded=True)
    metrics = Metrics(job.workers + SPARE_SLOTS, state.name)
    metrics.models = lambda: (state,)
    yield Service(f"{title}: serving {job.model_dir}", create_app(job, algorithm, model, metrics), job.workers)


@contextmanager
def many_models(job: ServingJob, named: str | None) -> Iterator[Service]:
    """Serve models that come by requests, in one process: a model is in memory once, and leaves it when it is unloaded.

    Predictions of libraries run side by side in its threads; what is left to Python does not, so that a container of
    many small models answers with about one CPU.
    """
    if job.multi_model is None:
        raise AssertionError("the job is no multi-model endpoint")
    owner, scratch = os.getpid(), new_scratch()
    metrics = Metrics(1 + SPARE_SLOTS)
    models = LoadedModels(job, job.multi_model, named, scratch, metrics.forget)
    metrics.models = lambda: [
        ModelState(model.name, model.load_seconds, model.invocations is not None) for model in models.all()
    ]
    app = create_multi_model_app(job, models, metrics)
    try:
        yield Service("multi-model endpoint: serving models that are loaded by requests", app, 1, models.restore)
    finally:
        # workers come by here too when they end
        if os.getpid() == owner:
            shutil.rmtree(scratch, ignore_errors=True)
