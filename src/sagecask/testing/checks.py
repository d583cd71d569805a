"""Checks that every algorithm passes: `check_algorithm(name, example, folder)` runs all that apply.

Each check is a fact in its name and takes a `Subject`. A family's test adds what only it can know.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sagecask import artifact, registry
from sagecask.algorithm import InferenceSettings
from sagecask.contract import TrainingJob
from sagecask.errors import DataError, HyperparameterError, UserError
from sagecask.formats import Batch, Layout, MediaType, Records, codec_for
from sagecask.testing.hosts import on_two_hosts, train_on_hosts
from sagecask.testing.job_directory import JobDirectory
from sagecask.testing.pipes import fed
from sagecask.train.run import prepare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from sagecask.algorithm import Algorithm, AnyModel, Job, Model
    from sagecask.formats import Predictions


@dataclass(frozen=True)
class Subject:
    """One algorithm under test, its example job, and a folder for what the checks write.

    The file `checks.json` beside the example's input has hyperparameters that are laid over the job's, where answers
    would depend on chance without them.
    """

    algorithm: Algorithm
    example: Path
    folder: Path

    @property
    def name(self) -> str:
        return self.algorithm.declaration.name

    def job(self, label: str) -> JobDirectory:
        """Return a fresh copy of the example job."""
        return self.settled(JobDirectory.copy_of(self.example, self.folder / label))

    def settled(self, directory: JobDirectory) -> JobDirectory:
        """Return a job with the hyperparameters of `checks.json`, if there are any."""
        path = self.example / "checks.json"
        if not path.exists():
            return directory
        given = json.loads(directory.paths.hyperparameters.read_text(encoding="utf-8"))
        return directory.hyperparameters(given | json.loads(path.read_text(encoding="utf-8")))

    def prepare(self, directory: JobDirectory) -> Job[Any]:
        """Return the job that `fit` gets."""
        return prepare(self.algorithm, TrainingJob.read(directory.paths, {}), lambda: False)

    def fit(self, label: str) -> tuple[AnyModel, Path]:
        """Train the example in this process; return the model and the folder it was saved to."""
        directory = self.job(label)
        model = self.algorithm.fit(self.prepare(directory))
        artifact.save(model, directory.paths.model, self.algorithm.declaration)
        return model, directory.paths.model

    @cached_property
    def fitted(self) -> tuple[AnyModel, Path]:
        """The example, trained once for all checks that only look at the model."""
        return self.fit("fitted")

    @cached_property
    def loaded(self) -> AnyModel:
        """The fitted model, read back from its folder."""
        return self.algorithm.load(self.fitted[1], InferenceSettings())

    @property
    def channel_names(self) -> list[str]:
        """Names of the example's channels."""
        return list(json.loads((self.example / "input" / "config" / "inputdataconfig.json").read_text()))

    @property
    def asks_with_records(self) -> bool:
        return self.algorithm.declaration.inference.records

    @cached_property
    def rows(self) -> Batch:
        """Feature rows of the example's first channel."""
        channels = self.prepare(self.job("rows")).channels
        labels = 1 if self.algorithm.declaration.learning == "supervised" else 0
        batch = channels["train"].read(Layout(label_size=labels))
        return Batch(batch.features[:64])

    @cached_property
    def instances(self) -> Batch | Records:
        """What the model is asked with: rows of the first channel, or the records of the example's request."""
        if not self.asks_with_records:
            return self.rows
        request = next(self.example.glob("*.jsonl"))
        return codec_for(MediaType.parse("application/jsonlines")).records(request.read_bytes(), Layout())

    def predict(self, model: AnyModel, batch: Batch | Records) -> Predictions:
        accept = MediaType.parse(self.algorithm.declaration.inference.default_accept)
        if isinstance(batch, Records):
            return cast("Model[Records]", model).predict(batch, accept)
        return cast("Model[Batch]", model).predict(batch, accept)


def check_every_declared_hyperparameter_is_accepted(subject: Subject) -> None:
    table = subject.algorithm.hyperparameters()
    given = json.loads(subject.job("accepted").paths.hyperparameters.read_text())
    for row in table.table():
        name = str(row["name"])
        try:
            table.parse(given | {name: _valid(row, given)}, owner=subject.name)
        except HyperparameterError as error:
            # rules between hyperparameters may object; the value itself must not be what they object to
            assert f'hyperparameter "{name}" must be' not in str(error), error
            assert "is unknown" not in str(error), error


