"""A whole epoch in one matrix holds what its batches hold, whichever way their rows were decoded."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from sagecask.channels import Channel, open_channel
from sagecask.contract import ChannelConfig
from sagecask.errors import DataError
from sagecask.formats import Batch, Layout, MediaType, csv, recordio
from sagecask.formats import lines as text_lines
from sagecask.formats.framing import frame
from sagecask.formats.record_pb2 import Record

SOURCE = np.random.default_rng(7)
CSV, RECORDS = "text/csv", "application/x-recordio-protobuf"
WIDTH = 40


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recordio, "BATCH_BYTES", 5000)
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 3000)


def rows(count: int, n_labels: int = 1) -> Batch:
    labels = SOURCE.integers(9, size=(count, n_labels)).astype(np.float32)
    return Batch(SOURCE.normal(size=(count, WIDTH)).astype(np.float32), labels[:, 0] if n_labels == 1 else labels)


def record(uid: str = "", other: str = "values") -> bytes:
    """Return a record of its own layout; one with another key is read the slow way."""
    made = Record(uid=uid)
    made.features[other].float32_tensor.values.append(0)
    made.features["values"].float32_tensor.values[:] = SOURCE.normal(size=WIDTH).tolist()
    made.label["values"].float32_tensor.values.append(1)
    return frame(made.SerializeToString())


def channel(folder: Path, content_type: str, files: list[bytes]) -> Channel:
    (folder / "train").mkdir()
    for number, data in enumerate(files):
        (folder / "train" / f"part-{number}").write_bytes(data)
    return open_channel(ChannelConfig("train", "File"), folder / "train", MediaType.parse(content_type), 20)


def check(opened: Channel, layout: Layout, count: int) -> None:
    whole, batches = opened.read(layout), list(opened.batches(layout))
    assert len(batches) > 5
    assert whole.features.shape == (count, WIDTH)
    for name in ("features", "labels", "weights"):
        columns = [getattr(batch, name) for batch in batches]
        if getattr(whole, name) is None:
            assert columns == [None] * len(batches)
        else:
            np.testing.assert_array_equal(getattr(whole, name), np.concatenate(columns))


@pytest.mark.parametrize("n_labels", [0, 1, 2])
def test_records_of_several_files(tmp_path: Path, n_labels: int):
    batches = [rows(count, n_labels) for count in (100, 1, 33, 250)]
    if not n_labels:
        batches = [Batch(batch.features) for batch in batches]
    files = [recordio.write(batch) for batch in batches]
    opened = channel(tmp_path, RECORDS, [files[0], gzip.compress(files[1]), b"", *files[2:]])
    check(opened, Layout(), 384)
    np.testing.assert_array_equal(opened.read(Layout()).features, np.concatenate([batch.features for batch in batches]))


def test_records_of_unequal_layout(tmp_path: Path):
    even = recordio.write(rows(60))
    uneven = b"".join(record("u" * (number % 7)) for number in range(100))
    check(channel(tmp_path, RECORDS, [uneven, even + uneven, even]), Layout(), 320)


def test_records_among_which_some_are_read_the_slow_way(tmp_path: Path):
    even = recordio.write(rows(60))
    slow = record(other="name")
    check(channel(tmp_path, RECORDS, [slow + even, even + slow + even + slow * 40, even]), Layout(), 282)


def test_record_of_another_width_is_refused_in_the_middle(tmp_path: Path):
    other = recordio.write(Batch(np.ones((1, WIDTH + 1), np.float32), np.ones(1, np.float32)))
    opened = channel(tmp_path, RECORDS, [recordio.write(rows(100)), recordio.write(rows(60)) + other])
    message = f'channel "train", part-1, record 61: {WIDTH + 1} features, expected {WIDTH}'
    with pytest.raises(DataError) as caught:
        opened.read(Layout())
    assert str(caught.value) == message
    with pytest.raises(DataError) as caught:
        list(opened.batches(Layout()))
    assert str(caught.value) == message


@pytest.mark.parametrize("layout", [Layout(), Layout(label_size=1), Layout(label_size=2, weighted=True)])
def test_csv_of_several_files(tmp_path: Path, layout: Layout):
    first = layout.label_size + layout.weighted
    tables = [
        csv.write(Batch(SOURCE.normal(size=(count, WIDTH + first)).astype(np.float32))) for count in (60, 1, 40, 70)
    ]
    # blank lines, a quoted cell and a missing end of line
    tables[0] = b"\n\n" + tables[0].replace(b"\n", b"\r\n\r\n", 9)
    quoted = b",".join([b'"1"'] * (WIDTH + first)) + b"\n"
    files = [tables[0] + quoted, gzip.compress(tables[1]), tables[2] + b" \n" + tables[2].rstrip(), quoted + tables[3]]
    check(channel(tmp_path, CSV, files), layout, 213)


def test_ragged_csv_row_is_refused_in_the_middle(tmp_path: Path):
    table = csv.write(Batch(SOURCE.normal(size=(60, WIDTH)).astype(np.float32)))
    opened = channel(tmp_path, CSV, [table, table + b"1,2,3\n" + table])
    message = 'channel "train", part-1, line 61: 3 columns, expected 40 (1 label, 39 features)'
    for read in (lambda: opened.read(Layout(label_size=1)), lambda: list(opened.batches(Layout(label_size=1)))):
        with pytest.raises(DataError) as caught:
            read()
        assert str(caught.value) == message
