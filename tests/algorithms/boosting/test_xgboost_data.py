"""Data rules: weights, formats, files and folders, and what is refused before the library sees it."""

from __future__ import annotations

import io
import math
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost as xgb
from sagecask_boosting.xgboost.data import survival_bounds

from sagecask.errors import DataError, UserError
from sagecask.formats import Batch, recordio


def exactly(message):
    return f"^{re.escape(message)}$"


def test_csv_weights_make_the_second_column_a_weight(features, xgboost_job):
    labels, weights = np.nan_to_num(features[:, 0]), np.arange(200) % 5 + 0.5
    model = xgboost_job.rows("train", labels, weights, features).fit(csv_weights="1")
    data = xgb.DMatrix(features, label=labels, weight=weights)
    expected = xgb.train({"nthread": 1}, data, 3).predict(xgb.DMatrix(features))
    np.testing.assert_allclose(model.scores(Batch(features)), expected, rtol=0, atol=1e-6)


def test_libsvm_weights_and_zero_based_columns_are_read(xgboost_job):
    lines = b"1:0.5 1:1 3:2\n0:1 1:3\n1:1 3:1\n0:2 1:4\n" * 10
    model = xgboost_job.directory.channel("train", {"a": lines}, None) and xgboost_job.fit(min_child_weight="0")
    nan = np.nan
    dense = np.array([[nan, 1, nan, 2], [nan, 3, nan, nan], [nan, nan, nan, 1], [nan, 4, nan, nan]] * 10, np.float32)
    data = xgb.DMatrix(dense, label=[1, 0, 1, 0] * 10, weight=[0.5, 1, 1, 2] * 10)
    expected = xgb.train({"nthread": 1, "min_child_weight": 0}, data, 3)
    assert model.boosters[0].num_features() == 4
    np.testing.assert_allclose(model.scores(Batch(dense)), expected.predict(xgb.DMatrix(dense)), rtol=0, atol=1e-6)


def test_every_format_gives_the_same_model(features, xgboost_job):
    labels = np.nan_to_num(features[:, 0])
    batch = Batch(features, labels)
    table = pa.table({f"c{index}": column for index, column in enumerate((labels, *features.T))})
    parquet = io.BytesIO()
    pq.write_table(table, parquet)
    libsvm = "".join(
        f"{label!r} " + " ".join(f"{at}:{cell!r}" for at, cell in enumerate(row) if not math.isnan(cell)) + "\n"
        for label, row in zip(labels.tolist(), features.tolist(), strict=True)
    )
    files = {
        "application/x-parquet": parquet.getvalue(),
        "application/x-recordio-protobuf": recordio.write(batch),
        "text/libsvm": libsvm.encode(),
    }
    expected = xgboost_job.rows("train", labels, features).fit().boosters[0].get_dump()
    xgboost_job.directory.without_channel("train")
    for content_type, content in files.items():
        shutil.rmtree(xgboost_job.directory.paths.checkpoints)
        xgboost_job.directory.channel("train", {"data": content}, content_type)
        assert xgboost_job.fit().boosters[0].get_dump() == expected, content_type


def test_code_channel_is_accepted_and_not_read(features, xgboost_job):
    xgboost_job.rows("train", features[:, 1] > 0, features)
    xgboost_job.directory.channel("code", {"sourcedir.tar.gz": b"anything"}, "text/python")
    assert list(xgboost_job.prepare().channels) == ["train"]


def test_validation_may_have_wider_sparse_rows_than_train(xgboost_job):
    xgboost_job.directory.channel("train", {"a": b"1 0:1\n0 1:3\n" * 5}, "libsvm")
    xgboost_job.directory.channel("validation", {"a": b"1 0:1\n0 4:3\n"}, "libsvm")
    assert xgboost_job.fit().boosters[0].num_features() == 5


def test_validation_is_read_with_the_content_type_of_train(features, xgboost_job):
    xgboost_job.rows("train", features[:, 1] > 0, features, content_type="csv")
    xgboost_job.rows("validation", features[:, 1] > 0, features, content_type="text/libsvm", name="v.csv")
    assert len(xgboost_job.fit().boosters) == 1


