from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sagecask.contract import Paths, ServingJob
from sagecask.serve.app import create_app
from sagecask.testing.server import serving

PLUGIN = Path(__file__).parent / "plugin"
# found by its entry point like any family; a request tells it what to do
PROBE = {"PYTHONPATH": str(PLUGIN), "SAGECASK_ALGORITHM": "probe", "SAGEMAKER_MODEL_SERVER_WORKERS": "2"}


@pytest.fixture
def probe_root(tmp_path):
    """A root folder with a model of the probe algorithm."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "probe-model").write_text("probe")
    return tmp_path


@pytest.fixture
def probe_client(probe_root, monkeypatch):
    """The application in this process, by the variables of a job."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    probe = __import__("probe")

    def client(**environ: str):
        job = ServingJob.read(Paths(probe_root), environ)
        return create_app(job, probe.Probe(), probe.ProbeModel()).test_client()

    yield client
    sys.modules.pop("probe", None)


@pytest.fixture(scope="module")
def abalone(tmp_path_factory):
    """Model folder of XGBoost with four features, as the library writes it."""
    xgboost = pytest.importorskip("xgboost", reason="the boosting family is not installed")
    random = np.random.default_rng(0)
    features = random.normal(size=(200, 4)).astype(np.float32)
    data = xgboost.DMatrix(features, features[:, 0] * 3)
    booster = xgboost.train({"objective": "reg:squarederror", "nthread": 1}, data, 5)
    folder = tmp_path_factory.mktemp("abalone") / "model"
    folder.mkdir()
    (folder / "xgboost-model").write_bytes(booster.save_raw("ubj"))
    return folder


@pytest.fixture(scope="module")
def probe_server(tmp_path_factory):
    """A running server of the probe algorithm."""
    root = tmp_path_factory.mktemp("probe")
    (root / "model").mkdir()
    (root / "model" / "probe-model").write_text("probe")
    with serving(root, PROBE | {"MAX_CONTENT_LENGTH": "100000"}) as server:
        yield server
