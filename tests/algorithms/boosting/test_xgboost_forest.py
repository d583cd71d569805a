"""The flat forest against the library: the same bits, for whatever a booster may be; and what it must refuse."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost as xgb
from sagecask_boosting import native
from sagecask_boosting.xgboost import forest as forests
from sagecask_boosting.xgboost.algorithm import XGBoost
from sagecask_boosting.xgboost.forest import dense_rows, flat_forest
from sagecask_boosting.xgboost.model import FEW_ROWS, XGBoostModel
from sagecask_boosting.xgboost.ubjson import parse
from scipy.sparse import csr_matrix

from sagecask.algorithm import InferenceSettings
from sagecask.errors import DataError
from sagecask.formats import Batch, MediaType

pytestmark = pytest.mark.skipif(native.Forest is None, reason="no C compiler when the package was installed")

WIDTH = 12
POSITIVE = ["count:poisson", "reg:gamma", "reg:tweedie", "reg:squaredlogerror", "survival:cox"]
PLAIN = ["reg:squarederror", "reg:pseudohubererror", "reg:absoluteerror"]
BINARY = ["binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic"]
RANKING = ["rank:pairwise", "rank:ndcg", "rank:map"]
CLASSES = ["multi:softmax", "multi:softprob"]
KINDS = {
    "trees": {},
    "deep": {"max_depth": 0, "grow_policy": "lossguide", "max_leaves": 200, "tree_method": "hist"},
    "stump": {"max_depth": 1},
    "dart": {"booster": "dart", "rate_drop": 0.5, "one_drop": 1},
    "forest": {"num_parallel_tree": 3, "subsample": 0.5},
    "base score": {"base_score": 0.3},
    "regularised": {"gamma": 2.0, "min_child_weight": 20},
}


def values(rows: int, seed: int) -> np.ndarray:
    """Rows of several magnitudes with ties, zeros of both signs, thresholds hit exactly, and gaps."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, WIDTH)).astype(np.float32)
    features[:, 3] = np.round(features[:, 3])
    features[:, 4] *= 1e6
    features[:, 5] *= 1e-6
    features[random.random(features.shape) < 0.2] = np.nan
    features[random.random(features.shape) < 0.05] = -0.0
    return features


def labels(objective: str, features: np.ndarray) -> np.ndarray:
    signal = np.nan_to_num(features[:, 0]) * np.nan_to_num(features[:, 1], nan=1.0) + np.nan_to_num(features[:, 2])
    if objective in CLASSES:
        return np.digitize(signal, [-1, 0, 1])
    if objective in BINARY:
        return signal > 0
    if objective in RANKING:
        return signal > 0
    return np.abs(signal) + 0.1 if objective in POSITIVE else signal * 10


def trained(objective: str, rounds: int = 20, **parameters: object) -> xgb.Booster:
    features = values(600, 1)
    data = xgb.DMatrix(features, labels(objective, features))
    if objective in RANKING:
        data.set_group([60] * 10)
    given = {"objective": objective, "max_depth": 5, "nthread": 1, "seed": 0, **parameters}
    if objective in CLASSES:
        given["num_class"] = 4
    return xgb.train(given, data, rounds)


def by_library(booster: xgb.Booster, rows: np.ndarray) -> np.ndarray:
    return booster.predict(xgb.DMatrix(rows, missing=np.nan, nthread=1), validate_features=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objective", [*PLAIN, *POSITIVE, *BINARY, *RANKING, *CLASSES])
def test_answers_are_those_of_the_library_to_the_last_bit(objective, kind):
    booster = trained(objective, **KINDS[kind])
    forest = flat_forest(booster)
    assert forest is not None
    rows = values(3000, 2)
    expected = by_library(booster, rows)
    answers = forest.predict(rows)
    assert (answers.dtype, answers.shape) == (np.float32, expected.shape)
    np.testing.assert_array_equal(answers, expected)
    # one by one, as requests come
    np.testing.assert_array_equal(np.concatenate([forest.predict(rows[i : i + 1]) for i in range(300)]), expected[:300])


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 63, 64, 65, 127, 129, 200])
def test_answers_do_not_depend_on_how_many_rows_come_together(rows):
    booster = trained("multi:softprob")
    forest = flat_forest(booster)
    features = values(200, 3)
    np.testing.assert_array_equal(forest.predict(features[:rows]), by_library(booster, features)[:rows])


