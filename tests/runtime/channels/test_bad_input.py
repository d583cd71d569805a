"""Data that no job should be made to train on, each with the whole sentence that its owner reads."""

import gzip
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_matrix

from sagecask.channels import Channel, open_channel
from sagecask.contract import ChannelConfig
from sagecask.errors import DataError
from sagecask.formats import Batch, Layout, MediaType, recordio

CSV, LIBSVM, LINES, RECORDS, PARQUET = (
    "text/csv", "text/libsvm", "application/jsonlines", "application/x-recordio-protobuf", "application/x-parquet",
)  # fmt: skip


def channel(folder: Path, content_type: str) -> Channel:
    return open_channel(ChannelConfig("train"), folder, MediaType.parse(content_type))


def dense(label: float = 1) -> bytes:
    return recordio.write(Batch(np.ones((1, 2), np.float32), np.float32([label])))


def sparse(key: int = 1, width: int = 2) -> bytes:
    matrix = csr_matrix(([1.0], [key], [0, 1]), shape=(1, width), dtype=np.float32)
    return recordio.write(Batch(matrix, np.float32([1])))


def parquet(labels: list[float]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"y": labels, "x": [0.0] * len(labels)}), stream)
    return stream.getvalue()


def beyond_the_shape() -> bytes:
    # the writer makes none such; the shape's last byte is made smaller
    data = sparse(key=4, width=5)
    assert data.count(b"\x1a\x01\x05") == 1
    return data.replace(b"\x1a\x01\x05", b"\x1a\x01\x03")


FAULTS = {
    "truncated record": (RECORDS, dense() + dense()[:-7], "record 2: 44 bytes of payload and padding are needed; "
                         "got 37 until the end"),
    "truncated head": (RECORDS, dense() + dense()[:6], "record 2: a length word of 4 bytes is needed; got 2 bytes "
                       "until the end"),
    "wrong magic": (RECORDS, dense() + b"\x0a\x23\xd7\xcf" + dense()[4:], "record 2: the RecordIO magic 0a23d7ce is "
                    "needed; got 0a23d7cf"),
    "length beyond the file": (RECORDS, dense()[:4] + b"\xff\xff\xff\x1f" + dense()[8:], "record 1: 536870912 bytes "
                               "of payload and padding are needed; got 44 until the end"),
    "key beyond the shape": (RECORDS, beyond_the_shape(), "record 1: keys in [0, 3) are needed; got 4"),
    "dense among sparse records": (RECORDS, sparse() + dense(), "record 2: sparse features as before are needed; got "
                                   "dense ones"),
    "sparse among dense lines": (
        LINES, b'{"features": [1, 2]}\n{"features": {"keys": [0], "shape": [2], "values": [1]}}\n',
        "line 2: dense features as before are needed; got sparse ones",
    ),
    "nan as label of a record": (RECORDS, dense() + dense(np.nan), "record 2: a finite number as label is needed; got "
                                 "nan"),
    "nan as label in CSV": (CSV, b"1,2\nnan,3\n", 'line 2, column 1: a number is needed; got "nan"'),
    "nan as label in libsvm": (LIBSVM, b"1 0:1\nnan 0:1\n", "line 2: a label, then index:value pairs are needed; got "
                               '"nan 0:1" (a label is a number)'),
    "nan as label in JSON Lines": (LINES, b'{"features": [1], "label": NaN}\n', "line 1: a finite number as label is "
                                   "needed; got nan"),
    "nan as label in Parquet": (PARQUET, parquet([1, np.nan]), "row 2: a finite number as label is needed; got null "
                                "or nan"),
    "infinite label in CSV": (CSV, b"1,2\n\n-inf,3\n", "row 2: a finite number as label is needed; got -inf"),
    "label in CSV that float32 cannot hold": (CSV, b"1e39,3\n", "row 1: a finite number as label is needed; got inf"),
    "infinite label in libsvm": (LIBSVM, b"1 0:1\ninf 0:1\n", "row 2: a finite number as label is needed; got inf"),
    "infinite weight in libsvm": (LIBSVM, b"1:1 0:1\n1:inf 0:1\n", "row 2: a finite number as weight is needed; got "
                                  "inf"),
    "infinite label of a record": (RECORDS, dense() + dense(np.inf), "record 2: a finite number as label "
                                   "is needed; got inf"),
    "infinite label in Parquet": (PARQUET, parquet([1, 2, np.inf]), "row 3: a finite number as label is needed; got "
                                  "inf"),
    "ragged CSV": (CSV, b"1,2,3\n4,5\n", "line 2: 2 columns, expected 3 (1 label, 2 features)"),
    "header row": (CSV, b"y,x\n1,2\n", "line 1: numbers without a header row are needed; got a header row (column 1 "
                   'is "y")'),
    "wrong delimiter": (CSV, b"1;2;3\n4;5;6\n", 'line 1: columns with "," between them are needed; got ";"'),
    "text in CSV": (CSV, b"1,2\r\n1,x\r\n", 'line 2, column 2: a number is needed; got "x"'),
    "gzip that ends early": (CSV, gzip.compress(b"1,2\n" * 9)[:-4], "a whole gzip file is needed; got one that ends "
                             "early"),
    "index that is none": (LIBSVM, b"1 0:1\n1 a:1\n", 'line 2: a label, then index:value pairs are needed; got "1 a:1" '
                           "(pairs are index:value, both numbers)"),
    "index twice": (LIBSVM, b"1 0:1 0:2\n", 'line 1: a label, then index:value pairs are needed; got "1 0:1 0:2" '
                    "(index 0 occurs twice)"),
    "line of no JSON": (LINES, b'{"features": [1]}\n{"features": [1\n', "line 2: JSON is needed; got Expecting ',' "
                        "delimiter: line 1 column 16 (char 15)"),
}  # fmt: skip


