"""What stands once for each family in the root's settings stands for all of them."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
FAMILIES = sorted(path.parent.name for path in ROOT.glob("containers/*/pyproject.toml"))
PACKAGES = [f"sagecask_{family}" for family in FAMILIES]


def contracts(kind: str) -> list[dict]:
    return [contract for contract in SETTINGS["importlinter"]["contracts"] if contract["type"] == kind]


def test_every_family_is_type_checked() -> None:
    assert SETTINGS["mypy"]["mypy_path"] == ["src", *(f"containers/{family}" for family in FAMILIES)]


def test_every_family_is_under_the_import_contracts() -> None:
    assert SETTINGS["importlinter"]["root_packages"] == ["sagecask", *PACKAGES]


@pytest.mark.parametrize("package", PACKAGES)
def test_runtime_may_import_no_family(package: str) -> None:
    (contract,) = [each for each in contracts("forbidden") if each["source_modules"] == ["sagecask"]]
    assert package in contract["forbidden_modules"]


@pytest.mark.parametrize("package", PACKAGES)
def test_family_is_kept_from_the_platform(package: str) -> None:
    (contract,) = [each for each in contracts("forbidden") if "sagecask.contract" in each["forbidden_modules"]]
    assert package in contract["source_modules"]


def test_no_family_may_import_another() -> None:
    (contract,) = contracts("independence")
    assert contract["modules"] == PACKAGES


@pytest.mark.parametrize("family", FAMILIES)
def test_family_has_no_release_work_of_its_own(family: str) -> None:
    folder = ROOT / "containers" / family
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    assert "tool" not in project or set(project["tool"]) == {"setuptools"}
    assert not any((folder / name).exists() for name in ("LICENSE", "CHANGELOG.md", "Dockerfile", "constraints.txt"))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_algorithm_has_its_page_example_and_specification(family: str) -> None:
    folder = ROOT / "containers" / family
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for algorithm in project["entry-points"]["sagecask.algorithms"]:
        for place in (
            folder / "examples" / algorithm / "input",
            ROOT / "docs" / "algorithms" / f"{algorithm}.md",
            ROOT / "tests" / "conformance" / "specs" / f"{algorithm}.yaml",
            ROOT / "tests" / "conformance" / "payloads" / algorithm,
        ):
            assert place.exists(), place
