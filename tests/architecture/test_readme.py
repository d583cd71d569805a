"""Every code block of the pages that people start from is run, in a folder that looks like a checkout."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sagecask.errors import UsageError
from sagecask.local.front import FOLDERS, installed

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "quickstart.md",
    ROOT / "docs" / "input_modes.md",
    ROOT / "docs" / "data.md",
    ROOT / "docs" / "batch_transform.md",
    ROOT / "docs" / "endpoints.md",
    ROOT / "docs" / "distributed.md",
    *sorted(ROOT.glob("containers/*/README.md")),
    *sorted((ROOT / "docs" / "algorithms").glob("*.md")),
]
# the images that docker blocks are run with are those of one family, as in tests/images
FAMILY = os.environ.get("FAMILY", "boosting")
# files by which make knows that the environment is current
STAMPS = ("dependencies", "packages")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# what a block is for: run, run in an image, run and expected to fail, or shown because a run block printed it
KINDS = {"bash", "python", "bash nginx", "bash docker", "bash fails", "text"}


def has_nginx() -> bool:
    try:
        installed(os.pathsep.join([os.environ["PATH"], *FOLDERS]))
    except UsageError:
        return False
    return True


@dataclass(frozen=True)
class Block:
    kind: str
    code: str


def blocks(page: Path) -> list[Block]:
    return [Block(kind.strip(), code) for kind, code in FENCE.findall(page.read_text(encoding="utf-8"))]


def with_kind(kind: str) -> list[Path]:
    return [page for page in PAGES if any(block.kind == kind for block in blocks(page))]


def families(page: Path) -> set[str]:
    """Return the families whose files the page's docker blocks use."""
    code = " ".join(block.code for block in blocks(page) if block.kind == "bash docker")
    return set(re.findall(r"\bcontainers/(\w+)/", code))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with everything that is tracked, as links, so that what blocks write stays out of the tree."""
    for name in {Path(line).parts[0] for line in tracked()} - {"demo"}:
        (tmp_path / name).symlink_to(ROOT / name)
    # the environment that runs the tests is the one that `make venv` made; fresh stamps say so to make, and a folder of
    # its own for the programs keeps whatever would install anew away from the real ones
    environment = tmp_path / ".venv"
    (environment / "bin").mkdir(parents=True)
    for path in [*Path(sys.prefix).iterdir(), *Path(sys.prefix, "bin").iterdir()]:
        if path.name not in {"bin", *STAMPS}:
            (environment / path.relative_to(sys.prefix)).symlink_to(path)
    for stamp in STAMPS:
        (environment / stamp).touch()
    # the downloaded data are kept between runs
    download = ROOT / "demo" / "download"
    download.mkdir(parents=True, exist_ok=True)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "download").symlink_to(download)
    return tmp_path


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return listed.stdout.splitlines()


def run(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [".venv/bin/python", "-"] if block.kind == "python" else ["bash", "-euo", "pipefail", "-s"]
    # the platform's variables of a surrounding shell are none of a page's business
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SAGEMAKER_", "SAGECASK_"))}
    return subprocess.run(
        command,
        input=block.code,
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )


def follow(page: Path, folder: Path, kinds: set[str]) -> None:
    """Run the page's blocks of these kinds from top to bottom; a `text` block is what the one before it printed."""
    printed = ""
    for block in blocks(page):
        if block.kind == "text":
            missing = [line for line in block.code.splitlines() if line.strip() not in printed]
            assert not missing, f"{missing} is not in:\n{printed}"
        elif block.kind in kinds:
            done = run(block, folder)
            printed = done.stdout
            assert (done.returncode != 0) == block.kind.endswith("fails"), f"{block.code}\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_how_it_is_run(page: Path) -> None:
    assert {block.kind for block in blocks(page)} <= KINDS


@pytest.mark.slow
@pytest.mark.parametrize("page", with_kind("bash"), ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_of_the_page_run(page: Path, checkout: Path) -> None:
    follow(page, checkout, {"bash", "python", "bash fails"})


@pytest.mark.slow
@pytest.mark.skipif(not has_nginx(), reason="nginx and its module njs are not installed")
@pytest.mark.parametrize("page", with_kind("bash nginx"), ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_that_need_nginx_run(page: Path, checkout: Path) -> None:
    follow(page, checkout, {"bash nginx"})


@pytest.mark.parametrize("page", with_kind("bash docker"), ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_that_need_an_engine_use_one_family(page: Path) -> None:
    assert len(families(page)) == 1


@pytest.mark.image
@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in with_kind("bash docker") if families(page) == {FAMILY}],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_blocks_that_need_an_engine_run(page: Path, checkout: Path) -> None:
    follow(page, checkout, {"bash docker"})


def test_readme_has_at_most_150_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*PAGES, *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if not target.startswith("https://") and not (page.parent / target).exists()
    ]
    assert broken == []
