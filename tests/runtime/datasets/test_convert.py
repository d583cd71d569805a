import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sagecask.datasets.convert import Conversion, TargetDescription, convert
from sagecask.datasets.source import SourceDescription
from sagecask.errors import DataError, SagecaskError, UnsupportedMediaType, UsageError, UserError
from sagecask.formats import Batch, Layout, MediaType, codec_for, concatenate, csv, npy, recordio

EXTENSIONS = [".csv", ".libsvm", ".jsonl", ".parquet", ".pbr", ".npy", ".npz"]
DENSE_RECORD = bytes.fromhex(
    "0a 23 d7 ce 2c 00 00 00 0a 16 0a 06 76 61 6c 75 65 73 12 0c 12 0a 0a 08 00 00 c0 3f 00 00 80 41"
    "12 12 0a 06 76 61 6c 75 65 73 12 08 12 06 0a 04 00 00 80 3f"
)


def to(target: Path, source: Path, **options) -> Conversion:
    about = {name: options.pop(name) for name in ("label_size", "weighted", "skip_header", "delimiter", "labels")
             if name in options}  # fmt: skip
    return convert(SourceDescription(source, **about), TargetDescription(target, **options), terminal=False)


def fault(kind: type[SagecaskError], *arguments, **options) -> str:
    with pytest.raises(kind) as caught:
        to(*arguments, **options)
    return str(caught.value)


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return dict(archive)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(EXTENSIONS, EXTENSIONS)))
@settings(max_examples=8, deadline=None)
@given(
    features=arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 6)), elements=st.floats(width=32)),
    seed=st.integers(0, 2**32 - 1),
    absent=st.sampled_from(["zero", "missing"]),
)
def test_rows_come_back_from_every_pair_of_formats(first, second, features, seed, absent):
    labels = np.random.default_rng(seed).normal(size=len(features)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "rows.npz", features=features, labels=labels)
        steps = [folder / "rows.npz", folder / f"one{first}", folder / f"two{second}", folder / "back.npz"]
        for source, target in itertools.pairwise(steps):
            to(target, source, absent=absent, width=features.shape[1])
        back = arrays_of(steps[-1])
        np.testing.assert_array_equal(back["features"], features)
        np.testing.assert_array_equal(back["labels"], labels)


@pytest.mark.parametrize(("first", "second"), list(itertools.product([".csv", ".libsvm", ".npy", ".npz"], repeat=2)))
def test_weights_go_where_the_format_has_them(tmp_path, first, second):
    weights = np.array([0.5, 2], dtype=np.float32)
    features = np.array([[1, 2], [3, 4]], dtype=np.float32)
    np.savez(tmp_path / "rows.npz", features=features, labels=weights * 0, weights=weights)
    steps = [tmp_path / "rows.npz", tmp_path / f"one{first}", tmp_path / f"two{second}", tmp_path / "back.npz"]
    for source, target in itertools.pairwise(steps):
        to(target, source, weighted=source.suffix in {".csv", ".npy"})
    assert arrays_of(steps[-1])["weights"].tolist() == [0.5, 2]


@pytest.mark.parametrize("extension", [".pbr", ".parquet", ".jsonl"])
def test_weights_are_not_lost_without_a_word(tmp_path, extension):
    (tmp_path / "rows.libsvm").write_text("1:0.5 0:2\n")
    target = tmp_path / f"rows{extension}"
    name = {".pbr": "recordio", ".parquet": "parquet", ".jsonl": "jsonlines"}[extension]
    assert fault(UserError, target, tmp_path / "rows.libsvm") == (
        f"{target}: --drop-weights, or a format with weights (csv, libsvm, npy, npz) is needed for rows that have "
        f"them; got {name}"
    )
    assert not target.exists()
    assert to(target, tmp_path / "rows.libsvm", drop_weights=True).summary.weighted
    assert target.exists()


