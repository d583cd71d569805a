import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagecask.errors import DataError
from sagecask.formats import AnswerForm, Batch, Layout, Predictions, concatenate
from sagecask.formats import lines as text_lines
from sagecask.formats.csv import CsvCodec

TRAINING = Layout(label_size=1)
WHERE = 'channel "train", part-00003.csv'


def read(data: bytes, layout: Layout = TRAINING) -> Batch:
    return concatenate(list(CsvCodec().read(io.BytesIO(data), layout, WHERE)))


def fault(data: bytes, layout: Layout = TRAINING) -> str:
    with pytest.raises(DataError) as caught:
        read(data, layout)
    return str(caught.value)


def refusal(body: bytes, layout: Layout | None = None) -> str:
    with pytest.raises(DataError) as caught:
        CsvCodec().decode(body, layout or Layout())
    return str(caught.value)


def test_label_stands_first_and_features_are_float32():
    batch = read(b"1,0.5,-3\n0,12.25,7e2\n")
    assert batch.labels.tolist() == [1, 0]
    assert batch.features.tolist() == [[0.5, -3], [12.25, 700]]
    assert (batch.features.dtype, batch.labels.dtype, batch.weights) == (np.float32, np.float32, None)
    assert batch.features.flags.c_contiguous


def test_weight_stands_after_the_label():
    batch = read(b"1,0.5,7\n0,2,8\n", Layout(label_size=1, weighted=True))
    assert (batch.labels.tolist(), batch.weights.tolist(), batch.features.tolist()) == ([1, 0], [0.5, 2], [[7], [8]])


def test_several_labels_make_a_matrix():
    batch = read(b"1,2,7\n3,4,8\n", Layout(label_size=2))
    assert batch.labels.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("data", [b"1,,2,,,3\n4,5,6,7,8,\n", b"1,,2,,,3\r\n4,5,6,7,8,\r\n", b"1, ,2,,\t,3\n4,5,6,7,8,"])
def test_empty_cell_is_missing(data: bytes):
    features = read(data).features
    expected = [[math.nan, 2, math.nan, math.nan, 3], [5, 6, 7, 8, math.nan]]
    np.testing.assert_array_equal(features, np.array(expected, dtype=np.float32))


def test_row_that_starts_with_an_empty_cell_keeps_its_width():
    np.testing.assert_array_equal(
        CsvCodec().decode(b",1\n2,\n,\n", Layout()).features, [[np.nan, 1], [2, np.nan], [np.nan] * 2]
    )


@pytest.mark.parametrize(
    "data", [b"1,2\r\n3,4\r\n", b"1,2\n3,4", b"\xef\xbb\xbf1,2\n3,4\n", b"\n1,2\n\n\r\n3,4\n\n", b'"1","2"\n3,"4"\n']
)
def test_line_ends_byte_order_mark_blank_lines_and_quotes_do_not_matter(data: bytes):
    batch = read(data)
    assert (batch.labels.tolist(), batch.features.tolist()) == ([1, 3], [[2], [4]])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_delimiter_is_taken_from_the_first_line(delimiter: str):
    data = f"1{delimiter}2{delimiter}3\n4{delimiter}5{delimiter}6\n".encode()
    assert read(data, Layout(label_size=1, delimiter=None)).features.tolist() == [[2, 3], [5, 6]]


def test_single_column_falls_back_to_the_comma():
    assert CsvCodec().decode(b"12\n34\n", Layout(delimiter=None)).features.tolist() == [[12], [34]]


def test_decimal_comma_is_refused_not_split():
    message = fault(b"1,5;2,5\n1,5;2,5\n", Layout(delimiter=None))
    assert message == f'{WHERE}, line 1: numbers without a header row are needed; got a header row (column 1 is "1,5")'


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "UTF-8", "us-ascii", "cp1252"])
def test_charset_is_honoured(charset: str):
    data = "1,2.5\n3,4.5\n".encode(charset)
    assert read(data, Layout(label_size=1, charset=charset)).features.tolist() == [[2.5], [4.5]]
    assert len(CsvCodec().decode(data, Layout(charset=charset))) == 2


