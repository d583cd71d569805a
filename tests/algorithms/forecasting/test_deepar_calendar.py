"""Frequencies, starts and time features, with pandas as oracle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sagecask_forecasting.deepar.calendar import Frequency, feature_names, time_features
from sagecask_forecasting.deepar.lags import lags

from sagecask.errors import DataError

WHERE = 'channel "train", a.json, line 7'
UNITS = ("M", "W", "D", "H", "min")
# what each feature is to pandas, and the largest that it can be
ORACLE = {
    "minute of hour": (lambda times: times.minute, 59),
    "hour of day": (lambda times: times.hour, 23),
    "day of week": (lambda times: times.dayofweek, 6),
    "day of month": (lambda times: times.day - 1, 30),
    "day of year": (lambda times: times.dayofyear - 1, 365),
    "week of year": (lambda times: times.isocalendar().week.to_numpy().astype(int) - 1, 52),
    "month of year": (lambda times: times.month - 1, 11),
}
STARTS = [
    "2021-03-01",
    "1969-12-31",
    "1900-02-28",
    "2000-02-29",
    "2020-12-28",
    "1890-01-01",
    "2099-11-30",
    "2024-02-28",
]


def frequency(text: str) -> Frequency:
    found = Frequency.parse(text)
    assert found is not None
    return found


def refusal(text: object, freq: str = "D") -> str:
    with pytest.raises(DataError) as caught:
        frequency(freq).start(text, WHERE)
    return str(caught.value)


def expected(start: str, freq: str, length: int) -> np.ndarray:
    multiple = frequency(freq).multiple
    step = {
        "M": pd.DateOffset(months=multiple), "W": pd.Timedelta(days=7 * multiple), "D": pd.Timedelta(days=multiple),
        "H": pd.Timedelta(hours=multiple), "min": pd.Timedelta(minutes=multiple),
    }[frequency(freq).unit]  # fmt: skip
    times = pd.DatetimeIndex([pd.Timestamp(start) + number * step for number in range(length)])
    columns = [ORACLE[name] for name in feature_names(frequency(freq))]
    return np.stack([np.asarray(part(times)) / largest - 0.5 for part, largest in columns], axis=1)


@pytest.mark.parametrize(
    ("text", "multiple", "unit"),
    [
        ("M", 1, "M"),
        ("W", 1, "W"),
        ("D", 1, "D"),
        ("H", 1, "H"),
        ("min", 1, "min"),
        ("5min", 5, "min"),
        ("02H", 2, "H"),
    ],
)
def test_frequency_is_a_number_and_a_unit(text, multiple, unit):
    found = frequency(text)
    assert (found.multiple, found.unit) == (multiple, unit)
    assert frequency(str(found)) == found


@pytest.mark.parametrize(
    "text", ["", "Q", "h", "T", "5 min", "0D", "-1D", "1.5H", "W-MON", "MIN", "Dx", "1234567D", "²D"]
)
def test_other_texts_are_no_frequency(text):
    assert Frequency.parse(text) is None


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("freq", [*UNITS, "3M", "2W", "10D", "2H", "5min"])
def test_features_are_those_of_pandas(start, freq):
    freq_ = frequency(freq)
    first = freq_.start(start, WHERE)
    found = time_features(np.array([first]), freq_, 600)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], expected(start, freq, 600), atol=1e-6)


@given(st.datetimes(min_value=pd.Timestamp("1700-01-01"), max_value=pd.Timestamp("2250-01-01")), st.sampled_from(UNITS))
def test_features_of_any_day_are_those_of_pandas(start, freq):
    text = start.strftime("%Y-%m-%d %H:%M:00" if freq == "min" else "%Y-%m-%d %H:00:00" if freq == "H" else "%Y-%m-%d")
    found = time_features(np.array([frequency(freq).start(text, WHERE)]), frequency(freq), 3)
    np.testing.assert_allclose(found[0], expected(text, freq, 3), atol=1e-6)


def test_every_series_has_the_features_of_its_own_start():
    freq = frequency("H")
    starts = np.array(["2021-03-01T05:00", "1960-02-29T23:00"], freq.dtype)
    both = time_features(starts, freq, 30)
    assert both.shape == (2, 30, 4)
    for row, start in zip(both, starts, strict=True):
        np.testing.assert_array_equal(row, time_features(start[None], freq, 30)[0])


@pytest.mark.parametrize("freq", UNITS)
def test_features_lie_between_minus_a_half_and_a_half(freq):
    found = time_features(np.array(["1999-12-01"], "M8[D]"), frequency(freq), 4000)
    assert found.min() >= -0.5
    assert found.max() <= 0.5


def test_leap_day_and_last_week_reach_the_largest_value():
    day = time_features(np.array(["2020-12-31"], "M8[D]"), frequency("D"), 1)[0, 0]
    assert dict(zip(feature_names(frequency("D")), day, strict=True)) == {
        "day of week": 0,
        "day of month": 0.5,
        "day of year": 0.5,
    }
    # 2020 has 53 weeks, and 3 January 2021 lies in the last of them
    assert time_features(np.array(["2021-01-03"], "M8[D]"), frequency("W"), 1)[0, 0, 1] == 0.5


@pytest.mark.parametrize(
    "text",
    [
        "2021-03-01 00:00:00", "2021-03-01T00:00:00", "2021-03-01 00:00", "2021-03-01", " 2021-03-01 ",
        "2021-03-01 00:00:00.000", "2021-03-01T00:00:00.000000000000", np.datetime64("2021-03-01"),
        np.datetime64("2021-03-01T00:00:00.000000000", "ns"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("freq", UNITS)
def test_start_may_be_written_in_several_ways(text, freq):
    first = frequency(freq).start(text, WHERE)
    assert first == np.datetime64("2021-03-01")
    assert first.dtype == frequency(freq).dtype


@pytest.mark.parametrize("text", ["2021-03-31 00:00:00", "2021-03-17 11:22:33.5", np.datetime64("2021-03-31T23:59")])
def test_any_time_stands_for_its_month(text):
    assert frequency("3M").start(text, WHERE) == np.datetime64("2021-03")


@pytest.mark.parametrize("day", range(1, 8))
def test_week_may_begin_on_any_day(day):
    assert frequency("W").start(f"2021-03-0{day}", WHERE) == np.datetime64(f"2021-03-0{day}")


@pytest.mark.parametrize(
    ("text", "freq", "unit"),
    [
        ("2021-03-01 01:00:00", "D", "day"),
        ("2021-03-01 00:00:00.1", "W", "day"),
        ("2021-03-01 01:30:00", "H", "hour"),
        ("2021-03-01 01:30:00", "2H", "hour"),
        ("2021-03-01 01:30:01", "min", "minute"),
        ("2021-03-01 01:30:00.0000000001", "5min", "minute"),
    ],
)
def test_start_between_two_points_is_refused(text, freq, unit):
    assert refusal(text, freq) == f'{WHERE}: start on a full {unit} is needed with time_freq {freq}; got "{text}"'


def test_several_units_may_begin_at_any_of_them():
    assert frequency("2H").start("2021-03-01 01:00:00", WHERE) == np.datetime64("2021-03-01T01:00")
    assert frequency("5min").start("2021-03-01 01:01", WHERE) == np.datetime64("2021-03-01T01:01")


@pytest.mark.parametrize(
    "text", ["2021-03-01T00:00:00Z", "2021-03-01 00:00:00+00:00", "2021-03-01 00:00:00-0700",
             "2021-03-01 00:00:00.0+01", "2021-03-01 00:00:00 UTC", "2021-03-01 00:00 Europe/Berlin",
             "2021-03-01 00:00:00+00:00:30"]
)  # fmt: skip
def test_start_with_a_time_zone_is_refused(text):
    assert refusal(text) == f'{WHERE}: start without a time zone is needed; got "{text}"'


@pytest.mark.parametrize("text", ["", "now", "NaT", "2021", "2021-03", "2021-3-1", "01/03/2021", "20210301",
                                  "2021-03-01 1:00", "2021-03-01 00:00:00 5", "2021-03-01,5",
                                  "\u0662021-03-01"])  # fmt: skip
def test_start_of_another_form_is_refused(text):
    assert refusal(text) == f'{WHERE}: start as "YYYY-MM-DD HH:MM:SS" is needed; got "{text}"'


@pytest.mark.parametrize("text", ["2021-02-29", "2021-13-01", "2021-00-10", "2021-03-32", "2021-03-01 24:00:00",
                                  "2021-03-01 10:60:00"])  # fmt: skip
def test_start_that_no_calendar_has_is_refused(text):
    assert refusal(text) == f'{WHERE}: start as a date of the calendar is needed; got "{text}"'


@pytest.mark.parametrize(("value", "got"), [(None, "null"), (3, "a number"), (["2021-03-01"], "a list")])
def test_start_that_is_no_text_is_refused(value, got):
    assert refusal(value) == f'{WHERE}: start as "YYYY-MM-DD HH:MM:SS" is needed; got {got}'


@pytest.mark.parametrize(
    ("freq", "some"),
    [
        ("H", {24, 48, 72, 168}),
        ("D", {7, 14, 21, 28, 365}),
        ("W", {52, 104}),
        ("M", {12, 24, 36}),
        ("min", {60, 1440}),
        ("2H", {12, 24, 84}),
        ("30min", {48, 336}),
    ],
)
def test_lags_look_one_season_back(freq, some):
    found = lags(frequency(freq))
    assert some <= set(found)
    assert list(found) == sorted(set(found))
    assert found[0] == 1
