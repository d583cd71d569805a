from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra neural is not installed")

from sagecask.algorithm import Job
from sagecask.checkpoints import Checkpoints
from sagecask.cluster import Cluster
from sagecask.report import Report

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture
def tiny(monkeypatch):
    """The module of the tiny network."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    yield __import__("tiny_network")
    sys.modules.pop("tiny_network", None)


@pytest.fixture
def one_host(tmp_path):
    """Jobs of one host as an algorithm sees them; their metric lines are in `lines()`."""

    def job(*, checkpoints=False, stop_requested=lambda: False):
        out = io.StringIO()
        given = Job(
            hyperparameters=None,
            channels={},
            cluster=Cluster(("algo-1",), "algo-1"),
            checkpoints=Checkpoints(tmp_path / "checkpoints" if checkpoints else None),
            report=Report("algo-1", out),
            output_data=tmp_path,
            gpus=0,
            stop_requested=stop_requested,
            save=lambda _model: None,
            available_memory=lambda: None,
        )
        return given, out

    return job
