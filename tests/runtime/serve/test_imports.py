"""What the serving path loads."""

from __future__ import annotations

import json
import subprocess
import sys

TRAINING_ONLY = {
    "sagecask.channels",
    "sagecask.checkpoints",
    "sagecask.cluster",
    "sagecask.hyperparameters",
    "sagecask.local",
    "sagecask.metrics",
    "sagecask.train",
    "docker",
    "pandas",
    "pyarrow",
    "pydantic",
    "requests",
    "yaml",
}


def loaded(program: str, *arguments: str) -> set[str]:
    command = [sys.executable, "-c", f"{program}\nimport sys, json; print(json.dumps(list(sys.modules)))", *arguments]
    return set(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def test_entry_of_the_server_imports_the_standard_library_alone():
    third_party = {"numpy", "flask", "gunicorn", "werkzeug", "scipy", "xgboost"}
    assert not (third_party | TRAINING_ONLY) & loaded("import sagecask.serve.workers")


def test_server_imports_nothing_of_training():
    modules = loaded("import sagecask.serve.workers, sagecask.serve.app, sagecask.serve.server")
    assert not (TRAINING_ONLY | {"scipy", "sklearn", "xgboost", "google.protobuf"}) & modules