def test_weight_that_is_dropped_takes_its_name_along(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b,c\n1,0.5,2\n")
    to(tmp_path / "rows.parquet", tmp_path / "rows.csv", skip_header=True, weighted=True, drop_weights=True)
    assert to(tmp_path / "back.csv", tmp_path / "rows.parquet").names == ("a", "c")


def test_csv_becomes_the_record_of_the_guide(tmp_path):
    (tmp_path / "rows.csv").write_text("1,1.5,16\n")
    to(tmp_path / "rows.pbr", tmp_path / "rows.csv")
    assert (tmp_path / "rows.pbr").read_bytes() == DENSE_RECORD
    to(tmp_path / "back.csv", tmp_path / "rows.pbr")
    assert (tmp_path / "back.csv").read_text() == "1,1.5,16\n"


def test_sparse_records_are_as_wide_as_the_widest_row_of_the_file(tmp_path):
    (tmp_path / "rows.libsvm").write_text("1 0:1\n0\n1 4:2\n")
    done = to(tmp_path / "rows.pbr", tmp_path / "rows.libsvm")
    batch = recordio.RecordioProtobufCodec().decode((tmp_path / "rows.pbr").read_bytes(), Layout())
    assert batch.sparse
    assert batch.features.toarray().tolist() == [[1, 0, 0, 0, 0], [0] * 5, [0, 0, 0, 0, 2]]
    assert (done.summary.features, done.summary.non_zero) == (5, 2 / 15)


def test_sparse_and_dense_are_chosen_and_absent_says_what_is_left_out(tmp_path):
    (tmp_path / "rows.csv").write_text("1,0,,3\n")
    to(tmp_path / "zero.pbr", tmp_path / "rows.csv", sparse=True)
    to(tmp_path / "missing.jsonl", tmp_path / "rows.csv", sparse=True, absent="missing")
    to(tmp_path / "dense.csv", tmp_path / "missing.jsonl", absent="zero")
    zero = recordio.RecordioProtobufCodec().decode((tmp_path / "zero.pbr").read_bytes(), Layout())
    assert zero.features.indices.tolist() == [1, 2]
    assert (tmp_path / "missing.jsonl").read_text() == (
        '{"data":{"features":{"keys":[0,2],"shape":[3],"values":[0,3]}},"label":1}\n'
    )
    assert (tmp_path / "dense.csv").read_text() == "1,0,0,3\n"


@pytest.mark.parametrize(("option", "extension"), [("--sparse", ".csv"), ("--dense", ".libsvm")])
def test_form_that_the_target_has_not_is_refused(tmp_path, table, option, extension):
    message = fault(UsageError, tmp_path / f"a{extension}", table, sparse=option == "--sparse")
    assert message == f"{option}: a target format with such rows is needed; got {extension[1:]}"


@pytest.mark.parametrize("shards", [1, 3, 7])
def test_shards_hold_every_row_once_in_turn(tmp_path, shards):
    (tmp_path / "rows.csv").write_text("".join(f"{row},{row}.5\n" for row in range(5)))
    done = to(tmp_path / "out", tmp_path / "rows.csv", content_type="csv", shards=shards)
    names = [f"part-{number:05}-of-{shards:05}.csv" for number in range(shards)]
    assert [path.name for path in done.files] == names == sorted(path.name for path in (tmp_path / "out").iterdir())
    rows = [[int(line.partition(",")[0]) for line in path.read_text().splitlines()] for path in done.files]
    assert rows == [list(range(number, 5, shards)) for number in range(shards)]


def test_shards_go_on_in_turn_over_batches_and_read_back_as_one_source(tmp_path, monkeypatch):
    monkeypatch.setattr(npy, "BATCH_CELLS", 20)
    rows = np.arange(200, dtype=np.float32).reshape(-1, 2)
    np.savez(tmp_path / "rows.npz", features=rows)
    to(tmp_path / "out", tmp_path / "rows.npz", content_type="recordio", shards=3)
    parts = [recordio.RecordioProtobufCodec().decode(path.read_bytes(), Layout()).features
             for path in sorted((tmp_path / "out").iterdir())]  # fmt: skip
    for number, part in enumerate(parts):
        np.testing.assert_array_equal(part, rows[number::3])
    assert to(tmp_path / "all.npz", tmp_path / "out").summary.rows == 100


def test_shards_are_not_mixed_with_what_is_there(tmp_path, table):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.csv").write_text("1,2\n")
    message = fault(UserError, tmp_path / "out", table, content_type="csv", shards=2, skip_header=True)
    assert message == f'target: a new or empty folder for shards is needed; got "{tmp_path}/out"'


def test_header_is_taken_off_and_its_names_kept(tmp_path, table):
    done = to(tmp_path / "rows.parquet", table, skip_header=True)
    assert done.names == ("label", "x", "y")
    assert to(tmp_path / "back.csv", tmp_path / "rows.parquet").names == ("label", "x", "y")
    assert (tmp_path / "back.csv").read_text() == "1,2,\n0,0,5.25\n1,-1,0.1\n"


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_header_may_have_quoted_line_ends_and_any_charset(tmp_path, charset):
    (tmp_path / "a.csv").write_bytes('größe,"two\r\nlines";x\r\n1,2\r\n'.encode(charset))
    about = SourceDescription(tmp_path / "a.csv", f"text/csv; charset={charset}", skip_header=True, delimiter=",")
    done = convert(about, TargetDescription(tmp_path / "b.csv"), terminal=False)
    assert done.names == ("größe", "two\r\nlines;x")
    assert (tmp_path / "b.csv").read_text() == "1,2\n"


def test_header_that_is_not_announced_is_refused(tmp_path, table):
    assert fault(DataError, tmp_path / "b.csv", table) == (
        f'{table}, line 1: numbers without a header row are needed; got a header row (column 1 is "label")'
    )


def test_bad_row_keeps_its_line_below_a_header_and_leaves_nothing(tmp_path, table):
    table.write_text('a,"b\nc"\n1,2\n1,x\n')
    assert fault(DataError, tmp_path / "b.csv", table, skip_header=True) == (
        f'{table}, line 4, column 2: a number is needed; got "x"'
    )
    assert list(tmp_path.iterdir()) == [table]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("0,1\n1,2\ninf,3\n", {}, "row 3: a finite number as label is needed; got inf"),
        ("0,1,2\n1,-inf,2\n", {"weighted": True}, "row 2: a finite number as weight is needed; got -inf"),
    ],
)
def test_label_or_weight_that_no_job_would_take_is_refused(tmp_path, content, options, message):
    (tmp_path / "a.csv").write_text(content)
    assert fault(DataError, tmp_path / "b.csv", tmp_path / "a.csv", **options) == f"{tmp_path}/a.csv, {message}"