def _valid(row: dict[str, Any], given: dict[str, str]) -> str:
    """Return a text that the row of the reference table allows; of a text without a default that is the example's."""
    bounds = row.get("range", {})
    if bounds.get("values"):
        value = str(bounds["values"][0])
        return re.sub(r"@[a-z]$", "@1", value)
    if row["type"] == "json":
        return "[[1, 2]]"
    if row["type"] == "boolean":
        return "true"
    if row["type"] == "string":
        return str(row.get("default") or given.get(row["name"], "text"))
    low, high = bounds.get("min"), bounds.get("max")
    if low is None and high is None:
        return json.dumps(row["default"]) if row["type"] == "list" and "default" in row else "1"
    if low is None or high is None:
        return str(high - 1 if low is None else low + 1)
    return str((low + high) // 2 if row["type"] == "integer" else (low + high) / 2)


def check_unknown_hyperparameter_is_refused_with_the_nearest_name(subject: Subject) -> None:
    table = subject.algorithm.hyperparameters()
    name = max((str(row["name"]) for row in table.table()), key=len)
    try:
        table.parse({name + "x": "1"}, owner=subject.name)
    except HyperparameterError as error:
        assert f'{subject.name}: hyperparameter "{name}x" is unknown; did you mean "{name}"?' in str(error)
    else:
        raise AssertionError("an unknown hyperparameter was accepted")


def check_the_example_trains_by_the_executable_and_reports_a_declared_metric(subject: Subject) -> None:
    metrics = subject.algorithm.declaration.metrics
    directory = subject.job("executable")
    outcome = directory.train(subject.name)
    assert (outcome.code, outcome.failure) == (0, None), outcome.log
    assert artifact.algorithm_of(directory.paths.model) == subject.name
    # one may have no metric to declare
    found = not metrics or any(re.search(metric.pattern, outcome.log) for metric in metrics)
    assert found, f"none of the declared metric expressions matches the log:\n{outcome.log}"


def check_same_seed_gives_the_same_model_files(subject: Subject) -> None:
    first, second = subject.fitted[1], subject.fit("again")[1]
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), f"{name} differs between two equal jobs"


def check_saved_equals_loaded(subject: Subject) -> None:
    _equal(subject.predict(subject.fitted[0], subject.instances), subject.predict(subject.loaded, subject.instances))


def check_sparse_rows_equal_dense_rows(subject: Subject) -> None:
    if subject.asks_with_records:
        return
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - as in formats.batch

    dense = _dense(subject.rows)
    n_rows, width = dense.shape
    # every cell is stored, so that an algorithm to which an absent cell is missing sees the same values
    stored = csr_matrix(
        (dense.ravel(), np.tile(np.arange(width), n_rows), np.arange(n_rows + 1) * width), shape=dense.shape
    )
    _equal(subject.predict(subject.loaded, Batch(dense)), subject.predict(subject.loaded, Batch(stored)))


def check_fastfile_equals_file(subject: Subject) -> None:
    directory = subject.job("fastfile").input_mode("FastFile")
    model = subject.algorithm.fit(subject.prepare(directory))
    _equal(subject.predict(subject.fitted[0], subject.instances), subject.predict(model, subject.instances))


def check_pipe_equals_file(subject: Subject) -> None:
    channels = [each for each in subject.algorithm.declaration.channels if each.name in subject.channel_names]
    if not all("Pipe" in each.input_modes for each in channels):
        return
    directory = subject.job("pipe")
    with fed(directory):
        model = subject.algorithm.fit(subject.prepare(directory))
    _equal(subject.predict(subject.fitted[0], subject.instances), subject.predict(model, subject.instances))


def check_two_hosts_agree_with_one(subject: Subject) -> None:
    declaration = subject.algorithm.declaration
    if not declaration.training.multi_host:
        return
    channel = declaration.channel("train")
    sharded = channel is not None and "FullyReplicated" not in channel.distribution
    jobs = [
        subject.settled(job) for job in on_two_hosts(subject.example, subject.folder / "two-hosts", sharded=sharded)
    ]
    outcomes = train_on_hosts(jobs, subject.name)
    refusal = f"ClientError: {subject.name}: this version trains on one host; got 2 hosts\n"
    if [(each.code, each.failure) for each in outcomes] == [(1, refusal)] * 2:
        # the specification has more than this version, which says so on every host
        return
    assert [each.code for each in outcomes] == [0, 0], "\n".join(each.log for each in outcomes)
    assert not any(jobs[1].paths.model.rglob("*")), "more than one host wrote a model"
    one = _numbers(subject.predict(subject.loaded, subject.instances))
    two = _numbers(subject.predict(subject.algorithm.load(jobs[0].paths.model, InferenceSettings()), subject.instances))
    for name, first in one.items():
        second = two[name]
        if sharded:
            # each host sees other rows than one host would, so that only the whole agrees
            assert np.corrcoef(first, second)[0, 1] > 0.9, f"{name}: {first} on one host, {second} on two"
        else:
            np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-3 * np.abs(first).max())


