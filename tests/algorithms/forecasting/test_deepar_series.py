"""Series of channels and requests: what is read, and every message about what cannot be."""

from __future__ import annotations

import gzip
import io
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sagecask_forecasting.deepar.calendar import Frequency
from sagecask_forecasting.deepar.series import Form, panel_of, read, read_test
from sagecask_forecasting.deepar.shape import Shape

from sagecask.channels import open_channel
from sagecask.contract import ChannelConfig
from sagecask.errors import DataError
from sagecask.formats import MediaType, Records

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask_forecasting.deepar.panel import Panel
    from sagecask_forecasting.deepar.series import Series

DAY, HORIZON = Frequency(1, "D"), 5
FORM = Form(DAY, HORIZON, "student-T")
LONG = [float(point) for point in range(300)]
FIRST = 'channel "train", a.json, line 1'
SECOND = 'channel "train", a.json, line 2'


def series(target=LONG, start="2021-03-01 00:00:00", **more):
    return {"start": start, "target": target, **more}


def lines(*records) -> bytes:
    return "\n".join(json.dumps(record) for record in records).encode()


def parquet(**columns) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


@pytest.fixture
def train(tmp_path: Path):
    """Writes a channel's files and reads them."""

    def train(*records, form: Form = FORM, content_type: str = "json", **files: bytes) -> Series:
        folder = tmp_path / "train"
        folder.mkdir()
        for name, data in ({"a.json": lines(*records)} if records else files).items():
            (folder / name).write_bytes(data)
        return read(open_channel(ChannelConfig("train", "File"), folder, MediaType.parse(content_type)), form)

    return train


@pytest.fixture
def refusal(train):
    def refusal(*records, **settings) -> str:
        with pytest.raises(DataError) as caught:
            train(*records, **settings)
        return str(caught.value)

    return refusal


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


def shape(cardinality: tuple[int, ...] = (), dynamic: int = 0, likelihood="student-T", frequency: Frequency = DAY):
    return Shape(frequency, 7, HORIZON, likelihood, cardinality, 2, dynamic, 4, 1)


def request(*values, **settings) -> Panel:
    places = [f"request body, instance {number}" for number in range(1, len(values) + 1)]
    unseen = settings.pop("unseen", ())
    return panel_of(Records(list(values), places), shape(**settings), unseen)


def request_refusal(*values, **settings) -> str:
    with pytest.raises(DataError) as caught:
        request(*values, **settings)
    return str(caught.value)


# --- what is read -------------------------------------------------------------------------------------------


def test_series_stand_in_their_order_one_behind_the_other(train):
    more = series([None, "NaN", 2.5], "1969-12-30", cat=[1, 0], dynamic_feat=[[True, 0, 1.5]])
    found = train(series(cat=[0, 2], dynamic_feat=[LONG]), more)
    panel = found.panel
    assert panel.starts.dtype == np.dtype("M8[D]")
    assert panel.starts.astype(str).tolist() == ["2021-03-01", "1969-12-30"]
    assert panel.lengths.tolist() == [300, 3]
    np.testing.assert_array_equal(panel.values, np.array([*LONG, np.nan, np.nan, 2.5], np.float32))
    assert panel.categories.tolist() == [[0, 2], [1, 0]]
    np.testing.assert_array_equal(panel.dynamic[:, 0], np.array([*LONG, 1, 0, 1.5], np.float32))
    assert (panel.ahead, found.cardinality, found.dynamic) == (0, (2, 3), 1)
    assert found.unseen == (frozenset(), frozenset({1}))


def test_series_without_features_have_none(train):
    found = train(series(cat=[], dynamic_feat=None), series(cat=None, dynamic_feat=[]), series())
    assert (found.panel.categories.shape, found.panel.dynamic.shape) == ((3, 0), (900, 0))
    assert (found.cardinality, found.dynamic, found.unseen) == ((), 0, ())


def test_bare_category_is_a_list_of_one(train):
    assert train(series(cat=1), series(cat=[0])).panel.categories.tolist() == [[1], [0]]


