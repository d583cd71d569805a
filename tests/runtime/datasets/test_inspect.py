import gzip
import json
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix

from sagecask.datasets.columns import BINS, ColumnTally, Histograms
from sagecask.datasets.inspect import MAX_COLUMNS, Inspection, inspect
from sagecask.datasets.page import html
from sagecask.datasets.source import SourceDescription
from sagecask.errors import DataError, UserError
from sagecask.formats import Batch, csv, recordio

NAN, INF = float("nan"), float("inf")


def look(path: Path, plots: int = 0, **about) -> Inspection:
    return inspect(SourceDescription(path, **about), plots=plots, terminal=False)


def fault(path: Path, **about) -> str:
    with pytest.raises(UserError) as caught:
        look(path, **about)
    return str(caught.value)


def write_rows(path: Path, features: np.ndarray) -> Path:
    path.write_bytes(csv.write(Batch(features, np.arange(len(features), dtype=np.float32) % 3)))
    return path


def test_text_says_what_the_file_holds(table):
    assert look(table, skip_header=True).text() == (
        f"file      {table}\n"
        "format    csv (text/csv)\n"
        "size      33 bytes\n"
        "rows      3\n"
        "features  2 (dense)\n"
        "non-zero  66.67%\n"
        "missing   1 value\n"
        "label     0: 1 (33.3%), 1: 2 (66.7%)\n"
        "\n"
        "first rows\n"
        "  label   x     y\n"
        "      1   2   nan\n"
        "      0   0  5.25\n"
        "      1  -1   0.1\n"
        "\n"
        "column                           min        mean         max     missing       zeros\n"
        "label                              0     0.66667           1           0           1\n"
        "x                                 -1     0.33333           2           0           1\n"
        "y                                0.1       2.675        5.25           1           0"
    )


def test_facts_are_json_without_nan(table):
    facts = json.loads(json.dumps(look(table, skip_header=True).facts(), allow_nan=False))
    assert facts == {
        "file": str(table), "format": "text/csv", "bytes": 33, "rows": 3, "features": 2, "sparse": False,
        "weights": False, "missing_values": 1, "non_zero_share": 0.666667,
        "labels": [{"minimum": 0, "maximum": 1, "mean": 2 / 3, "histogram": {"0": 1, "1": 2}}],
        "columns": [
            {"name": "x", "minimum": -1, "mean": 1 / 3, "maximum": 2, "missing": 0, "infinite": 0, "zeros": 1},
            {"name": "y", "minimum": float(np.float32(0.1)), "mean": pytest.approx(2.675), "maximum": 5.25,
             "missing": 1, "infinite": 0, "zeros": 0},
        ],
        "first_rows": [[1, 2, None], [0, 0, 5.25], [1, -1, float(np.float32(0.1))]],
    }  # fmt: skip


@settings(deadline=None)
@given(
    table=arrays(np.float32, st.tuples(st.integers(1, 30), st.integers(1, 4)),
                 elements=st.one_of(st.floats(-100, 100, width=32), st.sampled_from([0, 1, 2, NAN, INF, -INF]))),
    cut=st.integers(0, 30),
)  # fmt: skip
def test_columns_and_bins_are_those_of_the_whole_table_dense_or_sparse(table, cut):
    parts = [part for part in (table[:cut], table[cut:]) if len(part)]
    for make in (Batch, lambda part: Batch(csr_matrix(part))):
        tally = ColumnTally()
        for part in parts:
            tally.add(make(part))
        columns = tally.columns([f"f{each}" for each in range(table.shape[1])])
        histograms = Histograms(columns)
        for part in parts:
            histograms.add(make(part))
        for column, values, counts in zip(columns, table.T.astype(np.float64), histograms.counts(), strict=True):
            finite = values[np.isfinite(values)]
            assert column.finite == bool(len(finite))
            if len(finite):
                assert (column.minimum, column.maximum) == (finite.min(), finite.max())
                assert column.mean == pytest.approx(finite.mean(), abs=1e-6)
            assert (column.missing, column.infinite) == (np.isnan(values).sum(), np.isinf(values).sum())
            assert column.zeros == (values == 0).sum()
            assert (sum(counts), len(counts) <= BINS) == (len(finite), True)


def test_bins_of_whole_numbers_hold_as_many_each():
    tally = ColumnTally()
    tally.add(Batch(np.array([[18.0], [89.0]], dtype=np.float32)))
    edges = tally.columns(["age"])[0].edges()
    assert (edges[0], edges[-1], set(np.diff(edges))) == (17.5, 89.5, {2.0})


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.csv", b"1,2\n", "csv"),
        ("a", b"1,2\n", "csv"),
        ("a.txt", b"1 0:2 3:4\n", "libsvm"),
        ("a.csv", recordio.write(Batch(np.ones((1, 2), dtype=np.float32))), "recordio"),
        ("a", b'{"features": [1]}\n', "jsonlines"),
        ("a.csv.gz", gzip.compress(b"1,2\n", mtime=0), "csv"),
        ("a.svm.gz", gzip.compress(b"1\n1 2:3\n", mtime=0), "libsvm"),
    ],
)
def test_format_is_found_by_first_bytes_extension_or_first_line(tmp_path, name, content, found):
    (tmp_path / name).write_bytes(content)
    assert look(tmp_path / name).format.name == found


