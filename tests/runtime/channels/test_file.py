import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sagecask.channels import Channel, FileRules, open_channel
from sagecask.contract import ChannelConfig
from sagecask.errors import DataError, UnsupportedMediaType
from sagecask.formats import Batch, Layout, MediaType, recordio

TRAINING = Layout(label_size=1)


def channel(folder: Path, content_type: str = "text/csv", mode: str = "File") -> Channel:
    return open_channel(ChannelConfig("train", mode), folder, MediaType.parse(content_type))


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def fault(opened: Channel, rules: FileRules | None = None) -> str:
    with pytest.raises(DataError) as caught:
        opened.read(TRAINING, rules or FileRules())
    return str(caught.value)


@pytest.mark.parametrize("mode", ["File", "FastFile"])
def test_nested_files_are_read_in_the_order_of_their_keys(tmp_path: Path, mode: str):
    write(
        tmp_path, {"b.csv": "3,0\n", "a/z.csv": "2,0", "a-1.csv": "1,0\n", "c/d/e/f/g.csv": "5,0\n", "c/d.csv": "4,0\n"}
    )
    assert channel(tmp_path, mode=mode).read(TRAINING).labels.tolist() == [1, 2, 3, 4, 5]


def test_files_of_a_mounted_configmap_are_read_once(tmp_path: Path):
    write(tmp_path, {"..2026_11_22/a.csv": "1,0\n", "..2026_11_22/b.csv": "2,0\n"})
    (tmp_path / "..data").symlink_to("..2026_11_22")
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert channel(tmp_path).read(TRAINING).labels.tolist() == [1, 2]


def test_each_call_is_the_next_epoch(tmp_path: Path):
    opened = channel(write(tmp_path, {"a.csv": "1,2\n", "b.csv": "3,4\n"}))
    for _ in range(2):
        assert [batch.labels.tolist() for batch in opened.batches(TRAINING)] == [[1], [3]]


def test_channel_may_be_one_file(tmp_path: Path):
    write(tmp_path, {"train": "1,2\n"})
    assert channel(tmp_path / "train").read(TRAINING).labels.tolist() == [1]
    write(tmp_path, {"train": "1,x,3\n"})
    assert fault(channel(tmp_path / "train")) == 'channel "train", train, line 1, column 2: a number is needed; got "x"'


def test_channel_without_rows_yields_nothing_and_read_says_so(tmp_path: Path):
    opened = channel(tmp_path)
    assert list(opened.batches(TRAINING)) == []
    assert fault(opened) == 'channel "train": at least one row is needed; got none'


@pytest.mark.parametrize("content_type", ["text/csv", "application/x-parquet", "text/libsvm", "application/jsonlines"])
def test_empty_files_are_skipped(tmp_path: Path, content_type: str):
    assert list(channel(write(tmp_path, {"_SUCCESS": "", "b": ""}), content_type).batches(TRAINING)) == []


def test_missing_folder_is_named(tmp_path: Path):
    expected = f'channel "train": a folder {tmp_path / "train"} is needed; got none'
    assert fault(channel(tmp_path / "train")) == expected


def test_fault_names_the_file_relative_to_the_channel(tmp_path: Path):
    write(tmp_path, {"a.csv": "1,2\n", "sub/b.csv": "1,2\n1,x\n"})
    assert fault(channel(tmp_path)) == 'channel "train", sub/b.csv, line 2, column 2: a number is needed; got "x"'


def test_files_of_different_widths_are_refused(tmp_path: Path):
    write(tmp_path, {"a.csv": "1,2\n", "b.csv": "1,2,3\n"})
    expected = 'channel "train", b.csv, line 1: 3 columns, expected 2 (1 label, 1 feature)'
    assert fault(channel(tmp_path)) == expected


def test_libsvm_files_may_differ_in_their_highest_index(tmp_path: Path):
    write(tmp_path, {"a": "1 0:1 5:2\n", "b": "0 2:1\n", "c": "1 9:1\n"})
    features = channel(tmp_path, "text/libsvm").read(TRAINING).features
    assert features.shape == (3, 10)


def test_labels_in_some_files_only_are_refused(tmp_path: Path):
    write(tmp_path, {"a": '{"features": [1], "label": 1}\n', "b": '{"features": [1]}\n'})
    expected = 'channel "train", b: labels in all files or in none are needed; got both'
    assert fault(channel(tmp_path, "application/jsonlines")) == expected


def test_weights_in_some_files_only_are_refused(tmp_path: Path):
    write(tmp_path, {"a": "1 0:1\n", "b": "1:0.5 0:1\n"})
    expected = 'channel "train", b: weights in all files or in none are needed; got both'
    assert fault(channel(tmp_path, "text/libsvm")) == expected


def test_parameters_of_the_content_type_are_honoured(tmp_path: Path):
    write(tmp_path, {"a.csv": "1,2\n"})
    batch = channel(tmp_path, "text/csv; label_size=0").read(TRAINING)
    assert (batch.labels, batch.features.tolist()) == (None, [[1, 2]])
    (tmp_path / "a.csv").write_bytes("1,2\n".encode("utf-16"))
    assert channel(tmp_path, "text/CSV;charset=UTF-16").read(TRAINING).labels.tolist() == [1]


def test_label_size_that_is_no_number_is_refused(tmp_path: Path):
    expected = (
        'channel "train": a content type whose label_size is a whole number is needed; got "text/csv; label_size=-1"'
    )
    assert fault(channel(tmp_path, "text/csv;label_size=-1")) == expected


