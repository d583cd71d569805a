import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagecask.errors import DataError
from sagecask.formats import AnswerForm, Batch, Layout, Predictions, concatenate
from sagecask.formats import lines as text_lines
from sagecask.formats.jsonlines import JsonLinesCodec

WHERE = 'channel "train", a.jsonl'


def read(data: bytes) -> Batch:
    return concatenate(list(JsonLinesCodec().read(io.BytesIO(data), Layout(), WHERE)))


def fault(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(data)
    return str(caught.value)


def test_one_instance_a_line_and_blank_lines_do_not_count():
    body = b'{"features": [1, 2]}\r\n\n[3, 4]\n{"data": {"features": {"values": [5, null]}}}'
    np.testing.assert_array_equal(JsonLinesCodec().decode(body, Layout()).features, [[1, 2], [3, 4], [5, np.nan]])


def test_labels_are_read_where_there_are_any():
    batch = read(b'{"features": [1, 2], "label": 1}\n{"features": [3, 4], "label": {"values": [0]}}\n')
    assert (batch.labels.tolist(), batch.features.tolist()) == ([1, 0], [[1, 2], [3, 4]])
    assert read(b'{"features": [1], "label": [1, 2]}\n').labels.tolist() == [[1, 2]]
    assert read(b'{"features": [1]}\n').labels is None


def test_label_on_some_lines_only_is_refused():
    message = fault(b'{"features": [1], "label": 1}\n{"features": [1]}\n')
    assert message == f"{WHERE}, line 2: 1 label as in other rows needed; got 0"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"features": [1], "label": "a"}', ', line 3, label: a number or a list of numbers is needed; got "a"'),
        (b'{"features": [1], "label": NaN}', ", line 3: a finite number as label is needed; got nan"),
        (b'{"features": [1, 2], "label": 1}', ", line 3: 2 features, expected 1"),
        (
            b"{",
            ", line 3: JSON is needed; got Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        (b"[" * 100_000, ", line 3: JSON of less nesting is needed; got too many levels"),
    ],
)
def test_fault_names_the_line(line: bytes, message: str):
    assert fault(b'{"features": [1], "label": 1}\n\n' + line + b"\n") == WHERE + message


def test_body_without_rows_is_refused():
    with pytest.raises(DataError) as caught:
        JsonLinesCodec().decode(b"\n\n", Layout())
    assert str(caught.value) == "request body: at least one row is needed; got none"


def test_files_stream_in_blocks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 64)
    data = "".join(f'{{"features": [{n}, 1], "label": {n}}}\n' for n in range(100)).encode()
    batches = list(JsonLinesCodec().read(io.BytesIO(data), Layout(), WHERE))
    assert len(batches) > 10
    assert concatenate(batches).labels.tolist() == list(range(100))
    assert fault(data + b"[1, 2, 3]\n") == f"{WHERE}, line 101: 3 features, expected 2"


@given(st.binary() | st.text(alphabet='[]{}"featurs:0123456789.,\n ').map(str.encode))
def test_arbitrary_bytes_are_read_or_refused(body: bytes):
    try:
        batch = JsonLinesCodec().decode(body, Layout())
    except DataError:
        return
    assert len(batch) > 0


def test_answer_has_one_object_a_line_and_ends_with_a_newline():
    predictions = Predictions({"score": np.array([0.4, 0.5]), "predicted_label": np.array([0, 1])})
    expected = b'{"score": 0.4, "predicted_label": 0}\n{"score": 0.5, "predicted_label": 1}\n'
    assert JsonLinesCodec().encode(predictions) == expected


def test_compact_answers_have_sorted_keys_and_no_spaces():
    columns = {"score": np.float32([[0.5, 0.25]]), "predicted_label": np.int64([0])}
    encoded = JsonLinesCodec().encode(Predictions(columns, AnswerForm(compact_lines=True)))
    assert encoded == b'{"predicted_label":0,"score":[0.5,0.25]}\n'