def test_whole_float_is_a_category(train):
    assert train(series(cat=[1.0]), series(cat=0)).panel.categories.tolist() == [[1], [0]]


def test_dynamic_features_may_reach_over_the_horizon(train):
    feature = [*LONG, *[9.0] * HORIZON]
    panel = train(series(dynamic_feat=[feature, LONG])).panel
    assert panel.dynamic.shape == (300, 2)
    assert panel.dynamic[-1].tolist() == [299, 299]


def test_ignored_features_are_not_looked_at(train):
    form = Form(DAY, HORIZON, "student-T", "ignore", "ignore")
    found = train(series(cat="x", dynamic_feat=3), series(cat=[1, 2]), form=form)
    assert (found.cardinality, found.dynamic) == ((), 0)


def test_given_sizes_that_the_data_keeps_to_hold(train):
    form = Form(DAY, HORIZON, "student-T", (4,), 1)
    found = train(series(cat=[1], dynamic_feat=[LONG]), form=form)
    assert (found.cardinality, found.dynamic, found.unseen) == ((4,), 1, (frozenset({0, 2, 3}),))


def test_parquet_equals_json_lines(train, tmp_path):
    records = [
        series([*LONG, None], cat=[1, 0], dynamic_feat=[[*LONG, 1.0], [*LONG, 2.0]]),
        series([1.0, None, 3.0], "2020-02-29 00:00:00", cat=[0, 1], dynamic_feat=[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    ]
    table = parquet(
        start=pa.array([datetime(2021, 3, 1), datetime(2020, 2, 29)], pa.timestamp("ns")),
        target=pa.array([[*LONG, np.nan], [1.0, None, 3.0]]),
        cat=pa.array([[1, 0], [0, 1]]),
        dynamic_feat=pa.array([record["dynamic_feat"] for record in records]),
    )
    first = train(*records).panel
    (tmp_path / "train" / "a.json").unlink()
    (tmp_path / "train").rmdir()
    second = train(**{"a.parquet": table}).panel
    for name in ("starts", "lengths", "values", "categories", "dynamic"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_files_of_all_names_are_read_in_their_order(train):
    found = train(
        content_type="parquet",
        **{
            "a.json": lines(series([1.0])),
            "b.json.gz": gzip.compress(lines(series())),
            "c.parquet": parquet(start=["2021-03-01"], target=[[2.0, 3.0]]),
            "d": parquet(start=["2021-03-01"], target=[[4]]),
            ".e.json": b"?",
            "_SUCCESS": b"",
        },
    )
    assert found.panel.lengths.tolist() == [1, 300, 2, 1]


def test_unknown_keys_are_told_of_once(train, warnings):
    train(series(item_id="A", feat=1), series(other=1))
    assert warnings() == [f'{FIRST}: "item_id", "feat" is not read; start, target, cat, dynamic_feat are']


def test_value_that_no_series_has_is_told_of(train, warnings):
    train(series(cat=[0]), series(cat=[3]))
    expected = 'channel "train": cat, value 1: 2 of the values from 0 to 3 occur in no series, such as 1'
    assert warnings() == [expected]


def test_short_series_are_counted(train, warnings):
    assert train(series(), series([1.0]), series([])).panel.lengths.tolist() == [300, 1, 0]
    assert warnings() == ['channel "train": 2 of 3 series are shorter than prediction_length (5) and left out']


def test_series_that_are_all_zero_are_read(train):
    assert train(series([0] * 300), series([0.0] * 9)).panel.values.tolist() == [0] * 309


def test_counts_that_are_not_whole_are_told_of_once(train, warnings):
    train(series([*LONG, 2.5, 3.5]), series([1.5]), form=Form(DAY, 1, "negative-binomial"))
    expected = "point 301: whole numbers are expected with likelihood negative-binomial; got 2.5, maybe others"
    assert warnings() == [f"{FIRST}: target, {expected}"]


# --- what is refused in channels ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([1], "an object with start and target is needed; got a list"),
        ({"target": [1]}, 'start and target, and maybe cat and dynamic_feat, are needed; got "target"'),
        ({"start": "2021-03-01", "values": [1]}, 'start and target, and maybe cat and dynamic_feat, are needed; got '
         '"start", "values"'),
        ({}, "start and target, and maybe cat and dynamic_feat, are needed; got nothing"),
        (series(start=None), 'start as "YYYY-MM-DD HH:MM:SS" is needed; got null'),
        (series(start=20210301), 'start as "YYYY-MM-DD HH:MM:SS" is needed; got a number'),
        (series(start="01.03.2021"), 'start as "YYYY-MM-DD HH:MM:SS" is needed; got "01.03.2021"'),
        (series(start="2021-02-30"), 'start as a date of the calendar is needed; got "2021-02-30"'),
        (series(start="2021-03-01T00:00:00Z"), 'start without a time zone is needed; got "2021-03-01T00:00:00Z"'),
        (series(start="2021-03-01 07:00:00"), "start on a full day is needed with time_freq D; got "
         '"2021-03-01 07:00:00"'),
        (series(None), "target: a list of numbers is needed; got null"),
        (series(3), "target: a list of numbers is needed; got a number"),
        (series("1,2"), 'target: a list of numbers is needed; got "1,2"'),
        (series([1, "nan"]), 'target, point 2: a number, null or "NaN" is needed; got "nan"'),
        (series([1, "2"]), 'target, point 2: a number, null or "NaN" is needed; got "2"'),
        (series([1, True]), 'target, point 2: a number, null or "NaN" is needed; got a boolean'),
        (series([[1, 2]]), 'target, point 1: a number, null or "NaN" is needed; got a list'),
        (series([1, float("-inf")]), "target, point 2: a number that float32 holds is needed; got -inf"),
        (series([None, 1e39]), "target, point 2: a number that float32 holds is needed; got 1e+39"),
        (series([10**400]), "target: numbers that a double can hold are needed; got a larger one"),
        (series(cat="red"), 'cat, value 1: a whole number from 0 to 2147483647 is needed; got "red"'),
        (series(cat=[0, -1]), "cat, value 2: a whole number from 0 to 2147483647 is needed; got -1"),
        (series(cat=[0.5]), "cat, value 1: a whole number from 0 to 2147483647 is needed; got 0.5"),
        (series(cat=[None]), "cat, value 1: a whole number from 0 to 2147483647 is needed; got null"),
        (series(cat=[True]), "cat, value 1: a whole number from 0 to 2147483647 is needed; got a boolean"),
        (series(cat=[[1]]), "cat, value 1: a whole number from 0 to 2147483647 is needed; got a list"),
        (series(cat={"a": 1}), "cat, value 1: a whole number from 0 to 2147483647 is needed; got an object"),
        (series(cat=2**31), "cat, value 1: a whole number from 0 to 2147483647 is needed; got a number"),
        (series([1, 2], dynamic_feat=[[1, 2], [1]]), "dynamic_feat, feature 2: as many values as target (2) are "
         "needed, or with prediction_length more (7); got 1"),
        (series([1, 2], dynamic_feat=[1, 2]), "dynamic_feat, feature 1: a list of numbers is needed; got a number"),
        (series([1, 2], dynamic_feat={"a": [1, 2]}), "dynamic_feat: a list of lists of numbers is needed; got an "
         "object"),
        (series([1, 2], dynamic_feat=[[1, None]]), "dynamic_feat, feature 1, point 2: a number is needed; got null"),
        (series([1, 2], dynamic_feat=[["NaN", 1]]), 'dynamic_feat, feature 1, point 1: a number is needed; got "NaN"'),
        (series([1, 2], dynamic_feat=[[1, float("nan")]]), "dynamic_feat, feature 1, point 2: a number is needed; got "
         "nan"),
        (series([1, 2], dynamic_feat=[[1, float("inf")]]), "dynamic_feat, feature 1, point 2: a number that float32 "
         "holds is needed; got inf"),
    ],
)  # fmt: skip
def test_series_that_is_not_what_it_must_be_is_refused_by_its_line(refusal, record, message):
    assert refusal(record) == f"{FIRST}: {message}"


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ({"cat": [1, 2]}, {"cat": [1]}, f"cat: 2 values are needed, as in {FIRST}; got 1"),
        ({"cat": 1}, {}, f"cat: 1 value is needed, as in {FIRST}; got none"),
        ({}, {"cat": [1]}, f"cat: no value is needed, as in {FIRST}; got 1"),
        (
            {"dynamic_feat": [LONG]},
            {"dynamic_feat": [LONG, LONG]},
            f"dynamic_feat: 1 feature is needed, as in {FIRST}; got 2",
        ),
        ({"dynamic_feat": [LONG]}, {}, f"dynamic_feat: 1 feature is needed, as in {FIRST}; got none"),
        ({}, {"dynamic_feat": [LONG]}, f"dynamic_feat: no feature is needed, as in {FIRST}; got 1"),
    ],
)
def test_series_that_differ_in_their_features_are_refused_by_both_lines(refusal, one, other, message):
    assert refusal(series(**one), series(**other)) == f"{SECOND}: {message}"


