"""The parts of the census demo that have an answer of their own; `test_readme.py` runs the whole of it."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

CENSUS = Path(__file__).parents[2] / "examples" / "census"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """One of the demo's modules, which import each other by plain names."""
    monkeypatch.syspath_prepend(str(CENSUS))
    yield importlib.import_module(request.param)
    for name in [each.stem for each in CENSUS.glob("*.py")]:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("module", ["measures"], indirect=True)
@pytest.mark.parametrize("ties", [3, 1000])
def test_area_under_the_roc_curve_is_that_of_scikit_learn(module: ModuleType, ties: int) -> None:
    draw = np.random.default_rng(3)
    labels = draw.integers(0, 2, 500).astype(float)
    scores = np.round(draw.random(500) + 0.3 * labels, 1 if ties == 3 else 6)
    area = module.area_under(*module.roc_curve(labels, scores))
    # the same sum in another order
    assert area == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize("module", ["measures"], indirect=True)
def test_error_rate_counts_rows_on_the_wrong_side(module: ModuleType) -> None:
    assert module.error_rate(np.array([1.0, 0, 1, 0]), np.array([0.6, 0.6, 0.4, 0.4])) == 0.5


@pytest.mark.parametrize("module", ["dataset"], indirect=True)
def test_categories_are_numbered_by_their_share_of_positive_labels(module: ModuleType) -> None:
    def row(worker: str, label: str) -> list[str]:
        values = ["0"] * (module.LABEL + 1)
        values[1], values[module.LABEL] = worker, label
        return values

    low, high = "- 50000.", module.POSITIVE
    codes = module.category_codes([row("a", high), row("b", low), row("b", high), row("c", low)])
    assert codes[1] == {"c": "0", "b": "1", "a": "2"}
    encoded = module.encode(row("b", low), codes)
    assert (len(encoded), encoded[0], encoded[1]) == (40, "0", "1")
    assert module.encode(row("never seen", low), codes)[1] == ""


@pytest.mark.parametrize("module", ["charts"], indirect=True)
@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.897, 0.974, [0.9, 0.92, 0.94, 0.96])]
)
def test_axis_has_round_ticks(module: ModuleType, low: float, high: float, ticks: list[float]) -> None:
    assert module.Axis("x", low, high).ticks() == ticks