@pytest.mark.parametrize("name", ["npy", "npz", "parquet"])
def test_binary_formats_are_found_by_their_magic(tmp_path, name, sagecask, table):
    assert sagecask("convert", table, tmp_path / f"a.{name}", "--skip-header").returncode == 0
    (tmp_path / f"a.{name}").rename(tmp_path / "a.bin")
    found = look(tmp_path / "a.bin")
    assert (found.format.name, found.summary.rows, found.summary.features) == (name, 3, 2)


def test_unknown_bytes_and_missing_files_are_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"\x7fELF\0\0")
    assert fault(tmp_path / "a") == (
        f"{tmp_path}/a: a file of one of the formats csv, libsvm, jsonlines, parquet, recordio, npy, npz is needed; "
        "got other bytes"
    )
    assert fault(tmp_path / "b") == f'source: a file or folder is needed; got "{tmp_path}/b", which does not exist'
    (tmp_path / "c").mkdir()
    assert fault(tmp_path / "c") == f'source: a folder with files is needed; got "{tmp_path}/c", which has none'


def test_bad_row_is_named_by_the_format_itself(tmp_path):
    (tmp_path / "a.csv").write_text("1,2\n1,2,3\n")
    with pytest.raises(DataError) as caught:
        look(tmp_path / "a.csv")
    assert str(caught.value) == f"{tmp_path}/a.csv, line 2: 3 columns, expected 2 (1 label, 1 feature)"


def test_label_of_many_values_is_a_range(tmp_path):
    features = np.ones((100, 1), dtype=np.float32)
    (tmp_path / "a.csv").write_bytes(csv.write(Batch(features, np.arange(100, dtype=np.float32) / 2)))
    found = look(tmp_path / "a.csv")
    assert found.facts()["labels"] == [{"minimum": 0.0, "maximum": 49.5, "mean": 24.75, "histogram": None}]
    assert "label     0 to 49.5, mean 24.75\n" in found.text()


def test_hashed_features_do_not_fill_the_memory(tmp_path):
    (tmp_path / "a.libsvm").write_text("1 0:1 2000000000:1\n0 5:2\n")
    found = look(tmp_path / "a.libsvm", plots=3)
    assert (found.summary.features, len(found.columns), len(found.histograms)) == (2_000_000_001, MAX_COLUMNS + 1, 4)
    assert "... and 1,999,999,962 more; --json has them" not in found.text()
    assert f"... and 1,999,999,962 more; --json has the first {MAX_COLUMNS:,}" in found.text()


class Page(HTMLParser):
    """What a browser would show and fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data):
        self.text.append(data)


def test_page_has_figures_a_plot_a_column_and_the_first_rows_and_fetches_nothing(table):
    page = Page(html(look(table, plots=10, skip_header=True)))
    assert (page.fetched, page.tags.count("svg"), page.tags.count("h3"), page.tags.count("script")) == ([], 3, 3, 0)
    # a row of names, three of numbers; two features and a label
    assert (page.tags.count("tr"), page.tags.count("th"), page.tags.count("td")) == (4, 3, 9)
    for shown in ("table.csv", "csv (text/csv), 33 bytes", "label classes", "mean 2.675 · 33.3% missing", "1: 2 rows"):
        assert shown in page.text


def test_page_shows_names_as_they_are_and_columns_without_numbers(tmp_path):
    (tmp_path / "a.csv").write_text('y,<b>&,"""q"""\n1,,inf\n')
    page = html(look(tmp_path / "a.csv", plots=1, skip_header=True))
    assert '<h3 title="&lt;b&gt;&amp;">&lt;b&gt;&amp;</h3>' in page
    assert "no finite value" in page
    assert "1 more columns have no plot here; --plots sets how many do." in page


@settings(deadline=None, max_examples=20)
@given(table=arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 4)), elements=st.floats(width=32)))
def test_page_and_text_can_be_made_of_any_numbers(table):
    with tempfile.TemporaryDirectory() as folder:
        found = look(write_rows(Path(folder) / "a.csv", table), plots=4)
    assert Page(html(found)).tags.count("svg") == 1 + table.shape[1]
    assert f"rows      {len(table)}\n" in found.text()
    json.dumps(found.facts(), allow_nan=False)
