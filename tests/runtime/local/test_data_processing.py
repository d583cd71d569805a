import json
import re

import pytest

from sagecask.errors import DataError, UsageError
from sagecask.local.data_processing import DataProcessing, Processor


def processor(kind: str, accept: str | None = None, *, split="Line", assemble="Line", **wanted) -> Processor:
    return Processor(DataProcessing(**wanted), kind, accept, split=split, assemble=assemble)


def test_input_filter_cuts_columns_of_csv():
    cut = processor("text/csv", input_filter="$[1:]").request(b"7,a,b\n8,c,d\n", 1)
    assert cut == b"a,b\nc,d\n"


def test_cells_stay_as_they_are_written():
    both = processor("text/csv", input_filter="$[1,0]", join_source="Input", output_filter="$[0,-1]")
    body = b'"a, ""b""",1.50\n'
    assert both.request(body, 1) == b'1.50,"a, ""b"""\n'
    assert both.result(body, b"0.1\n", "text/csv; charset=utf-8", 1) == b'"a, ""b""",0.1\n'


def test_csv_is_joined_at_its_end():
    joined = processor("text/csv", join_source="Input").result(b"1,2\r\n3,4\r\n", b"0.5,1\n0.6,0\n", "text/csv", 1)
    assert joined == b"1,2,0.5,1\n3,4,0.6,0\n"


def test_json_object_gets_a_key_and_other_json_becomes_an_object():
    join = processor("application/jsonlines", join_source="Input")
    body, answer = b'{"id": 1, "x": [1.0, 2]}\n[3, 4]\n', b'{"score": 0.5}\n{"score": 0.6}\n'
    assert [json.loads(line) for line in join.result(body, answer, "application/jsonlines", 1).splitlines()] == [
        {"id": 1, "x": [1.0, 2], "SageMakerOutput": {"score": 0.5}},
        {"SageMakerInput": [3, 4], "SageMakerOutput": {"score": 0.6}},
    ]


def test_document_that_is_not_split_is_one_record():
    both = processor(
        "application/json",
        split="None",
        assemble="None",
        input_filter="$.features",
        join_source="Input",
        output_filter="$['id','SageMakerOutput']",
    )
    body = b'{"id": 1,\n "features": {"instances": [1]}}'
    assert both.request(body, 1) == b'{"instances":[1]}'
    assert both.result(body, b'{"predictions": [0.5]}', "application/json", 1) == (
        b'{"id":1,"SageMakerOutput":{"predictions":[0.5]}}'
    )


def test_output_filter_alone_cuts_answers():
    assert processor("text/csv", output_filter="$[0]").result(b"1\n2\n", b"a,b\nc,d\n", "text/csv", 1) == b"a\nc\n"


def test_inference_id_and_time_stand_at_the_end():
    rows = (
        processor("text/csv", inference_id=True).result(b"1\n2\n", b"0.5\n0.6\n", "text/csv", 1).decode().splitlines()
    )
    form = r"0\.[56],[0-9a-f-]{36},\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert all(re.fullmatch(form, row) for row in rows)
    assert len({row.split(",")[1] for row in rows}) == 2
    line = processor("application/jsonlines", inference_id=True).result(b"{}\n", b"0.5\n", "application/json", 1)
    assert list(json.loads(line)) == ["SageMakerOutput", "SageMakerInferenceId", "SageMakerInferenceTime"]


def test_nothing_asked_for_changes_nothing():
    plain = processor("image/png")
    assert (plain.request(b"\x89\n", 1), plain.result(b"\x89\n", b"\xff", None, 1)) == (b"\x89\n", b"\xff")


@pytest.mark.parametrize(
    ("answer", "kind", "fault"),
    [
        (b"0.5\n", "text/csv", "the answer must hold a record for each of 2 that were sent; got 1"),
        (b"{}\n{}\n", "application/json",
         'the answer must be text/csv to be filtered or joined; got "application/json"'),
        (b"0.5\n\"0.6\n", "text/csv", 'record 12: double quotes must be closed; got ""0.6"'),
    ],
)  # fmt: skip
def test_answer_that_cannot_be_joined_is_refused(answer, kind, fault):
    with pytest.raises(DataError) as caught:
        processor("text/csv", join_source="Input").result(b"1\n2\n", answer, kind, 11)
    assert str(caught.value) == fault


def test_fault_of_a_record_has_its_number():
    with pytest.raises(DataError) as caught:
        processor("application/jsonlines", input_filter="$.x").request(b'{"x": 1}\n{"y": 1}\n', 5)
    assert str(caught.value) == 'record 6: the key "x" must be there; got y'
    with pytest.raises(DataError) as caught:
        processor("application/jsonlines", input_filter="$.x").request(b"{\n", 5)
    assert str(caught.value).startswith("record 5: must be JSON; got ")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"kind": "application/x-recordio-protobuf", "input_filter": "$[1:]"},
         "transform: filters and joins need text/csv, application/json or application/jsonlines, split by line or not "
         'at all; got content type "application/x-recordio-protobuf" and split type Line'),
        ({"kind": "text/csv", "input_filter": "$.a"},
         '--input-filter: columns of CSV must be named by index; got "$.a"'),
        ({"kind": "text/csv", "join_source": "Input", "assemble": "None"},
         "transform: --split-type and --assemble-with must be Line to join CSV; got Line and None"),
        ({"kind": "text/csv", "accept": "application/json", "join_source": "Input"},
         'transform: input and answers must be of one type to be joined; got "text/csv" and "application/json"'),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused(options, fault):
    with pytest.raises(UsageError) as caught:
        processor(**options)
    assert str(caught.value) == fault
