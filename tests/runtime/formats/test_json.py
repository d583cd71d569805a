import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagecask.errors import DataError
from sagecask.formats import AnswerForm, Batch, Layout, Predictions
from sagecask.formats.json import JsonCodec

SPARSE = {"data": {"features": {"keys": [3, 300], "shape": [2000], "values": [1, 4]}}}


def decode(payload: object, layout: Layout | None = None) -> Batch:
    return JsonCodec().decode(json.dumps(payload).encode(), layout or Layout())


def refusal(payload: object, layout: Layout | None = None) -> str:
    with pytest.raises(DataError) as caught:
        decode(payload, layout)
    return str(caught.value)


@pytest.mark.parametrize(
    "instance",
    [
        {"features": [1.5, 16.0]},
        {"data": {"features": {"values": [1.5, 16.0]}}},
        {"data": {"features": [1.5, 16.0]}},
        {"features": {"values": [1.5, 16]}, "configuration": {"any": 1}},
        [1.5, 16],
    ],
)
def test_every_dense_form_is_one_row(instance: object):
    for payload in ({"instances": [instance]}, [instance]):
        batch = decode(payload)
        assert batch.features.tolist() == [[1.5, 16]]
        assert (batch.features.dtype, batch.labels) == (np.float32, None)


def test_sparse_form_is_csr():
    features = decode({"instances": [SPARSE]}).features
    assert features.shape == (1, 2000)
    assert (features.indices.tolist(), features.data.tolist()) == ([3, 300], [1, 4])


def test_forms_may_mix_and_dense_rows_keep_their_zeros():
    sparse = {"data": {"features": {"keys": [2], "shape": [3], "values": [7]}}}
    empty = {"data": {"features": {"keys": [], "shape": 3, "values": []}}}
    features = decode({"instances": [{"features": [0, 0.5, None]}, sparse, empty]}).features
    np.testing.assert_array_equal(features.toarray(), [[0, 0.5, math.nan], [0, 0, 7], [0, 0, 0]])
    assert features.getnnz(axis=1).tolist() == [3, 1, 0]


def test_null_and_nan_are_missing_and_true_is_one():
    body = b"[[null, NaN, 1, true]]"
    np.testing.assert_array_equal(JsonCodec().decode(body, Layout()).features, [[math.nan, math.nan, 1, 1]])


def test_charset_is_honoured():
    body = "[[1, 2]]".encode("utf-16")
    assert JsonCodec().decode(body, Layout(charset="utf-16")).features.tolist() == [[1, 2]]
    assert JsonCodec().decode(b"\xef\xbb\xbf[[1, 2]]", Layout()).features.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("instance", "fault"),
    [
        ({"features": [1, "2"]}, ', value 2: a number is needed; got "2"'),
        ({"features": [1, [2]]}, ", value 2: a number is needed; got a list"),
        ({"features": [1, 10**400]}, ": numbers that a double can hold are needed; got a larger one"),
        ({"features": [1]}, ": 1 features, expected 2"),
        ({"features": "ab"}, ': a list under "features" is needed; got "ab"'),
        ({"features": {"vals": []}}, ': a list under "values" is needed; got null'),
        (
            {"a": 1},
            ': a list of numbers or an object with "features" or "data.features" is needed; got an object with "a"',
        ),
        (
            {},
            ': a list of numbers or an object with "features" or "data.features" is needed; got an object with no key',
        ),
        (5, ': a list of numbers or an object with "features" or "data.features" is needed; got a number'),
        ({"features": {"keys": [0], "values": [1]}}, ': a list under "shape" is needed; got null'),
        (
            {"features": {"keys": [0, 1], "shape": [2], "values": [1]}},
            ": as many keys as values are needed; got 2 and 1",
        ),
        ({"features": {"keys": [2], "shape": [2], "values": [1]}}, ": keys in [0, 2) are needed; got 2"),
        ({"features": {"keys": [-1], "shape": [2], "values": [1]}}, ": keys in [0, 2) are needed; got -1"),
        (
            {"features": {"keys": [1, 1], "shape": [2], "values": [1, 2]}},
            ": each key at most once is needed; got one twice",
        ),
        (
            {"features": {"keys": [0.5], "shape": [2], "values": [1]}},
            ': whole numbers under "keys" are needed; got another value',
        ),
        ({"features": {"keys": [], "shape": [1, 2], "values": []}}, ": a shape of one number is needed; got 2"),
        ({"features": {"keys": [], "shape": [3], "values": []}}, ": 3 features, expected 2"),
    ],
)
def test_wrong_instance_is_named_by_number(instance: object, fault: str):
    assert refusal({"instances": [[1, 2], instance]}) == f"request body, instance 2{fault}"


