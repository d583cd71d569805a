"""The pages say what the code does."""

import ast
import re
from pathlib import Path

import pytest

from sagecask import registry
from sagecask.formats import CODECS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{3,}")
# read or passed on by these; local/ and testing/ set variables for others to read
READERS = ("contract", "logs.py", "cli.py", "serve", "train")


def names_in_code() -> set[str]:
    """Names that are looked up in a mapping called `environ`, handed to a reader of it, or an option's `envvar`."""
    found = set()
    for reader in READERS:
        place = ROOT / "src" / "sagecask" / reader
        for path in [place] if place.is_file() else place.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                for part in looked_up(node):
                    constants = (each.value for each in ast.walk(part) if isinstance(each, ast.Constant))
                    found |= {value for value in constants if isinstance(value, str) and VARIABLE.fullmatch(value)}
    return found


def looked_up(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.Subscript) and is_environ(node.value):
        return [node.slice]
    if not isinstance(node, ast.Call):
        return []
    own = isinstance(node.func, ast.Attribute) and is_environ(node.func.value)
    handed = node.args if own or any(map(is_environ, node.args)) else []
    return [*handed, *(keyword.value for keyword in node.keywords if keyword.arg == "envvar")]


def is_environ(node: ast.AST) -> bool:
    return (isinstance(node, ast.Name) and node.id == "environ") or ast.unparse(node) == "os.environ"


def names_in_table() -> set[str]:
    rows = [
        line for line in (DOCS / "environment.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    return {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])}


def test_every_variable_that_is_read_is_in_the_table_and_no_other() -> None:
    # WSGI's own mapping has the same name in serve/
    of_requests = {
        name
        for name in names_in_code()
        if name.startswith(
            ("HTTP_", "CONTENT_", "REQUEST_", "PATH_", "QUERY_", "SERVER_", "REMOTE_", "RAW_", "SCRIPT_")
        )
    }
    of_algorithms = {
        variable for name in registry.names() for variable in registry.load(name).declaration.inference.environment
    }
    assert names_in_code() - of_requests | of_algorithms == names_in_table()


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
