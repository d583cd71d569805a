from __future__ import annotations

import json
import logging
import re

import pytest

from sagecask import logs
from sagecask.errors import UsageError


@pytest.fixture
def root_logger():
    """The root logger, as it was afterwards; warnings go their usual way again."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_text_is_for_people(root_logger, capsys):
    logs.configure({})
    logging.getLogger("sagecask.serve").info("ready in %d s", 2)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:,]{12} INFO sagecask\.serve: ready in 2 s\n", capsys.readouterr().out)


def test_json_is_one_object_a_line_with_what_extra_brought(root_logger, capsys):
    logs.configure({"SAGECASK_LOG_FORMAT": "json"})
    logging.getLogger("sagecask.serve").warning("two\nlines", extra={"status": 415})
    entry = json.loads(capsys.readouterr().out)
    assert entry.pop("ts")
    assert entry == {"level": "warning", "logger": "sagecask.serve", "msg": "two\nlines", "status": 415}


def test_json_holds_the_traceback(root_logger, capsys):
    logs.configure({"SAGECASK_LOG_FORMAT": "json"})
    try:
        raise ValueError("cause")
    except ValueError:
        logging.getLogger("sagecask").exception("failed")
    assert json.loads(capsys.readouterr().out)["exc"].endswith("ValueError: cause")


@pytest.mark.parametrize(
    ("level", "shown"), [("10", True), ("debug", True), ("20", False), ("INFO", False), ("", False)]
)
def test_level_is_a_number_or_a_name(root_logger, capsys, level, shown):
    logs.configure({"SAGEMAKER_CONTAINER_LOG_LEVEL": level})
    logging.getLogger("sagecask").debug("detail")
    assert bool(capsys.readouterr().out) is shown


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"SAGECASK_LOG_FORMAT": "xml"},
            'environment: variable SAGECASK_LOG_FORMAT must be "text" or "json"; got "xml"',
        ),
        (
            {"SAGEMAKER_CONTAINER_LOG_LEVEL": "\u00b2"},
            "environment: variable SAGEMAKER_CONTAINER_LOG_LEVEL must be a number or one of "
            'debug, info, warning, error, critical; got "\u00b2"',
        ),
    ],
)
def test_other_values_are_usage_errors(root_logger, environ, message):
    with pytest.raises(UsageError) as error:
        logs.configure(environ)
    assert str(error.value) == message