@pytest.mark.parametrize(
    ("cardinality", "dynamic", "more", "message"),
    [
        ((3,), "auto", {"cat": 3}, "cat, value 1: a whole number from 0 to 2 is needed, as hyperparameter "
         '"cardinality" says; got 3'),
        ((3, 4), "auto", {"cat": 1}, 'cat: 2 values are needed, as hyperparameter "cardinality" says; got 1'),
        ((3,), "auto", {}, 'cat: 1 value is needed, as hyperparameter "cardinality" says; got none'),
        ("auto", 2, {"dynamic_feat": [LONG]}, 'dynamic_feat: 2 features are needed, as hyperparameter '
         '"num_dynamic_feat" says; got 1'),
        ("auto", 1, {}, 'dynamic_feat: 1 feature is needed, as hyperparameter "num_dynamic_feat" says; got none'),
    ],
)  # fmt: skip
def test_data_that_does_not_keep_to_given_sizes_is_refused(refusal, cardinality, dynamic, more, message):
    form = Form(DAY, HORIZON, "student-T", cardinality, dynamic)
    assert refusal(series(**more), form=form) == f"{FIRST}: {message}"


@pytest.mark.parametrize(
    ("likelihood", "target", "message"),
    [
        ("beta", [0, 1, None, 1.5], "point 4: a number from 0 to 1 is needed with likelihood beta; got 1.5"),
        ("beta", [-0.25], "point 1: a number from 0 to 1 is needed with likelihood beta; got -0.25"),
        ("negative-binomial", [0, "NaN", -1], "point 3: a count from 0 up is needed with likelihood negative-binomial; "
         "got -1"),
    ],
)  # fmt: skip
def test_value_without_likelihood_is_refused(refusal, likelihood, target, message):
    assert refusal(series(target), form=Form(DAY, HORIZON, likelihood)) == f"{FIRST}: target, {message}"
    assert request_refusal(series(target), likelihood=likelihood) == f"request body, instance 1: target, {message}"


