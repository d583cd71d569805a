"""The values of a series, checked against what the noise model can draw (deepar_hyperparameters.md, "likelihood")."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import DataError
from sagecask_forecasting.deepar.numbers import with_gaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask_forecasting.deepar.shape import LikelihoodName

_log = logging.getLogger(__name__)


class Targets:
    """Reads targets.

    warned : whether nobody is to be told, or has been, of counts that are not whole, which the likelihood bears
    """

    def __init__(self, likelihood: LikelihoodName, *, warned: bool = False) -> None:
        self._likelihood = likelihood
        self._warned = warned

    def read(self, value: object, place: str) -> NDArray[np.float32]:
        """Return (n,) float32, NaN for a gap.

        Raises
        ------
        DataError : the value is no list of numbers and gaps, or one that the likelihood gives no probability
        """
        where = f"{place}: target"
        values = with_gaps(value, where)
        if self._likelihood == "beta":
            _refuse(values, (values < 0) | (values > 1), "a number from 0 to 1 is needed with likelihood beta", where)
        if self._likelihood == "negative-binomial":
            _refuse(values, values < 0, "a count from 0 up is needed with likelihood negative-binomial", where)
            self._warn_of_parts(values, where)
        return values

    def _warn_of_parts(self, values: NDArray[np.float32], where: str) -> None:
        parts = values % 1 > 0
        if not self._warned and parts.any():
            self._warned = True
            place = int(np.argmax(parts))
            _log.warning(
                "%s, point %d: whole numbers are expected with likelihood negative-binomial; got %g, maybe others",
                where, place + 1, values[place],
            )  # fmt: skip


def _refuse(values: NDArray[np.float32], faults: NDArray[np.bool_], needed: str, where: str) -> None:
    if faults.any():
        place = int(np.argmax(faults))
        raise DataError(f"{where}, point {place + 1}: {needed}; got {values[place]:g}")
