"""Training: the library's trees, every objective and metric, stopping and data rules."""

from __future__ import annotations

import io
import math
import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost as xgb
from sagecask_boosting.xgboost.algorithm import XGBoost
from sagecask_boosting.xgboost.data import survival_bounds
from sklearn import metrics as oracle

from sagecask.errors import DataError, UserError
from sagecask.formats import Batch, MediaType, recordio
from sagecask.testing.checks import Subject, checks

EXAMPLE = Path(__file__).parents[3] / "containers/boosting/examples/xgboost"
CSV = MediaType.parse("text/csv")
# the library rounds to six decimals, the metric line to five
DECIMALS = 6e-6
OBJECTIVES = {
    "reg:squarederror": lambda x: x,
    "reg:linear": lambda x: x,
    "reg:logistic": lambda x: x,
    "reg:gamma": lambda x: x + 0.1,
    "reg:pseudohubererror": lambda x: x,
    "reg:squaredlogerror": lambda x: x,
    "reg:absoluteerror": lambda x: x,
    "reg:tweedie": lambda x: np.floor(4 * x),
    "binary:logistic": lambda x: x > 0.5,
    "binary:logitraw": lambda x: x > 0.5,
    "binary:hinge": lambda x: x > 0.5,
    "count:poisson": lambda x: np.floor(4 * x),
    "multi:softmax": lambda x: np.floor(2.99 * x),
    "multi:softprob": lambda x: np.floor(2.99 * x),
    "rank:pairwise": lambda x: np.floor(4 * x),
    "rank:ndcg": lambda x: np.floor(4 * x),
    "rank:map": lambda x: x > 0.5,
    "survival:aft": lambda x: np.where(x > 0.8, -x, x + 0.1),
    "survival:cox": lambda x: np.where(x > 0.8, -x, x + 0.1),
}


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return Subject(XGBoost(), EXAMPLE, tmp_path_factory.mktemp("checks"))


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.__name__)
def test_passes(check, subject):
    check(subject)


def exactly(message):
    return f"^{re.escape(message)}$"


def labels_for(objective, features):
    return OBJECTIVES[objective](np.nan_to_num(features[:, 0])).astype(np.float32)


def direct(features, labels, rounds=3, **parameters):
    """Train with the library alone, as its own documentation says."""
    data = xgb.DMatrix(features, label=labels)
    if parameters["objective"] == "survival:aft":
        lower, upper = np.abs(labels), np.where(labels > 0, labels, np.inf)
        data.set_info(label_lower_bound=lower, label_upper_bound=upper)
    with warnings.catch_warnings():
        # reg:linear is deprecated, which is why the container renames it
        warnings.simplefilter("ignore")
        return xgb.train({"nthread": 1} | parameters, data, rounds)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_same_data_parameters_and_seed_give_the_trees_of_the_library(objective, features, xgboost_job):
    labels = labels_for(objective, features)
    given = {"objective": objective, "subsample": "0.8", "colsample_bytree": "0.7", "max_depth": "4", "seed": "7"}
    if objective.startswith("multi:"):
        given["num_class"] = "3"
    model = xgboost_job.rows("train", labels, features).fit(**given)
    expected = direct(features, labels, **given)
    answer = model.predict(Batch(features), CSV).columns["score"]
    np.testing.assert_allclose(answer, expected.predict(xgb.DMatrix(features)), rtol=0, atol=1e-6)
    assert model.boosters[0].get_dump(dump_format="json") == expected.get_dump(dump_format="json")