def test_rows_on_a_threshold_go_where_the_library_sends_them():
    booster = trained("reg:squarederror", rounds=50)
    trees = parse(bytes(booster.save_raw("ubj")))["learner"]["gradient_booster"]["model"]["trees"]
    rows = []
    for tree in trees:
        for node in np.flatnonzero(tree["left_children"] >= 0):
            threshold = np.float32(tree["split_conditions"][node])
            for value in (threshold, np.nextafter(threshold, -np.inf), np.nextafter(threshold, np.inf)):
                row = values(1, int(node))
                row[0, tree["split_indices"][node]] = value
                rows.append(row)
    features = np.concatenate(rows).astype(np.float32)
    np.testing.assert_array_equal(flat_forest(booster).predict(features), by_library(booster, features))


def test_rounds_after_the_best_one_are_left_out(tmp_path):
    booster = trained("binary:logistic", rounds=30)
    booster.set_attr(best_iteration="9")
    (tmp_path / "xgboost-model").write_bytes(booster.save_raw("ubj"))
    model = XGBoost().load(tmp_path, InferenceSettings())
    assert model._forests[0] is not None
    rows = values(500, 4)
    expected = booster.predict(xgb.DMatrix(rows), iteration_range=(0, 10))
    np.testing.assert_array_equal(model.scores(Batch(rows)), expected)


def test_targets_of_several_columns():
    features = values(300, 1)
    target = np.nan_to_num(features[:, :3])
    booster = xgb.train({"objective": "reg:squarederror", "nthread": 1}, xgb.DMatrix(features, target), 10)
    np.testing.assert_array_equal(flat_forest(booster).predict(features), by_library(booster, features))


def test_several_quantiles():
    features = values(300, 1)
    data = xgb.QuantileDMatrix(features, np.nan_to_num(features[:, 0]))
    given = {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9], "nthread": 1}
    booster = xgb.train(given, data, 10)
    forest = flat_forest(booster)
    assert forest is not None
    np.testing.assert_array_equal(forest.predict(features), by_library(booster, features))


def test_interval_regression_of_survival_times():
    features = values(300, 1)
    data = xgb.DMatrix(features)
    lower = np.abs(np.nan_to_num(features[:, 0])) + 0.1
    data.set_info(label_lower_bound=lower, label_upper_bound=lower + 1)
    booster = xgb.train({"objective": "survival:aft", "nthread": 1}, data, 10)
    np.testing.assert_array_equal(flat_forest(booster).predict(features), by_library(booster, features))


def categorical() -> xgb.Booster:
    random = np.random.default_rng(0)
    features = random.integers(0, 5, size=(200, 2)).astype(np.float32)
    data = xgb.DMatrix(features, features[:, 0] == 3, feature_types=["c", "c"], enable_categorical=True)
    return xgb.train({"tree_method": "hist", "max_cat_to_onehot": 1, "nthread": 1}, data, 5)


@pytest.mark.parametrize(
    ("booster", "reason"),
    [
        (categorical, "categorical splits"),
        (
            lambda: xgb.train({"booster": "gblinear", "nthread": 1}, xgb.DMatrix(values(9, 1), np.arange(9)), 3),
            "booster gblinear",
        ),
        (
            lambda: xgb.train(
                {"multi_strategy": "multi_output_tree", "tree_method": "hist", "nthread": 1},
                xgb.DMatrix(values(100, 1), np.nan_to_num(values(100, 1)[:, :2])),
                3,
            ),
            "trees of several outputs",
        ),
    ],
)
def test_what_is_not_known_is_left_to_the_library(booster, reason, caplog):
    caplog.set_level("INFO")
    assert flat_forest(booster()) is None
    assert caplog.messages == [f"xgboost: the library predicts single rows too, since its model has {reason}"]


def test_forest_whose_answers_differ_is_not_used(monkeypatch, caplog):
    monkeypatch.setitem(forests.LINKS, "binary:logistic", "exponential")
    assert flat_forest(trained("binary:logistic")) is None
    assert caplog.messages == [
        "xgboost: the library predicts single rows too, since its answers are not those of the flat forest"
    ]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [1, 5, FEW_ROWS + 1])
@pytest.mark.parametrize("sparse", [False, True])
def test_model_answers_alike_with_and_without_the_forest(tmp_path, monkeypatch, threads, rows, sparse):
    (tmp_path / "xgboost-model").write_bytes(trained("multi:softprob").save_raw("ubj"))
    features = values(rows, 5)
    if sparse:
        given = ~np.isnan(features)
        features = csr_matrix((features[given], np.nonzero(given)), shape=features.shape)
    answers = []
    for compiled in (native.Forest, None):
        monkeypatch.setattr(native, "Forest", compiled)
        model = XGBoost().load(tmp_path, InferenceSettings(threads=threads))
        assert (model._forests[0] is None) == (compiled is None)
        answers.append(model.predict(Batch(features), MediaType("text/csv")).columns["score"])
    np.testing.assert_array_equal(*answers)


