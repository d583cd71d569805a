"""The trees of a booster as a compiled forest: for few rows, where the library's own start-up costs more than they do.

The forest adds float32 numbers in the library's order, so its answers are the library's bit for bit; a booster for
which they are not, or which has something that is not known here, gets none.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import xgboost as xgb

from sagecask_boosting import native
from sagecask_boosting.xgboost.ubjson import parse

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

_log = logging.getLogger(__name__)

NODE = np.dtype([("threshold", np.float32), ("feature", np.uint32), ("child", np.uint32)])
MISSING_RIGHT = 1 << 31
# what an objective makes of the sum over the trees, where it is not left as it is
LINKS = {
    "reg:logistic": "sigmoid",
    "binary:logistic": "sigmoid",
    "binary:hinge": "hinge",
    "count:poisson": "exponential",
    "reg:gamma": "exponential",
    "reg:tweedie": "exponential",
    "survival:cox": "exponential",
    "survival:aft": "exponential",
    "multi:softprob": "softmax",
    "multi:softmax": "argmax",
}
IDENTITY = frozenset(
    {
        "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror",
        "reg:quantileerror", "reg:expectileerror", "binary:logitraw", "rank:pairwise", "rank:ndcg", "rank:map",
    }
)  # fmt: skip
# entries of a sparse matrix, given or not, up to which it is written out
DENSE_ENTRIES = 1 << 18
# rows on which the forest is compared with the library before it is used
PROBES = 256


class FlatForest:
    """Answers like `Booster.predict`.

    forest : what the booster's trees became
    width : number of features
    columns : outputs a row
    single : whether an answer is (n_rows,) rather than (n_rows, n_columns)
    """

    def __init__(self, forest: native.CompiledForest, width: int, columns: int, *, single: bool) -> None:
        self.width = width
        self._forest = forest
        self._columns = columns
        self._single = single

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return what the objective answers to `rows`, C-contiguous (n_rows, n_features); None where one is infinite.

        NaN is missing.
        """
        answers = np.empty(len(rows) if self._columns == 1 else (len(rows), self._columns), np.float32)
        if not self._forest.predict(rows, answers):
            return None
        return answers.reshape(-1)[: len(rows)] if self._single and self._columns > 1 else answers


def flat_forest(booster: xgb.Booster) -> FlatForest | None:
    """Return the booster's trees in one array; None without the compiled part, or where they cannot be taken over."""
    if native.Forest is None:
        return None
    try:
        forest = _built(native.Forest, parse(bytes(booster.save_raw("ubj"))))
    except (_UnknownError, KeyError, ValueError) as reason:
        _log.info("xgboost: the library predicts single rows too, since its model has %s", reason)
        return None
    if _agrees(forest, booster):
        return forest
    _log.warning("xgboost: the library predicts single rows too, since its answers are not those of the flat forest")
    return None


def dense_rows(features: NDArray[np.float32] | csr_matrix) -> NDArray[np.float32] | None:
    """Return C-contiguous (n_rows, n_features) rows, NaN where CSR has no entry; None where they would be too big."""
    if isinstance(features, np.ndarray):
        flags = features.flags
        return features if flags.c_contiguous and flags.aligned else np.require(features, np.float32, ("C", "A"))
    if features.shape[0] * features.shape[1] > DENSE_ENTRIES:
        return None
    rows = np.full(features.shape, np.nan, np.float32)
    rows[np.repeat(np.arange(len(rows)), np.diff(features.indptr)), features.indices] = features.data
    return rows


class _UnknownError(Exception):
    """The model has something that only the library knows how to predict with."""


def _built(compiled: type[native.CompiledForest], document: object) -> FlatForest:
    learner = cast("dict[str, Any]", document)["learner"]
    model, weights = _trees(learner["gradient_booster"])
    parameters = learner["learner_model_param"]
    objective = str(learner["objective"]["name"])
    if objective not in LINKS and objective not in IDENTITY:
        raise _UnknownError(f"objective {objective}")
    link = LINKS.get(objective, "identity")
    columns = max(1, int(parameters["num_class"]), int(parameters["num_target"]))
    groups = np.asarray(model["tree_info"], np.uint32)
    nodes, values, roots = _flatten(model["trees"])
    width = int(parameters["num_feature"])
    forest = compiled(
        nodes, values, roots, groups, weights, _base(parameters["base_score"], columns),
        width, native.LINKS.index(link),
    )  # fmt: skip
    return FlatForest(forest, width, columns, single=columns == 1 or link == "argmax")


