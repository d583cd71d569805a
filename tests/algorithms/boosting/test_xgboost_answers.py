"""The bytes of answers: plain, in batch, and with selected columns."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from sagecask_boosting.xgboost.algorithm import XGBoost
from sagecask_boosting.xgboost.answers import selected

from sagecask.algorithm import InferenceSettings
from sagecask.errors import AlgorithmError
from sagecask.formats import Batch, Layout, MediaType, codec_for

ARTIFACTS = Path(__file__).parent / "artifacts"
ANSWERS = json.loads((ARTIFACTS / "answers.json").read_text())
ROWS = Batch(np.array(ANSWERS["rows"][:2], np.float32))
EVERY_KEY = (
    "predicted_label", "labels", "probability", "probabilities", "raw_score", "raw_scores", "predicted_score",
)  # fmt: skip


def answer(name, accept, **settings):
    media_type = MediaType.parse(accept)
    model = XGBoost().load(ARTIFACTS / name, InferenceSettings(**settings))
    return codec_for(media_type).encode(model.predict(ROWS, media_type)).decode()


def test_csv_is_a_number_a_line_with_a_final_newline():
    first, second = ANSWERS["answers"]["squarederror"][:2]
    assert answer("squarederror", "text/csv") == f"{first!r}\n{second!r}\n"


def test_csv_of_several_classes_is_comma_separated():
    first, second = ANSWERS["answers"]["softprob"][:2]
    assert answer("softprob", "text/csv") == "".join(",".join(map(repr, row)) + "\n" for row in (first, second))


def test_csv_of_several_classes_in_batch_is_a_bracketed_list():
    first, second = ANSWERS["answers"]["softprob"][:2]
    assert answer("softprob", "text/csv", batch=True) == f"{json.dumps(first)}\n{json.dumps(second)}\n"


def test_csv_of_one_number_in_batch_is_a_line():
    first, second = ANSWERS["answers"]["squarederror"][:2]
    assert answer("squarederror", "text/csv", batch=True) == f"{first!r}\n{second!r}\n"


@pytest.mark.parametrize("name", ["squarederror", "softprob"])
def test_json_holds_scores_under_predictions(name):
    first, second = ANSWERS["answers"][name][:2]
    assert json.loads(answer(name, "application/json")) == {"predictions": [{"score": first}, {"score": second}]}


def test_class_of_softmax_is_a_float():
    assert re.fullmatch(r"[012]\.0\n[012]\.0\n", answer("gblinear_softprob", "text/csv"))


def test_class_of_hinge_is_a_float():
    assert re.fullmatch(r"[01]\.0\n[01]\.0\n", answer("hinge", "text/csv"))


def test_selected_columns_keep_their_order_and_quote_lists_in_csv():
    first, second = ANSWERS["answers"]["logistic"][:2]
    lines = [f'{int(p > 0.5)},"[{1 - p!r}, {p!r}]"' for p in (first, second)]
    outputs = ("predicted_label", "probabilities")
    assert answer("logistic", "text/csv", outputs=outputs) == "\n".join(lines)
    assert answer("logistic", "text/csv", outputs=outputs, batch=True) == "\n".join(lines) + "\n"


def test_selected_columns_in_json_and_json_lines():
    first, second = ANSWERS["answers"]["logistic"][:2]
    rows = [{"probability": p, "labels": [0, 1], "raw_scores": [1 - p, p]} for p in (first, second)]
    outputs = ("probability", "labels", "raw_scores")
    assert json.loads(answer("logistic", "application/json", outputs=outputs)) == {"predictions": rows}
    lines = answer("logistic", "application/jsonlines", outputs=outputs).splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_selected_columns_in_recordio_are_float32_labels():
    accept = MediaType.parse("application/x-recordio-protobuf")
    scores = np.array([0.75, 0.25], np.float32)
    columns = selected(("predicted_label",), scores, "binary:logistic", 0)
    from sagecask.formats import Predictions

    expected = bytes.fromhex(
        "0a23d7ce1d000000121b0a0f7072656469637465645f6c6162656c120812060a040000803f000000"
        "0a23d7ce1d000000121b0a0f7072656469637465645f6c6162656c120812060a0400000000000000"
    )
    assert codec_for(accept).encode(Predictions(columns)) == expected


NAN = math.nan
TABLE = {
    "binary:logistic": ([0.25, 0.75], 0, [[0, 1], [[0, 1]] * 2, [0.25, 0.75], [[0.75, 0.25], [0.25, 0.75]],
                                          [0.25, 0.75], [[0.75, 0.25], [0.25, 0.75]], [NAN, NAN]]),
    "binary:logitraw": ([-0.5, 0.25], 0, [[0, 1], [[0, 1]] * 2, [NAN] * 2, [NAN] * 2,
                                          [-0.5, 0.25], [[1.5, -0.5], [0.75, 0.25]], [NAN] * 2]),
    "binary:hinge": ([0, 1], 0, [[0.0, 1.0], [[0, 1]] * 2, [NAN] * 2, [NAN] * 2,
                                 [0, 1], [[1, 0], [0, 1]], [NAN] * 2]),
    "multi:softmax": ([2, 0], 3, [[2.0, 0.0], [[0, 1, 2]] * 2, [NAN] * 2, [NAN] * 2,
                                  [2, 0], [[-1, 2], [1, 0]], [NAN] * 2]),
    "multi:softprob": ([[0.25, 0.5, 0.25], [1, 0, 0]], 3,
                       [[1, 0], [[0, 1, 2]] * 2, [0.5, 1], [[0.25, 0.5, 0.25], [1, 0, 0]],
                        [0.5, 1], [[0.25, 0.5, 0.25], [1, 0, 0]], [NAN] * 2]),
    "reg:squarederror": ([1.5, -2], 0, [*[[NAN] * 2] * 6, [1.5, -2]]),
    "reg:tweedie": ([1.5, 2], 0, [*[[NAN] * 2] * 6, [1.5, 2]]),
}  # fmt: skip


@pytest.mark.parametrize("objective", TABLE)
def test_selectable_values_by_objective(objective, caplog):
    scores, num_class, expected = TABLE[objective]
    columns = selected(EVERY_KEY, np.array(scores, np.float32), objective, num_class)
    assert list(columns) == list(EVERY_KEY)
    for column, values in zip(columns.values(), expected, strict=True):
        np.testing.assert_array_equal(column, values)
    assert " do not fit objective " in caplog.text


@pytest.mark.parametrize("objective", ["count:poisson", "rank:ndcg", "survival:cox", "reg:pseudohubererror"])
def test_objective_without_selectable_values_is_a_server_error(objective):
    message = (
        "SAGEMAKER_INFERENCE_OUTPUT: an objective out of binary:logistic, multi:softprob, binary:logitraw, "
        "binary:hinge, multi:softmax, reg:squarederror, reg:linear, reg:logistic, reg:gamma, reg:absoluteerror, "
        f"reg:tweedie; got a model of {objective}"
    )
    with pytest.raises(AlgorithmError, match=f"^{re.escape(message)}$"):
        selected(("predicted_label",), np.zeros(1, np.float32), objective, 0)


REQUESTS = {
    "text/csv": (
        b"0.585,0.455,0.15,0.987\n0.325,,0.075,0.1495",
        [[0.585, 0.455, 0.15, 0.987], [0.325, None, 0.075, 0.1495]],
    ),
    "text/libsvm": (
        b"0:0.585 1:0.455 3:0.987\n0:0.325 2:0.075",
        [[0.585, 0.455, None, 0.987], [0.325, None, 0.075, None]],
    ),
    "libsvm": (
        b"1 0:0.585 3:0.987\n0 2:0.075",
        [[0.585, None, None, 0.987], [None, None, 0.075, None]],
    ),
}


@pytest.mark.parametrize("content_type", REQUESTS)
def test_documented_requests_are_read_with_missing_values(content_type):
    body, dense = REQUESTS[content_type]
    batch = codec_for(MediaType.parse(content_type)).decode(body, Layout(delimiter=None))
    model = XGBoost().load(ARTIFACTS / "squarederror", InferenceSettings())
    np.testing.assert_array_equal(model.scores(batch), model.scores(Batch(np.array(dense, np.float32))))
