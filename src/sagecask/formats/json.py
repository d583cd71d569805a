"""`application/json`: the common request with `instances`, and answers under an outer key (cdf-inference.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sagecask.errors import DataError
from sagecask.formats.batch import Batch
from sagecask.formats.codec import Codec, Layout
from sagecask.formats.instances import add_features, kind
from sagecask.formats.lines import utf8
from sagecask.formats.records import Records
from sagecask.formats.rows import Rows

if TYPE_CHECKING:
    from sagecask.formats.predictions import Predictions

WHERE = "request body"


class JsonCodec(Codec):
    """Requests: `{"instances": [...]}` or the bare list. A number that is missing is null or NaN, both ways."""

    name = "JSON"

    def decode(self, body: bytes, layout: Layout) -> Batch:
        rows = Rows(layout.width)
        for number, instance in enumerate(_instances(_payload(body, layout)), 1):
            add_features(instance, rows, f"{WHERE}, instance {number}")
        return Batch(rows.features())

    def records(self, body: bytes, layout: Layout) -> Records:
        payload = _payload(body, layout)
        values = _instances(payload)
        configuration = payload.get("configuration", {}) if isinstance(payload, dict) else {}
        if not isinstance(configuration, dict):
            raise DataError(f'{WHERE}: an object under "configuration" is needed; got {kind(configuration)}')
        return Records(values, [f"{WHERE}, instance {number}" for number in range(1, len(values) + 1)], configuration)

    def encode(self, predictions: Predictions) -> bytes:
        """Return one object or bare value per row, in a list under `AnswerForm.outer_key`."""
        form = predictions.form
        answers = next(iter(predictions.plain().values())) if form.bare_values else predictions.records()
        key = form.outer_key
        return json.dumps(answers if key is None else {key: answers}).encode()


def load(text: bytes, where: str) -> object:
    """Return the value of a JSON text.

    Raises
    ------
    DataError : it is no JSON, or is nested too deeply
    """
    try:
        value: object = json.loads(text)
    except RecursionError as error:
        raise DataError(f"{where}: JSON of less nesting is needed; got too many levels") from error
    except ValueError as error:
        raise DataError(f"{where}: JSON is needed; got {error}") from error
    return value


def _payload(body: bytes, layout: Layout) -> object:
    return load(utf8(body, layout.charset, WHERE), WHERE)


def _instances(payload: object) -> list[object]:
    instances = payload.get("instances") if isinstance(payload, dict) else payload
    if not isinstance(instances, list):
        raise DataError(f'{WHERE}: an object with a list under "instances" is needed; got {_shape(payload)}')
    if not instances:
        raise DataError(f"{WHERE}: at least one instance is needed; got none")
    return instances


def _shape(payload: object) -> str:
    if isinstance(payload, dict):
        return f"{kind(payload['instances'])} there" if "instances" in payload else "an object without it"
    return kind(payload)
