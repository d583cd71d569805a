"""Training jobs through the `train` executable: what the folder holds afterwards, and how failure reads."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from sagecask.testing.job_directory import JobDirectory

ROWS = 200


def rows(seed: int, header: bytes = b"") -> bytes:
    random = np.random.default_rng(seed)
    features = random.normal(size=(ROWS, 3)).round(4)
    labels = (features[:, 0] > 0).astype(int)
    lines = [",".join(map(str, (label, *row))) for label, row in zip(labels, features, strict=True)]
    return header + "\n".join(lines).encode() + b"\n"


@pytest.fixture
def job(job_directory: JobDirectory) -> JobDirectory:
    job_directory.hyperparameters({"num_round": 5, "objective": "binary:logistic"})
    return job_directory.channel("train", {"part-0.csv": rows(0)}).channel("validation", {"part-0.csv": rows(1)})


def wait_for(what: str, stream: subprocess.Popen[str]) -> None:
    assert stream.stdout is not None
    for line in stream.stdout:
        if what in line:
            return
    raise AssertionError(f"the job ended without printing {what!r}")


def child_of(process: subprocess.Popen[str]) -> int:
    """Return the process id of the one child, once there is one."""
    listing = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if children := listing.read_text().split():
            return int(children[0])
    raise AssertionError("no child process")


def test_model_and_manifest_are_written_and_nothing_fails(job: JobDirectory) -> None:
    outcome = job.train("xgboost")
    assert (outcome.code, outcome.failure) == (0, None), outcome.log
    assert {path.name for path in job.paths.model.iterdir()} == {"xgboost-model", "sagecask.json"}
    assert not job.paths.checkpoints.exists()
    assert re.search(r"^\[4\]\ttrain-logloss:\d\.\d{5}\tvalidation-logloss:\d\.\d{5}$", outcome.log, re.MULTILINE)


def test_failure_of_the_job_before_is_gone_after_success(job: JobDirectory) -> None:
    job.paths.output.mkdir()
    job.paths.failure.write_text("ClientError: old")
    assert job.train("xgboost").failure is None


@pytest.mark.parametrize(
    ("name", "value", "failure"),
    [
        (
            "max_detph",
            "3",
            'ClientError: xgboost: hyperparameter "max_detph" is unknown; did you mean "max_depth"?\n',
        ),
        ("eta", "2.5", 'ClientError: xgboost: hyperparameter "eta" must be a float in [0, 1]; got "2.5"\n'),
    ],
)
def test_wrong_hyperparameter_is_the_users_fault(job: JobDirectory, name: str, value: str, failure: str) -> None:
    outcome = job.hyperparameters({"num_round": 5, name: value}).train("xgboost")
    assert (outcome.code, outcome.failure) == (1, failure)
    assert not job.paths.model.exists()


def test_missing_channel_is_the_users_fault(job: JobDirectory) -> None:
    outcome = job.without_channel("train").train("xgboost")
    assert (outcome.code, outcome.failure) == (
        1, 'ClientError: xgboost: channel "train": the job must have it; got validation\n',
    )  # fmt: skip


def test_unknown_channel_is_the_users_fault(job: JobDirectory) -> None:
    outcome = job.channel("trian", {"part-0.csv": rows(2)}).train("xgboost")
    assert (outcome.code, outcome.failure) == (
        1,
        'ClientError: xgboost: channel "trian": one of train, validation, code is needed; did you mean "train"?\n',
    )


def test_empty_channel_is_the_users_fault(job: JobDirectory) -> None:
    (job.paths.channel("train") / "part-0.csv").unlink()
    outcome = job.train("xgboost")
    assert outcome.code == 1
    assert outcome.failure is not None
    assert outcome.failure.startswith('ClientError: channel "train": ')


def test_wrong_content_type_is_the_users_fault(job: JobDirectory) -> None:
    outcome = job.channel("train", {"part-0.csv": rows(0)}, content_type="image/png").train("xgboost")
    assert (outcome.code, outcome.failure) == (
        1,
        'ClientError: xgboost: channel "train": content type one of text/libsvm, text/x-libsvm, libsvm, text/csv, csv, '
        "application/x-parquet, parquet, application/x-recordio-protobuf, recordio-protobuf; "
        'got "image/png"\n',
    )


def test_header_row_is_the_users_fault(job: JobDirectory) -> None:
    outcome = job.channel("train", {"part-0.csv": rows(0, b"label,a,b,c\n")}).train("xgboost")
    assert outcome.code == 1
    assert outcome.failure is not None
    assert outcome.failure.startswith('ClientError: channel "train", part-0.csv, line 1')


def test_unknown_algorithm_is_a_usage_error(job: JobDirectory) -> None:
    outcome = job.train("no-such-algorithm")
    assert outcome.code == 2
    assert outcome.failure is not None
    assert outcome.failure.startswith("ClientError: algorithm: one that is installed (")


def test_json_logs_are_one_object_a_line_beside_metric_lines(job: JobDirectory) -> None:
    import json

    outcome = job.train("xgboost", {"SAGECASK_LOG_FORMAT": "json"})
    lines = [line for line in outcome.log.splitlines() if not line.startswith("[")]
    assert all(json.loads(line)["msg"] for line in lines)


def test_sigterm_leaves_model_and_checkpoint_and_exits_clean(job: JobDirectory) -> None:
    job.paths.checkpoints.mkdir()
    job.hyperparameters({"num_round": 1_000_000, "objective": "binary:logistic", "max_depth": 1})
    with job.start("xgboost") as process:
        wait_for("[3]\t", process)
        process.terminate()
        log, _ = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert job.failure is None
    assert (job.paths.model / "xgboost-model").stat().st_size > 0
    assert list(job.paths.checkpoints.glob("xgboost-checkpoint.*"))


def test_killed_training_process_is_named_in_the_failure_file(job: JobDirectory) -> None:
    job.hyperparameters({"num_round": 1_000_000, "objective": "binary:logistic", "max_depth": 1})
    with job.start("xgboost") as process:
        wait_for("[0]\t", process)
        os.kill(child_of(process), signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode == 3
    assert job.failure == (
        "AlgorithmError: training process: must end by itself; "
        "got signal 9 (SIGKILL: killed from outside, mostly for want of memory)\n"
    )


def test_sigterm_before_training_begins_exits_clean(job: JobDirectory) -> None:
    with job.start("xgboost") as process:
        child_of(process)
        process.terminate()
        log, _ = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert job.failure is None


def test_folder_that_cannot_be_written_is_named(job: JobDirectory) -> None:
    job.paths.model.write_text("a file where the folder should be")
    outcome = job.train("xgboost")
    assert outcome.code == 3
    assert outcome.failure is not None
    assert outcome.failure.startswith(
        f"InternalServerError: {job.paths.model}: space and leave to write the model; got File exists\n"
    )
