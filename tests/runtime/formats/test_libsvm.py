import io
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagecask.errors import DataError
from sagecask.formats import Batch, Layout, concatenate
from sagecask.formats import lines as text_lines
from sagecask.formats.libsvm import LibsvmCodec

WHERE = 'channel "train", part-1'


def read(data: bytes, layout: Layout | None = None) -> Batch:
    return concatenate(list(LibsvmCodec().read(io.BytesIO(data), layout or Layout(), WHERE)))


def fault(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(data)
    return str(caught.value)


def decode(body: bytes, layout: Layout | None = None) -> Batch:
    return LibsvmCodec().decode(body, layout or Layout())


def refusal(body: bytes) -> str:
    with pytest.raises(DataError) as caught:
        decode(body)
    return str(caught.value)


def test_indices_are_taken_as_written():
    batch = read(b"1 0:2.5 7:1\n0 1:3\n")
    assert batch.labels.tolist() == [1, 0]
    assert batch.features.shape == (2, 8)
    assert batch.features.toarray()[:, [0, 1, 7]].tolist() == [[2.5, 0, 1], [0, 3, 0]]
    assert (batch.features.dtype, batch.features.indices.dtype, batch.weights) == (np.float32, np.int32, None)


def test_a_zero_that_is_given_is_kept():
    assert read(b"1 0:0 2:1\n").features.nnz == 2


def test_weight_follows_the_label():
    batch = read(b"1:0.5 0:2.5\n0:2 1:3\n")
    assert (batch.labels.tolist(), batch.weights.tolist()) == ([1, 0], [0.5, 2])


def test_weight_on_some_lines_only_is_refused():
    first = f"{WHERE}, line 1: weights on all lines or on none are needed; got both"
    assert fault(b"1:0.5 0:1\n1 0:1\n") == first
    assert fault(b"1 0:1\n1:0.5 0:1\n") == first


def test_comments_blank_lines_and_spare_blanks_are_borne():
    batch = read(b"# made by hand\n1  0:1\t2:3  # first\r\n\n  0 1:5 \n#end")
    assert batch.features.toarray().tolist() == [[1, 0, 3], [0, 5, 0]]


def test_row_without_features_is_legal():
    assert read(b"1\n0 2:1\n1\n").features.toarray().tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert read(b"1\n0\n").features.shape == (2, 0)


def test_positions_may_come_in_any_order():
    features = read(b"1 5:5 0:1\n").features
    assert (features.indices.tolist(), features.data.tolist()) == ([0, 5], [1, 5])


def test_width_is_at_least_what_the_layout_says():
    assert decode(b"0:1\n", Layout(width=9)).width == 9
    assert decode(b"12:1\n", Layout(width=9)).width == 13


def test_label_is_optional_in_requests():
    expected = [[0.5, 0.25, 0, 0.75], [0.125, 0, 0.5, 0]]
    assert decode(b"0:0.5 1:0.25 3:0.75\n0:0.125 2:0.5").features.toarray().tolist() == expected
    assert decode(b"1 0:0.5 1:0.25 3:0.75\n0 0:0.125 2:0.5\n").features.toarray().tolist() == expected
    assert decode(b"7\n").features.shape == (1, 0)


def test_leading_label_with_weight_is_a_pair_in_requests():
    assert decode(b"1:0.5 0:2\n").features.toarray().tolist() == [[2, 0.5]]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1 abc 3:4", "pairs are index:value, both numbers"),
        ("1 2", "pairs are index:value, both numbers"),
        ("1 0:1:2", "pairs are index:value, both numbers"),
        ("1 0:", "pairs are index:value, both numbers"),
        ("1 -1:2", "indices are whole numbers in [0, 2147483647)"),
        ("1 1.5:2", "indices are whole numbers in [0, 2147483647)"),
        ("1 4294967296:2", "indices are whole numbers in [0, 2147483647)"),
        ("1 nan:2", "indices are whole numbers in [0, 2147483647)"),
        ("1 3:1 3:2", "index 3 occurs twice"),
        ("1 3:1 0:7 3:2", "index 3 occurs twice"),
        ("1 qid:3 0:1", "pairs are index:value, both numbers"),
        ("x 0:1", "a label is a number"),
        ("nan 0:1", "a label is a number"),
    ],
)
def test_malformed_line_is_quoted(line: str, why: str):
    message = f'{WHERE}, line 2: a label, then index:value pairs are needed; got "{line}" ({why})'
    assert fault(f"1 0:1\n{line}\n1 0:1\n".encode()) == message


def test_quote_is_cut_at_fifty_characters():
    message = fault(b"age,job," + b"x" * 100 + b"\n")
    got = '"age,job,' + "x" * 42 + '"'
    assert message == f"{WHERE}, line 1: a label, then index:value pairs are needed; got {got} (a label is a number)"


def test_text_is_refused_in_requests():
    expected = 'request body, line 1: index:value pairs are needed; got "0.5,0.3" (what has no colon is a number)'
    assert refusal(b"0.5,0.3\n") == expected


def test_body_without_rows_is_refused():
    assert refusal(b" \n#\n") == "request body: at least one row is needed; got none"


def test_blocks_keep_line_numbers_and_the_widest_width(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 64)
    rows = [f"{n} 0:1 {1 + n % 30}:{n}" for n in range(200)]
    batch = read("\n".join(rows).encode())
    assert batch.labels.tolist() == list(range(200))
    assert batch.features.shape == (200, 31)
    rows[150] = "1 x"
    assert fault("\n".join(rows).encode()).startswith(f"{WHERE}, line 151: ")


rows = st.lists(
    st.tuples(
        st.floats(width=32, allow_nan=False),
        st.dictionaries(st.integers(0, 2000), st.floats(width=32, allow_nan=False), max_size=5),
    ),
    min_size=1,
)


@given(rows)
def test_what_is_written_is_read(table: list[tuple[float, dict[int, float]]]):
    lines = [" ".join([repr(label), *(f"{key}:{value!r}" for key, value in row.items())]) for label, row in table]
    batch = read("\n".join(lines).encode())
    assert batch.labels.tolist() == [label for label, _ in table]
    for number, (_, row) in enumerate(table):
        found = batch.features[number]
        assert dict(zip(found.indices.tolist(), found.data.tolist(), strict=True)) == row


@given(st.binary() | st.text(alphabet="0123456789.:-+e #\n\rx").map(str.encode))
def test_arbitrary_bytes_are_read_or_refused(body: bytes):
    with suppress(DataError):
        assert len(decode(body)) > 0
    with suppress(DataError):
        assert all(len(batch) > 0 for batch in LibsvmCodec().read(io.BytesIO(body), Layout(), WHERE))