def test_sparse_rows_that_are_too_wide_are_left_to_the_library():
    assert dense_rows(csr_matrix((2, forests.DENSE_ENTRIES), dtype=np.float32)) is None


def test_rows_that_lie_oddly_in_memory_are_answered():
    booster = trained("binary:logistic")
    rows = values(20, 6)
    shifted = np.frombuffer(b"x" + rows.tobytes(), np.float32, offset=1).reshape(rows.shape)
    model = XGBoostModel([booster])
    model.prepare()
    for features in (np.asfortranarray(rows), shifted):
        np.testing.assert_array_equal(model.scores(Batch(features)), by_library(booster, rows))


def compiled(nodes: list[tuple[float, int, int]], roots=(0,), groups=(0,), weights=None, base=(0.0,), link=0):
    table = np.array(nodes, forests.NODE)
    floats = None if weights is None else np.array(weights, np.float32)
    return native.Forest(
        table, np.ones(len(table), np.float32), np.array(roots, np.uint32), np.array(groups, np.uint32),
        floats, np.array(base, np.float32), 2, link,
    )  # fmt: skip


LEAF = np.nan
STUMP = [(0.5, 1, 1), (LEAF, 0, 1), (LEAF, 0, 2)]


def test_stump_is_a_forest():
    answers = np.zeros((3, 1), np.float32)
    assert compiled(STUMP).predict(np.array([[0, 0], [3e38, -3e38], [np.nan, np.nan]], np.float32), answers)
    assert answers.ravel().tolist() == [1, 1, 1]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (2, 1)])
def test_infinite_values_are_told_and_nothing_is_written(value, place):
    rows, answers = np.full((3, 2), np.nan, np.float32), np.zeros((3, 1), np.float32)
    rows[place] = value
    assert not compiled(STUMP).predict(rows, answers)
    assert not answers.any()


def test_infinite_values_are_refused_with_the_forest_too():
    model = XGBoostModel([trained("binary:logistic")])
    model.prepare()
    with pytest.raises(DataError) as error:
        model.scores(Batch(np.full((1, WIDTH), np.inf, np.float32)))
    assert str(error.value) == "request body: finite numbers, or none where a value is missing; got infinity"


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"nodes": [(0.5, 2, 1), *STUMP[1:]]}, "a feature that rows do not have"),
        ({"nodes": [(0.5, 1, 0), *STUMP[1:]]}, "a node that leads back"),
        ({"nodes": [(LEAF, 0, 1), *STUMP[1:]]}, "a node that leads back"),
        ({"nodes": [STUMP[0], (LEAF, forests.MISSING_RIGHT, 1), STUMP[2]]}, "a node that leads back"),
        ({"nodes": [(0.5, 1, 2), *STUMP[1:]]}, "a node that leads out"),
        ({"nodes": [(0.5, 1, 2**32 - 1), *STUMP[1:]]}, "a node that leads out"),
        ({"nodes": STUMP, "roots": (3,)}, "a tree without root or output"),
        ({"nodes": STUMP, "groups": (1,)}, "a tree without root or output"),
        ({"nodes": STUMP, "groups": (0, 0)}, "arrays of unequal length"),
        ({"nodes": STUMP, "weights": (1, 1)}, "arrays of unequal length"),
        ({"nodes": STUMP, "base": ()}, "arrays of unequal length"),
        ({"nodes": STUMP, "link": 6}, "an unknown link"),
    ],
)
def test_walks_that_would_leave_the_forest_are_refused(arguments, fault):
    with pytest.raises(ValueError, match="a forest is needed") as error:
        compiled(**arguments)
    assert str(error.value) == f"a forest is needed; got {fault}"


@pytest.mark.parametrize(
    ("rows", "answers"),
    [
        (np.zeros((1, 3), np.float32), np.zeros((1, 1), np.float32)),
        (np.zeros((1, 2), np.float64), np.zeros((1, 1), np.float32)),
        (np.zeros((2, 2), np.float32), np.zeros((1, 1), np.float32)),
        (np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32)),
        (np.zeros(2, np.float32), np.zeros((1, 1), np.float32)),
    ],
)
def test_arrays_of_another_shape_are_refused(rows, answers):
    with pytest.raises(ValueError, match="float32 rows of 2 features and answers of 1 columns are needed"):
        compiled(STUMP).predict(rows, answers)


@pytest.mark.parametrize("raw", [b"", b"{", b"{L", b"[$d#L", b"[$d#i\x02\0\0\0\0", b"[$S#i\x01", b"?", b"Si\xff"])
def test_ubjson_that_ends_early_or_is_something_else_is_refused(raw):
    with pytest.raises(ValueError, match=r"^UBJSON: "):
        parse(raw)
