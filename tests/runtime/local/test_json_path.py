import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagecask.errors import DataError, UsageError
from sagecask.local.json_path import JSONPath

RECORD = {"id": 7, "features": [1, 2, 3, 4, 5, 6], "meta": {"a": {"b": 1}, "c": {"b": 2}}, "odd name": 0}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", RECORD),
        ("$.id", 7),
        ("$['id']", 7),
        ('$["odd name"]', 0),
        ("$.features", RECORD["features"]),
        ("$.features[0]", 1),
        ("$.features[-1]", 6),
        ("$.features[1,3]", [2, 4]),
        ("$.features[-1,0]", [6, 1]),
        ("$.features[2:5]", [3, 4, 5]),
        ("$.features[:2]", [1, 2]),
        ("$.features[4:]", [5, 6]),
        ("$.features[-2:]", [5, 6]),
        ("$.features[0,4:]", [1, 5, 6]),
        ("$.features[*]", RECORD["features"]),
        ("$['id','odd name']", {"id": 7, "odd name": 0}),
        ("$.meta.['a','c']", {"a": {"b": 1}, "c": {"b": 2}}),
        ("$.meta.*", [{"b": 1}, {"b": 2}]),
        ("$.meta[*].b", [1, 2]),
        ("$.meta['a']['b']", 1),
    ],
)
def test_paths_of_the_documentation_select(path, found):
    assert JSONPath(path).select(RECORD) == found


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("$id", "id"),
        ("$..id", "..id"),
        ("$.features[?(@>1)]", "[?(@>1)]"),
        ("$[]", "[]"),
        ("$['a',1]", "['a',1]"),
        ("$[1:2:3]", "[1:2:3]"),
        ("$[1,]", "[1,]"),
        ("$.a b", " b"),
        ("$['a'", "['a'"),
    ],
)
def test_what_the_dialect_does_not_have_is_refused(path, rest):
    with pytest.raises(UsageError) as caught:
        JSONPath(path, "--input-filter")
    assert str(caught.value) == (
        f"--input-filter: steps must be .name, *, ['name','name'], [1,-3] or [2:5]; got \"{rest}\" in \"{path}\""
    )


def test_length_and_root_are_checked():
    JSONPath("$." + "a" * 61)
    with pytest.raises(UsageError) as caught:
        JSONPath("$." + "a" * 62)
    assert str(caught.value) == "path: must have at most 63 characters; got 64"
    with pytest.raises(UsageError) as caught:
        JSONPath("id")
    assert str(caught.value) == 'path: must begin with $; got "id"'


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("$.name", 'the key "name" must be there; got id, features, meta, odd name'),
        ("$['id','name']", 'the key "name" must be there; got id, features, meta, odd name'),
        ("$.id.x", 'the key "x" must be there; got int'),
        ("$.features[6]", "index 6 must be among 6 elements; got none there"),
        ("$.features[-7]", "index -7 must be among 6 elements; got none there"),
        ("$.features[2:7]", "index 7 must be among 6 elements; got none there"),
        ("$[0]", "indexes must meet a list; got dict"),
        ("$.id.*", "* must meet an object or a list; got int"),
    ],
)
def test_what_is_not_there_is_an_error(path, fault):
    with pytest.raises(DataError) as caught:
        JSONPath(path).select(RECORD)
    assert str(caught.value) == fault


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("$", True), ("$[0]", True), ("$[1:]", True), ("$[*]", True), ("$.a", False), ("$[0][1]", False)],
)
def test_columns_of_csv_are_named_by_index(path, allowed):
    assert JSONPath(path).of_a_row is allowed


@given(st.lists(st.integers(), min_size=1, max_size=9), st.data())
def test_slices_are_those_of_python(values, data):
    bound = st.none() | st.integers(-len(values), len(values))
    start, end = data.draw(bound), data.draw(bound)
    text = f"$[{'' if start is None else start}:{'' if end is None else end}]"
    assert JSONPath(text).select(values) == values[start:end]


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text):
    try:
        JSONPath("$" + text)
    except UsageError as error:
        assert json.dumps(str(error))