def _joint(expected: str) -> str:
    """Return what stands between the file and the message: a place in it, or the message at once."""
    return ", " if expected.startswith(("line ", "row ", "record ")) else ": "


@pytest.mark.parametrize("case", FAULTS)
def test_fault_is_one_sentence(tmp_path: Path, case: str):
    content_type, data, expected = FAULTS[case]
    (tmp_path / "part-1").write_bytes(data)
    with pytest.raises(DataError) as caught:
        channel(tmp_path, content_type).read(Layout(label_size=1))
    assert str(caught.value) == f'channel "train", part-1{_joint(expected)}{expected}'


@pytest.mark.parametrize("content_type", [CSV, LIBSVM, LINES, RECORDS, PARQUET])
def test_files_without_a_byte_are_no_rows(tmp_path: Path, content_type: str):
    (tmp_path / "_SUCCESS").touch()
    with pytest.raises(DataError) as caught:
        channel(tmp_path, content_type).read(Layout(label_size=1))
    assert str(caught.value) == 'channel "train": at least one row is needed; got none'


@pytest.mark.parametrize(("content_type", "text"), [(CSV, b"1,2\n3,4\n"), (LIBSVM, b"1 0:2\n3 0:4\n")])
def test_line_ends_of_another_system_and_byte_order_mark_are_read(tmp_path: Path, content_type: str, text: bytes):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    (tmp_path / "b").write_bytes(text)
    batch = channel(tmp_path, content_type).read(Layout(label_size=1))
    assert batch.labels.tolist() == [1, 3, 1, 3]


def test_folder_where_a_listed_file_should_be_is_refused(tmp_path: Path):
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(DataError) as caught:
        channel(tmp_path, CSV).open("a.jpg")
    assert str(caught.value) == 'channel "train", a.jpg: a regular file is needed; got something else'


def test_dense_and_sparse_files_are_refused(tmp_path: Path):
    (tmp_path / "a").write_bytes(dense())
    (tmp_path / "b").write_bytes(sparse())
    with pytest.raises(DataError) as caught:
        channel(tmp_path, RECORDS).read(Layout(label_size=1))
    assert str(caught.value) == 'channel "train", b: sparse rows in all files or in none are needed; got both'