def test_unknown_charset_is_refused():
    expected = "request body: a charset such as utf-8, iso-8859-1 or utf-16 is needed; got {}"
    assert refusal(b"1\n", Layout(charset="klingon")) == expected.format('"klingon"')
    assert refusal(b"1\n", Layout(charset="zlib")) == expected.format('"zlib"')


def test_csv_with_header_row_is_refused():
    expected = f'{WHERE}, line 1: numbers without a header row are needed; got a header row (column 1 is "age")'
    assert fault(b"age,height,2020\n1,2,3\n") == expected
    assert fault(b'"age","height"\n1,2\n', Layout(label_size=1, width=7)) == expected


def test_ragged_row_is_refused():
    row = b",".join([b"1"] * 12)
    data = b"\n".join([row] * 16 + [row[:-2]] + [row] * 3)
    assert fault(data) == f"{WHERE}, line 17: 11 columns, expected 12 (1 label, 11 features)"


def test_weighted_and_unlabelled_rows_say_what_was_expected():
    weighted = Layout(label_size=2, weighted=True)
    assert fault(b"1,2,3,4\n1\n", weighted) == f"{WHERE}, line 2: 1 column, expected 4 (2 labels, 1 weight, 1 feature)"
    assert refusal(b"1,2\n\n1,2,3\n") == "request body, line 3: 3 columns, expected 2"
    assert fault(b"1\n2\n") == f"{WHERE}, line 1: 1 column, expected 2 (1 label, 1 feature)"


def test_row_of_another_width_than_the_layout_is_refused():
    message = fault(b"1,2,3\n", Layout(label_size=1, width=5))
    assert message == f"{WHERE}, line 1: 3 columns, expected 6 (1 label, 5 features)"
    # no memory is taken for what cannot be there
    message = fault(b"1,2,3\n", Layout(label_size=1, width=10**15))
    assert message.endswith(f"expected {10**15 + 1} (1 label, {10**15} features)")


@pytest.mark.parametrize("cell", ["abc", "1_000", "1.2.3", "0x10", "\u0661", "1 2", "--1", "1e"])
def test_cell_that_is_no_number_is_refused(cell: str):
    data = f"1,2,3\n4,5,6\n7,8,9\n\n4,5,{cell}\n".encode()
    assert fault(data) == f'{WHERE}, line 5, column 3: a number is needed; got "{cell}"'
    assert refusal(data) == f'request body, line 5, column 3: a number is needed; got "{cell}"'


def test_one_odd_cell_in_the_first_line_is_no_header_row():
    assert fault(b"1,x,3\n1,2,3\n") == f'{WHERE}, line 1, column 2: a number is needed; got "x"'
    assert refusal(b"hello") == 'request body, line 1, column 1: a number is needed; got "hello"'


@pytest.mark.parametrize("cell", ["", "nan", " "])
def test_missing_label_is_refused(cell: str):
    assert fault(f"1,2\n{cell},2\n".encode()) == f'{WHERE}, line 2, column 1: a number is needed; got "{cell}"'


def test_missing_weight_is_refused():
    message = fault(b"1,2,3\n1,,3\n", Layout(label_size=1, weighted=True))
    assert message == f'{WHERE}, line 2, column 2: a number is needed; got ""'


def test_open_quote_is_refused():
    assert refusal(b'1,"2\n3,4\n') == "request body, line 2: well-formed CSV is needed; got unexpected end of data"


def test_compressed_file_is_named_as_such():
    assert fault(b"\x1f\x8b\x08\x00") == f"{WHERE}: plain text is needed; got a gzip file"


def test_body_without_rows_is_refused():
    assert refusal(b"\n \n") == "request body: at least one row is needed; got none"
    assert refusal(b"") == "request body: at least one row is needed; got none"


