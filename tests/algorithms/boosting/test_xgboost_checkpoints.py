"""Checkpoints, resuming, and the stop signal."""

from __future__ import annotations

import json
import re
import signal

import numpy as np
import pytest
import xgboost as xgb

from sagecask.algorithm import InferenceSettings
from sagecask.errors import AlgorithmError, ModelDataError
from sagecask.formats import Batch


def checkpoints(job):
    return sorted(path.name for path in job.directory.paths.checkpoints.iterdir())


class StopAfter:
    """Asks for the end once a round's checkpoint is there."""

    def __init__(self, job, index):
        self.path = job.directory.paths.checkpoints / f"xgboost-checkpoint.{index}"

    def __call__(self):
        return self.path.exists()


def test_last_five_rounds_are_kept_and_are_models(features, xgboost_job):
    model = xgboost_job.rows("train", np.nan_to_num(features[:, 0]), features).fit(num_round="8")
    assert checkpoints(xgboost_job) == [f"xgboost-checkpoint.{index}" for index in range(3, 8)]
    last = xgb.Booster()
    last.load_model(bytearray((xgboost_job.directory.paths.checkpoints / "xgboost-checkpoint.7").read_bytes()))
    assert last.get_dump() == model.boosters[0].get_dump()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"tree_method": "exact"},
        {"tree_method": "approx"},
        {"objective": "binary:logistic", "eval_metric": "auc,accuracy"},
        {"objective": "binary:logistic", "num_parallel_tree": "2", "grow_policy": "lossguide"},
        {"booster": "gblinear", "updater": "coord_descent"},
    ],
    ids=lambda given: next(iter(given.values()), "default"),
)
def test_resumed_training_gives_the_model_of_one_run(given, features, xgboost_job, capsys, tmp_path):
    labels = np.nan_to_num(features[:, 0]) > 0.5
    xgboost_job.rows("train", labels, features).rows("validation", labels, features, name="v.csv")
    xgboost_job.stop = StopAfter(xgboost_job, 3)
    first = xgboost_job.fit(num_round="9", **given)
    assert first.boosters[0].num_boosted_rounds() == 4
    xgboost_job.stop = lambda: False
    resumed = xgboost_job.fit(num_round="9", **given)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [f"[{index}]" for index in range(9)]
    for path in xgboost_job.directory.paths.checkpoints.iterdir():
        path.unlink()
    whole = xgboost_job.fit(num_round="9", **given)
    assert bytes(resumed.boosters[0].save_raw("json")) == bytes(whole.boosters[0].save_raw("json"))
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize("booster", ["gbtree", "dart", "gblinear"])
def test_early_stopping_remembers_the_best_round_over_a_restart(booster, features, xgboost_job, capsys):
    labels = features[:, 1] > 0.5
    noise = np.random.default_rng(3).permutation(labels)
    xgboost_job.rows("train", labels, features).rows("validation", noise, features, name="v.csv")
    # in dart without dropped trees nothing is drawn, so a resumed run can equal a whole one
    given = {"objective": "binary:logistic", "eval_metric": "logloss", "early_stopping_rounds": "4", "booster": booster}
    given |= {"updater": "coord_descent", "eta": "1"} if booster == "gblinear" else {}
    whole = xgboost_job.fit(num_round="40", **given)
    lines = capsys.readouterr().out.splitlines()
    for path in xgboost_job.directory.paths.checkpoints.iterdir():
        path.unlink()
    # two rounds before the end the best round is known and patience half used up
    xgboost_job.stop = StopAfter(xgboost_job, len(lines) - 3)
    xgboost_job.fit(num_round="40", **given)
    xgboost_job.stop = lambda: False
    resumed = xgboost_job.fit(num_round="40", **given)
    assert capsys.readouterr().out.splitlines() == lines
    np.testing.assert_array_equal(resumed.scores(Batch(features)), whole.scores(Batch(features)))
    # a third start finds that nothing is left to do
    again = xgboost_job.fit(num_round="40", **given)
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(again.scores(Batch(features)), whole.scores(Batch(features)))


def test_finished_job_trains_no_round_more(features, xgboost_job, capsys):
    xgboost_job.rows("train", np.nan_to_num(features[:, 0]), features)
    first = xgboost_job.fit(num_round="3")
    capsys.readouterr()
    assert xgboost_job.fit(num_round="3").boosters[0].get_dump() == first.boosters[0].get_dump()
    assert capsys.readouterr().out == ""


def test_failure_of_the_library_is_an_algorithm_error_with_its_cause(features, xgboost_job):
    labels = np.nan_to_num(features[:, 0])
    xgboost_job.rows("train", labels, features[:, :3]).fit(num_round="1")
    # more features than the checkpoint's model has
    xgboost_job.rows("train", labels, features)
    with pytest.raises(AlgorithmError, match=r"^xgboost: training failed; got ") as caught:
        xgboost_job.fit(num_round="2")
    assert isinstance(caught.value.__cause__, xgb.core.XGBoostError)
    assert "Stack trace" not in str(caught.value)


def test_damaged_checkpoint_is_named(features, xgboost_job):
    xgboost_job.rows("train", np.nan_to_num(features[:, 0]), features)
    folder = xgboost_job.directory.paths.checkpoints
    folder.mkdir()
    (folder / "xgboost-checkpoint.4").touch()
    what = "a model of XGBoost in UBJSON, JSON or the binary format of 1.x; got an empty file"
    message = f"{folder}/xgboost-checkpoint.4: {what}"
    with pytest.raises(ModelDataError, match=f"^{re.escape(message)}$"):
        xgboost_job.fit()


def test_stop_signal_leaves_the_model_of_the_rounds_done(features, job_directory, xgboost_job):
    labels = np.nan_to_num(features[:, 0])
    xgboost_job.rows("train", labels, features)
    job_directory.hyperparameters({"num_round": 100_000, "nthread": 1, "save_model_on_termination": "true"})
    with job_directory.start("xgboost") as process:
        for line in process.stdout:
            if line.startswith("[5]"):
                break
        # save_model_on_termination has written a whole model by now
        assert (job_directory.paths.model / "xgboost-model").stat().st_size
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(timeout=60) == 0
    assert job_directory.failure is None
    model = xgboost_job.algorithm.load(job_directory.paths.model, InferenceSettings())
    rounds = model.boosters[0].num_boosted_rounds()
    assert rounds >= 6
    expected = xgb.train({"nthread": 1}, xgb.DMatrix(features, label=labels), rounds)
    np.testing.assert_allclose(
        model.scores(Batch(features)), expected.predict(xgb.DMatrix(features)), rtol=0, atol=1e-6
    )
    manifest = json.loads((job_directory.paths.model / "sagecask.json").read_text())
    assert manifest["files"] == ["xgboost-model"]
