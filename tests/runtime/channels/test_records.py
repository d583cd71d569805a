"""Files of instances that are no rows of numbers: which are read, as what, and what is said of damaged ones."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sagecask.channels import FileRules, open_channel, shard
from sagecask.contract import ChannelConfig
from sagecask.errors import DataError, UnsupportedMediaType
from sagecask.formats import MediaType

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask.channels import Channel

RULES = FileRules(
    skip=(".*", "_SUCCESS"),
    content_types={".json": "application/jsonlines", ".jsonl": "application/jsonlines", ".parquet": "parquet"},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train").mkdir()
    return tmp_path / "train"


def channel(folder: Path, content_type: str = "json") -> Channel:
    return open_channel(ChannelConfig("train", "File"), folder, MediaType.parse(content_type))


def read(folder: Path, content_type: str = "json", rules: FileRules = RULES) -> dict[str, object]:
    found: dict[str, object] = {}
    for records in channel(folder, content_type).records(rules):
        assert not records.configuration
        found |= dict(zip(records.places, records.values, strict=True))
    return found


def fault(folder: Path, content_type: str = "json") -> str:
    with pytest.raises((DataError, UnsupportedMediaType)) as caught:
        read(folder, content_type)
    return str(caught.value)


def parquet(**columns: object) -> bytes:
    return written(pa.table(columns))


def written(table: pa.Table, **settings: object) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **settings)
    return stream.getvalue()


def test_extension_decides_the_format_and_other_names_the_content_type(folder: Path):
    (folder / "a.json").write_bytes(b'{"x": 1}\n\n{"x": 2}\n')
    (folder / "b.JSON.gz").write_bytes(gzip.compress(b'{"x": 3}'))
    (folder / "c.parquet").write_bytes(parquet(x=[4]))
    (folder / "part-0").write_bytes(parquet(x=[5]))
    (folder / "part.1").write_bytes(parquet(x=[6]))
    assert read(folder, "parquet") == {
        'channel "train", a.json, line 1': {"x": 1},
        'channel "train", a.json, line 3': {"x": 2},
        'channel "train", b.JSON.gz, line 1': {"x": 3},
        'channel "train", c.parquet, row 1': {"x": 4},
        'channel "train", part-0, row 1': {"x": 5},
        'channel "train", part.1, row 1': {"x": 6},
    }


def test_subfolders_are_read_and_names_to_skip_are_not(folder: Path):
    (folder / "2020" / "01").mkdir(parents=True)
    (folder / "2020" / "01" / "a.json").write_bytes(b"1")
    for name in (".hidden.json", "_SUCCESS", "2020/_SUCCESS", "2020/.a.json.crc"):
        (folder / name).write_bytes(b"no JSON")
    assert read(folder) == {'channel "train", 2020/01/a.json, line 1': 1}


def test_single_file_is_a_channel(folder: Path):
    (folder / "a.parquet").write_bytes(parquet(x=["text"]))
    assert read(folder / "a.parquet") == {'channel "train", a.parquet, row 1': {"x": "text"}}


def test_empty_files_have_no_records(folder: Path):
    for name in ("a.json", "b.parquet"):
        (folder / name).write_bytes(b"")
    (folder / "c.json").write_bytes(b"\n\n")
    (folder / "d.json.gz").write_bytes(gzip.compress(b""))
    assert read(folder) == {}


def test_every_pass_reads_all_files(folder: Path):
    (folder / "a.json").write_bytes(b"1\n2")
    opened = channel(folder)
    passes = [[value for records in opened.records(RULES) for value in records.values] for _ in range(2)]
    assert passes == [[1, 2], [1, 2]]


def test_shares_of_two_hosts_are_all_records(folder: Path):
    (folder / "a.json").write_bytes(b"1\n2\n3")
    (folder / "b.json").write_bytes(b"4\n5")
    shares = [
        [value for records in shard(channel(folder), rank, 2).records(RULES) for value in records.values]
        for rank in (0, 1)
    ]
    assert shares == [[1, 3, 5], [2, 4]]


def test_large_file_is_read_piece_by_piece(folder: Path):
    line = b"[%s]\n" % b",".join([b"1.5"] * 1000)
    (folder / "a.json").write_bytes(line * 1000)
    pieces = [len(records) for records in channel(folder).records(RULES)]
    assert sum(pieces) == 1000
    assert max(pieces) < 300
    last = list(channel(folder).records(RULES))[-1]
    assert last.places[-1] == 'channel "train", a.json, line 1000'


def test_large_parquet_file_is_read_piece_by_piece(folder: Path):
    rows = [np.arange(20_000, dtype=np.float64) + number for number in range(100)]
    (folder / "a.parquet").write_bytes(written(pa.table({"target": rows}), row_group_size=100))
    pieces = list(channel(folder).records(RULES))
    assert max(map(len, pieces)) == 64
    values = [value for piece in pieces for value in piece.values]
    assert [value["target"][0] for value in values] == list(range(100))
    assert pieces[-1].places[-1] == 'channel "train", a.parquet, row 100'


@pytest.mark.parametrize("mode", ["gzip", "snappy", "zstd", "none"])
def test_compressed_parquet_is_read(folder: Path, mode: str):
    (folder / "a.parquet").write_bytes(written(pa.table({"x": [1, 2]}), compression=mode))
    assert list(read(folder).values()) == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["2021-01-01", None]), ["2021-01-01", None]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.array([1, None]), [1, None]),
        (pa.array([datetime(2021, 1, 2, 3, 4, 5), None]), [np.datetime64("2021-01-02T03:04:05"), None]),
        (pa.array([datetime(1965, 1, 2)], pa.timestamp("ns")), [np.datetime64("1965-01-02")]),
        (pa.array([datetime(1965, 1, 2).date()]), [np.datetime64("1965-01-02")]),
        (pa.array([datetime(2021, 1, 2, tzinfo=UTC)]), ["2021-01-02T00:00:00.000000+0000"]),
        (pa.array([True]), [True]),
        (pa.array([["NaN", "1"]]), [["NaN", "1"]]),
        (pa.array([{"a": 1}]), [{"a": 1}]),
    ],
)
def test_parquet_values_come_as_python_has_them(folder: Path, column: pa.Array, expected: list[object]):
    (folder / "a.parquet").write_bytes(parquet(x=column))
    assert [row["x"] for row in read(folder).values()] == expected


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (pa.list_(pa.float64()), np.float64),
        (pa.large_list(pa.float32()), np.float32),
        (pa.list_(pa.int64()), np.int64),
        (pa.list_(pa.decimal128(5, 2)), np.float64),
    ],
)
def test_parquet_lists_of_numbers_are_arrays(folder: Path, kind: pa.DataType, dtype: type):
    (folder / "a.parquet").write_bytes(parquet(x=pa.array([[1, 2], None, [], [3]], kind)))
    first, second, third, fourth = (row["x"] for row in read(folder).values())
    assert second is None
    assert [each.tolist() for each in (first, third, fourth)] == [[1, 2], [], [3]]
    assert first.dtype == dtype


def test_null_in_a_parquet_list_is_nan(folder: Path):
    (folder / "a.parquet").write_bytes(parquet(x=pa.array([[1, None, 3]]), y=pa.array([[None, None]])))
    ((row),) = read(folder).values()
    np.testing.assert_array_equal(row["x"], [1, np.nan, 3])
    assert list(row["y"]) == [None, None]


def test_parquet_lists_of_lists_are_lists_of_arrays(folder: Path):
    nested = pa.array([[[1.0, 2.0], [3.0, 4.0]], [], None, [[5.0]]])
    fixed = pa.array([[1, 2], [3, 4], None, [5, 6]], pa.list_(pa.int32(), 2))
    (folder / "a.parquet").write_bytes(parquet(x=nested, y=fixed))
    rows = list(read(folder).values())
    assert [row["x"] and [each.tolist() for each in row["x"]] for row in rows] == [[[1, 2], [3, 4]], [], None, [[5]]]
    assert [None if row["y"] is None else row["y"].tolist() for row in rows] == [[1, 2], [3, 4], None, [5, 6]]


def test_row_numbers_of_a_data_frame_are_no_column(folder: Path):
    (folder / "a.parquet").write_bytes(parquet(x=[1], __index_level_0__=[7]))
    (folder / "b.parquet").write_bytes(parquet(__index_level_0__=[7, 8]))
    assert list(read(folder).values()) == [{"x": 1}, {}, {}]


def test_parquet_columns_may_have_any_name(folder: Path):
    (folder / "a.parquet").write_bytes(written(pa.table([[1], [2], [3]], names=["a.b", "a", "a"])))
    assert list(read(folder).values()) == [{"a.b": 1, "a": 3}]


def test_parquet_value_that_python_cannot_have_is_refused(folder: Path):
    far = pa.array([{"time": 2**48}], pa.struct([("time", pa.timestamp("ms"))]))
    (folder / "a.parquet").write_bytes(parquet(x=far))
    expected = 'channel "train", a.parquet, column "x": a Parquet file is needed; got date value out of range'
    assert fault(folder) == expected


@pytest.mark.parametrize("cut", [2, 15, -9, -1])
def test_gzip_file_that_ends_early_is_refused(folder: Path, cut: int):
    data = gzip.compress(b"".join(b"[%d]\n" % number for number in range(5000)))
    (folder / "a.json.gz").write_bytes(data[:cut])
    assert fault(folder) == 'channel "train", a.json.gz: a whole gzip file is needed; got one that ends early'


def test_damaged_gzip_file_is_refused(folder: Path):
    data = bytearray(gzip.compress(b"".join(b"[%d]\n" % number for number in range(5000))))
    data[500] ^= 255
    (folder / "a.json.gz").write_bytes(data)
    assert fault(folder).startswith('channel "train", a.json.gz: a sound gzip file is needed; got a damaged one (')


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.json", b'1\n{"x": 1', "a.json, line 2: JSON is needed; got Expecting ',' delimiter: line 1 column 8 (char "
         "7)"),
        ("a.json", b'{"x": \xff}', "a.json, line 1: JSON is needed; got 'utf-8' codec can't decode byte 0xff in "
         "position 6: invalid start byte"),
        ("a.parquet", b"PAR1 and no more", "a.parquet: a Parquet file is needed; got Parquet magic bytes not found in "
         "footer. Either the file is corrupted or this is not a parquet file."),
    ],
)  # fmt: skip
def test_file_that_is_not_of_its_format_is_refused(folder: Path, name: str, data: bytes, message: str):
    (folder / name).write_bytes(data)
    assert fault(folder) == f'channel "train", {message}'


def test_format_of_rows_alone_is_refused(folder: Path):
    (folder / "a").write_bytes(b"1,2")
    expected = 'channel "train", a: a format for instances that are objects is needed; got CSV'
    assert fault(folder, "text/csv") == expected
