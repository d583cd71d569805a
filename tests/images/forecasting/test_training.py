"""Training that is cut off: what a killed or stopped container leaves, and what the next one makes of it."""

import json
import re
import signal
from pathlib import Path

import pytest

from sagecask.testing.container import TrackedContainer, mounted, train_in

pytestmark = pytest.mark.image

REQUEST = Path(__file__).parents[3] / "containers" / "forecasting" / "examples" / "forecasting-deepar" / "request.json"
MODEL = "model_algo-1"
# any user of group 0, no capability, no network, nothing writable but /tmp
HARDENED = {"user": "4321:0", "read_only": True, "tmpfs": {"/tmp": ""}, "cap_drop": ["ALL"]}


def changed(job, **values) -> None:
    given = json.loads(job.paths.hyperparameters.read_text())
    job.hyperparameters(given | values)


def epochs(log: str) -> list[int]:
    """Return the epochs that a log tells the loss of."""
    return [int(number) for number in re.findall(r"epoch=(\d+), train loss", log)]


def test_killed_container_leaves_checkpoints_from_which_the_next_learns_the_same(image, job):
    changed(job, epochs=1000, early_stopping_patience=1000)
    job.paths.checkpoints.mkdir()
    with TrackedContainer(image, "train", volumes=mounted(job.root)) as container:
        container.wait_for_log("epoch=3, train loss")
        container.container.kill(signal.SIGKILL)
        assert container.wait() == 137
        killed_after = epochs(container.log)[-1]
    assert not (job.paths.model / MODEL).exists()

    changed(job, epochs=killed_after + 3)
    outcome = train_in(image, job)
    assert (outcome.code, outcome.failure) == (0, None)
    first, *_, last = epochs(outcome.log)
    assert killed_after <= first <= killed_after + 1
    assert last == killed_after + 2
    resumed = (job.paths.model / MODEL).read_bytes()

    for checkpoint in job.paths.checkpoints.iterdir():
        checkpoint.unlink()
    outcome = train_in(image, job)
    assert epochs(outcome.log)[0] == 0
    assert (job.paths.model / MODEL).read_bytes() == resumed


def test_stopped_container_leaves_a_model_that_is_served(image, job):
    changed(job, epochs=100_000, early_stopping_patience=100_000)
    with TrackedContainer(image, "train", volumes=mounted(job.root)) as container:
        container.wait_for_log("epoch=1, train loss")
        container.container.stop(timeout=120)
        assert container.state["ExitCode"] == 0
    assert job.failure is None
    with TrackedContainer(image, "serve", volumes=mounted(job.root, "ro"), **HARDENED) as container:
        container.wait_until_ready()
        answer = container.invoke(REQUEST.read_bytes(), "application/json")
    assert answer.status == 200, answer.body
    forecasts = json.loads(answer.body)["predictions"]
    asked = json.loads(REQUEST.read_bytes())
    assert len(forecasts) == len(asked["instances"])
    assert forecasts[0]["quantiles"].keys() == set(asked["configuration"]["quantiles"])
