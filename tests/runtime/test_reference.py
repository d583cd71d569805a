import json
import subprocess
import sys

from sagecask import reference

FACTS = {
    "algorithm": "a",
    "title": "A",
    "family": "f",
    "learning": "supervised",
    "source": [],
    "channels": [
        {"name": "train", "required": True, "content_types": ["text/csv"], "input_modes": ["File"], "layout": "a | b"}
    ],
    "hyperparameters": [
        {"name": "n", "type": "integer", "required": True, "range": {"min": 1}, "meaning": "rounds"},
        {"name": "eta", "type": "float", "required": False, "default": 0.3, "auto": True, "meaning": "step",
         "range": {"min": 0, "min_exclusive": True, "max": 1}, "applies_when": "booster is gbtree"},
        {"name": "c", "type": "categorical", "required": False, "required_when": "n is 1", "meaning": "kind",
         "range": {"values": ["x", "y"]}},
    ],
    "metrics": [{"name": "train:rmse", "direction": "minimize", "meaning": "error"}],
    "tunable": [],
    "inference": {"content_types": ["text/csv"], "accept": ["text/csv"], "default_accept": "text/csv"},
    "training": {"cpu": True, "gpu": "none"},
}  # fmt: skip


def test_variables_of_an_algorithm_have_a_table_of_their_own():
    facts = FACTS | {"inference": FACTS["inference"] | {"environment": {"A_CONFIG": "settings"}}}
    table = "## Environment\n\n| variable | meaning |\n| --- | --- |\n| `A_CONFIG` | settings |\n"
    assert table in reference.markdown(facts)


def test_markdown_has_a_table_for_each_part_that_has_rows():
    assert (
        reference.markdown(FACTS)
        == """\
## Channels

| channel | required | input modes | content types | layout |
| --- | --- | --- | --- | --- |
| `train` | yes | File | `text/csv` | a \\| b |

## Hyperparameters

| hyperparameter | type | default | range | meaning |
| --- | --- | --- | --- | --- |
| `n` | integer | required | [1, ∞) | rounds |
| `eta` | float | `0.3` | `auto`, (0, 1] | step (booster is gbtree) |
| `c` | categorical | required when n is 1 | `x`, `y` | kind |

## Metrics

| metric | direction | meaning |
| --- | --- | --- |
| `train:rmse` | minimize | error |

## Inference

|  | media types |
| --- | --- |
| requests | `text/csv` |
| answers | `text/csv` |
| answer without Accept | `text/csv` |

## Training

|  |  |
| --- | --- |
| cpu | yes |
| gpu | none |
"""
    )


def test_plain_form_is_the_same_tables_within_the_width():
    text = reference.plain(FACTS, 90)
    assert text.startswith("A (a, f, supervised)\n\nChannels\n  channel  required")
    assert max(map(len, text.splitlines())) <= 90


def describe(*options: str) -> str:
    command = [sys.executable, "-m", "sagecask.cli", "describe", "xgboost", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_json_has_the_keys_of_a_specification():
    assert list(json.loads(describe("--json"))) == list(FACTS)


def test_metric_definitions_are_what_an_estimator_takes():
    definitions = json.loads(describe("--metric-definitions"))
    assert {tuple(definition) for definition in definitions} == {("Name", "Regex")}
    assert len(definitions) <= 40
