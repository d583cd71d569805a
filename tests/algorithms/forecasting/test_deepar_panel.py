"""Windows of a panel against a plain look-up, point by point; parts of a panel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sagecask_forecasting.deepar.calendar import Frequency, time_features
from sagecask_forecasting.deepar.panel import Cutter, Panel
from sagecask_forecasting.deepar.pieces import FEW_BYTES, Pieces
from sagecask_forecasting.deepar.shape import Shape
from sagecask_forecasting.deepar.splitting import chosen, part_of, split

CONTEXT, HORIZON = 4, 3
GAP = math.nan


def shape(freq: str = "M", dynamic: int = 0) -> Shape:
    frequency = Frequency.parse(freq)
    assert frequency is not None
    return Shape(frequency, CONTEXT, HORIZON, "gaussian", (3,), 2, dynamic, 4, 1)


def panel(values: list[list[float]], freq: str = "M", dynamic: int = 0, ahead: int = 0) -> Panel:
    """Return series one month, day or other point after the other; features and categories by number."""
    lengths = np.array([len(each) for each in values])
    points = int(lengths.sum()) + ahead * len(values)
    return Panel(
        np.arange(len(values)).astype(shape(freq).frequency.dtype),
        lengths,
        np.array([value for each in values for value in each], np.float32),
        np.arange(len(values))[:, None] % 3,
        np.arange(points * dynamic, dtype=np.float32).reshape(points, dynamic),
        ahead,
    )


def cut(found: Panel, pairs: list[tuple[int, int]], freq: str = "M"):
    """Return the windows before points of series, and what every lag shows at every step of them."""
    like = shape(freq, found.dynamic.shape[1])
    series, at = (np.array(each) for each in zip(*pairs, strict=True))
    windows = Cutter(found, like).cut(series, at)
    steps = np.arange(CONTEXT + HORIZON)
    return (
        windows,
        windows.history[:, like.reach.places[:, None] + steps],
        windows.history[:, like.reach.target + steps],
    )


def last_known(values: list[float], point: int) -> float:
    """Return the value at a point, in a gap the last one before; NaN outside the series."""
    if not 0 <= point < len(values):
        return GAP
    return next((value for value in values[point::-1] if not math.isnan(value)), GAP)


@settings(max_examples=40)
@given(st.data())
def test_windows_show_what_stands_at_their_points(data):
    number = st.one_of(st.just(GAP), st.integers(-9, 9).map(float))
    values = data.draw(st.lists(st.lists(number, max_size=50), min_size=1, max_size=4))
    series = st.integers(0, len(values) - 1)
    pairs = data.draw(
        st.lists(
            series.flatmap(lambda which: st.tuples(st.just(which), st.integers(0, len(values[which])))), min_size=1
        )
    )
    windows, lagged, target = cut(panel(values), pairs)
    for row, (which, at) in enumerate(pairs):
        points = range(at - CONTEXT, at + HORIZON)
        np.testing.assert_array_equal(target[row], [last_known(values[which], point) for point in points])
        for place, lag in enumerate(shape().lags):
            np.testing.assert_array_equal(
                lagged[row, place], [last_known(values[which], point - lag) for point in points]
            )
        known = [0 <= point < len(values[which]) and not math.isnan(values[which][point]) for point in points]
        assert windows.observed[row].tolist() == known
    assert windows.categories[:, 0].tolist() == [which % 3 for which, _ in pairs]


@pytest.mark.parametrize("freq", ["M", "W", "D", "2H", "5min"])
def test_windows_have_the_calendar_of_their_points(freq):
    found = panel([[1.0] * 30, [2.0] * 20], freq)
    windows, _, _ = cut(found, [(0, 30), (1, 2), (1, 0)], freq)
    frequency = shape(freq).frequency
    starts = found.starts[[0, 1, 1]] + np.array([26, -2, -4]) * frequency.step
    np.testing.assert_array_equal(windows.features[:, :, :-1], time_features(starts, frequency, CONTEXT + HORIZON))


def test_age_grows_along_a_series_and_is_that_of_the_first_point_before_it():
    windows, _, _ = cut(panel([[1.0] * 30]), [(0, 2), (0, 10)])
    age = windows.features[:, :, 1]
    np.testing.assert_allclose(age[0], np.log10([2, 2, 2, 3, 4, 5, 6]), rtol=1e-6)
    np.testing.assert_allclose(age[1], np.log10([8, 9, 10, 11, 12, 13, 14]), rtol=1e-6)


def test_dynamic_features_are_those_of_the_points_and_zero_outside():
    found = panel([[1.0] * 6, [2.0] * 5], dynamic=2)
    windows, _, _ = cut(found, [(1, 2), (1, 4)])
    rows = found.dynamic[6:]
    none = np.zeros(2)
    np.testing.assert_array_equal(windows.features[0, :, 2:], [none, none, *rows])
    np.testing.assert_array_equal(windows.features[1, :, 2:], [*rows, none, none])


def test_dynamic_features_reach_ahead_of_the_values():
    found = panel([[1.0] * 6, [], [2.0] * 5], dynamic=1, ahead=HORIZON)
    windows, _, _ = cut(found, [(0, 6), (1, 0), (2, 5)])
    assert windows.features[:, -HORIZON:, 2].tolist() == [[6, 7, 8], [9, 10, 11], [17, 18, 19]]
    assert windows.features[1, :CONTEXT, 2].tolist() == [0] * CONTEXT


def test_series_without_a_point_has_an_empty_window():
    windows, lagged, target = cut(panel([[]]), [(0, 0)])
    assert np.isnan(lagged).all()
    assert np.isnan(target).all()
    assert not windows.observed.any()


@pytest.mark.parametrize("ahead", [0, 2])
def test_part_of_a_panel_is_the_panel_of_its_series(ahead):
    values = [[1.0, 2.0], [], [3.0], [4.0, 5.0, 6.0]]
    found = panel(values, dynamic=1, ahead=ahead)
    for part in (part_of(found, 1, 3), chosen(found, np.array([False, True, True, False]))):
        assert part.starts.astype(int).tolist() == [1, 2]
        assert part.lengths.tolist() == [0, 1]
        assert part.values.tolist() == [3]
        assert part.categories[:, 0].tolist() == [1, 2]
        assert part.dynamic[:, 0].tolist() == list(range(2 + ahead, 3 + 3 * ahead))
        assert part.ahead == ahead


def test_parts_one_behind_the_other_are_the_whole():
    found = panel([[1.0, 2.0], [], [3.0], [4.0, 5.0, 6.0]], dynamic=1, ahead=2)
    parts = [part_of(found, start, start + 3) for start in (0, 3)]
    for name in ("starts", "lengths", "values", "categories", "dynamic"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(found, name))


def test_last_points_are_split_off():
    found = panel([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, GAP]], dynamic=1)
    before, last = split(found, HORIZON)
    assert before.lengths.tolist() == [1, 0]
    assert before.values.tolist() == [1]
    np.testing.assert_array_equal(last, [[2, 3, 4], [5, 6, GAP]])
    assert before.ahead == HORIZON
    np.testing.assert_array_equal(before.dynamic, found.dynamic)


@pytest.mark.parametrize("row_shape", [(), (2,), (0,)])
@pytest.mark.parametrize("size", [3, FEW_BYTES // 8])
def test_pieces_are_put_one_behind_the_other(size, row_shape):
    parts = [np.full((length, *row_shape), length, np.float32) for length in (size, 0, size + 1, 1, size)]
    pieces = Pieces(row_shape)
    for part in parts:
        pieces.add(part)
    np.testing.assert_array_equal(pieces.array(), np.concatenate(parts))


def test_no_piece_is_no_row():
    assert Pieces((3,)).array().shape == (0, 3)