def check_one_row_predicts_as_among_many(subject: Subject) -> None:
    many = _numbers(subject.predict(subject.loaded, subject.instances))
    answer = subject.predict(subject.loaded, _first(subject.instances))
    assert len(answer) == 1
    for name, column in _numbers(answer).items():
        np.testing.assert_allclose(column[0], many[name][0], rtol=1e-6)


def check_no_rows_is_refused(subject: Subject) -> None:
    directory = subject.job("no-rows")
    for path in sorted(directory.paths.channel("train").rglob("*")):
        path.unlink()
    try:
        subject.algorithm.fit(subject.prepare(directory))
    except UserError as error:
        assert str(error).startswith('channel "train": '), error
    else:
        raise AssertionError("a channel without rows was trained on")


def check_missing_values_predict(subject: Subject) -> None:
    if subject.asks_with_records:
        return
    dense = np.full((2, subject.rows.width), np.nan, dtype=np.float32)
    dense[0] = _dense(subject.rows)[0]
    try:
        assert len(subject.predict(subject.loaded, Batch(dense))) == 2
    except DataError as error:
        assert "missing" in str(error), error


def check_wrong_width_is_refused(subject: Subject) -> None:
    if subject.asks_with_records:
        return
    width = subject.rows.width + 3
    try:
        subject.predict(subject.loaded, Batch(np.zeros((1, width), dtype=np.float32)))
    except DataError as error:
        assert str(width) in str(error), error
    else:
        raise AssertionError("rows that are too wide were predicted")


def check_instance_that_is_no_object_is_refused_with_its_place(subject: Subject) -> None:
    _refused_record(subject, 1.5)


def check_instance_without_any_key_is_refused_with_its_place(subject: Subject) -> None:
    _refused_record(subject, {})


def _refused_record(subject: Subject, value: object) -> None:
    if not subject.asks_with_records:
        return
    place = "request body, instance 1"
    try:
        subject.predict(subject.loaded, Records([value], [place]))
    except DataError as error:
        assert str(error).startswith(place), error
    else:
        raise AssertionError(f"{value!r} was answered")


def check_metric_expressions_are_as_the_platform_takes_them(subject: Subject) -> None:
    for metric in subject.algorithm.declaration.metrics:
        assert re.compile(metric.pattern).groups >= 1, f"{metric.name}: no group for the value"
        assert len(metric.name) <= 255
        assert len(metric.pattern) <= 500


def _first(batch: Batch | Records) -> Batch | Records:
    if isinstance(batch, Records):
        return Records(batch.values[:1], batch.places[:1], batch.configuration)
    return Batch(batch.features[:1])


def _dense(batch: Batch) -> NDArray[np.float32]:
    features = batch.features if isinstance(batch.features, np.ndarray) else batch.features.toarray()
    return np.ascontiguousarray(features, dtype=np.float32)


def checks() -> list[Callable[[Subject], None]]:
    """Return every check of this module."""
    return [value for name, value in globals().items() if name.startswith("check_") and name != "check_algorithm"]


def check_algorithm(name: str, example: Path, folder: Path) -> None:
    """Run every check on one algorithm; `folder` is scratch space.

    Raises
    ------
    AssertionError : with the check's words
    """
    subject = Subject(registry.load(name), example, folder)
    for check in checks():
        check(subject)


def _equal(first: Predictions, second: Predictions) -> None:
    assert list(first.columns) == list(second.columns)
    others = _arrays(second)
    for name, column in _arrays(first).items():
        np.testing.assert_array_equal(column, others[name])


def _numbers(predictions: Predictions) -> dict[str, NDArray[np.float64]]:
    return {name: column.astype(float) for name, column in _arrays(predictions).items()}


def _arrays(predictions: Predictions) -> dict[str, NDArray[Any]]:
    """Return every column as an array, of a mapping in each row its values."""
    return {
        name: np.array([list(each.values()) if isinstance(each, dict) else each for each in column])
        for name, column in predictions.columns.items()
    }
