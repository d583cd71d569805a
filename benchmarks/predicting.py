"""Parts of one request to XGBoost, in one thread: reading rows, predicting, writing the answer, and all of it.

Microseconds of CPU, the best of several rounds over different rows. The forest answers what the library answers, bit
for bit; the last column of predictors is the library's quickest way for matrices.
"""

from __future__ import annotations

import io
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost

from sagecask import registry
from sagecask.algorithm import InferenceSettings
from sagecask.contract import Paths, ServingJob
from sagecask.serve.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from sagecask_boosting.xgboost.model import XGBoostModel

    from sagecask.serve.app import Application

MODELS = ((100, 8, 6), (500, 100, 8))
ROWS = (1, 8, 64, 1000)
POOL = 2000
ROUNDS = 5


def rows() -> Iterator[dict[str, Any]]:
    """Yield a row for each model and number of rows."""
    for trees, features, depth in MODELS:
        with tempfile.TemporaryDirectory() as name:
            booster = trained(trees, features, depth)
            (Path(name) / "model").mkdir()
            (Path(name) / "model" / "xgboost-model").write_bytes(booster.save_raw("ubj"))
            pool = np.random.default_rng(1).normal(size=(POOL, features)).astype(np.float32)
            app, model = served(Path(name))
            for count in ROWS:
                batches = [pool[start : start + count] for start in range(0, POOL - count + 1, count)][:64]
                bodies = [text(batch) for batch in batches]
                yield {
                    "trees": trees,
                    "features": features,
                    "rows": count,
                    **parts(app, bodies),
                    "forest": timed(model._forests[0].predict, batches),
                    "inplace_predict": timed(partial(booster.inplace_predict, validate_features=False), batches),
                    "DMatrix": timed(partial(by_matrix, booster), batches),
                }


def by_matrix(booster: xgboost.Booster, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Predict as the library's documentation does."""
    return booster.predict(xgboost.DMatrix(batch, nthread=1))


def parts(app: Application, bodies: Sequence[bytes]) -> dict[str, float]:
    """Return the time of a whole request behind the server, and of what it is made of."""
    invocations = app.plain._invocations
    exchange = invocations.settle("text/csv", None)
    batches = [exchange.reader.decode(body, exchange.layout) for body in bodies]
    answers = [invocations.model.predict(batch, exchange.accept) for batch in batches]
    return {
        "request": timed(lambda body: app(environ(body), lambda *_: None), bodies),
        "read": timed(lambda body: exchange.reader.decode(body, exchange.layout), bodies),
        "predict": timed(lambda batch: invocations.model.predict(batch, exchange.accept), batches),
        "write": timed(exchange.writer.encode, answers),
    }


def timed(work: Callable[[Any], Any], inputs: Sequence[Any]) -> float:
    """Return the microseconds of CPU that one input takes, in the best round; the first one warms up."""
    best = float("inf")
    repeats = max(1, 200 // len(inputs)) if len(inputs) > 8 else 3
    for _ in range(ROUNDS + 1):
        start = time.thread_time()
        for _ in range(repeats):
            for each in inputs:
                work(each)
        best = min(best, (time.thread_time() - start) / repeats / len(inputs))
    return best * 1e6


def environ(body: bytes) -> dict[str, Any]:
    """Return the environment of a plain request."""
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/invocations",
        "CONTENT_TYPE": "text/csv",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }


def trained(trees: int, features: int, depth: int) -> xgboost.Booster:
    """Return a booster that answers with one thread."""
    draw = np.random.default_rng(0)
    table = draw.normal(size=(20_000, features)).astype(np.float32)
    labels = table[:, 0] * table[:, 1] + table[:, 2] > draw.normal(size=20_000)
    settings = {"objective": "binary:logistic", "max_depth": depth, "eta": 0.1, "nthread": 2, "tree_method": "hist"}
    booster = xgboost.train(settings, xgboost.DMatrix(table, labels), trees)
    booster.set_param({"nthread": 1})
    return booster


def served(root: Path) -> tuple[Application, XGBoostModel]:
    """Return the application around the model of a folder, and the model."""
    job, algorithm = ServingJob.read(Paths(root), {}), registry.load("xgboost")
    model = algorithm.load(job.model_dir, InferenceSettings())
    return create_app(job, algorithm, model), model


def text(batch: NDArray[np.float32]) -> bytes:
    """Return rows as CSV."""
    return "".join(",".join(f"{value:.6g}" for value in row) + "\n" for row in batch).encode()