@pytest.mark.parametrize("width", [0, 2**31, 10**30])
def test_width_that_no_matrix_has_is_refused(width: int):
    message = refusal([{"features": {"keys": [], "shape": [width], "values": []}}])
    assert message == f"request body, instance 1: between 1 and 2147483647 features are needed; got {width}"


@pytest.mark.parametrize(
    ("payload", "got"),
    [
        ({"a": 1}, "an object without it"),
        (5, "a number"),
        ("x", '"x"'),
        ({"instances": 7}, "a number there"),
        (None, "null"),
    ],
)
def test_request_without_instances_is_refused(payload: object, got: str):
    assert refusal(payload) == f'request body: an object with a list under "instances" is needed; got {got}'


def test_no_instances_are_refused():
    assert refusal({"instances": []}) == "request body: at least one instance is needed; got none"


def test_width_of_the_layout_holds():
    assert refusal([[1, 2]], Layout(width=3)) == "request body, instance 1: 2 features, expected 3"


@pytest.mark.parametrize("body", [b"[" * 1_000_000, b'{"instances":' * 100_000, b'[{"features":' + b"[" * 200_000])
def test_depth_bomb_is_refused(body: bytes):
    with pytest.raises(DataError) as caught:
        JsonCodec().decode(body, Layout())
    assert str(caught.value) == "request body: JSON of less nesting is needed; got too many levels"


def test_text_that_is_no_json_is_refused():
    with pytest.raises(DataError) as caught:
        JsonCodec().decode(b"1,2,3", Layout())
    assert str(caught.value) == "request body: JSON is needed; got Extra data: line 1 column 2 (char 1)"


values = st.none() | st.floats(width=32, allow_nan=False) | st.integers(-(2**20), 2**20)


@given(st.integers(1, 5).flatmap(lambda width: st.lists(st.lists(values, min_size=width, max_size=width), min_size=1)))
def test_what_is_written_is_read(table: list[list[float | None]]):
    expected = np.array([[math.nan if cell is None else cell for cell in row] for row in table], dtype=np.float32)
    np.testing.assert_array_equal(decode({"instances": [{"features": row} for row in table]}).features, expected)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["instances", "features", "data", "keys", "shape", "values"]), inner, max_size=4
        )
    ),
)


@given(st.binary() | json_values.map(json.dumps).map(str.encode))
def test_arbitrary_bytes_are_read_or_refused(body: bytes):
    try:
        batch = JsonCodec().decode(body, Layout())
    except DataError:
        return
    assert len(batch) > 0
    assert batch.width > 0


def test_answer_has_one_object_per_row_under_the_outer_key():
    predictions = Predictions(
        {"score": np.array([0.25, 9.0245], dtype=np.float32), "predicted_label": np.array([0, 1])}
    )
    expected = (
        b'{"predictions": [{"score": 0.25, "predicted_label": 0}, {"score": 9.024499893188477, "predicted_label": 1}]}'
    )
    assert JsonCodec().encode(predictions) == expected


def test_answer_without_outer_key_is_a_bare_list():
    form = AnswerForm(outer_key=None)
    answer = JsonCodec().encode(Predictions({"p": np.array([[0.25, 0.75]]), "names": [["a", "b"]]}, form))
    assert json.loads(answer) == [{"p": [0.25, 0.75], "names": ["a", "b"]}]


def test_lists_of_their_own_lengths_and_numpy_scalars_are_plain():
    ragged = [np.array([1.5, 2.5], dtype=np.float32), [np.int64(3)], ()]
    answer = JsonCodec().encode(Predictions({"neighbours": ragged}, AnswerForm(outer_key="scores")))
    assert json.loads(answer) == {"scores": [{"neighbours": [1.5, 2.5]}, {"neighbours": [3]}, {"neighbours": []}]}


def test_nan_in_an_answer_is_nan():
    assert JsonCodec().encode(Predictions({"s": np.array([np.nan])})) == b'{"predictions": [{"s": NaN}]}'
