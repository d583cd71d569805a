"""Training jobs in the image of XGBoost, good ones and bad ones, seen from outside."""

import json
import re
import signal
import subprocess

import numpy as np
import pytest

from sagecask.testing.container import Executed, TrackedContainer, mounted, train_in

pytestmark = pytest.mark.image

MODEL_FILES = {"xgboost-model", "sagecask.json"}
GIVEN = {"num_round": 100, "objective": "binary:logistic"}
# what a hardened cluster allows: any user of group 0, no capability, no network, nothing writable but mounts and /tmp
HARDENED = {
    "user": "4321:0",
    "read_only": True,
    "tmpfs": {"/tmp": ""},
    "network_mode": "none",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}


def error_line(text: str) -> str:
    """Return an expression for the line of the log that says what the failure file says."""
    return r"[\d:, -]+ ERROR \S+: " + re.escape(text)


def open_to_group_0(root) -> None:
    subprocess.run(["chgrp", "-R", "0", root], check=True)
    subprocess.run(["chmod", "-R", "g+rwX", root], check=True)


def training_process(container) -> str:
    """Return the process id, inside the container, of the child that trains."""
    found = container.run("sh", "-c", "grep -lz '[s]agecask.train.run' /proc/[0-9]*/cmdline").output
    return re.search(r"/proc/(\d+)/", found).group(1)


def test_a_job_ends_with_a_model_and_no_failure(image, job):
    outcome = train_in(image, job)
    assert (outcome.code, outcome.failure) == (0, None)
    assert {path.name for path in job.paths.model.iterdir()} == MODEL_FILES
    assert json.loads((job.paths.model / "sagecask.json").read_text())["algorithm"] == "xgboost"
    assert re.search(r"^\[99\].train-logloss:0\.\d+.validation-logloss:0\.\d+$", outcome.log, flags=re.MULTILINE)


def test_the_executable_train_alone_is_an_entry_point(image, job):
    with TrackedContainer(image, entrypoint=["train"], volumes=mounted(job.root)) as container:
        assert container.wait() == 0
    assert (job.paths.model / "xgboost-model").exists()


def test_the_family_image_trains_the_algorithm_that_is_named(image, job):
    family = image.replace("xgboost", "boosting")
    assert train_in(family, job, environment={"SAGECASK_ALGORITHM": "xgboost"}).code == 0


def test_a_hardened_container_trains(image, job):
    open_to_group_0(job.root)
    outcome = train_in(image, job, **HARDENED)
    assert (outcome.code, outcome.failure) == (0, None)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in job.paths.model.iterdir()} == {(4321, 0)}


def test_what_root_wrote_belongs_to_the_owner_of_the_folder(image, job):
    subprocess.run(["chown", "-R", "1234:4321", job.root], check=True)
    assert train_in(image, job).code == 0
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in job.root.rglob("*")}
    assert owners == {(1234, 4321)}


def unknown_hyperparameter(job):
    job.hyperparameters(GIVEN | {"max_detph": 3})


def missing_channel(job):
    job.without_channel("train")


def empty_channel(job):
    (job.paths.channel("train") / "part-0.csv").unlink()


def header_row(job):
    path = job.paths.channel("train") / "part-0.csv"
    path.write_bytes(b"label,a,b,c,d,e\n" + path.read_bytes())


def ragged_row(job):
    path = job.paths.channel("train") / "part-0.csv"
    path.write_bytes(path.read_bytes() + b"1,2,3\n")


def wrong_content_type(job):
    job.channel("train", {"part-0.csv": b"{}"}, content_type="application/json")


BAD_INPUT = [
    (unknown_hyperparameter, 'xgboost: hyperparameter "max_detph" is unknown; did you mean "max_depth"?'),
    (missing_channel, 'xgboost: channel "train": the job must have it; got validation'),
    (empty_channel, 'channel "train": at least one row is needed; got none'),
    (
        header_row,
        'channel "train", part-0.csv, line 1: numbers without a header row are needed; '
        'got a header row (column 1 is "label")',
    ),
    (ragged_row, 'channel "train", part-0.csv, line 301: 3 columns, expected 6 (1 label, 5 features)'),
    (
        wrong_content_type,
        'xgboost: channel "train": content type one of text/libsvm, text/x-libsvm, libsvm, text/csv, csv, '
        "application/x-parquet, parquet, application/x-recordio-protobuf, recordio-protobuf; "
        'got "application/json"',
    ),
]