@pytest.mark.parametrize("text", ["", "label,x\n"])
def test_file_without_rows_is_refused(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    assert fault(DataError, tmp_path / "b.csv", tmp_path / "a.csv", skip_header=True) == (
        f"{tmp_path}/a.csv: at least one row is needed; got none"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_labels_may_lie_in_a_file_of_their_own(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6).reshape(3, 2, order="F"))
    np.save(tmp_path / "y.npy", np.array([1, 0, 1]))
    to(tmp_path / "a.csv", tmp_path / "x.npy", labels=tmp_path / "y.npy")
    assert (tmp_path / "a.csv").read_text() == "1,0,3\n0,1,4\n1,2,5\n"


def test_rows_without_label_are_no_libsvm(tmp_path, table):
    assert fault(DataError, tmp_path / "a.libsvm", table, skip_header=True, label_size=0) == (
        "libsvm: exactly one label a row is needed; got 0"
    )


def test_source_is_never_overwritten(tmp_path, table):
    assert fault(UsageError, table, table, skip_header=True) == (
        f'target: another file than the source is needed; got "{table}"'
    )


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("a.txt", {}, '--to, or a name that ends in one of .csv, .libsvm, .jsonl, .parquet, .pbr, .npy, .npz is '
         'needed; got "a.txt"'),
        ("a.csv", {"delimiter": "ab"}, '--delimiter: one character is needed; got "ab"'),
        ("a.csv", {"content_type": "xml"}, '--to: one of csv, libsvm, jsonlines, parquet, recordio, npy, npz or a '
         'content type is needed; got "xml"'),
        ("a.csv", {"labels": Path("y.npy")}, "--labels: a format that has this is needed; got csv"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(tmp_path, table, target, options, message):
    assert fault(UsageError, tmp_path / target, table, **options).removeprefix(f"{tmp_path}/a.txt: ") == message


def test_files_that_differ_in_their_labels_are_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text('{"features": [1], "label": 1}\n')
    (tmp_path / "in" / "b.jsonl").write_text('{"features": [1]}\n')
    assert fault(DataError, tmp_path / "a.csv", tmp_path / "in") == (
        f"{tmp_path}/in/b.jsonl: labels and weights in all rows or in none are needed; got both"
    )


def test_library_that_is_missing_is_named(tmp_path, table):
    code = (
        "import sys\nsys.modules['pyarrow'] = None\n"
        "from pathlib import Path\nfrom sagecask.datasets.convert import *\n"
        "from sagecask.datasets.source import SourceDescription\nfrom sagecask.errors import UnsupportedMediaType\n"
        f"try: convert(SourceDescription(Path({str(table)!r}), skip_header=True), "
        f"TargetDescription(Path({str(tmp_path)!r}) / 'a.parquet'), terminal=False)\n"
        "except UnsupportedMediaType as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    assert done.stdout == "content type: parquet needs the package pyarrow; got none\n"
    assert issubclass(UnsupportedMediaType, UserError)


def peak_mebibytes(source: Path, target: Path) -> float:
    """Return the most memory that a conversion held."""
    code = f"from sagecask.cli import main\nmain(['convert', {str(source)!r}, {str(target)!r}])"
    watched = f"import resource, subprocess, sys\nsubprocess.run([sys.executable, '-c', {code!r}], check=True, " \
              "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n" \
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", watched], stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    return int(done.stdout) / 1024


@pytest.mark.parametrize("extension", [".pbr", ".npz"])
def test_memory_does_not_grow_with_the_file(tmp_path, extension):
    block = csv.write(Batch(np.random.default_rng(3).random((2000, 20), dtype=np.float32)))
    (tmp_path / "short.csv").write_bytes(block * 40)
    (tmp_path / "long.csv").write_bytes(block * 240)
    assert (tmp_path / "long.csv").stat().st_size > 90 * 2**20
    short, long = (peak_mebibytes(tmp_path / f"{name}.csv", tmp_path / f"{name}{extension}")
                   for name in ("short", "long"))  # fmt: skip
    # the whole table would be 38 MB more as float32, its text 75 MB more
    assert long < short + 16


def test_converted_rows_are_those_of_the_channel(tmp_path, table):
    to(tmp_path / "a.jsonl", table, skip_header=True)
    with (tmp_path / "a.jsonl").open("rb") as stream:
        read = concatenate(list(codec_for(MediaType("application/jsonlines")).read(stream, Layout(), "a")))
    np.testing.assert_array_equal(read.features, np.array([[2, np.nan], [0, 5.25], [-1, 0.1]], dtype=np.float32))