def test_validation_of_another_width_is_refused(features, xgboost_job):
    xgboost_job.rows("train", features[:, 1] > 0, features).rows("validation", features[:, 1] > 0, features[:, :3])
    message = 'channel "validation": rows of 4 features as in channel "train"; got 3'
    with pytest.raises(DataError, match=exactly(message)):
        xgboost_job.fit()


def test_empty_validation_channel_is_refused(features, xgboost_job):
    xgboost_job.rows("train", features[:, 1] > 0, features).directory.channel("validation", {})
    with pytest.raises(DataError, match=exactly('channel "validation": at least one row is needed; got none')):
        xgboost_job.fit()


def test_hidden_file_is_refused(features, xgboost_job):
    xgboost_job.rows("train", features[:, 1] > 0, features, name=".part.csv")
    with pytest.raises(DataError, match=r'^channel "train", \.part\.csv: '):
        xgboost_job.fit()


def test_files_below_three_folders_are_left_out_with_a_warning(xgboost_job, caplog):
    rows = b"1,2\n0,3\n"
    xgboost_job.directory.channel("train", {"a/b/one.csv": rows, "a/b/c/two.csv": rows})
    xgboost_job.fit()
    warning = 'channel "train": files deeper than 3 folders are left out; 1 found, such as a/b/c/two.csv'
    assert warning in caplog.messages


BAD_LABELS = {
    "binary:logistic": ([0, 1, 2], "row 3: labels in [0, 1] with objective binary:logistic; got 2"),
    "binary:logitraw": ([0, -1, 1], "row 2: labels in [0, 1] with objective binary:logitraw; got -1"),
    "reg:logistic": ([0, 1, 1.5], "row 3: labels in [0, 1] with objective reg:logistic; got 1.5"),
    "multi:softmax": ([0, 1, 3], "row 3: whole labels in [0, 3) with objective multi:softmax; got 3"),
    "multi:softprob": ([0, 0.5, 1], "row 2: whole labels in [0, 3) with objective multi:softprob; got 0.5"),
    "count:poisson": ([0, 1, -1], "row 3: labels of at least 0 with objective count:poisson; got -1"),
    "reg:tweedie": ([-2, 1, 1], "row 1: labels of at least 0 with objective reg:tweedie; got -2"),
    "reg:gamma": ([1, 1, 0], "row 3: labels above 0 with objective reg:gamma; got 0"),
    "reg:squaredlogerror": ([1, 1, -1], "row 3: labels above -1 with objective reg:squaredlogerror; got -1"),
    "rank:ndcg": ([1, 32, 0], "row 2: whole labels from 0 to 31 with objective rank:ndcg; got 32"),
    "rank:map": ([1, 2, 0], "row 2: labels 0 and 1 with objective rank:map; got 2"),
    "survival:aft": ([1, 2, 0], "row 3: labels other than 0 with objective survival:aft; got 0"),
}


@pytest.mark.parametrize("objective", BAD_LABELS)
def test_labels_outside_what_the_objective_takes_are_refused(objective, xgboost_job):
    labels, fault = BAD_LABELS[objective]
    xgboost_job.rows("train", labels, [[1, 2], [3, 4], [5, 6]])
    with pytest.raises(DataError, match=exactly('channel "train", ' + fault)):
        xgboost_job.fit(objective=objective, **({"num_class": "3"} if objective.startswith("multi") else {}))