def test_category_that_must_be_an_identifier_is_refused(refusal):
    expected = 'channel "train": cat, value 2: whole numbers counted from 0 and below 1000000 are needed; got 4711001'
    assert refusal(series(cat=[0, 4_711_001])) == expected


@pytest.mark.parametrize(
    "files", [{}, {"a.json": b""}, {"a.json": b"\n\n"}, {"a.parquet": parquet(start=[], target=[])}]
)
def test_empty_channel_is_refused(refusal, files):
    assert refusal(**files) == 'channel "train": at least one series is needed; got none'


def test_channel_of_short_series_is_refused(refusal):
    expected = (
        'channel "train": a series of at least prediction_length (5) points is needed; got 2 series, the longest of 4'
    )
    assert refusal(series([1, 2, 3, 4]), series([])) == expected


def test_fewer_observations_than_are_needed_are_refused(refusal):
    gaps = [None] * 50
    expected = 'channel "train": at least 300 observations in all series are needed; got 299'
    assert refusal(series(LONG[:200] + gaps), series(LONG[:99] + gaps)) == expected


def test_parquet_with_other_columns_is_refused(refusal):
    expected = (
        'channel "train", a.parquet, row 1: start and target, and maybe cat and dynamic_feat, are needed; '
        'got "timestamp", "value"'
    )
    assert refusal(**{"a.parquet": parquet(timestamp=["2021-03-01"], value=[[1.0]])}) == expected


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"start": pa.array([datetime(2021, 3, 1, tzinfo=UTC)])}, "start without a time zone is needed; got "
         '"2021-03-01T00:00:00.000000+0000"'),
        ({"start": pa.array([datetime(2021, 3, 1, 7)])}, "start on a full day is needed with time_freq D; got "
         '"2021-03-01T07:00:00.000000"'),
        ({"start": pa.array([None], pa.timestamp("ns"))}, 'start as "YYYY-MM-DD HH:MM:SS" is needed; got null'),
        ({"target": pa.array([3.5])}, "target: a list of numbers is needed; got a number"),
        ({"target": pa.array([None], pa.list_(pa.float64()))}, "target: a list of numbers is needed; got null"),
        ({"target": pa.array([[1.0, np.inf]])}, "target, point 2: a number that float32 holds is needed; got inf"),
        ({"target": pa.array([[[1.0, 2.0]]])}, 'target, point 1: a number, null or "NaN" is needed; got a list'),
        ({"cat": pa.array([[1, None]])}, "cat, value 2: a whole number from 0 to 2147483647 is needed; got nan"),
        ({"cat": pa.array([[1.5]])}, "cat, value 1: a whole number from 0 to 2147483647 is needed; got 1.5"),
        ({"dynamic_feat": pa.array([[1.0, 2.0]])}, "dynamic_feat, feature 1: a list of numbers is needed; got a "
         "number"),
        ({"dynamic_feat": pa.array([[[1.0, None]]])}, "dynamic_feat, feature 1, point 2: a number is needed; got nan"),
    ],
)  # fmt: skip
def test_parquet_row_that_is_not_what_it_must_be_is_refused(refusal, columns, message):
    table = {"start": ["2021-03-01"], "target": [[1.0, 2.0]]} | columns
    assert refusal(**{"a.parquet": parquet(**table)}) == f'channel "train", a.parquet, row 1: {message}'


