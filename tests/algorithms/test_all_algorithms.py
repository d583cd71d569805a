"""Every installed algorithm passes every check of the runtime, on its own example."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sagecask import registry
from sagecask.testing.checks import Subject, checks

FAMILIES = Path(__file__).parents[2] / "containers"


@pytest.fixture(scope="module", params=registry.names())
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    algorithm = registry.load(request.param)
    example = FAMILIES / algorithm.declaration.family / "examples" / request.param
    return Subject(algorithm, example, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.__name__.removeprefix("check_"))
def test_algorithm(subject: Subject, check: Callable[[Subject], None]) -> None:
    check(subject)
