"""What an algorithm declares, in the form of the specification files: as a mapping, and as Markdown for pages."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sagecask.algorithm import Algorithm

# what a specification says of a channel and of inference; the rest of a declaration is for the runtime alone
CHANNEL = ("name", "required", "content_types", "default_content_type", "input_modes", "distribution", "layout")
INFERENCE = ("content_types", "accept", "default_accept", "requests", "responses", "environment")

# title, header, rows
Table: TypeAlias = "tuple[str, Sequence[str], Sequence[Sequence[str]]]"


def reference(algorithm: Algorithm) -> dict[str, Any]:
    """Return the public interface; absent facts have no key, so that it compares with a specification."""
    declaration = algorithm.declaration
    return {
        "algorithm": declaration.name,
        "title": declaration.title,
        "family": declaration.family,
        "learning": declaration.learning,
        "source": list(declaration.source),
        "channels": [_chosen(asdict(channel), CHANNEL) for channel in declaration.channels],
        "hyperparameters": _plain(algorithm.hyperparameters().table()),
        "metrics": [
            _present({key: value for key, value in asdict(metric).items() if key != "pattern"})
            for metric in declaration.metrics
        ],
        "tunable": [_present(asdict(tunable)) for tunable in declaration.tunable],
        "inference": _chosen(asdict(declaration.inference), INFERENCE),
        "training": asdict(declaration.training),
    }


def metric_definitions(algorithm: Algorithm) -> list[dict[str, str]]:
    """Return what an Estimator takes as `metric_definitions`: name and regular expression of each metric."""
    return [{"Name": metric.name, "Regex": metric.pattern} for metric in algorithm.declaration.metrics]


def markdown(facts: Mapping[str, Any]) -> str:
    """Return the tables of a reference as Markdown, each under a heading of the second level."""
    parts = []
    for title, header, rows in _tables(facts):
        lines = [f"## {title}", "", _row(header), _row(["---"] * len(header)), *map(_row, rows)]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def plain(facts: Mapping[str, Any], width: int = 120) -> str:
    """Return the same tables for a terminal of `width` columns; the last column is wrapped."""
    parts = [f"{facts['title']} ({facts['algorithm']}, {facts['family']}, {facts['learning']})"]
    for title, header, rows in _tables(facts):
        cells = [[cell.replace("`", "") for cell in row] for row in ([header] if any(header) else []) + list(rows)]
        parts.append("\n".join([title, *_aligned(cells, width - 2)]))
    return "\n\n".join(parts)


def _tables(facts: Mapping[str, Any]) -> list[Table]:
    """Return title, header and rows of each table that has rows."""
    inference = facts["inference"]
    tables: list[Table] = [
        ("Channels", ("channel", "required", "input modes", "content types", "layout"), _channels(facts)),
        (
            "Hyperparameters",
            ("hyperparameter", "type", "default", "range", "meaning"),
            [_hyperparameter(row) for row in facts["hyperparameters"]],
        ),
        (
            "Metrics",
            ("metric", "direction", "meaning"),
            [(_code(row["name"]), row.get("direction", ""), _with_note(row, "when")) for row in facts["metrics"]],
        ),
        (
            "Tunable",
            ("hyperparameter", "type", "scaling", "range"),
            [(_code(row["name"]), row["type"], row.get("scaling", ""), _interval(row)) for row in facts["tunable"]],
        ),
        (
            "Inference",
            ("", "media types"),
            [
                ("requests", _codes(inference["content_types"])),
                ("answers", _codes(inference["accept"])),
                ("answer without Accept", _code(inference["default_accept"])),
            ],
        ),
        (
            "Environment",
            ("variable", "meaning"),
            [(_code(name), meaning) for name, meaning in inference.get("environment", {}).items()],
        ),
        ("Training", ("", ""), [(name.replace("_", " "), _word(value)) for name, value in facts["training"].items()]),
    ]
    return [table for table in tables if table[2]]


def _aligned(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return rows in columns; those between the first and the last take at most a fifth of the width each."""
    last = len(rows[0]) - 1
    widest = [max(len(row[column]) for row in rows) for column in range(last)]
    widths = [widest[0], *(min(size, width // 5) for size in widest[1:])]
    widths.append(max(20, width - sum(widths) - 2 * last))
    lines = []
    for row in rows:
        wrapped = [
            textwrap.wrap(cell, limit, break_on_hyphens=False) or [""] for cell, limit in zip(row, widths, strict=True)
        ]
        for line in zip_longest(*wrapped, fillvalue=""):
            padded = (cell.ljust(limit) for cell, limit in zip(line, widths, strict=True))
            lines.append(("  " + "  ".join(padded)).rstrip())
    return lines


def _channels(facts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            _code(row["name"]),
            _word(row["required"]),
            ", ".join(row["input_modes"]),
            _codes(row["content_types"]),
            row["layout"],
        )
        for row in facts["channels"]
    ]


def _hyperparameter(row: Mapping[str, Any]) -> tuple[str, ...]:
    default = _code(_text(row["default"])) if "default" in row else ""
    if row["required"]:
        default = "required"
    elif "required_when" in row:
        default = f"required when {row['required_when']}"
    return (_code(row["name"]), row["type"], default, _range(row), _with_note(row, "applies_when"))


def _with_note(row: Mapping[str, Any], key: str) -> str:
    return f"{row['meaning']} ({row[key]})" if row.get(key) else str(row["meaning"])


def _range(row: Mapping[str, Any]) -> str:
    bounds = row.get("range", {})
    # some tables have the word among the values
    word = "`auto`" if row.get("auto") and "auto" not in bounds.get("values", ()) else ""
    return ", ".join(filter(None, (word, _interval(bounds))))


def _interval(bounds: Mapping[str, Any]) -> str:
    if bounds.get("values"):
        return _codes(_text(value) for value in bounds["values"])
    low, high = bounds.get("min"), bounds.get("max")
    if low is None and high is None:
        return ""
    left = "(-∞" if low is None else f"{'(' if bounds.get('min_exclusive') else '['}{_text(low)}"
    right = "∞)" if high is None else f"{_text(high)}{')' if bounds.get('max_exclusive') else ']'}"
    return f"{left}, {right}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _code(text: str) -> str:
    return f"`{text}`" if text else '`""`'


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(map(_code, texts))


def _word(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return str(value)


def _chosen(facts: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    present = _present(facts)
    return {key: present[key] for key in keys if key in present}


def _present(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) for key, value in facts.items() if value is not None}


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value