def test_blocks_are_cut_at_line_ends_and_lines_keep_their_numbers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 64)
    rows = [f"{n},{n / 8},{-n}" for n in range(200)]
    data = "\n".join(rows).encode()
    batches = list(CsvCodec().read(io.BytesIO(data), TRAINING, WHERE))
    assert len(batches) > 10
    assert concatenate(batches).labels.tolist() == list(range(200))
    rows[150] = "1,2,x"
    assert fault("\n".join(rows).encode()) == f'{WHERE}, line 151, column 3: a number is needed; got "x"'
    rows[150] = "1,2"
    assert fault("\n".join(rows).encode()) == f"{WHERE}, line 151: 2 columns, expected 3 (1 label, 2 features)"


def test_line_without_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 1024)
    monkeypatch.setattr(text_lines, "MAX_LINE_BYTES", 1 << 20)
    message = fault(b"1,2\n" + b"1," * (1 << 20))
    assert message == f"{WHERE}, line 2: at most 1 MiB are needed; got a longer line"


numbers = st.floats(width=32, allow_nan=False) | st.just(math.nan)


@given(st.integers(1, 5).flatmap(lambda width: st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=1)))
def test_what_is_written_is_read(table: list[list[float]]):
    rows = ["" if math.isnan(cell) else repr(cell) for row in table for cell in row]
    width = len(table[0])
    text = "\n".join(",".join(rows[at : at + width]) for at in range(0, len(rows), width))
    if width > 1:
        features = CsvCodec().decode(text.encode(), Layout()).features
        np.testing.assert_array_equal(features, np.array(table, dtype=np.float32))


@given(st.binary() | st.text(alphabet='0123456789.,-+eE"\n\r ;x').map(str.encode), st.sampled_from([",", None]))
def test_arbitrary_bytes_are_read_or_refused(body: bytes, delimiter: str | None):
    try:
        batch = CsvCodec().decode(body, Layout(delimiter=delimiter))
    except DataError:
        return
    assert len(batch) > 0
    assert batch.width > 0


@given(st.lists(st.text(alphabet='0123456789.-+eE" ,naifNI_x', max_size=12), min_size=1, max_size=4))
def test_both_ways_of_parsing_give_the_same(rows: list[str]):
    plain = "\n".join(rows)
    try:
        fast = CsvCodec().decode(plain.encode(), Layout()).features
    except DataError:
        return
    if '"' not in plain:
        # a quoted blank line is a missing value, an unquoted one is none
        quoted = "\n".join(",".join(f'"{cell}"' for cell in row.split(",")) for row in rows if row.strip())
        np.testing.assert_array_equal(fast, CsvCodec().decode(quoted.encode(), Layout()).features)


def test_single_precision_is_printed_in_full():
    scores = np.array([9.0245, 10.294224], dtype=np.float32)
    answer = CsvCodec().encode(Predictions({"score": scores}))
    assert answer == b"9.024499893188477\n10.29422378540039\n"


def test_flat_list_becomes_more_cells():
    predictions = Predictions({"p": np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32)})
    assert CsvCodec().encode(predictions) == b"0.25,0.75\n0.5,0.5\n"


def test_quoted_list_stays_one_cell_in_the_order_of_the_columns():
    form = AnswerForm(csv_lists="quoted", csv_final_newline=False)
    predictions = Predictions({"label": np.array([1]), "probabilities": np.array([[0.4, 0.6]])}, form)
    assert CsvCodec().encode(predictions) == b'1,"[0.4, 0.6]"'


def test_bracketed_list_is_bare_json():
    form = AnswerForm(csv_lists="bracketed")
    answer = CsvCodec().encode(Predictions({"p": np.array([[0.5, 0.5], [1.0, 0.0]])}, form))
    assert answer == b"[0.5, 0.5]\n[1.0, 0.0]\n"
    assert [json.loads(line) for line in answer.splitlines()] == [[0.5, 0.5], [1.0, 0.0]]


def test_texts_whole_numbers_and_nan_are_written_plainly():
    predictions = Predictions({"a": ["x", 'say "y", z'], "n": np.array([1, 2]), "f": np.array([np.nan, 1.0])})
    assert CsvCodec().encode(predictions) == b'x,1,nan\n"say ""y"", z",2,1.0\n'