# --- test channels ------------------------------------------------------------------------------------------


@pytest.fixture
def held_out(tmp_path, train):
    def held_out(train_records, test_records, form=FORM) -> Panel:
        found = train(*train_records, form=form)
        folder = tmp_path / "test"
        folder.mkdir()
        (folder / "a.json").write_bytes(lines(*test_records))
        channel = open_channel(ChannelConfig("test", "File"), folder, MediaType.parse("json"))
        return read_test(channel, form, found)

    return held_out


def test_test_series_need_no_300_observations(held_out):
    panel = held_out([series(cat=1)], [series([1, 2, 3, 4, 5, 6], cat=0), series([1], cat=0)])
    assert panel.lengths.tolist() == [6, 1]


def test_test_series_are_held_to_what_training_has(held_out):
    with pytest.raises(DataError) as caught:
        held_out([series(cat=1)], [series(cat=2)])
    expected = 'cat, value 1: a whole number from 0 to 1 is needed, as in channel "train"; got 2'
    assert str(caught.value) == f'channel "test", a.json, line 1: {expected}'


def test_ignored_features_of_test_series_are_not_looked_at(held_out):
    form = Form(DAY, HORIZON, "student-T", "ignore", "ignore")
    assert held_out([series(cat=1)], [series(cat=2, dynamic_feat=1)], form).categories.shape == (1, 0)


# --- requests -----------------------------------------------------------------------------------------------


