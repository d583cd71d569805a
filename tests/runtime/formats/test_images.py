import io

import numpy as np
import pytest

from sagecask.errors import DataError
from sagecask.formats.framing import frame
from sagecask.formats.images import Image, grouped, label_text, listed, pack, packed, unpack

WHERE = 'channel "train", birds.rec'
ONE = bytes.fromhex("00 00 00 00 00 00 00 40 11 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00")
TWO = bytes.fromhex("02 00 00 00 00 00 00 00 11 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 80 3f 00 00 40 40")
JPEG = b"\xff\xd8\xff\xe0picture"


def fault(payload: bytes) -> str:
    with pytest.raises(DataError) as caught:
        unpack(payload, WHERE)
    return str(caught.value)


def list_fault(text: bytes) -> str:
    with pytest.raises(DataError) as caught:
        list(listed(io.BytesIO(text), 'channel "train_lst", train.lst'))
    return str(caught.value)


@pytest.mark.parametrize(("header", "labels"), [(ONE, [2]), (TWO, [1, 3])])
def test_record_is_read_and_written(header: bytes, labels: list[float]):
    image = unpack(header + JPEG, WHERE)
    assert (image.number, image.labels.tolist(), image.content) == (17, labels, JPEG)
    assert pack(image) == header + JPEG


def test_file_of_records_is_read_in_order():
    data = b"".join(frame(pack(Image(number, np.float32([number % 3]), JPEG))) for number in range(7))
    images = list(packed(io.BytesIO(data), WHERE))
    assert [(image.number, image.labels.tolist()) for image in images] == [(n, [n % 3]) for n in range(7)]


def test_record_without_a_whole_header_is_refused():
    assert fault(ONE[:10]) == f"{WHERE}: a header of 24 bytes is needed; got 10"


def test_record_without_an_image_is_refused():
    assert fault(TWO) == f"{WHERE}: 2 labels and an image are needed; got 8 bytes"
    assert fault(b"\xff" * 24 + JPEG) == f"{WHERE}: 4294967295 labels and an image are needed; got 11 bytes"


def test_infinite_label_is_refused():
    assert fault(ONE[:4] + b"\x00\x00\x80\x7f" + ONE[8:] + JPEG) == f"{WHERE}: finite labels are needed; got inf"


def test_cut_off_file_names_the_record():
    with pytest.raises(DataError) as caught:
        list(packed(io.BytesIO(frame(ONE + JPEG) + frame(ONE + JPEG)[:20]), WHERE))
    assert str(caught.value) == f"{WHERE}, record 2: 36 bytes of payload and padding are needed; got 12 until the end"


def test_list_for_classification_detection_and_several_labels_is_read():
    text = b"17\t2.000000\tbirds/wren_017.jpg\r\n\n5\t0\t1\t1\ta b.jpg\n3\t2\t5\t0\t0.1\t0.2\t0.3\t0.4\tx.png"
    lines = list(listed(io.BytesIO(text), WHERE))
    assert [(line.number, line.path) for line in lines] == [(17, "birds/wren_017.jpg"), (5, "a b.jpg"), (3, "x.png")]
    assert lines[0].labels.tolist() == [2]
    assert lines[2].labels.tolist() == np.float32([2, 5, 0, 0.1, 0.2, 0.3, 0.4]).tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"1 2 a.jpg\n", "line 1: index, labels and path with tabs between them are needed; got 1 column"),
        (b"1\t2\ta.jpg\nx\t2\ta.jpg\n", 'line 2, column 1: a whole number is needed; got "x"'),
        (b"1\tcat\ta.jpg\n", 'line 1, column 2: a number is needed; got "cat"'),
        (b"1\tnan\ta.jpg\n", "line 1: finite labels are needed; got nan"),
        (b"\x1f1\tinf\ta.jpg\n", "line 1: finite labels are needed; got inf"),
        (b"1\t-1e39\ta.jpg\n", "line 1: finite labels are needed; got -inf"),
        (b"1" * 5000 + b"\t0\ta.jpg\n", f'line 1, column 1: a whole number is needed; got "{"1" * 50}"'),
        (b"1\t0\t../a.jpg\n", 'line 1, column 3: a path below the images\' folder is needed; got "../a.jpg"'),
        (b"1\t0\t/a.jpg\n", 'line 1, column 3: a path below the images\' folder is needed; got "/a.jpg"'),
    ],
)
def test_faulty_line_of_a_list_is_named(text: bytes, message: str):
    assert list_fault(text) == f'channel "train_lst", train.lst, {message}'


@pytest.mark.parametrize(
    ("text", "labels"), [(b"0", [0]), (b'"3"', [3]), (b"[1, 0, 1]", [1, 0, 1]), (b'"[0, 2]"', [0, 2]), (b"1.5", [1.5])]
)
def test_label_of_a_manifest_is_a_number_or_a_list(text: bytes, labels: list[float]):
    assert label_text(text, WHERE).tolist() == labels


@pytest.mark.parametrize("text", [b"cat", b"[]", b"[true]", b"{}", b'["a"]', b"", rb'"\udc80"'])
def test_label_of_a_manifest_that_is_none_is_refused(text: bytes):
    with pytest.raises(DataError) as caught:
        label_text(text, WHERE)
    assert str(caught.value).startswith(f"{WHERE}: a number or a list of numbers as label is needed; got ")


def test_label_of_a_manifest_that_no_float_holds_is_refused():
    with pytest.raises(DataError) as caught:
        label_text(b"1" + b"0" * 400, WHERE)
    assert str(caught.value) == f"{WHERE}: finite labels are needed; got inf"


def test_groups_are_bounded_in_number_and_size():
    small, large = Image(0, np.float32([0]), b"x"), Image(0, np.float32([0]), bytes(10 * 1024 * 1024))
    assert [len(group) for group in grouped([small] * 600)] == [256, 256, 88]
    assert [len(group) for group in grouped([large] * 3)] == [2, 1]
