"""The tree keeps its own rules: import contracts, sizes, nothing of a machine in a tracked file."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# module and function ceilings; generated code is nobody's to shorten
MODULE_LINES, TEST_MODULE_LINES, FUNCTION_LINES = 400, 500, 60
FAMILY_PACKAGES = sorted(
    path.parent / f"sagecask_{path.parent.name}" for path in ROOT.glob("containers/*/pyproject.toml")
)
SOURCES = [
    path
    for folder in (ROOT / "src", *FAMILY_PACKAGES)
    for path in sorted(folder.rglob("*.py"))
    if not path.name.endswith("_pb2.py")
]
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".sh", ".json", ".c", ".h", ".proto", ".cpu", ".gpu", ""}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_imports_keep_their_contracts() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_generated_pages_are_current() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_tracked_file_names_a_package_index_or_a_path_of_a_machine() -> None:
    # spelled in parts, so that this file does not name one either
    foreign = re.compile(
        "|".join(["/".join(["", "home", r"\w"]), "/".join(["", "root", r"\w"]), "/".join(["", "work", r"\w"]),
                  r"index[-_]url\s*=", r"extra[-_]index", r"files\.pythonhosted", r"pypi\.org/simple"])
    )  # fmt: skip
    found = [
        f"{relative(path)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        if path.suffix in TEXT
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if foreign.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_module_and_functions_are_short_enough_to_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MODULE_LINES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [node.name for node in functions if _lines(node) > FUNCTION_LINES] == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=relative)
def test_test_module_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= TEST_MODULE_LINES


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_module_says_what_it_holds(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body


def test_only_the_ends_of_a_job_and_a_request_catch_everything() -> None:
    # the server's start is an end of its own, with no failure file; the plain path hands errors to the route's handler
    allowed = {"src/sagecask/train/run.py", "src/sagecask/serve/workers.py", "src/sagecask/serve/plain_invocation.py"}
    found = {
        relative(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
    }
    assert found <= allowed


def test_nothing_is_unpickled() -> None:
    risky = {"pickle", "cPickle", "joblib", "dill", "shelve", "marshal"}
    found = [
        f"{relative(path)}: {name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if name.split(".")[0] in risky
    ]
    # the processes of one job are handed their task in memory, no file
    assert found == ["src/sagecask/neural/parcel.py: pickle"]


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return a function's lines without its docstring."""
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


def test_tests_of_the_runtime_mirror_it() -> None:
    folders = {path.relative_to(ROOT / "tests" / "runtime") for path in (ROOT / "tests" / "runtime").rglob("test_*.py")}
    packages = {path.parent for path in folders if path.parent != Path()}
    sources = ROOT / "src" / "sagecask"
    assert [str(each) for each in packages if not any(sources.glob(f"{each}*"))] == []