@pytest.mark.parametrize("objective", ["count:poisson", "reg:tweedie", "survival:cox"])
def test_labels_without_one_above_zero_are_refused(objective, xgboost_job):
    xgboost_job.rows("train", [0, 0, 0], [[1, 2], [3, 4], [5, 6]])
    with pytest.raises(DataError, match=f'^channel "train": a label above 0 with objective {objective}; got none$'):
        xgboost_job.fit(objective=objective)


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (b"1,-1,2\n0,1,3\n", ", row 1: finite weights of at least 0; got -1"),
        (b"1,0,2\n0,0,3\n", ": a weight above 0; got 0 in every row"),
    ],
    ids=["negative", "all zero"],
)
def test_weights_that_weigh_nothing_are_refused(rows, fault, xgboost_job):
    xgboost_job.directory.channel("train", {"a.csv": rows})
    with pytest.raises(DataError, match=exactly('channel "train"' + fault)):
        xgboost_job.fit(csv_weights="1")


def test_auc_of_one_class_is_refused(features, xgboost_job):
    xgboost_job.rows("train", features[:, 1] > 0.5, features).rows("validation", np.ones(200), features)
    with pytest.raises(
        DataError, match=exactly('channel "validation": rows of both classes for metric auc or aucpr; got one class')
    ):
        xgboost_job.fit(objective="binary:logistic", eval_metric="auc")


def test_class_metrics_of_soft_labels_are_refused(features, xgboost_job):
    xgboost_job.rows("train", np.nan_to_num(features[:, 0]), features)
    with pytest.raises(DataError, match=r'^channel "train", row 1: whole labels for metrics of classes; got 0\.\d+$'):
        xgboost_job.fit(objective="reg:logistic", eval_metric="accuracy")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (
            {"eval_metric": "accuracy"},
            'metric "accuracy" needs an objective of binary:*, multi:* or reg:logistic; got objective '
            '"reg:squarederror"',
        ),
        (
            {"objective": "multi:softmax", "num_class": "3", "eval_metric": "f1_binary"},
            'metric "f1_binary" needs two classes; got num_class 3',
        ),
        (
            {"objective": "multi:softmax", "num_class": "3", "eval_metric": "logloss"},
            'metric "logloss" needs an objective with one output a row; got objective "multi:softmax"',
        ),
        (
            {"eval_metric": "merror"},
            'metric "merror" needs an objective of multi:*; got objective "reg:squarederror"',
        ),
        (
            {"objective": "rank:ndcg", "eval_metric": "ndcg@0"},
            'metric "ndcg@0" needs a whole number of at least 1 after the @; got "0"',
        ),
        ({"max_bin": "1"}, 'hyperparameter "max_bin" must be at least 2; got 1'),
        (
            {"tree_method": "exact", "max_depth": "0"},
            'hyperparameter "max_depth" must be at least 1 with tree_method exact; got 0',
        ),
        (
            {"tree_method": "hist", "monotone_constraints": "(0,0,0,1,1)"},
            'hyperparameter "monotone_constraints" must have at most one entry per feature (4); got 5',
        ),
        (
            {"objective": "binary:logistic", "base_score": "1"},
            'hyperparameter "base_score" must be in (0, 1) with objective binary:logistic; got 1.0',
        ),
        (
            {"objective": "count:poisson", "base_score": "0"},
            'hyperparameter "base_score" must be above 0 with objective count:poisson; got 0.0',
        ),
        (
            {"updater": "prune,grow_colmaker"},
            'hyperparameter "updater" must begin with one that grows trees; got "prune,grow_colmaker"',
        ),
        (
            {"tree_method": "exact", "sampling_method": "gradient_based"},
            'hyperparameter "sampling_method" must be uniform where trees are built exactly; got "gradient_based"',
        ),
        (
            {"process_type": "update", "updater": "refresh"},
            'hyperparameter "process_type" must be default, for a job brings no trees to update; got "update"',
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(reversed(value)),
)
def test_what_the_library_would_fail_on_is_refused_before(given, fault, features, xgboost_job):
    xgboost_job.rows("train", features[:, 1] > 0.5, features)
    with pytest.raises(UserError, match=exactly("xgboost: " + fault)):
        xgboost_job.fit(**given)


def test_survival_labels_below_zero_are_censored():
    lower, upper = survival_bounds(np.array([2.0, -3.0], np.float32))
    assert (lower.tolist(), upper.tolist()) == ([2.0, 3.0], [2.0, np.inf])
