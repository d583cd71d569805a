"""Decimals to float32 by way of doubles, which rounds twice: wrong where the first rounding ends in a middle."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST_NORMAL = 2.0**-126
_PER_SMALLEST = 2.0**149


def halfway(doubles: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where a double lies in the middle between two neighbouring float32."""
    # the 29 bits that a float32 lacks are one half
    middle: NDArray[np.bool_] = (doubles.view(np.uint64) & 0x1FFFFFFF) == 0x10000000
    small = np.abs(doubles) < _SMALLEST_NORMAL
    middle[small] = np.abs(doubles[small]) * _PER_SMALLEST % 1 == 0.5
    return middle


def double_for_float32(text: str) -> float:
    """Return a double that becomes the float32 nearest to the decimal, ties to even.

    That is the double nearest to the decimal, or its neighbour where that lies in the middle between two float32 and
    the decimal does not.

    Raises
    ------
    ValueError : the text is no number
    """
    double = float(text)
    if not halfway(np.array([double]))[0]:
        return double
    exact, middle = Decimal(text.strip()), Decimal(double)
    if exact == middle:
        return double
    return float(np.nextafter(double, np.inf if exact > middle else -np.inf))
