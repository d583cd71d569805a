"""Training: the library's trees, every objective and metric, stopping."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import xgboost as xgb
from sklearn import metrics as oracle

from sagecask.errors import UserError
from sagecask.formats import Batch, MediaType

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
