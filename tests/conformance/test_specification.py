"""Every algorithm declares exactly what its specification says, its own words aside."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sagecask import registry

SPECIFICATIONS = Path(__file__).parent / "specs"
# own words of either side, and what a declaration says beyond a specification
ASIDE = {"meaning", "layout", "when", "applies_when", "example", "example_parquet", "notes"}
SECTIONS = ("algorithm", "title", "family", "learning", "channels", "hyperparameters", "metrics", "tunable", "training")
INFERENCE = ("content_types", "accept", "default_accept")


@pytest.fixture(scope="module", params=registry.names())
def declared(request: pytest.FixtureRequest) -> dict[str, Any]:
    command = [str(Path(sys.executable).with_name("sagecask")), "describe", request.param, "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


@pytest.fixture
def specified(declared: dict[str, Any]) -> dict[str, Any]:
    path = SPECIFICATIONS / f"{declared['algorithm']}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def facts(value: Any) -> Any:
    """Return a value without what stands aside, and lists of named rows by their names, whose order means nothing."""
    if isinstance(value, dict):
        return {key: facts(entry) for key, entry in value.items() if key not in ASIDE}
    if isinstance(value, list) and value and all(isinstance(entry, dict) and "name" in entry for entry in value):
        return {entry["name"]: facts(entry) for entry in value}
    return [facts(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize("section", SECTIONS)
def test_section_is_as_specified(section: str, declared: dict[str, Any], specified: dict[str, Any]) -> None:
    assert facts(declared[section]) == facts(specified[section])


@pytest.mark.parametrize("key", INFERENCE)
def test_inference_is_as_specified(key: str, declared: dict[str, Any], specified: dict[str, Any]) -> None:
    assert declared["inference"][key] == specified["inference"][key]


def test_conditions_are_declared_where_they_are_specified(declared: dict[str, Any], specified: dict[str, Any]) -> None:
    def conditional(rows: list[dict[str, Any]], key: str) -> set[str]:
        return {row["name"] for row in rows if key in row}

    for section, key in (("hyperparameters", "applies_when"), ("channels", "layout")):
        assert conditional(declared[section], key) == conditional(specified[section], key)
