"""Instances that are no rows of numbers."""

from __future__ import annotations

import json

import pytest

from sagecask.errors import DataError, UnsupportedMediaType
from sagecask.formats import Layout, MediaType, codec_for

SERIES = [{"start": "2021-03-01", "target": [1, None, "NaN"]}, ["any", {"value": True}], "text"]


def records(body: bytes, content_type: str = "application/json"):
    media_type = MediaType.parse(content_type)
    return codec_for(media_type).records(body, Layout().under(media_type, "request body"))


def refusal(payload: object) -> str:
    with pytest.raises(DataError) as caught:
        records(json.dumps(payload).encode())
    return str(caught.value)


def test_instances_come_as_they_stand_with_their_places_and_the_configuration():
    found = records(json.dumps({"instances": SERIES, "configuration": {"num_samples": 5}}).encode())
    assert found.values == SERIES
    assert found.places == ["request body, instance 1", "request body, instance 2", "request body, instance 3"]
    assert found.configuration == {"num_samples": 5}
    assert len(found) == 3


def test_configuration_may_be_left_out():
    assert records(b'{"instances": [{}]}').configuration == {}


def test_bare_list_is_read_like_its_object():
    found = records(json.dumps(SERIES).encode())
    assert (found.values, found.configuration) == (SERIES, {})


def test_other_keys_of_a_request_do_not_count():
    assert records(b'{"instances": [1], "parameters": 2}').values == [1]


def test_json_lines_hold_an_instance_each_and_blank_lines_none():
    body = b'{"target": [1]}\n\n{"target": []}'
    found = records(body, "application/jsonlines")
    assert found.values == [{"target": [1]}, {"target": []}]
    assert found.places == ["request body, line 1", "request body, line 3"]
    assert found.configuration == {}


@pytest.mark.parametrize("content_type", ["application/json", "application/jsonlines"])
def test_charset_of_the_content_type_holds(content_type):
    body = '{"instances": [{"name": "Ä"}]}'.encode("iso-8859-1")
    (value, *_) = records(body, f"{content_type}; charset=iso-8859-1").values
    assert value in ({"name": "Ä"}, {"instances": [{"name": "Ä"}]})


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"data": []}, 'an object with a list under "instances" is needed; got an object without it'),
        ({"instances": {}}, 'an object with a list under "instances" is needed; got an object there'),
        ({"instances": None}, 'an object with a list under "instances" is needed; got null there'),
        ({"instances": []}, "at least one instance is needed; got none"),
        ([], "at least one instance is needed; got none"),
        (3, 'an object with a list under "instances" is needed; got a number'),
        ({"instances": [1], "configuration": [1]}, 'an object under "configuration" is needed; got a list'),
        ({"instances": [1], "configuration": None}, 'an object under "configuration" is needed; got null'),
    ],
)
def test_request_without_instances_is_refused(payload, message):
    assert refusal(payload) == f"request body: {message}"


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (
            b'{"instances"',
            "application/json",
            "request body: JSON is needed; got Expecting ':' delimiter: line 1 column 13 (char 12)",
        ),
        (
            b"1\n{",
            "application/jsonlines",
            "request body, line 2: JSON is needed; got Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)",
        ),
        (b"\n \n", "application/jsonlines", "request body: at least one instance is needed; got none"),
        (
            b"[" * 100_000,
            "application/json",
            "request body: JSON of less nesting is needed; got too many levels",
        ),
    ],
)
def test_body_that_is_no_json_is_refused(body, content_type, message):
    with pytest.raises(DataError) as caught:
        records(body, content_type)
    assert str(caught.value) == message


def test_format_of_rows_has_no_records():
    with pytest.raises(UnsupportedMediaType) as caught:
        records(b"1,2", "text/csv")
    assert str(caught.value) == "request body: a format for instances that are objects is needed; got CSV"
