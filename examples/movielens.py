"""MovieLens-100K as rows for a factorization machine: one-hot users and movies, and what is known of both.

The ratings come from the Python package recbole; they are for research, not to be passed on.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from realdata import member
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PACKAGE = ("recbole", "1.2.1")
# found by random search on one fold; the mean test RMSE over five is 0.906
HYPERPARAMETERS = {
    "predictor_type": "regressor", "num_factors": "16", "epochs": "80", "mini_batch_size": "20",
    "bias_init_method": "constant", "bias_init_value": "3.5", "bias_lr": "0.01", "bias_wd": "0",
    "linear_init_sigma": "0", "linear_lr": "0.002", "linear_wd": "0.0001",
    "factors_init_sigma": "0.03", "factors_lr": "0.0008", "factors_wd": "0.004",
}  # fmt: skip


@dataclass(frozen=True)
class Ratings:
    """One row a rating.

    features : (100000, n_features) float32 CSR
    labels : (100000,) float32, 1 to 5 stars
    columns : what each feature says, such as ("movie", "50") or ("genre", "Drama")
    titles : movie to title
    genres : movie to its genres
    side : movie or user, as ("movie", "50"), to the features and values of its rows
    """

    features: csr_matrix
    labels: NDArray[np.float32]
    columns: list[tuple[str, str]]
    titles: dict[str, str]
    genres: dict[str, list[str]]
    side: dict[tuple[str, str], list[tuple[int, float]]]

    def rows(self, user: str, movies: list[str]) -> csr_matrix:
        """Return a row for each pair of the user and a movie."""
        return _matrix([self.side["user", user] + self.side["movie", movie] for movie in movies], len(self.columns))

    def folds(self, count: int = 5, seed: int = 0) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield rows to train on and rows to test on, `count` times; every row is tested once."""
        parts = np.array_split(np.random.default_rng(seed).permutation(len(self.labels)), count)
        for index, test in enumerate(parts):
            yield np.concatenate([*parts[:index], *parts[index + 1 :]]), test


def ratings() -> Ratings:
    """Return all ratings in the order of the file."""
    known: dict[tuple[str, str], int] = {}

    def feature(kind: str, value: str) -> int:
        return known.setdefault((kind, value), len(known))

    side = {}
    for user, age, gender, job, _ in _table("ml-100k.user"):
        facts = ("user", user), ("age", str(int(age) // 10)), ("gender", gender), ("job", job)
        side["user", user] = [(feature(*fact), 1.0) for fact in facts]
    titles, genres = {}, {}
    for movie, titles[movie], year, names in _table("ml-100k.item"):
        genres[movie] = names.split()
        side["movie", movie] = [(feature("movie", movie), 1.0), (feature("years", _years(year)), 1.0)]
        # genres together weigh as much as one other feature
        share = len(genres[movie]) ** -0.5
        side["movie", movie] += [(feature("genre", name), share) for name in genres[movie]]
    rated = list(_table("ml-100k.inter"))
    features = _matrix([side["user", user] + side["movie", movie] for user, movie, _, _ in rated], len(known))
    labels = np.array([stars for _, _, stars, _ in rated], dtype=np.float32)
    return Ratings(features, labels, list(known), titles, genres, side)


def _years(year: str) -> str:
    """Return the start of the five years, or before 1970 ten, that a movie came out in."""
    if not year.isdigit():
        return "unknown"
    return str(int(year) // 5 * 5 if int(year) >= 1970 else int(year) // 10 * 10)


def _table(suffix: str) -> Iterator[list[str]]:
    with member(*PACKAGE, suffix).open(encoding="utf-8") as file:
        lines = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(lines)
        yield from lines


def _matrix(rows: list[list[tuple[int, float]]], width: int) -> csr_matrix:
    ends = np.cumsum([0, *map(len, rows)])
    entries = [entry for row in rows for entry in sorted(row)]
    columns, values = zip(*entries, strict=True)
    return csr_matrix((np.array(values, np.float32), np.array(columns, np.int32), ends), shape=(len(rows), width))
