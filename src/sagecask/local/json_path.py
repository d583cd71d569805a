"""The paths that InputFilter and OutputFilter are written in (contract 12.15).

A dialect of JSONPath with neither recursion nor conditions. Libraries for JSONPath take far more and leave out what is
not there, where the platform fails; both would hide faults that a transform job then shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagecask.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARACTERS = 63

_NAME = re.compile(r"\.?([A-Za-z_][\w-]*)")
_BRACKET = re.compile(r"""\.?\[((?:'[^']*'|"[^"]*"|[^\]'"])*)\]""")
_QUOTED = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)")\s*""")
_INDEX = re.compile(r"\s*(-?\d+)\s*")
_ALL = re.compile(r"\.?\[\s*\*\s*\]|\.\*")
_PART = re.compile(r"""(?:'[^']*'|"[^"]*"|[^,'"])+|(?<=,)(?=,|$)|^$""")
_SLICE = re.compile(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class _Names:
    names: tuple[str, ...]

    @property
    def one(self) -> bool:
        return len(self.names) == 1

    def of(self, value: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
        for name in self.names:
            if not isinstance(value, dict) or name not in value:
                there = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
                raise DataError(f'the key "{name}" must be there; got {there or "no keys"}')
            yield value[name]


@dataclass(frozen=True, slots=True)
class _Elements:
    """Indexes, and slices as pairs of bounds."""

    wanted: tuple[int | tuple[int | None, int | None], ...]

    @property
    def one(self) -> bool:
        return len(self.wanted) == 1 and isinstance(self.wanted[0], int)

    def of(self, value: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
        if not isinstance(value, list):
            raise DataError(f"indexes must meet a list; got {type(value).__name__}")
        for each in self.wanted:
            bounds = (each,) if isinstance(each, int) else each
            for bound in bounds:
                # an index names an element, the end of a slice may lie behind the last
                last = len(value) - isinstance(each, int)
                if bound is not None and not -len(value) <= bound <= last:
                    raise DataError(f"index {bound} must be among {len(value)} elements; got none there")
            if isinstance(each, int):
                yield value[each]
            else:
                yield from value[each[0] : each[1]]


@dataclass(frozen=True, slots=True)
class _Wildcard:
    one = False

    def of(self, value: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
        if not isinstance(value, dict | list):
            raise DataError(f"* must meet an object or a list; got {type(value).__name__}")
        yield from value.values() if isinstance(value, dict) else value


class JSONPath:
    """A parsed path.

    >>> JSONPath("$['id','x']").select({"id": 7, "x": [1, 2], "y": 0})
    {'id': 7, 'x': [1, 2]}
    >>> JSONPath("$[0,-2:]").select(["a", "b", "c", "d"])
    ['a', 'c', 'd']
    """

    def __init__(self, text: str, option: str = "path") -> None:
        """Parse `text`; `option` is named in messages.

        Raises
        ------
        UsageError : it is no path of the dialect, or too long
        """
        self.text = text
        if len(text) > MAX_CHARACTERS:
            raise UsageError(f"{option}: must have at most {MAX_CHARACTERS} characters; got {len(text)}")
        if not text.startswith("$"):
            raise UsageError(f'{option}: must begin with $; got "{text}"')
        self._steps = tuple(_steps(text, option))

    @property
    def whole(self) -> bool:
        """Whether it selects what it is given."""
        return not self._steps

    @property
    def of_a_row(self) -> bool:
        """Whether it can select columns of CSV: by index alone."""
        return self.whole or (len(self._steps) == 1 and isinstance(self._steps[0], _Elements | _Wildcard))

    def select(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """Return the one value that the path leads to, or a list where it may lead to several.

        Names in brackets at its end give an object that has these keys alone.

        Raises
        ------
        DataError : a key or index is not there
        """
        *before, last = self._steps or (None,)
        if isinstance(last, _Names) and not last.one:
            found = [dict(zip(last.names, last.of(each), strict=True)) for each in _walk(value, tuple(before))]
        else:
            found = list(_walk(value, self._steps))
            before = list(self._steps)
        return found[0] if all(step.one for step in before if step) else found

    def columns(self, cells: list[str]) -> list[str]:
        """Return columns of a row of CSV; raises as `select`."""
        found = self.select(cells)
        return found if isinstance(found, list) else [found]


def _walk(value: Any, steps: tuple[Any, ...]) -> Iterator[Any]:  # noqa: ANN401 - JSON
    if not steps:
        yield value
        return
    for each in steps[0].of(value):
        yield from _walk(each, steps[1:])


def _steps(text: str, option: str) -> Iterator[_Names | _Elements | _Wildcard]:
    place = 1
    while place < len(text):
        if match := _ALL.match(text, place):
            yield _Wildcard()
        elif match := _BRACKET.match(text, place):
            yield _bracket(match[1], text, option)
        elif text[place] == "." and (match := _NAME.match(text, place)):
            yield _Names((match[1],))
        else:
            raise _wrong(option, text, text[place:])
        place = match.end()


def _bracket(content: str, text: str, option: str) -> _Names | _Elements:
    names: list[str] = []
    elements: list[int | tuple[int | None, int | None]] = []
    for part in _PART.findall(content):
        if match := _QUOTED.fullmatch(part):
            names.append(match[1] if match[1] is not None else match[2])
        elif match := _INDEX.fullmatch(part):
            elements.append(int(match[1]))
        elif match := _SLICE.fullmatch(part):
            start, end = (int(each) if each else None for each in match.groups())
            elements.append((start, end))
        else:
            raise _wrong(option, text, f"[{content}]")
    if bool(names) == bool(elements):
        raise _wrong(option, text, f"[{content}]")
    return _Names(tuple(names)) if names else _Elements(tuple(elements))


def _wrong(option: str, text: str, rest: str) -> UsageError:
    return UsageError(
        f"{option}: steps must be .name, *, ['name','name'], [1,-3] or [2:5]; got \"{rest}\" in \"{text}\""
    )
