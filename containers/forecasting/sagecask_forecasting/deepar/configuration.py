"""What a request may ask for (deepar-in-formats.md): sample paths, kinds of output, quantiles."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from sagecask.errors import DataError, UsageError
from sagecask_forecasting.deepar.declaration import CONFIGURATION_VARIABLE, SEED_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OUTPUT_TYPES = ("mean", "quantiles", "samples")
KEYS = ("num_samples", "output_types", "quantiles")
DEFAULT_QUANTILES = {f"0.{tenth}": tenth / 10 for tenth in range(1, 10)}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What an answer holds.

    num_samples : sample paths behind it
    output_types : some of OUTPUT_TYPES
    quantiles : levels in (0, 1) by the texts that the request gave them in
    """

    num_samples: int = 100
    output_types: frozenset[str] = frozenset({"mean", "quantiles"})
    quantiles: Mapping[str, float] = field(default_factory=lambda: DEFAULT_QUANTILES)

    def under(self, given: Mapping[str, object], where: str) -> Configuration:
        """Return this configuration with what is given in place of its own.

        Raises
        ------
        DataError : a key or a value is none that is known
        """
        unknown = [key for key in given if key not in KEYS]
        if unknown:
            near = difflib.get_close_matches(unknown[0], KEYS, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise DataError(f'{where}: keys out of {", ".join(KEYS)} are needed; got "{unknown[0]}"{hint}')
        read: dict[str, Callable[[object, str], object]] = {
            "num_samples": _num_samples, "output_types": _output_types, "quantiles": _quantiles,
        }  # fmt: skip
        return replace(self, **{key: read[key](value, f"{where}, {key}") for key, value in given.items()})  # type: ignore[arg-type]


def from_environment(environment: Mapping[str, str]) -> Configuration:
    """Return what DEEPAR_INFERENCE_CONFIG says, and the default for what it leaves out.

    Raises
    ------
    UsageError : it is no JSON object, or one with another key or value
    """
    text = environment.get(CONFIGURATION_VARIABLE)
    if text is None:
        return Configuration()
    where = f"environment: variable {CONFIGURATION_VARIABLE}"
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: a JSON object is needed; got {error}") from error
    if not isinstance(given, dict):
        raise UsageError(f"{where}: a JSON object is needed; got {_shown(given)}")
    try:
        return Configuration().under(given, where)
    except DataError as error:
        raise UsageError(str(error)) from error


def seed_from(environment: Mapping[str, str]) -> int | None:
    """Return the seed of every request's draws; None is another one each time.

    Raises
    ------
    UsageError : it is no whole number from 0 up
    """
    text = environment.get(SEED_VARIABLE)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f'environment: variable {SEED_VARIABLE} must be an integer of at least 0; got "{text}"')
    return int(text)


def _num_samples(value: object, where: str) -> int:
    # JSON's true is one of Python's numbers
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or value < 1:
        raise DataError(f"{where}: an integer of at least 1 is needed; got {_shown(value)}")
    return value


def _output_types(value: object, where: str) -> frozenset[str]:
    if not isinstance(value, list) or not value:
        raise DataError(f"{where}: a list out of {', '.join(OUTPUT_TYPES)} is needed; got {_shown(value)}")
    for entry in value:
        if entry not in OUTPUT_TYPES:
            raise DataError(f"{where}: a list out of {', '.join(OUTPUT_TYPES)} is needed; got {_shown(entry)} in it")
    return frozenset(cast("list[str]", value))


def _quantiles(value: object, where: str) -> dict[str, float]:
    if not isinstance(value, list) or not value:
        raise DataError(f'{where}: a list of texts such as "0.5" is needed; got {_shown(value)}')
    return {entry if isinstance(entry, str) else json.dumps(entry): _level(entry, where) for entry in value}


def _level(entry: object, where: str) -> float:
    if isinstance(entry, str | float | int) and not isinstance(entry, bool):
        try:
            level = float(entry)
        except (ValueError, OverflowError):
            level = 0.0
        if 0 < level < 1:
            return level
    raise DataError(f"{where}: numbers above 0 and below 1 are needed; got {_shown(entry)}")


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
