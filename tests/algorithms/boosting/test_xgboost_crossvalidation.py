"""Cross validation: folds, models, the metric line of a repeat, predictions of held-out rows."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sagecask_boosting.xgboost.crossvalidation import split

from sagecask import artifact
from sagecask.algorithm import InferenceSettings
from sagecask.errors import DataError
from sagecask.formats import Batch


@given(st.integers(2, 40), st.integers(2, 5), st.integers(-5, 5))
def test_every_row_is_held_out_once(count, folds, seed):
    parts = list(split(count, folds, (seed, 0)))
    assert sorted(np.concatenate([test for _, test in parts]).tolist()) == list(range(count))
    for train, test in parts:
        assert sorted([*train, *test]) == list(range(count))
        assert abs(len(test) - count / folds) < 1


@given(st.lists(st.integers(0, 2), min_size=6, max_size=60))
def test_folds_of_classes_hold_like_shares(classes):
    labels = np.array(classes, np.float32)
    for _, test in split(len(labels), 3, (0, 0), labels):
        for label in (0, 1, 2):
            assert abs((labels[test] == label).sum() - (labels == label).sum() / 3) <= 1


def test_folds_depend_on_seed_and_repeat_alone():
    first, again, other, repeat = (
        [test.tolist() for _, test in split(20, 2, seed)] for seed in ((1, 0), (1, 0), (2, 0), (1, 1))
    )
    assert first == again
    assert first != other
    assert first != repeat


def predictions(job):
    with (job.directory.paths.output_data / "predictions.csv").open(newline="") as file:
        return np.array([[float(cell) for cell in row] for row in csv.reader(file)])


@pytest.mark.parametrize("objective", ["binary:logistic", "binary:logitraw", "binary:hinge", "multi:softmax"])
def test_classes_give_models_means_and_predictions(objective, features, xgboost_job, capsys):
    known = np.nan_to_num(features[:, 0])
    labels = (np.floor(2.99 * known) if objective == "multi:softmax" else known > 0.5).astype(np.float32)
    xgboost_job.rows("train", labels[:150], features[:150])
    xgboost_job.rows("validation", labels[150:], features[150:])
    many = {"num_class": "3"} if objective == "multi:softmax" else {}
    model = xgboost_job.fit(
        objective=objective, num_round="4", _kfold="3", _num_cv_round="2", eval_metric="accuracy", **many
    )
    assert len(model.boosters) == 6
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * (3 * 4 + 1)
    for repeat in (lines[:13], lines[13:]):
        last = [float(re.search(r"validation-accuracy:(\S+)", repeat[index])[1]) for index in (3, 7, 11)]
        assert repeat[12].startswith("[4]\ttrain-")
        mean = float(re.search(r"validation-accuracy:(\S+)", repeat[12])[1])
        assert mean == pytest.approx(np.mean(last), abs=2e-5)
    table = predictions(xgboost_job)
    assert table.shape == (200, 3)
    np.testing.assert_array_equal(table[:, 0], labels)
    assert ((table[:, 1] >= 0) & (table[:, 1] <= 1)).all()
    assert (table[:, 2] == labels).mean() > 0.8


def test_numbers_give_label_and_mean_prediction_of_held_out_rows(features, xgboost_job):
    labels = np.nan_to_num(features[:, 0])
    model = xgboost_job.rows("train", labels, features).fit(_kfold="2", seed="3")
    table = predictions(xgboost_job)
    expected = np.empty(200)
    for booster, (_, test) in zip(model.boosters, split(200, 2, (3, 0)), strict=True):
        expected[test] = booster.inplace_predict(features[test])
    assert table.shape == (200, 2)
    np.testing.assert_allclose(table[:, 1], expected, rtol=1e-6)


def test_models_are_numbered_and_answer_together(features, xgboost_job, tmp_path):
    model = xgboost_job.rows("train", np.nan_to_num(features[:, 0]), features).fit(_kfold="2")
    artifact.save(model, tmp_path / "model", xgboost_job.algorithm.declaration)
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert names == ["sagecask.json", "xgboost-model-0", "xgboost-model-1"]
    loaded = xgboost_job.algorithm.load(tmp_path / "model", InferenceSettings())
    each = [booster.inplace_predict(features) for booster in model.boosters]
    np.testing.assert_allclose(loaded.scores(Batch(features)), np.mean(each, axis=0), rtol=1e-6)


def test_checkpoints_of_a_fold_lie_in_its_folder_and_are_taken_up(features, xgboost_job, capsys):
    xgboost_job.rows("train", np.nan_to_num(features[:, 0]), features)
    first = xgboost_job.fit(_kfold="2")
    folders = sorted(path.name for path in xgboost_job.directory.paths.checkpoints.iterdir())
    assert folders == ["model-0", "model-1"]
    means = capsys.readouterr().out.splitlines()[-1]
    again = xgboost_job.fit(_kfold="2")
    assert [each.get_dump() for each in again.boosters] == [each.get_dump() for each in first.boosters]
    # no round is left, so the line of the repeat is all there is
    assert capsys.readouterr().out.splitlines() == [means]


def test_fewer_rows_than_folds_are_refused(xgboost_job):
    xgboost_job.rows("train", [1, 2, 3], [[1], [2], [3]])
    message = "channels train and validation together: at least 4 rows for 4 folds; got 3"
    with pytest.raises(DataError, match=f"^{message}$"):
        xgboost_job.fit(_kfold="4")
