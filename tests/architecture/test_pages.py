"""The pages say what the code does."""

import ast
import re
from pathlib import Path

import pytest

from sagecask import registry
from sagecask.formats import CODECS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
VARIABLE = re.compile(r"(SAGEMAKER|SAGECASK|TRAINING_JOB|CUDA|OMP|MAX)_[A-Z_]+[A-Z]")
# read or passed on by these; local/ and testing/ set variables for others to read
READERS = ("contract", "logs.py", "cli.py", "serve", "train")


def names_in_code() -> set[str]:
    found = set()
    for reader in READERS:
        place = ROOT / "src" / "sagecask" / reader
        for path in [place] if place.is_file() else place.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value):
                    found.add(node.value)
    return found


def names_in_table() -> set[str]:
    rows = [
        line for line in (DOCS / "environment.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    return {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])}


def test_every_variable_that_is_read_is_in_the_table_and_no_other() -> None:
    # the platform's spelling of a value, not a variable
    assert names_in_code() - {"MULTI_RECORD"} == names_in_table()


@pytest.mark.parametrize("name", registry.names())
def test_every_hyperparameter_and_metric_is_on_the_page(name: str) -> None:
    algorithm = registry.load(name)
    page = (DOCS / "algorithms" / f"{name}.md").read_text(encoding="utf-8")
    rows = {match for line in page.splitlines() for match in re.findall(r"^\| `([^`]+)` \|", line)}
    declared = {str(row["name"]) for row in algorithm.hyperparameters().table()}
    assert declared | {metric.name for metric in algorithm.declaration.metrics} <= rows


def test_every_content_type_that_is_read_is_on_the_page() -> None:
    page = (DOCS / "formats.md").read_text(encoding="utf-8")
    aliases = {"application/x-jsonlines"}
    assert [name for name in CODECS if "/" in name and name not in aliases and f"`{name}`" not in page] == []


@pytest.mark.parametrize("page", ["contract", "formats"])
def test_every_statement_that_code_cites_is_on_the_page(page: str) -> None:
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob("containers/*/sagecask_*/**/*.py"), *ROOT.glob("examples/**/*.py")]
    stated = set(re.findall(r"\b(\d+\.\d+)\b", " ".join(_bold((DOCS / f"{page}.md").read_text(encoding="utf-8")))))
    cited = {
        number
        for path in sources
        for text in re.findall(rf"\b{page} ([\d., ]+\d)", path.read_text(encoding="utf-8"))
        for number in re.findall(r"\d+\.\d+", text)
    }
    assert cited - stated == set()


def _bold(text: str) -> list[str]:
    return re.findall(r"\*\*([^*]+)\*\*", text)
