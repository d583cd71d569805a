"""Named tensors in JSON to rows or records, and predictions to named tensors (Open Inference Protocol, version 2)."""

from __future__ import annotations

import json
import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sagecask.errors import DataError
from sagecask.formats import Batch, Codec, Layout, MediaType, Predictions, Records
from sagecask.formats.json import load
from sagecask.formats.lines import quote

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask.algorithm import Model
    from sagecask.serve.invocation import Invocations

DATATYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}
_NAMES = {np.dtype(dtype): name for name, dtype in DATATYPES.items()}
# what has no datatype of its own: texts, and lists of unequal length as JSON
_TEXT = "BYTES"


class TensorCodec(Codec):
    """One request and its answer, which repeats the request's id and has the outputs that it asks for.

    accept : the answer's type with the request's parameters, as those of an Accept header

    Raises
    ------
    DataError : the body is no request of the protocol
    """

    name = "Open Inference Protocol"

    def __init__(self, model: str, body: bytes) -> None:
        self._model = model
        self._request = _object(body)
        self._parameters = parameters = self._request.get("parameters", {})
        self._inputs = self._list("inputs", "name", "shape", "datatype", "data")
        self._outputs = [each["name"] for each in self._list("outputs", "name")] if "outputs" in self._request else []
        if not isinstance(parameters, dict):
            raise DataError('request body: an object under "parameters"; got none')
        texts = {str(key).lower(): _text(value) for key, value in parameters.items()}
        self.accept = MediaType("application/json", MappingProxyType(texts))

    def decode(self, body: bytes, layout: Layout) -> Batch:  # noqa: ARG002 - the body was read for its parameters
        """Return the inputs side by side: one tensor of rows, or a tensor for each column or group of columns."""
        if not self._inputs:
            raise DataError("request body: at least one input; got none")
        parts = [_columns(tensor, alone=len(self._inputs) == 1) for tensor in self._inputs]
        rows = {len(part) for part in parts}
        if len(rows) > 1:
            raise DataError(f"request body: inputs with one number of rows; got {', '.join(map(str, sorted(rows)))}")
        if rows == {0}:
            raise DataError("request body: at least one row; got none")
        return Batch(parts[0] if len(parts) == 1 else np.hstack(parts))

    def records(self, body: bytes, layout: Layout) -> Records:  # noqa: ARG002 - as in decode
        """Return the JSON texts of one tensor; the request's parameters are its configuration."""
        if len(self._inputs) != 1:
            raise DataError(f"request body: one input; got {len(self._inputs)}")
        texts = _texts(self._inputs[0])
        places = [f"request body, instance {number}" for number in range(1, len(texts) + 1)]
        values = [load(text.encode(errors="surrogatepass"), place) for text, place in zip(texts, places, strict=True)]
        return Records(values, places, self._parameters)

    def encode(self, predictions: Predictions) -> bytes:
        known = list(predictions.columns)
        missing = [name for name in self._outputs if name not in known]
        if missing:
            raise DataError(f"request body: outputs out of {', '.join(known)}; got {quote(missing[0])}")
        outputs = [
            {**_described(name, predictions.columns[name]), "data": _data(predictions.columns[name])}
            for name in self._outputs or known
        ]
        reply: dict[str, object] = {"model_name": self._model, "outputs": outputs}
        if "id" in self._request:
            reply["id"] = self._request["id"]
        return json.dumps(reply).encode()

    def _list(self, key: str, *needed: str) -> list[dict[str, Any]]:
        """Return a list of objects that have what is needed, and texts under `name`."""
        entries = self._request.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DataError(f'request body: a list of objects under "{key}"; got none')
        for number, entry in enumerate(entries, 1):
            absent = [name for name in needed if name not in entry]
            if absent:
                raise DataError(f'request body, {key} {number}: the key "{absent[0]}"; got none')
            if not isinstance(entry["name"], str):
                raise DataError(f'request body, {key} {number}: a text under "name"; got none')
        return entries


