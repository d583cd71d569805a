"""What most people write: a Flask route, numpy's text reader, a DMatrix for each request."""

from __future__ import annotations

import io
import os

import numpy as np
import xgboost
from flask import Flask, Response, request

booster = xgboost.Booster()
with open(os.environ["MODEL"], "rb") as file:  # noqa: PTH123 - as most people write it
    booster.load_model(bytearray(file.read()))
booster.set_param({"nthread": 1})
app = Flask(__name__)


@app.get("/ping")
def ping() -> Response:
    return Response()


@app.post("/invocations")
def invocations() -> Response:
    rows = np.loadtxt(io.StringIO(request.get_data(as_text=True)), delimiter=",", dtype=np.float32, ndmin=2)
    scores = booster.predict(xgboost.DMatrix(rows))
    return Response("\n".join(map(str, scores.tolist())) + "\n", mimetype="text/csv")
