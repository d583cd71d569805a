"""The generator of the pages' tables replaces its parts and nothing else."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "page.md"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_part_is_replaced_and_prose_stays(generate: ModuleType) -> None:
    text = "before\n<!-- begin: part -->\nold\n<!-- end: part -->\nafter\n"
    fresh = generate.filled(text, "part", "| new |", PAGE)
    assert fresh == "before\n<!-- begin: part -->\n\n| new |\n\n<!-- end: part -->\nafter\n"
    assert generate.filled(fresh, "part", "| new |", PAGE) == fresh


@pytest.mark.parametrize(
    "text",
    [
        "no comments",
        "<!-- begin: part --> no end",
        "<!-- end: part --> <!-- begin: part -->",
        "<!-- begin: part --><!-- end: part --><!-- begin: part --><!-- end: part -->",
    ],
)
def test_page_without_the_two_comments_is_refused(generate: ModuleType, text: str) -> None:
    with pytest.raises(SystemExit) as refusal:
        generate.filled(text, "part", "new", PAGE)
    assert str(refusal.value) == (
        "docs/page.md: the comments <!-- begin: part --> and <!-- end: part --> must be there, once each"
    )
