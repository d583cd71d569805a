"""Media types with parameters, and the choice of an answer's type by Accept (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANYTHING = frozenset({"*/*", "*"})


@dataclass(frozen=True, slots=True)
class MediaType:
    """A type such as `text/csv; label_size=0`: `essence` and parameter names in lower case."""

    essence: str
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, text: str) -> MediaType:
        """Read one media type; blanks and case do not matter, a parameter without a value is `true`.

        >>> MediaType.parse("Text/CSV ; Label_Size=0").parameters["label_size"]
        '0'
        """
        essence, *rest = text.split(";")
        parameters = {}
        for part in rest:
            name, equals, value = part.partition("=")
            if name.strip():
                parameters[name.strip().lower()] = value.strip().strip('"') if equals else "true"
        return cls(essence.strip().lower(), MappingProxyType(parameters))

    def __str__(self) -> str:
        return "; ".join([self.essence, *(f"{name}={value}" for name, value in self.parameters.items())])


def negotiate(accept: str | None, offered: Sequence[str], default: str) -> MediaType | None:
    """Choose the type of an answer.

    Parameters
    ----------
    accept : the Accept header; absent, empty and `*/*` mean `default`
    offered : types that can be written, best first
    default : what is sent when the client does not mind

    Returns
    -------
    The range of Accept with the highest q that `offered` holds, its wildcard resolved and its q removed,
    or None when there is none (status 406).
    """
    if accept is None or not accept.strip():
        return MediaType.parse(default)
    ranges = [(_quality(wanted), wanted) for wanted in map(MediaType.parse, accept.split(",")) if wanted.essence]
    for quality, wanted in sorted(ranges, key=lambda pair: -pair[0]):
        essence = _resolve(wanted.essence, offered, default)
        if quality > 0 and essence is not None:
            kept = {name: value for name, value in wanted.parameters.items() if name != "q"}
            if wanted.essence in ANYTHING:
                kept = {**MediaType.parse(default).parameters, **kept}
            return MediaType(essence, MappingProxyType(kept))
    return None


def _quality(media_range: MediaType) -> float:
    try:
        return float(media_range.parameters.get("q", "1"))
    except ValueError:
        return 0.0


def _resolve(essence: str, offered: Sequence[str], default: str) -> str | None:
    if essence in ANYTHING:
        return MediaType.parse(default).essence
    if essence.endswith("/*"):
        candidates = [MediaType.parse(default).essence, *offered]
        return next((each for each in candidates if each.startswith(essence[:-1])), None)
    return essence if essence in offered else None
