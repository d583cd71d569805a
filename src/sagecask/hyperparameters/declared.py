"""One hyperparameter as its table declares it, and what its value must be in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import Field

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo

Kind = Literal["integer", "float", "boolean", "categorical", "string", "list", "json"]
Json = Annotated[Any, "json"]
"""Annotation of a hyperparameter that arrives as JSON or as a Python literal."""

_ARTICLES: dict[Kind, str] = {
    "integer": "an integer", "float": "a float", "boolean": '"true" or "false"', "categorical": "one of",
    "string": "a text", "list": "a comma-separated list", "json": "JSON",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    """`other` has one of `values`, or any value at all where there are none."""

    other: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.other} is {' or '.join(self.values) or 'set'}"

    def holds(self, value: object) -> bool:
        """Return whether a value of `other` fulfils it."""
        return str(value) in self.values if self.values else value is not None


def when(other: str, *values: str) -> Condition:
    """Return the condition that the hyperparameter `other` has one of `values`, or that it is set."""
    return Condition(other, values)


@dataclass(frozen=True, slots=True)
class Form:
    """How a text is read where its kind alone does not say.

    kind : what the reference calls it
    expected : what a text must be, in words
    read : text without blanks around it → value; a ValueError says that it is none
    """

    kind: Kind
    expected: str
    read: Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Declared:
    """What the table says beside annotation and default; `minimum` and `maximum` are inclusive bounds."""

    meaning: str
    name: str | None = None
    aliases: tuple[str, ...] = ()
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None
    values: tuple[object, ...] | None = None
    default_text: str | None = None
    auto: bool = False
    required_when: Condition | None = None
    applies_when: str | None = None
    form: Form | None = None


# one argument a column of the table
def hyperparameter(  # noqa: PLR0913
    default: object = ...,
    *,
    meaning: str,
    name: str | None = None,
    aliases: tuple[str, ...] = (),
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    values: tuple[object, ...] | None = None,
    default_text: str | None = None,
    auto: bool = False,
    required_when: Condition | None = None,
    applies_when: str | None = None,
    form: Form | None = None,
) -> Any:  # noqa: ANN401 - like pydantic.Field, so that the annotation of the attribute stands
    """Declare a field of a `Hyperparameters` class.

    Parameters
    ----------
    default : value when the job does not give it; without one the hyperparameter is required
    meaning : one line for the reference
    name : public name, where it cannot be a Python attribute (`lambda`, `_kfold`)
    aliases : other public names
    minimum, above, maximum, below : bounds; `above` and `below` are exclusive
    values : what the entries of a list may be; one that ends in `@` and a letter stands for any number there. Of a
        hyperparameter with a form, what the reference shows
    default_text : how the reference shows the default where it is no plain value
    auto : whether `auto` is a documented value of its own (implied by an annotation with Literal["auto"])
    required_when : condition under which a value must be given
    applies_when : when it has an effect, in words
    form : reads the text in place of what the annotation implies
    """
    declared = Declared(
        meaning, name, aliases, minimum, above, maximum, below, values, default_text, auto, required_when,
        applies_when, form,
    )  # fmt: skip
    extra = cast("dict[str, Any]", {"declared": declared})
    # a list's bounds are those of its entries, which pydantic would take for its length
    return Field(default, json_schema_extra=extra)


def declared_of(field: FieldInfo) -> Declared:
    """Return what `hyperparameter` stored."""
    extra = field.json_schema_extra
    if not isinstance(extra, dict) or not isinstance(extra.get("declared"), Declared):
        raise TypeError("every field of a Hyperparameters class is declared by hyperparameter(...)")
    return cast("Declared", extra["declared"])


def expectation(kind: Kind, declared: Declared, choices: tuple[str, ...], *, words: tuple[str, ...]) -> str:
    """Return what a value must be, such as `"auto" or a float in (0, 1]`."""
    text = _ARTICLES[kind]
    if kind == "categorical":
        text += " " + ", ".join(f'"{choice}"' for choice in choices)
    if kind == "list" and declared.values:
        text += " out of " + ", ".join(str(value) for value in declared.values)
    text += interval(declared)
    if not words or kind == "categorical":
        return text
    return ", ".join(f'"{word}"' for word in words) + f" or {text}"


def interval(declared: Declared) -> str:
    """Return the bounds in words: ` in (0, 1]`, ` of at least 1`, ` above 0`, or nothing."""
    low = declared.minimum if declared.above is None else declared.above
    high = declared.maximum if declared.below is None else declared.below
    if low is None and high is None:
        return ""
    if high is None:
        return f" of at least {low}" if declared.above is None else f" above {low}"
    if low is None:
        return f" of at most {high}" if declared.below is None else f" below {high}"
    return f" in {'[' if declared.above is None else '('}{low}, {high}{']' if declared.below is None else ')'}"


def inside(declared: Declared, value: float) -> bool:
    """Return whether a number keeps the bounds."""
    return (
        (declared.minimum is None or value >= declared.minimum)
        and (declared.above is None or value > declared.above)
        and (declared.maximum is None or value <= declared.maximum)
        and (declared.below is None or value < declared.below)
    )