def test_hidden_file_is_refused_where_the_rules_say_so(tmp_path: Path):
    write(tmp_path, {"a.csv": "1,2\n", "sub/.b.csv": "3,4\n"})
    assert channel(tmp_path).read(TRAINING).labels.tolist() == [1, 3]
    expected = 'channel "train", sub/.b.csv: a file name without a leading dot is needed; got a hidden file'
    assert fault(channel(tmp_path), FileRules(refuse_hidden=True)) == expected


def test_underscore_is_skipped_where_the_rules_say_so(tmp_path: Path):
    write(tmp_path, {"_a.csv": "1,2\n", "b.csv": "3,4\n"})
    assert channel(tmp_path).read(TRAINING).labels.tolist() == [1, 3]
    assert channel(tmp_path).read(TRAINING, FileRules(skip_underscore=True)).labels.tolist() == [3]


def test_deep_files_are_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    write(tmp_path, {"a/b/three.csv": "1,2\n", "a/b/c/four.csv": "3,4\n"})
    with caplog.at_level(logging.WARNING):
        assert channel(tmp_path).read(TRAINING, FileRules(max_depth=3)).labels.tolist() == [1]
    expected = 'channel "train": files deeper than 3 folders are left out; 1 found, such as a/b/c/four.csv'
    assert caplog.messages == [expected]


def test_pipe_in_the_folder_is_refused_instead_of_read(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo")
    assert fault(channel(tmp_path)) == 'channel "train", fifo: a regular file is needed; got something else'


def test_file_that_went_away_is_named(tmp_path: Path):
    opened = channel(write(tmp_path, {"a.csv": "1,2\n", "b.csv": "1,2\n"}))
    assert len(opened.read(TRAINING)) == 2
    (tmp_path / "b.csv").unlink()
    with pytest.raises(DataError) as caught:
        opened.read(TRAINING)
    assert str(caught.value) == 'channel "train", b.csv: a regular file is needed; got something else'


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Root may read any file, so what cannot be read is tried as somebody else."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    yield
    os.seteuid(user)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def unreadable(open_folder: Path) -> Path:
    write(open_folder, {"file/a.csv": "1,2\n", "folder/b/c.csv": "1,2\n"})
    (open_folder / "file/a.csv").chmod(0)
    (open_folder / "folder/b").chmod(0)
    return open_folder


@pytest.mark.usefixtures("unreadable", "ordinary_user")
def test_unreadable_file_or_folder_is_named(open_folder: Path):
    expected = 'channel "train", a.csv: a readable file is needed; got Permission denied'
    assert fault(channel(open_folder / "file")) == expected
    expected = 'channel "train": a readable folder is needed; got Permission denied for {}'
    assert fault(channel(open_folder / "folder")) == expected.format(open_folder / "folder/b")
    assert fault(channel(open_folder / "folder/b/c")) == expected.format(open_folder / "folder/b/c")


def test_content_type_without_a_format_is_refused_when_read(tmp_path: Path):
    opened = channel(write(tmp_path, {"train.py": "pass\n"}), "text/python")
    with pytest.raises(UnsupportedMediaType) as caught:
        opened.read(TRAINING)
    assert str(caught.value).startswith('channel "train", content type: one of text/csv, csv, ')


def test_exception_in_the_middle_of_an_epoch_passes_and_closes_the_file(tmp_path: Path):
    opened = channel(write(tmp_path, {"a.csv": "1,2\n"}))
    batches = opened.batches(TRAINING)
    next(batches)
    with pytest.raises(KeyboardInterrupt):
        batches.throw(KeyboardInterrupt)
    assert not [path for path in Path("/proc/self/fd").iterdir() if path.resolve() == tmp_path / "a.csv"]


def test_read_only_folder_is_enough(tmp_path: Path):
    folder = write(tmp_path / "train", {"a.csv": "1,2\n"})
    folder.chmod(0o555)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert len(channel(folder, mode="FastFile").read(TRAINING)) == 1
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_recordio_files_make_one_data_set(tmp_path: Path):
    for number in range(3):
        rows = Batch(np.full((2, 4), number, dtype=np.float32), np.full(2, number, dtype=np.float32))
        (tmp_path / f"{number}.pbr").write_bytes(recordio.write(rows))
    batch = channel(tmp_path, "application/x-recordio-protobuf").read(TRAINING)
    assert batch.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert batch.features.shape == (6, 4)


def bytes_read() -> int:
    """Return what this process has read since its start, by the kernel's count."""
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.parametrize("content_type", ["text/csv", "text/libsvm", "application/x-recordio-protobuf"])
def test_each_byte_is_read_once_an_epoch(tmp_path: Path, content_type: str):
    rows = Batch(np.ones((20_000, 10), np.float32), np.ones(20_000, np.float32))
    line = b"1" + b"".join(b" %d:1" % column for column in range(10)) + b"\n"
    contents = {"text/csv": b"1,2,3,4\n" * 200_000, "text/libsvm": line * 20_000}
    data = contents.get(content_type) or recordio.write(rows)
    (tmp_path / "a").write_bytes(data)
    opened = channel(tmp_path, content_type, "FastFile")
    opened.read(TRAINING)
    before = bytes_read()
    opened.read(TRAINING)
    # a little more: the kernel's own files, this one among them
    assert len(data) <= bytes_read() - before < len(data) + 100_000