@pytest.mark.parametrize(("spoil", "message"), BAD_INPUT, ids=[spoil.__name__ for spoil, _ in BAD_INPUT])
def test_bad_input_is_the_users_fault_and_named(image, job, spoil, message):
    spoil(job)
    outcome = train_in(image, job, (error_line(f"ClientError: {message}"),))
    assert (outcome.code, outcome.failure) == (1, f"ClientError: {message}\n")


@pytest.mark.parametrize(("full", "what"), [("model", "the model"), ("checkpoints", "checkpoints")])
def test_a_full_disk_is_named(image, job, full, what):
    outcome = train_in(image, job, (".*",), tmpfs={f"/opt/ml/{full}": "size=16k"})
    assert outcome.code == 3
    assert outcome.failure.partition("\n")[0] == (
        f"InternalServerError: /opt/ml/{full}: space and leave to write {what}; got No space left on device"
    )


def test_a_training_process_killed_from_outside_is_named(image, job):
    job.hyperparameters(GIVEN | {"num_round": 1_000_000})
    message = (
        "AlgorithmError: training process: must end by itself; got signal 9 "
        "(SIGKILL: killed from outside, mostly for want of memory)"
    )
    with TrackedContainer(image, "train", expected=(error_line(message),), volumes=mounted(job.root)) as container:
        container.wait_for_log(r"\[3\]")
        container.run("sh", "-c", f"kill -9 {training_process(container)}")
        assert container.wait() == 3
    assert job.failure == message + "\n"


def test_a_job_out_of_memory_is_named(image, job):
    wide = np.random.default_rng(1).normal(size=(2_000, 100))
    block = "".join("1," + ",".join(f"{value:.5f}" for value in row) + "\n" for row in wide).encode()
    job.channel("train", {f"part-{number}.csv": block for number in range(50)}).without_channel("validation")
    message = (
        "AlgorithmError: training process: must end by itself; got signal 9 "
        "(SIGKILL: out of memory: the data or the model need a larger machine or memory limit)"
    )
    limits = {"mem_limit": "160m", "memswap_limit": "160m"}
    outcome = train_in(image, job, (error_line(message),), **limits)
    assert (outcome.code, outcome.failure) == (3, message + "\n")


def done_rounds(log: str) -> list[int]:
    return [int(number) for number in re.findall(r"^\[(\d+)\]", log, flags=re.MULTILINE)]


def test_a_stopped_job_leaves_a_model_and_checkpoints_and_the_next_one_goes_on(image, job):
    job.hyperparameters(GIVEN | {"num_round": 1_000_000})
    (job.root / "checkpoints").mkdir()
    with TrackedContainer(image, "train", volumes=mounted(job.root)) as container:
        container.wait_for_log(r"\[20\]")
        container.container.stop(timeout=120)
        assert container.state["ExitCode"] == 0
        stopped_after = done_rounds(container.log)[-1]
    assert job.failure is None
    assert {path.name for path in job.paths.model.iterdir()} == MODEL_FILES
    assert any((job.root / "checkpoints").iterdir())

    job.hyperparameters(GIVEN | {"num_round": stopped_after + 11})
    outcome = train_in(image, job)
    assert (outcome.code, outcome.failure) == (0, None)
    assert done_rounds(outcome.log) == list(range(stopped_after + 1, stopped_after + 11))


def test_a_killed_container_leaves_checkpoints_from_which_the_next_one_goes_on(image, job):
    job.hyperparameters(GIVEN | {"num_round": 1_000_000})
    (job.root / "checkpoints").mkdir()
    with TrackedContainer(image, "train", volumes=mounted(job.root)) as container:
        container.wait_for_log(r"\[20\]")
        container.container.kill(signal.SIGKILL)
        assert container.wait() == 137
        killed_after = done_rounds(container.log)[-1]
    job.hyperparameters(GIVEN | {"num_round": killed_after + 11})
    outcome = train_in(image, job)
    assert (outcome.code, outcome.failure) == (0, None)
    first, *_, last = done_rounds(outcome.log)
    assert killed_after - 1 <= first <= killed_after + 1
    assert last == killed_after + 10


def test_a_training_container_is_healthy_while_it_trains(image, job):
    job.hyperparameters(GIVEN | {"num_round": 1_000_000})
    with TrackedContainer(image, "train", volumes=mounted(job.root)) as container:
        container.wait_for_log(r"\[3\]")
        check = container.container.attrs["Config"]["Healthcheck"]["Test"][1:]
        assert container.run(*check) == Executed(0, "")
