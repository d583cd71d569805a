"""Run benchmarks and print their tables: `make bench`, or `python benchmarks/run.py NAME ...` for some of them.

A benchmark is a module of this folder with a docstring, whose first line is its title, and a function `rows()` that
yields rows as mappings from column to value; rows with the same columns stand in one table. What was measured
is also written as JSON into `benchmarks/results/`, which git ignores.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    """Run the benchmarks that the command line names, or all."""
    modules = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if path.stem != "run"}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"out of {', '.join(modules)}; all when none is given")
    names = parser.parse_args().names or list(modules)
    if unknown := [name for name in names if name not in modules]:
        parser.error(f"NAME must be out of {', '.join(modules)}; got {', '.join(unknown)}")
    sys.path.insert(0, str(FOLDER))
    for name in names:
        module = importlib.import_module(name)
        if hasattr(module, "rows"):
            measure(name, module)


def measure(name: str, module: ModuleType) -> None:
    """Run one benchmark, print its tables and write its results."""
    title = (module.__doc__ or name).splitlines()[0].rstrip(".")
    print(f"\n## {title}\n", flush=True)
    start = time.perf_counter()
    rows: list[Mapping[str, Any]] = []
    for _, group in groupby(module.rows(), key=tuple):
        found = list(group)
        print(table(found), flush=True)
        rows += found
    print(f"({time.perf_counter() - start:.0f} s)", flush=True)
    results = FOLDER / "results"
    results.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    record = {"benchmark": name, "title": title, "when": now.isoformat(timespec="seconds"), **machine(), "rows": rows}
    path = results / f"{name}-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Return what a figure depends on beside the code."""
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of equal columns as a Markdown table."""
    columns = list(rows[0])
    cells = [columns, *([shown(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def shown(value: object) -> str:
    """Return a cell: a float to three figures, anything else as it is."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
