"""What a transform job does to records before they are sent and to answers before they are written (contract 12.13)."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from sagecask.errors import DataError, UsageError
from sagecask.local.json_path import JSONPath

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

OUTPUT, INPUT = "SageMakerOutput", "SageMakerInput"
ID, TIME = "SageMakerInferenceId", "SageMakerInferenceTime"
JSON_LINES = ("application/jsonlines", "application/x-jsonlines", "application/json-lines")

# a comma outside double quotes ends a cell; what is between them stays as it is
_CELL = re.compile(r'(?:[^,"]|"(?:[^"]|"")*")*')


@dataclass(frozen=True, slots=True)
class DataProcessing:
    """The API's DataProcessing, and GenerateInferenceId of DataCaptureConfig."""

    input_filter: str = "$"
    output_filter: str = "$"
    join_source: Literal["None", "Input"] = "None"
    inference_id: bool = False


class _Form(Protocol):
    """How records of one kind of content type are read, selected, joined and written."""

    def read(self, record: str) -> Any: ...  # noqa: ANN401

    def write(self, value: Any) -> str: ...  # noqa: ANN401

    def select(self, path: JSONPath, value: Any) -> Any: ...  # noqa: ANN401

    def join(self, record: Any, answer: Any) -> Any: ...  # noqa: ANN401

    def mark(self, value: Any, identifier: str, time: str) -> Any: ...  # noqa: ANN401


class _CSV:
    def read(self, record: str) -> list[str]:
        if '"' not in record:
            return record.split(",")
        cells, place = [], 0
        while place <= len(record):
            match = _CELL.match(record, place)
            assert match is not None
            if match.end() < len(record) and record[match.end()] != ",":
                raise DataError(f'double quotes must be closed; got "{record[match.end() :]}"')
            cells.append(match[0])
            place = match.end() + 1
        return cells

    def write(self, value: list[str]) -> str:
        return ",".join(value)

    def select(self, path: JSONPath, value: list[str]) -> list[str]:
        return path.columns(value)

    def join(self, record: list[str], answer: list[str]) -> list[str]:
        return record + answer

    def mark(self, value: list[str], identifier: str, time: str) -> list[str]:
        return [*value, identifier, time]


class _JSON:
    def read(self, record: str) -> Any:  # noqa: ANN401
        try:
            return json.loads(record)
        except (ValueError, RecursionError) as error:
            raise DataError(f"must be JSON; got {error}") from error

    def write(self, value: Any) -> str:  # noqa: ANN401
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def select(self, path: JSONPath, value: Any) -> Any:  # noqa: ANN401
        return path.select(value)

    def join(self, record: Any, answer: Any) -> dict[str, Any]:  # noqa: ANN401
        return {**(record if isinstance(record, dict) else {INPUT: record}), OUTPUT: answer}

    def mark(self, value: Any, identifier: str, time: str) -> dict[str, Any]:  # noqa: ANN401
        return {**(value if isinstance(value, dict) else {OUTPUT: value}), ID: identifier, TIME: time}


class Processor:
    """Filters and joins of one transform job; hands bytes through where it has none."""

    def __init__(
        self, wanted: DataProcessing, content_type: str | None, accept: str | None, *, split: str, assemble: str
    ) -> None:
        """Take the job's options.

        Raises
        ------
        UsageError : a path is wrong, or the options do not go together
        """
        self._input = JSONPath(wanted.input_filter, "--input-filter")
        self._output = JSONPath(wanted.output_filter, "--output-filter")
        self._join = wanted.join_source == "Input"
        self._identify = wanted.inference_id
        self._lines = split == "Line"
        self._form: _Form | None = None
        if not (self.cuts_input or self.changes_answers):
            return
        self._form = _form(content_type)
        if self._form is None or split not in {"None", "Line"}:
            raise UsageError(
                "transform: filters and joins need text/csv, application/json or application/jsonlines, "
                f'split by line or not at all; got content type "{content_type or ""}" and split type {split}'
            )
        if isinstance(self._form, _CSV):
            self._check_csv(split, assemble)
        if self._join and accept and type(_form(accept)) is not type(self._form):
            raise UsageError(
                f'transform: input and answers must be of one type to be joined; got "{content_type}" and "{accept}"'
            )

    @property
    def cuts_input(self) -> bool:
        return not self._input.whole

    @property
    def changes_answers(self) -> bool:
        return self._join or self._identify or not self._output.whole

    def request(self, body: bytes, first: int) -> bytes:
        """Return the body to send for records that begin with number `first`.

        Raises
        ------
        DataError : a record cannot be read, or lacks what the filter names
        """
        form = self._form
        if form is None or not self.cuts_input:
            return body

        def cut(record: str) -> str:
            return form.write(form.select(self._input, form.read(record)))

        return self._written([_at(first + number, cut, each) for number, each in enumerate(self._records(body))])

    def result(self, body: bytes, answer: bytes, content_type: str | None, first: int) -> bytes:
        """Return what is written for an answer to `body`, the records as they were read.

        Raises
        ------
        DataError : the answer does not have one record for each, is of another type, or lacks what the filter names
        """
        if self._form is None or not self.changes_answers:
            return answer
        form = _form(content_type)
        if form is None or type(form) is not type(self._form):
            expected = "text/csv" if isinstance(self._form, _CSV) else "application/json or application/jsonlines"
            raise DataError(f'the answer must be {expected} to be filtered or joined; got "{content_type or ""}"')
        records, answers = self._records(body), self._records(answer)
        if len(records) != len(answers):
            raise DataError(
                f"the answer must hold a record for each of {len(records)} that were sent; got {len(answers)}"
            )
        time = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

        def finish(pair: tuple[str, str]) -> str:
            value = form.read(pair[1])
            if self._join:
                value = form.join(form.read(pair[0]), value)
            value = form.select(self._output, value)
            return form.write(form.mark(value, str(uuid.uuid4()), time) if self._identify else value)

        pairs = zip(records, answers, strict=True)
        return self._written([_at(first + number, finish, pair) for number, pair in enumerate(pairs)])

    def _check_csv(self, split: str, assemble: str) -> None:
        for path, option in ((self._input, "--input-filter"), (self._output, "--output-filter")):
            if not path.of_a_row:
                raise UsageError(f'{option}: columns of CSV must be named by index; got "{path.text}"')
        if self._join and (split, assemble) != ("Line", "Line"):
            raise UsageError(
                f"transform: --split-type and --assemble-with must be Line to join CSV; got {split} and {assemble}"
            )
        # a whole file of CSV is a list of rows, too
        self._lines = True

    def _records(self, body: bytes) -> list[str]:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"records must be UTF-8; got {error}") from error
        if not self._lines:
            return [text]
        return [line.removesuffix("\r") for line in text.split("\n") if line.strip()]

    def _written(self, records: list[str]) -> bytes:
        return "".join(f"{each}\n" if self._lines else each for each in records).encode()


def _form(content_type: str | None) -> _Form | None:
    essence = (content_type or "").split(";")[0].strip().lower()
    if essence == "text/csv":
        return _CSV()
    return _JSON() if essence in {"application/json", *JSON_LINES} else None


def _at(number: int, step: Callable[[_T], str], record: _T) -> str:
    try:
        return step(record)
    except DataError as error:
        raise DataError(f"record {number}: {error}") from error
