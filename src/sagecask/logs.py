"""Logs on standard output, as text for people or as one JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sagecask.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
# what every record has; the rest came by `extra` and belongs into the JSON object
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class TextFormatter(logging.Formatter):
    """The standard library's lines, whose date and time are put into words once a second."""

    _second = (0, "")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - its name there
        second, text = self._second
        if second != int(record.created):
            second, text = (
                int(record.created),
                time.strftime(datefmt or self.default_time_format, time.localtime(record.created)),
            )
            self._second = second, text
        return f"{text},{int(record.msecs):03d}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts, level, logger, msg, what `extra` brought, exc."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        entry |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            entry["exc"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure(environ: Mapping[str, str]) -> None:
    """Send all logging to standard output.

    `SAGEMAKER_CONTAINER_LOG_LEVEL` is a number (20) or a name (info); `SAGECASK_LOG_FORMAT` is text or json.

    Raises
    ------
    UsageError : one of the two has another value
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_formatter(environ.get("SAGECASK_LOG_FORMAT") or "text"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_level(environ.get("SAGEMAKER_CONTAINER_LOG_LEVEL") or "info"))
    logging.captureWarnings(capture=True)
    # a record's thread, process and line of code are in neither form; looking them up takes a third of its time
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _formatter(name: str) -> logging.Formatter:
    if name == "json":
        return JsonFormatter()
    if name == "text":
        return TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    raise UsageError(f'environment: variable SAGECASK_LOG_FORMAT must be "text" or "json"; got "{name}"')


def _level(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    if text.lower() in LEVELS:
        return LEVELS[text.lower()]
    names = ", ".join(LEVELS)
    raise UsageError(
        f'environment: variable SAGEMAKER_CONTAINER_LOG_LEVEL must be a number or one of {names}; got "{text}"'
    )