def _trees(booster: dict[str, Any]) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """Return the model of trees, and each tree's weight where they are weighted."""
    if booster["name"] == "gbtree":
        return booster["model"], None
    if booster["name"] == "dart":
        return booster["gbtree"]["model"], np.asarray(booster["weight_drop"], np.float32)
    raise _UnknownError(f"booster {booster['name']}")


def _base(text: str, columns: int) -> NDArray[np.float32]:
    """Return the base score of each output; the text has one for all, or one for each."""
    scores = np.array([float(each) for each in text.strip("[]").split(",")], np.float32)
    return np.ascontiguousarray(np.broadcast_to(scores, columns))


@dataclass(frozen=True, slots=True, eq=False)
class _Nodes:
    """The nodes of all trees one after another, as the library stores them, children by their place in here."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.uint32]
    condition: NDArray[np.float32]
    default_left: NDArray[np.bool_]
    roots: NDArray[np.int64]

    @classmethod
    def of(cls, trees: list[dict[str, Any]]) -> _Nodes:
        for tree in trees:
            if np.any(tree["split_type"]):
                raise _UnknownError("categorical splits")
            if int(tree["tree_param"]["size_leaf_vector"]) > 1:
                raise _UnknownError("trees of several outputs")
        roots = np.cumsum([0, *(len(tree["left_children"]) for tree in trees)])
        left, right = (
            np.concatenate([np.where(tree[side] < 0, -1, tree[side] + root) for tree, root in zip(trees, roots)])  # noqa: B905 - roots has the end besides
            for side in ("left_children", "right_children")
        )  # fmt: skip
        columns = {
            name: np.concatenate([tree[name] for tree in trees])
            for name in ("split_indices", "split_conditions", "default_left")
        }
        return cls(
            left,
            right,
            columns["split_indices"].astype(np.uint32),
            columns["split_conditions"].astype(np.float32),
            columns["default_left"].astype(bool),
            roots[:-1],
        )


def _flatten(trees: list[dict[str, Any]]) -> tuple[NDArray[np.void], NDArray[np.float32], NDArray[np.uint32]]:
    """Return nodes, leaf values and roots: all trees level by level, the right child next to the left one."""
    source = _Nodes.of(trees)
    levels, level, seen = [], source.roots, 0
    while len(level):
        levels.append(level)
        seen += len(level)
        if seen > len(source.left):
            raise _UnknownError("nodes with several parents")
        inner = level[source.left[level] >= 0]
        level = np.stack([source.left[inner], source.right[inner]], axis=1).reshape(-1)
        if level.size and not (level.min() >= 0 and level.max() < len(source.left)):
            raise _UnknownError("nodes outside of their trees")
    order = np.concatenate(levels)
    leaf = source.left[order] < 0
    conditions = source.condition[order]
    if np.isnan(conditions).any():
        raise _UnknownError("thresholds that are not numbers")
    nodes = np.zeros(len(order), NODE)
    nodes["threshold"] = np.where(leaf, np.float32("nan"), conditions)
    direction = np.where(source.default_left[order], 0, MISSING_RIGHT).astype(np.uint32)
    nodes["feature"] = np.where(leaf, 0, source.feature[order] | direction)
    # the children of inner nodes follow in the order of their parents, behind all roots
    position = np.arange(len(order))
    nodes["child"] = np.where(leaf, position, len(source.roots) + 2 * (np.cumsum(~leaf) - 1))
    return nodes, np.where(leaf, conditions, np.float32(0)), np.arange(len(source.roots), dtype=np.uint32)


def _agrees(forest: FlatForest, booster: xgb.Booster) -> bool:
    """Return whether both answer alike, to the last bit, to rows with all sorts of values and some without any."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(PROBES, booster.num_features())).astype(np.float32)
    rows *= np.float32(10) ** random.integers(-3, 4, size=rows.shape).astype(np.float32)
    rows[random.random(rows.shape) < 0.3] = 0
    rows[random.random(rows.shape) < 0.3] = np.nan
    rows[0], rows[1] = 0, np.nan
    data = xgb.DMatrix(rows, missing=np.nan, nthread=1)
    answers = forest.predict(rows)
    return answers is not None and np.array_equal(answers, booster.predict(data, validate_features=False))
