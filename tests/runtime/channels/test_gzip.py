import gzip
import os
import threading
from pathlib import Path

import pytest

from sagecask.channels import Channel, open_channel
from sagecask.contract import ChannelConfig
from sagecask.errors import DataError
from sagecask.formats import Layout, MediaType

TRAINING = Layout(label_size=1)
CSV, LIBSVM, LINES = b"1,2\n3,4\n", b"1 0:2\n3 0:4\n", b'{"features": [2], "label": 1}\n{"features": [4], "label": 3}\n'
TYPES = [("text/csv", CSV), ("text/libsvm", LIBSVM), ("application/jsonlines", LINES)]


def channel(folder: Path, content_type: str = "text/csv", mode: str = "File") -> Channel:
    return open_channel(ChannelConfig("train", mode), folder / "train", MediaType.parse(content_type), 20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train").mkdir()
    return tmp_path


def fault(folder: Path, data: bytes) -> str:
    (folder / "train" / "a.csv.gz").write_bytes(data)
    with pytest.raises(DataError) as caught:
        channel(folder).read(TRAINING)
    return str(caught.value)


@pytest.mark.parametrize(("content_type", "content"), TYPES)
def test_gzip_file_is_read_whatever_its_name(folder: Path, content_type: str, content: bytes):
    (folder / "train" / "a").write_bytes(gzip.compress(content))
    (folder / "train" / "b").write_bytes(content)
    (folder / "train" / "c").write_bytes(gzip.compress(b""))
    batch = channel(folder, content_type).read(TRAINING)
    assert batch.labels.tolist() == [1, 3, 1, 3]


def test_members_of_a_gzip_file_are_joined(folder: Path):
    (folder / "train" / "a").write_bytes(gzip.compress(b"1,2\n3,") + gzip.compress(b"4\n"))
    assert channel(folder).read(TRAINING).labels.tolist() == [1, 3]


def test_fault_in_a_gzip_file_names_the_line(folder: Path):
    expected = 'channel "train", a.csv.gz, line 2, column 2: a number is needed; got "x"'
    assert fault(folder, gzip.compress(b"1,2\n3,x\n")) == expected


@pytest.mark.parametrize("cut", [2, 15, -9, -1])
def test_gzip_file_that_ends_early_is_refused(folder: Path, cut: int):
    data = gzip.compress(b"".join(b"%d,%d\n" % (row % 7, row) for row in range(5000)))
    expected = 'channel "train", a.csv.gz: a whole gzip file is needed; got one that ends early'
    assert fault(folder, data[:cut]) == expected


def test_damaged_gzip_file_is_refused(folder: Path):
    data = bytearray(gzip.compress(CSV))
    data[-8] ^= 1
    opening = 'channel "train", a.csv.gz: a sound gzip file is needed; got a damaged one (CRC check failed '
    assert fault(folder, bytes(data)).startswith(opening)
    opening = 'channel "train", a.csv.gz: a sound gzip file is needed; got a damaged one (Not a gzipped file '
    assert fault(folder, gzip.compress(CSV) + b"1,2\n").startswith(opening)


def test_gzip_objects_that_nobody_has_unpacked_are_read_from_a_pipe(tmp_path: Path):
    os.mkfifo(tmp_path / "train_0")
    data = gzip.compress(b"1,2\n") + gzip.compress(b"3,4\n")
    writer = threading.Thread(target=(tmp_path / "train_0").write_bytes, args=(data,))
    writer.start()
    assert channel(tmp_path, mode="Pipe").read(TRAINING).labels.tolist() == [1, 3]
    writer.join()
