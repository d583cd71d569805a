"""The binary model format of XGBoost 1.x, which later releases no longer read, as the JSON that they do.

The containers of XGBoost 1.3 to 1.7 wrote their `xgboost-model` in it. Source: dmlc/xgboost, release 1.7,
`src/learner.cc` (LearnerModelParamLegacy), `src/gbm/gbtree_model.h`, `src/gbm/gblinear_model.h`,
`include/xgboost/tree_model.h`; the JSON form is that of the same release's `SaveModel`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from sagecask.errors import ModelDataError
from sagecask.formats.lines import quote

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

MAGIC = b"binf"

_LEARNER = np.dtype(
    [
        ("base_score", "<f4"), ("num_feature", "<u4"), ("num_class", "<i4"), ("has_attributes", "<i4"),
        ("has_metrics", "<i4"), ("major", "<u4"), ("minor", "<u4"), ("num_target", "<u4"), ("reserved", "<i4", 26),
    ]
)  # fmt: skip
_TREES = np.dtype([("num_trees", "<i4"), ("num_parallel_tree", "<i4"), ("reserved", "<i4", 38)])
_TREE = np.dtype(
    [
        ("num_roots", "<i4"), ("num_nodes", "<i4"), ("num_deleted", "<i4"), ("max_depth", "<i4"),
        ("num_feature", "<u4"), ("size_leaf_vector", "<u4"), ("reserved", "<i4", 31),
    ]
)  # fmt: skip
_NODE = np.dtype([("parent", "<u4"), ("left", "<i4"), ("right", "<i4"), ("split", "<u4"), ("value", "<f4")])
_STATISTICS = np.dtype([("loss_change", "<f4"), ("hessian", "<f4"), ("weight", "<f4"), ("children", "<i4")])
_LINEAR = np.dtype([("reserved", "<i4", 34)])
# the highest bit of a parent tells left from right child, that of a split where missing values go
_LOW_BITS = 0x7FFFFFFF


def to_json(raw: bytes, where: str) -> bytes:
    """Return the model as JSON.

    Parameters
    ----------
    raw : the file's bytes, which begin with `MAGIC`
    where : opens the message of an error

    Raises
    ------
    ModelDataError : truncated, or written by a release before 1.0
    """
    source = _Source(raw, where)
    source.take("S4")
    learner = source.one(_LEARNER)
    objective, booster = source.text(), source.text()
    if not learner["major"]:
        raise ModelDataError(f"{where}: a model of XGBoost 1.0 or later; got one of an earlier release")
    model = _booster(source, booster)
    attributes = {source.text(): source.text() for _ in range(source.count())}
    if "objective" not in attributes:
        raise ModelDataError(f"{where}: the settings of objective {quote(objective)} in the model; got none")
    document = {
        "learner": {
            "attributes": {name: text for name, text in attributes.items() if name != "objective"},
            "feature_names": [],
            "feature_types": [],
            "gradient_booster": model,
            "learner_model_param": {
                "base_score": repr(float(learner["base_score"])),
                "boost_from_average": "1",
                "num_class": str(learner["num_class"]),
                "num_feature": str(learner["num_feature"]),
                "num_target": str(max(1, learner["num_target"])),
            },
            "objective": json.loads(attributes["objective"]),
        },
        "version": [int(learner["major"]), int(learner["minor"]), 0],
    }
    return json.dumps(document).encode()


class _Source:
    """Reads values one after another and refuses to read beyond the end."""

    def __init__(self, raw: bytes, where: str) -> None:
        self._raw = raw
        self._where = where
        self._offset = 0

    def take(self, kind: DTypeLike, count: int = 1) -> NDArray[Any]:
        size = np.dtype(kind).itemsize
        if count < 0 or self._offset + size * count > len(self._raw):
            raise ModelDataError(f"{self._where}: a whole model; got one that ends early, after {len(self._raw)} bytes")
        values = np.frombuffer(self._raw, kind, count, self._offset)
        self._offset += size * count
        return values

    def fault(self, text: str) -> ModelDataError:
        return ModelDataError(f"{self._where}: {text}")

    def one(self, kind: np.dtype[np.void]) -> np.void:
        value: np.void = self.take(kind)[0]
        return value

    def count(self) -> int:
        return int(self.take("<u8")[0])

    def text(self) -> str:
        return self.take("u1", self.count()).tobytes().decode("utf-8", errors="replace")


def _booster(source: _Source, name: str) -> dict[str, object]:
    if name == "gblinear":
        source.one(_LINEAR)
        # the rounds are not stored; they play no part in predicting
        weights = source.take("<f4", source.count()).tolist()
        return {"name": name, "model": {"boosted_rounds": 0, "weights": weights}}
    trees = _trees(source)
    if name != "dart":
        return {"name": "gbtree", "model": trees}
    dropped = source.take("<f4", source.count()).tolist()
    return {"name": name, "gbtree": {"name": "gbtree", "model": trees}, "weight_drop": dropped}


def _trees(source: _Source) -> dict[str, object]:
    header = source.one(_TREES)
    count = int(header["num_trees"])
    trees = [_tree(source, index) for index in range(count)]
    return {
        "gbtree_model_param": {
            "num_parallel_tree": str(max(1, header["num_parallel_tree"])),
            "num_trees": str(count),
            "size_leaf_vector": "0",
        },
        "tree_info": source.take("<i4", count).tolist(),
        "trees": trees,
    }


def _tree(source: _Source, index: int) -> dict[str, object]:
    header = source.one(_TREE)
    count = int(header["num_nodes"])
    nodes, statistics = source.take(_NODE, count), source.take(_STATISTICS, count)
    # the library follows them unseen; a child stands behind its parent, so that no walk goes round, and -1 ends it
    children = np.stack([nodes["left"], nodes["right"]])
    inner = children != -1
    split = nodes["split"] & _LOW_BITS
    if not (
        (children < count).all()
        and (children > np.arange(count))[inner].all()
        and (inner[0] == inner[1]).all()
        and (split[inner[0]] < header["num_feature"]).all()
    ):
        raise source.fault(f"tree {index} with nodes that lie in it; got others")
    return {
        "base_weights": statistics["weight"].tolist(),
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
        "default_left": (nodes["split"] >> 31).tolist(),
        "id": index,
        "left_children": nodes["left"].tolist(),
        "loss_changes": statistics["loss_change"].tolist(),
        "parents": (nodes["parent"] & _LOW_BITS).tolist(),
        "right_children": nodes["right"].tolist(),
        "split_conditions": nodes["value"].tolist(),
        "split_indices": split.tolist(),
        "split_type": [0] * count,
        "sum_hessian": statistics["hessian"].tolist(),
        "tree_param": {
            "num_deleted": str(header["num_deleted"]),
            "num_feature": str(header["num_feature"]),
            "num_nodes": str(count),
            "size_leaf_vector": "0",
        },
    }