def described(invocations: Invocations) -> dict[str, object]:
    """Return platform, inputs and outputs of a model, as far as it fixes them; -1 stands for any number."""
    if invocations.records:
        inputs = [{"name": "instances", "datatype": _TEXT, "shape": [-1]}]
        return {"platform": "sagecask", "inputs": inputs, "outputs": []}
    model = cast("Model[Batch]", invocations.model)
    width = model.width
    shape = [-1, -1 if width is None else width]
    outputs: list[dict[str, object]] = []
    if width is not None:
        nothing = model.predict(Batch(np.zeros((0, width), np.float32)), MediaType("application/json"))
        for name, column in nothing.columns.items():
            entry = _described(name, column)
            outputs.append({**entry, "shape": [-1, *cast("list[int]", entry["shape"])[1:]]})
    return {
        "platform": "sagecask",
        "inputs": [{"name": "features", "datatype": "FP32", "shape": shape}],
        "outputs": outputs,
    }


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except RecursionError as error:
        raise DataError("request body: JSON of less nesting; got too many levels") from error
    except ValueError as error:
        raise DataError(f"request body: JSON; got {error}") from error
    if not isinstance(value, dict):
        raise DataError("request body: a JSON object; got another value")
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _texts(tensor: dict[str, Any]) -> list[str]:
    """Return the elements of a tensor of JSON instances: one dimension, or a column."""
    where, shape, data = f"request body, input {quote(tensor['name'])}", tensor["shape"], tensor["data"]
    if tensor["datatype"] != _TEXT:
        got = quote(str(tensor["datatype"]))
        raise DataError(f"{where}: the datatype {_TEXT}, whose elements are instances in JSON; got {got}")
    if not isinstance(data, list) or not data or not all(isinstance(each, str) for each in data):
        raise DataError(f"{where}: a list of texts, one at least; got others")
    if shape not in ([len(data)], [len(data), 1]):
        raise DataError(f"{where}: the shape [{len(data)}] of its data; got {quote(json.dumps(shape))}")
    return data


def _columns(tensor: dict[str, Any], *, alone: bool) -> NDArray[np.float32]:
    """Return (n_rows, n_columns) float32; of several inputs, one of one dimension is a column."""
    where, shape, datatype = f"request body, input {quote(tensor['name'])}", tensor["shape"], tensor["datatype"]
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise DataError(f"{where}: a datatype out of {', '.join(DATATYPES)}; got {quote(str(datatype))}")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise DataError(f"{where}: a shape of whole numbers; got another")
    if len(shape) != 2 and (alone or len(shape) != 1):
        raise DataError(f"{where}: a shape of rows and columns; got {shape}")
    values = _values(tensor["data"], np.dtype(DATATYPES[datatype]), where)
    if values.size != math.prod(shape):
        raise DataError(f"{where}: {math.prod(shape)} values, as its shape {shape} says; got {values.size}")
    if values.ndim > 1 and list(values.shape) != shape:
        raise DataError(f"{where}: data of its shape {shape}, or flat; got {list(values.shape)}")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values.reshape(shape[0], -1 if math.prod(shape) else 0), np.float32)


def _values(data: object, dtype: np.dtype[Any], where: str) -> NDArray[Any]:
    """Return the data of a tensor, nested or flat, as its datatype holds them; null is a missing value."""
    if not isinstance(data, list):
        raise DataError(f"{where}: a list of values of {_NAMES[dtype]}; got others")
    try:
        values = np.array(data)
        if values.dtype == object and dtype.kind == "f":
            holes = np.frompyfunc(lambda value: math.nan if value is None else value, 1, 1)(values)
            values = np.array(holes.tolist())
    except ValueError as error:
        raise DataError(f"{where}: a flat list, or lists of equal length; got others") from error
    allowed = {"f": "fiub", "i": "iu", "u": "iu", "b": "b"}[dtype.kind]
    if values.size and values.dtype.kind not in allowed:
        raise DataError(f"{where}: a list of values of {_NAMES[dtype]}; got others")
    if dtype.kind in "iu" and values.size:
        bounds = np.iinfo(dtype)
        if int(values.min()) < bounds.min or int(values.max()) > bounds.max:
            raise DataError(f"{where}: values of {_NAMES[dtype]} in [{bounds.min}, {bounds.max}]; got one beyond")
    return values


def _described(name: str, column: Any) -> dict[str, object]:  # noqa: ANN401 - an array, or lists
    if isinstance(column, np.ndarray) and column.dtype in _NAMES:
        return {"name": name, "datatype": _NAMES[column.dtype], "shape": list(column.shape)}
    return {"name": name, "datatype": _TEXT, "shape": [len(column)]}


def _data(column: Any) -> list[object]:  # noqa: ANN401 - an array, or lists
    """Return the values row by row, flat; JSON has no NaN."""
    if isinstance(column, np.ndarray) and column.dtype in _NAMES:
        values: list[object] = column.ravel().tolist()
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            values = [value if math.isfinite(cast("float", value)) else None for value in values]
        return values
    return [_text(value) for value in Predictions({"": column}).plain()[""]]
