"""Hosts that do not have rows alike."""

import re
from pathlib import Path

from sagecask.testing.hosts import on_two_hosts, train_on_hosts

EXAMPLE = Path(__file__).parents[3] / "containers" / "vectors" / "examples" / "linear-learner"


def test_a_host_without_rows_trains_along(tmp_path):
    jobs = on_two_hosts(EXAMPLE, tmp_path, sharded=True)
    for path in jobs[1].paths.channel("train").iterdir():
        path.unlink()
    outcomes = train_on_hosts(jobs, "linear-learner")
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes[1].log
    assert (jobs[0].paths.model / "model_algo-1").exists()
    losses = [re.findall(r", train \S+ <\S+>=(\S+)", outcome.log) for outcome in outcomes]
    assert losses[0]
    assert losses[0] == losses[1]
