"""The base of every algorithm's table of hyperparameters: texts in, typed values out, one message for all faults."""

from __future__ import annotations

import difflib
import re
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from sagecask.errors import HyperparameterError
from sagecask.hyperparameters.declared import Declared, Kind, declared_of, expectation, inside
from sagecask.hyperparameters.text import typed, unquote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

_KINDS: dict[Any, Kind] = {int: "integer", float: "float", bool: "boolean", str: "string", tuple: "list", Any: "json"}


class Hyperparameters(BaseModel):
    """One attribute a hyperparameter, declared by `hyperparameter`; values are frozen after `parse`.

    hidden_prefix : what names begin with that pass unread although the table has none of them; None is no such names
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())
    hidden_prefix: ClassVar[str | None] = None
    _hidden: frozenset[str] = PrivateAttr(frozenset())

    @classmethod
    def parse(cls, texts: Mapping[str, str], *, owner: str) -> Self:
        """Read the texts of a job.

        Hidden names (`sagemaker_*`, `_tuning_objective_metric` where it is not declared, and those of `hidden_prefix`)
        pass unread; the text `None`, which the general Estimator sends for a missing value, counts as not given.

        Parameters
        ----------
        texts : public name to text, plain or JSON-encoded
        owner : the algorithm's name, which opens every fault

        Raises
        ------
        HyperparameterError : with every fault, one a line
        """
        values, faults = cls._values(texts)
        faults += cls._missing(texts)
        parsed = None if faults else cls._build(values, faults)
        if parsed is not None:
            faults += parsed._conditions()
            faults += parsed.faults()
        if parsed is None or faults:
            raise HyperparameterError("\n".join(f"{owner}: {fault}" for fault in faults))
        parsed._hidden = frozenset(texts) - frozenset(cls._attributes())
        return parsed

    def faults(self) -> Iterator[str]:
        """Yield what is wrong between several hyperparameters; *what must hold; got what*."""
        yield from ()

    @property
    def given(self) -> frozenset[str]:
        """Public names that the job set itself."""
        return frozenset(self._public_name(attribute) for attribute in self.model_fields_set)

    @property
    def hidden(self) -> frozenset[str]:
        """Names outside the table that the job set, all of which passed unread."""
        return self._hidden

    def public(self, name: str) -> object:
        """Return a value by public name."""
        return getattr(self, self._attributes()[name])

    @classmethod
    def table(cls) -> list[dict[str, object]]:
        """Return the reference: a row a hyperparameter, keys and form those of the specification files."""
        return [_row(cls._public_name(attribute), field) for attribute, field in cls.model_fields.items()]

    @classmethod
    def _values(cls, texts: Mapping[str, str]) -> tuple[dict[str, object], list[str]]:
        """Return attribute to value, and the faults of single texts."""
        attributes = cls._attributes()
        values: dict[str, object] = {}
        faults = []
        for name, encoded in texts.items():
            text = unquote(encoded)
            attribute = attributes.get(name)
            if attribute is None:
                faults += [] if cls._passes(name) else [_unknown(name, list(attributes))]
            elif attribute in values:
                faults.append(f'hyperparameter "{cls._public_name(attribute)}" must be given once; got an alias too')
            elif text.strip() != "None":
                try:
                    values[attribute] = _read(text, cls.model_fields[attribute])
                except ValueError:
                    expected = _expectation(cls.model_fields[attribute])
                    faults.append(f'hyperparameter "{name}" must be {expected}; got "{text}"')
        return values, faults

    @classmethod
    def _passes(cls, name: str) -> bool:
        if cls.hidden_prefix is not None and name.startswith(cls.hidden_prefix):
            return True
        return name.startswith("sagemaker_") or name == "_tuning_objective_metric"

    @classmethod
    def _missing(cls, texts: Mapping[str, str]) -> list[str]:
        attributes = cls._attributes()
        named = {attributes.get(name) for name, text in texts.items() if unquote(text).strip() != "None"}
        return [
            f'hyperparameter "{cls._public_name(attribute)}" is required: {_expectation(field)}; it is missing'
            for attribute, field in cls.model_fields.items()
            if field.is_required() and attribute not in named
        ]

    @classmethod
    def _build(cls, values: Mapping[str, object], faults: list[str]) -> Self | None:
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            for fault in error.errors():
                attribute = str(fault["loc"][0])
                expected = _expectation(cls.model_fields[attribute])
                got = values[attribute]
                faults.append(f'hyperparameter "{cls._public_name(attribute)}" must be {expected}; got "{got}"')
            faults[:] = dict.fromkeys(faults)
            return None

    def _conditions(self) -> list[str]:
        faults = []
        for attribute, field in type(self).model_fields.items():
            condition = declared_of(field).required_when
            if condition and getattr(self, attribute) is None and condition.holds(self.public(condition.other)):
                name = self._public_name(attribute)
                faults.append(f'hyperparameter "{name}" is required when {condition}; it is missing')
        return faults

    @classmethod
    def _public_name(cls, attribute: str) -> str:
        return declared_of(cls.model_fields[attribute]).name or attribute

    @classmethod
    def _attributes(cls) -> dict[str, str]:
        """Return every public name and alias to its attribute."""
        names = {cls._public_name(attribute): attribute for attribute in cls.model_fields}
        for attribute, field in cls.model_fields.items():
            names |= dict.fromkeys(declared_of(field).aliases, attribute)
        return names


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(sorted(known))}"
    return f'hyperparameter "{name}" is unknown; {hint}'


def _read(text: str, field: FieldInfo) -> object:
    kind, choices, words = _shape(field)
    declared = declared_of(field)
    if declared.form is not None:
        return declared.form.read(text.strip())
    if text.strip() in words:
        return text.strip()
    value = typed(text, kind)
    if kind == "categorical" and value not in choices:
        raise ValueError("not among the values")
    if isinstance(value, int | float) and not inside(declared, value):
        raise ValueError("out of bounds")
    if kind == "list" and isinstance(value, tuple) and declared.values:
        return tuple(_entry(entry, declared.values) for entry in value)
    return value


def _entry(entry: object, allowed: tuple[object, ...]) -> object:
    """Return the allowed value that an entry means: itself, a number as text, or `name@t` with a number for t."""
    for value in allowed:
        if str(entry) == str(value):
            return value
        if isinstance(value, str) and re.fullmatch(r".+@[a-z]", value):
            prefix = re.escape(value[:-1])
            if re.fullmatch(prefix + r"\d+(\.\d+)?-?", str(entry)):
                return entry
    raise ValueError("not among the values")


def _expectation(field: FieldInfo) -> str:
    kind, choices, words = _shape(field)
    declared = declared_of(field)
    return declared.form.expected if declared.form else expectation(kind, declared, choices, words=words)


def _shape(field: FieldInfo) -> tuple[Kind, tuple[str, ...], tuple[str, ...]]:
    """Return the kind of a field, its choices, and the words (`auto`) that stand beside another type."""
    annotation = field.annotation
    parts = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
    parts = tuple(part for part in parts if part is not NoneType)
    beside = [part for part in parts if len(parts) > 1 and get_origin(part) is Literal and "auto" in get_args(part)]
    main = next(part for part in parts if part not in beside)
    words = tuple(word for part in beside for word in get_args(part))
    form = declared_of(field).form
    if form is not None:
        return form.kind, get_args(main) if form.kind == "categorical" else (), words
    if get_origin(main) is Literal:
        return "categorical", get_args(main), words
    if get_args(main)[-1:] == ("json",) or main is Any:
        return "json", (), words
    return _KINDS[get_origin(main) or main], (), words


def _row(name: str, field: FieldInfo) -> dict[str, object]:
    kind, choices, words = _shape(field)
    declared = declared_of(field)
    default = declared.default_text if declared.default_text is not None else field.default
    row: dict[str, object] = {"name": name, "type": kind, "required": field.is_required()}
    if declared.required_when:
        row["required_when"] = str(declared.required_when)
    if not field.is_required() and default is not None:
        row["default"] = default
    if "auto" in words or declared.auto:
        row["auto"] = True
    bounds = _range(declared, choices)
    if bounds:
        row["range"] = bounds
    if declared.applies_when:
        row["applies_when"] = declared.applies_when
    row["meaning"] = declared.meaning
    return row


def _range(declared: Declared, choices: tuple[str, ...]) -> dict[str, object]:
    if choices or declared.values:
        return {"values": list(choices or declared.values or ())}
    bounds: dict[str, object] = {}
    low = declared.minimum if declared.above is None else declared.above
    high = declared.maximum if declared.below is None else declared.below
    if low is not None:
        bounds["min"] = low
    if declared.above is not None:
        bounds["min_exclusive"] = True
    if high is not None:
        bounds["max"] = high
    if declared.below is not None:
        bounds["max_exclusive"] = True
    return bounds