@pytest.mark.parametrize(
    "given",
    [
        {"booster": "dart", "rate_drop": "0.5", "one_drop": "1", "sample_type": "weighted", "normalize_type": "forest"},
        {"booster": "gblinear", "updater": "coord_descent"},
        {"tree_method": "exact", "monotone_constraints": "(0, 1, 0, -1)"},
        {"tree_method": "approx", "interaction_constraints": "[[0,1],[2,3]]"},
        {"tree_method": "hist", "grow_policy": "lossguide", "max_leaves": "5", "max_bin": "16"},
        {"num_parallel_tree": "3", "subsample": "0.5", "colsample_bynode": "0.5"},
        {"base_score": "0.25", "lambda": "2", "alpha": "0.1", "gamma": "0.01", "min_child_weight": "2"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_other_parameters_give_the_model_of_the_library(given, features, xgboost_job):
    labels = labels_for("reg:squarederror", features)
    model = xgboost_job.rows("train", labels, features).fit(**given)
    expected = direct(features, labels, **(given | {"objective": "reg:squarederror"}))
    np.testing.assert_allclose(
        model.predict(Batch(features), CSV).columns["score"], expected.predict(xgb.DMatrix(features)), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    "given",
    [
        {"sketch_eps": "0.1", "dsplit": "row", "predictor": "cpu_predictor", "prob_buffer_row": "2"},
        {"deterministic_histogram": "true", "single_precision_histogram": "true", "lambda_bias": "0.5"},
        {"updater": "grow_skmaker,prune"},
        {"updater": "distcol"},
        {"num_class": "3"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_parameters_that_the_library_dropped_are_left_out_with_a_line(given, features, xgboost_job, caplog):
    caplog.set_level("INFO")
    labels = labels_for("reg:squarederror", features)
    model = xgboost_job.rows("train", labels, features).fit(**given)
    names = ", ".join(sorted(given) if "updater" not in given else given["updater"].split(","))
    message = f"accepted and left out, for they have no meaning in this release or objective: {names}"
    assert message in caplog.messages
    expected = direct(features, labels, objective="reg:squarederror")
    assert model.boosters[0].get_dump() == expected.get_dump()


def test_gpu_hist_without_a_gpu_is_refused(features, xgboost_job):
    xgboost_job.rows("train", features[:, 1] > 0, features)
    message = 'xgboost: hyperparameter "tree_method" may be gpu_hist on a machine with a GPU; got no GPU'
    with pytest.raises(UserError, match=exactly(message)):
        xgboost_job.fit(tree_method="gpu_hist")


def test_gpu_training_names_every_broken_condition(xgboost_job):
    xgboost_job.directory.channel("train", {"a": b"1 0:1\n"}, "text/libsvm")
    message = "\n".join(
        f'xgboost: hyperparameter "use_dask_gpu_training" needs {fault}'
        for fault in (
            "tree_method gpu_hist or hist; got auto",
            "at least one GPU; got none",
            "a train channel of CSV or Parquet; got text/libsvm",
        )
    )
    with pytest.raises(UserError, match=exactly(message)):
        xgboost_job.fit(use_dask_gpu_training="true")


def test_several_hosts_are_refused(features, xgboost_job):
    xgboost_job.rows("train", features[:, 1] > 0, features)
    with pytest.raises(UserError, match=exactly("xgboost: this version trains on one host; got 2 hosts")):
        xgboost_job.fit(hosts=("algo-1", "algo-2"))


def logged(capsys):
    """Return each metric line as name to value."""
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    return [dict(pair.rsplit(":", 1) for pair in line.split("\t")[1:]) for line in lines]


CLASSES = {
    "accuracy": oracle.accuracy_score,
    "balanced_accuracy": oracle.balanced_accuracy_score,
    "f1": lambda y, p: oracle.f1_score(y, p, average="macro"),
    "f1_macro": lambda y, p: oracle.f1_score(y, p, average="macro"),
    "precision_macro": lambda y, p: oracle.precision_score(y, p, average="macro"),
    "precision_micro": lambda y, p: oracle.precision_score(y, p, average="micro"),
    "recall_macro": lambda y, p: oracle.recall_score(y, p, average="macro"),
    "recall_micro": lambda y, p: oracle.recall_score(y, p, average="micro"),
}
BINARY = {"f1_binary": oracle.f1_score, "precision": oracle.precision_score, "recall": oracle.recall_score}


@pytest.mark.parametrize("objective", ["binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic"])
def test_class_metrics_of_two_classes_take_probability_above_half(objective, features, xgboost_job, capsys):
    labels = labels_for("binary:logistic", features)
    noisy = np.where(np.arange(200) % 7 == 0, 1 - labels, labels)
    names = {**CLASSES, **BINARY}
    xgboost_job.rows("train", noisy, features).rows("validation", labels, features, name="v.csv")
    model = xgboost_job.fit(objective=objective, eval_metric=",".join(names), max_depth="1")
    scores = model.scores(Batch(features))
    predicted = scores > (0 if objective == "binary:logitraw" else 0.5)
    last = logged(capsys)[-1]
    for name, function in names.items():
        assert float(last[f"train-{name}"]) == pytest.approx(function(noisy, predicted), abs=DECIMALS)
        assert float(last[f"validation-{name}"]) == pytest.approx(function(labels, predicted), abs=DECIMALS)


@pytest.mark.parametrize("objective", ["multi:softmax", "multi:softprob"])
def test_class_metrics_of_many_classes_take_the_most_likely(objective, features, xgboost_job, capsys):
    labels = labels_for(objective, features)
    labels[::7] = 0
    xgboost_job.rows("train", labels, features)
    model = xgboost_job.fit(objective=objective, num_class="3", eval_metric=",".join(CLASSES), max_depth="1")
    scores = model.scores(Batch(features))
    predicted = scores.argmax(axis=1) if scores.ndim == 2 else scores
    last = logged(capsys)[-1]
    for name, function in CLASSES.items():
        assert float(last[f"train-{name}"]) == pytest.approx(function(labels, predicted), abs=DECIMALS)


@pytest.mark.parametrize("objective", ["reg:squarederror", "reg:absoluteerror", "count:poisson"])
def test_metrics_of_numbers_are_on_the_scale_of_the_answer_and_unweighted(objective, features, xgboost_job, capsys):
    labels = labels_for("count:poisson", features)
    weights = 1 + np.arange(200) % 3
    xgboost_job.rows("train", labels, weights, features)
    model = xgboost_job.fit(objective=objective, csv_weights="1", eval_metric="rmse,mae,mse,r2")
    scores = model.scores(Batch(features))
    expected = {
        "train-mae": oracle.mean_absolute_error(labels, scores),
        "train-mse": oracle.mean_squared_error(labels, scores),
        "train-r2": oracle.r2_score(labels, scores),
        "train-rmse": oracle.root_mean_squared_error(labels, scores),
    }
    last = logged(capsys)[-1]
    # the library's metric of Poisson comes along, those of the others have a name of ours
    assert sorted(last) == sorted([*expected, *(["train-poisson-nloglik"] if objective == "count:poisson" else [])])
    for name, value in expected.items():
        assert float(last[name]) == pytest.approx(value, abs=DECIMALS)


DEFAULTS = {
    "reg:squarederror": "rmse",
    "binary:logistic": "logloss",
    "multi:softprob": "mlogloss",
    "reg:tweedie": "tweedie-nloglik",
    "rank:map": "map@32",
    "survival:aft": "aft-nloglik",
}


@pytest.mark.parametrize("objective", DEFAULTS)
def test_default_metric_is_that_of_the_library(objective, features, xgboost_job, capsys):
    labels = labels_for(objective, features)
    xgboost_job.rows("train", labels, features)
    xgboost_job.fit(objective=objective, **({"num_class": "3"} if objective.startswith("multi") else {}))
    assert [list(line) for line in logged(capsys)] == [[f"train-{DEFAULTS[objective]}"]] * 3


LIBRARY = {
    "reg:squarederror": "mphe,rmsle,error,error@0.7,logloss,poisson-nloglik,gamma-nloglik",
    "binary:logistic": "auc,aucpr,error,logloss,error@0.3,map,ndcg",
    "multi:softmax": "merror,mlogloss,aucpr",
    "rank:ndcg": "ndcg,ndcg@5",
    "rank:map": "map,map@5,auc",
    "reg:gamma": "gamma-nloglik,gamma-deviance,mape,tweedie-nloglik",
    "survival:aft": "aft-nloglik,interval-regression-accuracy",
}


@pytest.mark.parametrize("objective", LIBRARY)
def test_library_metrics_are_logged_sorted_under_the_names_asked_for(objective, features, xgboost_job, capsys):
    labels = labels_for(objective, features) if objective != "reg:squarederror" else np.arange(200) % 2
    xgboost_job.rows("train", labels, features).rows("validation", labels, features, name="v.csv")
    many = {"num_class": "3"} if objective.startswith("multi") else {}
    xgboost_job.fit(objective=objective, eval_metric=LIBRARY[objective], **many)
    names = sorted(LIBRARY[objective].split(","))
    for line in logged(capsys):
        assert list(line) == [f"{data}-{name}" for data in ("train", "validation") for name in names]
        assert np.isfinite([float(value) for value in line.values()]).all()


def test_metric_lines_have_five_decimals_and_a_tab(features, xgboost_job, capsys):
    xgboost_job.rows("train", features[:, 1] > 0.5, features).rows("validation", features[:, 1] > 0.5, features)
    xgboost_job.fit(num_round="1")
    assert re.fullmatch(r"\[0\]\ttrain-rmse:\d\.\d{5}\tvalidation-rmse:\d\.\d{5}\n", capsys.readouterr().out)


def test_tuning_metric_joins_the_others(features, xgboost_job, capsys):
    labels = features[:, 1] > 0.5
    xgboost_job.rows("train", labels, features).rows("validation", labels, features, name="v.csv")
    xgboost_job.fit(objective="binary:logistic", eval_metric="logloss,error", _tuning_objective_metric="validation:auc")
    assert list(logged(capsys)[0]) == [f"{d}-{m}" for d in ("train", "validation") for m in ("auc", "error", "logloss")]


def noise(features):
    """Validation labels that training cannot learn, so that its metric turns soon."""
    return np.random.default_rng(3).permutation(features[:, 1] > 0.5)


@pytest.mark.parametrize("metric", ["logloss", "auc", "accuracy", "error@0.6"])
@pytest.mark.parametrize("booster", ["gbtree", "dart", "gblinear"])
def test_early_stopping_keeps_the_best_round_as_the_library_does(metric, booster, features, xgboost_job, capsys):
    labels = features[:, 1] > 0.5
    xgboost_job.rows("train", labels, features).rows("validation", noise(features), features, name="v.csv")
    given = {"objective": "binary:logistic", "booster": booster, "seed": "3"}
    if booster == "dart":
        given |= {"rate_drop": "0.3", "one_drop": "1"}
    if booster == "gblinear":
        given |= {"updater": "coord_descent", "eta": "1"}
    model = xgboost_job.fit(num_round="40", eval_metric=f"error,{metric}", early_stopping_rounds="4", **given)
    values = [float(line[f"validation-{metric}"]) for line in logged(capsys)]
    rises = metric in {"auc", "accuracy"}
    best = int(np.argmax(values) if rises else np.argmin(values))
    assert len(values) == min(40, best + 5)
    expected = direct(features, labels, best + 1, **given).predict(xgb.DMatrix(features))
    np.testing.assert_allclose(model.scores(Batch(features)), expected, rtol=0, atol=1e-6)


def test_early_stopping_watches_the_tuning_metric_first(features, xgboost_job, capsys):
    labels = features[:, 1] > 0.5
    xgboost_job.rows("train", labels, features).rows("validation", noise(features), features, name="v.csv")
    xgboost_job.fit(
        objective="binary:logistic", num_round="30", eval_metric="logloss", early_stopping_rounds="3",
        _tuning_objective_metric="validation:auc",
    )  # fmt: skip
    values = [float(line["validation-auc"]) for line in logged(capsys)]
    assert len(values) == min(30, int(np.argmax(values)) + 4)


@pytest.mark.parametrize("given", [{}, {"eval_metric": "logloss"}], ids=["no metric", "no validation"])
def test_early_stopping_without_metric_or_validation_is_ignored(given, features, xgboost_job, capsys):
    labels = features[:, 1] > 0.5
    xgboost_job.rows("train", labels, features)
    if not given:
        xgboost_job.rows("validation", noise(features), features, name="v.csv")
    xgboost_job.fit(objective="binary:logistic", num_round="20", early_stopping_rounds="1", **given)
    assert len(logged(capsys)) == 20


def test_csv_weights_make_the_second_column_a_weight(features, xgboost_job):
    labels, weights = labels_for("reg:squarederror", features), np.arange(200) % 5 + 0.5
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
    labels = labels_for("reg:squarederror", features)
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
    xgboost_job.rows("train", labels_for("reg:logistic", features), features)
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
