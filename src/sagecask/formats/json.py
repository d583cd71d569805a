"""`application/json`: the common request with `instances`, and answers under an outer key (cdf-inference.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sagecask.errors import DataError
from sagecask.formats.batch import Batch
from sagecask.formats.codec import Codec, Layout
from sagecask.formats.instances import add_features, kind
from sagecask.formats.lines import utf8
from sagecask.formats.rows import Rows

if TYPE_CHECKING:
    from sagecask.formats.predictions import Predictions


class JsonCodec(Codec):
    """Requests: `{"instances": [...]}` or the bare list. A number that is missing is null or NaN, both ways."""

    name = "JSON"

    def decode(self, body: bytes, layout: Layout) -> Batch:
        where = "request body"
        payload = load(utf8(body, layout.charset, where), where)
        instances = payload.get("instances") if isinstance(payload, dict) else payload
        if not isinstance(instances, list):
            raise DataError(f'{where}: an object with a list under "instances" is needed; got {_shape(payload)}')
        if not instances:
            raise DataError(f"{where}: at least one instance is needed; got none")
        rows = Rows(layout.width)
        for number, instance in enumerate(instances, 1):
            add_features(instance, rows, f"{where}, instance {number}")
        return Batch(rows.features())

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


def _shape(payload: object) -> str:
    if isinstance(payload, dict):
        return f"{kind(payload['instances'])} there" if "instances" in payload else "an object without it"
    return kind(payload)
