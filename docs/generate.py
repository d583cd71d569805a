"""Fill the generated parts of the pages from the installed algorithms: `make docs`; `--check` only compares.

A part stands between two comments, `<!-- begin: NAME -->` and `<!-- end: NAME -->`; everything else is prose.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sagecask import registry
from sagecask.reference import markdown, reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagecask.algorithm import Declaration

ROOT = Path(__file__).resolve().parent.parent
MACHINES = {"none": "CPU", "single": "CPU, one GPU", "multi": "CPU, GPUs"}


def main() -> int:
    """Write or compare every page; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    stale = []
    for page, name, content in parts():
        if not page.is_file():
            raise SystemExit(f"{page.relative_to(ROOT)}: the page must exist; got none")
        text = page.read_text(encoding="utf-8")
        fresh = filled(text, name, content, page)
        if fresh != text:
            stale.append(page.relative_to(ROOT))
            if not check:
                page.write_text(fresh, encoding="utf-8")
    if check and stale:
        names = ", ".join(map(str, dict.fromkeys(stale)))
        print(f"generated pages must be current: run `make docs`; got other text in {names}", file=sys.stderr)
        return 1
    return 0


def parts() -> Iterator[tuple[Path, str, str]]:
    """Yield page, name and content of every generated part."""
    algorithms = [registry.load(name) for name in registry.names()]
    declarations = [algorithm.declaration for algorithm in algorithms]
    yield ROOT / "README.md", "algorithms", index(declarations, "docs/algorithms/")
    yield ROOT / "docs" / "algorithms" / "README.md", "algorithms", index(declarations, "")
    for algorithm in algorithms:
        page = ROOT / "docs" / "algorithms" / f"{algorithm.declaration.name}.md"
        yield page, "reference", markdown(reference(algorithm)).strip()


def index(declarations: list[Declaration], folder: str) -> str:
    """Return the table of algorithms; links are to pages in `folder`."""
    lines = ["| Algorithm | Image | Learning | Machines | Requests |", "| --- | --- | --- | --- | --- |"]
    for each in declarations:
        requests = ", ".join(f"`{name}`" for name in each.inference.content_types if "/" in name)
        machines = MACHINES[each.training.gpu]
        lines.append(
            f"| [{each.title}]({folder}{each.name}.md) | `sagecask/{each.name}` | {each.learning} | {machines} "
            f"| {requests} |"
        )
    return "\n".join(lines)


def filled(text: str, name: str, content: str, page: Path) -> str:
    """Return a page with the named part replaced.

    Raises
    ------
    SystemExit : the page does not have the part's two comments, once each and in order
    """
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed or begin in after or end in after:
        raise SystemExit(f"{page.relative_to(ROOT)}: the comments {begin} and {end} must be there, once each")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
