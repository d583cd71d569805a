"""The core's decimal numbers against exact arithmetic."""

import math
import struct
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

core = pytest.importorskip("sagecask.native._core", reason="the compiled core was not built")

LARGEST = Fraction(float(np.finfo(np.float32).max))


def parsed(*cells: str) -> list[float]:
    """Return what the core makes of cells, each once in a longer text and once at its end."""
    numbers = np.empty((len(cells) * 2, 1), np.float32)
    text = "\n".join([*cells, *cells]).encode()
    rows, _, _, why = core.csv(text, ord(","), np.empty((len(numbers), 0), np.float32), numbers)
    assert (rows, why) == (len(numbers), 0), (text, rows, why)
    alone = np.empty((1, 1), np.float32)
    for cell, number in zip([*cells, *cells], numbers[:, 0], strict=True):
        assert core.csv(cell.encode(), ord(","), np.empty((1, 0), np.float32), alone)[0] == 1
        assert alone.tobytes() == number.tobytes(), cell
    return numbers[: len(cells), 0].tolist()


def nearest(text: str) -> float:
    """Return the float32 nearest to a decimal, ties to even, by exact arithmetic alone."""
    value = abs(Fraction(text))
    sign = -1.0 if text.startswith("-") else 1.0
    if value >= LARGEST + Fraction(2) ** 103:
        return sign * math.inf
    exponent = -149
    while value >= Fraction(2) ** (exponent + 24):
        exponent += 1
    return sign * float(round(value / Fraction(2) ** exponent) * Fraction(2) ** exponent)


@st.composite
def decimals(draw: st.DrawFn) -> str:
    """Plain decimals with and without point, sign and exponent."""
    whole, places = draw(st.tuples(st.text("0123456789", max_size=25), st.text("0123456789", max_size=25)))
    point = draw(st.sampled_from(["", "."])) if not places else "."
    if not whole and not places:
        whole = "0"
    exponent = draw(st.one_of(st.just(""), st.integers(-60, 50).map(lambda power: f"e{power}")))
    return draw(st.sampled_from(["", "-", "+"])) + whole + point + places + exponent


@st.composite
def near_midpoints(draw: st.DrawFn) -> str:
    """The exact middle between two float32, or a little beside it."""
    low = draw(st.integers(0, 0x7F7FFFFF))
    ends = [Decimal(struct.unpack("<f", struct.pack("<I", bits))[0]) for bits in (low, min(low + 1, 0x7F7FFFFF))]
    middle = Fraction(sum(map(Fraction, ends))) / 2
    # all of these have finite decimals of at most 113 digits
    places = 160
    digits = str(middle * 10**places).removesuffix("/1").rjust(places + 1, "0")
    text = f"{digits[:-places]}.{digits[-places:]}"
    kind = draw(st.sampled_from(["exact", "above", "below", "cut"]))
    if kind == "above":
        return text + "0" * draw(st.integers(0, 900)) + "1"
    if kind == "below" and middle:
        digits = str(int(digits) - 1).rjust(places + 1, "0")
        return f"{digits[:-places]}.{digits[-places:]}"
    return text[: draw(st.integers(2, 60))] if kind == "cut" else text


@settings(max_examples=300, deadline=None)
@given(decimals())
@example("3.4028235677973366e38")
@example("340282356779733661637539395458142568447.9")
@example("340282356779733661637539395458142568448")
@example("1.401298464324817e-45")
@example("0.7006492321624085354618e-45")
@example("16777217")
@example("9007199791611905")
@example("1.00000017881393432617187499")
def test_number_is_the_nearest_float32(text: str):
    (number,) = parsed(text)
    assert (number, math.copysign(1, number)) == (nearest(text), math.copysign(1, -text.startswith("-") or 1))


@settings(max_examples=300, deadline=None)
@given(near_midpoints())
def test_number_next_to_the_middle_of_two_float32_is_the_nearest(text: str):
    assert parsed(text) == [nearest(text)]


def test_every_digit_count_is_read_alike():
    cells = ["1234567890123456789012345"[:count] for count in range(1, 26)]
    cells += [f"{cell[:point]}.{cell[point:]}" for cell in cells for point in range(len(cell) + 1)]
    cells += [f"-{cell}" for cell in cells]
    assert parsed(*cells) == [nearest(cell) for cell in cells]


def test_exponent_and_zeros_of_any_length_balance_each_other():
    assert parsed("0." + "0" * 200_000 + "15e200001", "15" + "0" * 200_000 + "e-200001") == [1.5, 1.5]
    assert parsed("1e99999999999999999999", "1e-99999999999999999999", "0e99999999999999999999") == [math.inf, 0, 0]


@pytest.mark.parametrize("text", ["nan", "NaN", "+nan", "-NAN"])
def test_nan_is_read_in_any_case(text: str):
    assert math.isnan(parsed(text)[0])


@pytest.mark.parametrize("text", ["inf", "Inf", "+INF", "infinity", "-Infinity", "-inf"])
def test_infinity_is_read_in_any_case(text: str):
    assert parsed(text) == [float(text)]


@pytest.mark.parametrize(
    "text",
    [
        "x",
        ".",
        "-",
        "+",
        "e5",
        "1e",
        "1e+",
        "1.2.3",
        "0x10",
        "1_0",
        "infinit",
        "nano",
        "--1",
        "1 2",
        '"1"',
        "1\r",
        "\0",
    ],
)
def test_what_is_no_number_is_left_to_the_caller(text: str):
    cells = np.empty((1, 1), np.float32)
    # rows, offset, column, why: a cell
    assert core.csv(text.encode(), ord(","), np.empty((1, 0), np.float32), cells) == (0, 0, 0, 2)
    assert core.csv(f"{text}{' ' * 40}\n".encode(), ord(","), np.empty((1, 0), np.float32), cells) == (0, 0, 0, 2)


@settings(deadline=None)
@given(st.floats(width=32, allow_nan=False))
def test_shortest_text_of_a_float32_gives_it_back(number: float):
    assert parsed(str(np.float32(number)), repr(number)) == [number, number]