def test_request_has_what_the_model_has():
    values = [
        series([1, "NaN"], "2021-03-01", cat=[0, 2], dynamic_feat=[[0] * 7]),
        series([], cat=[1, 1], dynamic_feat=[[1] * 5]),
    ]
    panel = request(*values, cardinality=(2, 3), dynamic=1)
    assert panel.lengths.tolist() == [2, 0]
    assert panel.categories.tolist() == [[0, 2], [1, 1]]
    assert panel.dynamic[:, 0].tolist() == [0] * 7 + [1] * 5
    assert panel.ahead == HORIZON


def test_cold_start_needs_no_point():
    panel = request(series([], cat=[1]), cardinality=(2,))
    assert (panel.lengths.tolist(), len(panel.values), panel.dynamic.shape) == ([0], 0, (HORIZON, 0))


@pytest.mark.parametrize(
    ("value", "settings", "message"),
    [
        (series([1]), {"cardinality": (2,)}, "cat: 1 value is needed, as in training; got none"),
        (series([1], cat=[0]), {}, "cat: no value is needed, as in training; got 1"),
        (series([1], cat=[0, 1]), {"cardinality": (2,)}, "cat: 1 value is needed, as in training; got 2"),
        (series([1], cat=[2]), {"cardinality": (2,)}, "cat, value 1: a whole number from 0 to 1 is needed, as in "
         "training; got 2"),
        (series([1], cat=[1]), {"cardinality": (3,), "unseen": (frozenset({1}),)}, "cat, value 1: a value that "
         "occurred in training is needed; got 1"),
        (series([1]), {"dynamic": 2}, "dynamic_feat: 2 features are needed, as in training; got none"),
        (series([1], dynamic_feat=[[1]]), {}, "dynamic_feat: no feature is needed, as in training; got 1"),
        (series([1], dynamic_feat=[[1]]), {"dynamic": 1}, "dynamic_feat, feature 1: as many values as target and "
         "prediction_length together (6) are needed; got 1"),
        (series([1], dynamic_feat=[[1] * 7]), {"dynamic": 1}, "dynamic_feat, feature 1: as many values as target and "
         "prediction_length together (6) are needed; got 7"),
        ({"start": "2021-03-01"}, {}, 'start and target, and maybe cat and dynamic_feat, are needed; got "start"'),
        ({"target": [1]}, {}, 'start and target, and maybe cat and dynamic_feat, are needed; got "target"'),
        (series([1], "2021-03-01 00:30"), {"frequency": Frequency(2, "H")}, "start on a full hour is needed with "
         'time_freq 2H; got "2021-03-01 00:30"'),
    ],
)  # fmt: skip
def test_request_that_does_not_fit_the_model_is_refused(value, settings, message):
    assert request_refusal(value, **settings) == f"request body, instance 1: {message}"


def test_requests_are_read_without_a_warning(warnings):
    request(series([0.5], extra=1), likelihood="negative-binomial")
    assert warnings() == []


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["NaN", "2021-03-01", ""])
KEYS = st.sampled_from(["start", "target", "cat", "dynamic_feat"])
LIKELIHOODS = st.sampled_from(["gaussian", "beta", "negative-binomial"])


@given(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4)), KEYS, LIKELIHOODS)
def test_any_value_is_read_or_refused(value, key, likelihood):
    whole = series([1, 0], cat=[1], dynamic_feat=[[0] * 7])
    try:
        panel = request(whole | {key: value}, cardinality=(2,), dynamic=1, likelihood=likelihood)
    except DataError as error:
        assert str(error).startswith("request body, instance 1: ")
    else:
        assert panel.dynamic.shape == (panel.lengths[0] + HORIZON, 1)
        assert np.isfinite(panel.dynamic).all()
        assert not np.isinf(panel.values).any()
        assert 0 <= panel.categories.item() < 2


def test_request_is_refused_by_its_instance():
    assert request_refusal(series([1]), series([2], cat=1)).startswith("request body, instance 2: cat: ")
