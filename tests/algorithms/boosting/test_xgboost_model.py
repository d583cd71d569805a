"""Model files, genuine and damaged, and rows that fit a model or do not."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st
from sagecask_boosting.xgboost.algorithm import XGBoost
from sagecask_boosting.xgboost.legacy import to_json
from sagecask_boosting.xgboost.loading import model_files
from sagecask_boosting.xgboost.model import XGBoostModel
from scipy.sparse import csr_matrix

from sagecask.algorithm import InferenceSettings
from sagecask.errors import DataError, ModelDataError
from sagecask.formats import Batch, MediaType

ARTIFACTS = Path(__file__).parent / "artifacts"
ANSWERS = json.loads((ARTIFACTS / "answers.json").read_text())
CSV = MediaType.parse("text/csv")


def exactly(message):
    return f"^{re.escape(message)}$"


def load(folder, **given_settings):
    return XGBoost().load(folder, InferenceSettings(**given_settings))


@pytest.fixture(scope="module")
def booster():
    rng = np.random.default_rng(2)
    values = rng.random((100, 4), dtype=np.float32)
    return xgb.train({"nthread": 1, "max_depth": 3}, xgb.DMatrix(values, label=values[:, 0] + values[:, 3]), 5)


@pytest.fixture
def rows():
    return np.random.default_rng(8).random((6, 4), dtype=np.float32)


@pytest.mark.parametrize("name", ANSWERS["answers"])
def test_binary_file_of_release_1_7_answers_as_that_release(name):
    batch = Batch(np.array(ANSWERS["rows"], np.float32))
    np.testing.assert_array_equal(load(ARTIFACTS / name).scores(batch), np.array(ANSWERS["answers"][name], np.float32))


@pytest.mark.parametrize("form", ["ubj", "json"])
def test_file_of_this_release_answers_as_the_library(form, booster, rows, tmp_path):
    (tmp_path / "xgboost-model").write_bytes(booster.save_raw(form))
    expected = booster.predict(xgb.DMatrix(rows))
    np.testing.assert_array_equal(load(tmp_path).scores(Batch(rows)), expected)


@pytest.mark.filterwarnings("ignore:.*format:UserWarning")
def test_saved_file_is_what_the_library_writes_and_reads(booster, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    XGBoostModel([booster]).save(ours)
    booster.save_model(theirs)
    assert (ours / "xgboost-model").read_bytes() == theirs.read_bytes()
    # the library does not close what it sniffs the format from, hence bytes
    again = xgb.Booster()
    again.load_model(bytearray((ours / "xgboost-model").read_bytes()))
    assert again.get_dump() == booster.get_dump()


def test_model_that_was_not_cut_is_used_up_to_its_best_round(booster, rows, tmp_path):
    copy = booster.copy()
    copy.set_attr(best_iteration="1")
    (tmp_path / "xgboost-model").write_bytes(copy.save_raw("ubj"))
    expected = booster.predict(xgb.DMatrix(rows), iteration_range=(0, 2))
    np.testing.assert_array_equal(load(tmp_path).scores(Batch(rows)), expected)


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_is_refused_with_advice_and_never_read(protocol, tmp_path):
    (tmp_path / "xgboost-model").write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), protocol))
    message = (
        f"{tmp_path}/xgboost-model: a model saved by XGBoost; got a Python pickle, which is never read: in Python with "
        'the XGBoost release that wrote it, run pickle.load(open("xgboost-model", "rb")).save_model("xgboost-model.json'
        '") and pack that file instead'
    )
    with pytest.raises(ModelDataError, match=exactly(message)):
        load(tmp_path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("raw", "got"),
    [(b"", "an empty file"), (b"\x1f\x8b\x08\x00", "a file that starts with 1f 8b 08 00")],
    ids=["empty", "gzip"],
)
def test_file_that_is_no_model_is_refused(raw, got, tmp_path):
    (tmp_path / "xgboost-model").write_bytes(raw)
    message = f"{tmp_path}/xgboost-model: a model of XGBoost in UBJSON, JSON or the binary format of 1.x; got {got}"
    with pytest.raises(ModelDataError, match=exactly(message)):
        load(tmp_path)


@pytest.mark.timeout(20)
def test_items_without_number_or_size_are_refused(tmp_path):
    (tmp_path / "xgboost-model").write_bytes(b"{i\x01a[$Z-")
    message = (
        f"{tmp_path}/xgboost-model: a model of XGBoost; got one of which it says: "
        "byte 7: a count behind the type of the items; got 0x2d"
    )
    with pytest.raises(ModelDataError, match=exactly(message)):
        load(tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_file_that_ends_early_is_refused(booster, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cut")
    whole = data.draw(
        st.sampled_from(
            [
                bytes(booster.save_raw("ubj")),
                bytes(booster.save_raw("json")),
                (ARTIFACTS / "dart/xgboost-model").read_bytes(),
            ]
        )
    )
    (folder / "xgboost-model").write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(ModelDataError):
        load(folder)


def test_loading_imports_nothing_of_training():
    program = f"""
import sys
from pathlib import Path
import xgboost
# the library takes what it finds installed
its_own = set(sys.modules)
from sagecask import registry
from sagecask.algorithm import InferenceSettings
registry.load("xgboost").load(Path({str(ARTIFACTS / "squarederror")!r}), InferenceSettings())
training = ("pydantic", "sagecask.hyperparameters", "sagecask.channels", "sagecask.metrics", "pandas", "pyarrow")
print([name for name in training if name in sys.modules.keys() - its_own])
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_binary_file_before_1_0_is_refused():
    raw = bytearray((ARTIFACTS / "squarederror/xgboost-model").read_bytes())
    # the major release, 24 bytes into the header
    raw[24:28] = bytes(4)
    with pytest.raises(
        ModelDataError, match=exactly("old: a model of XGBoost 1.0 or later; got one of an earlier release")
    ):
        to_json(bytes(raw), "old")


def test_folder_without_a_model_is_refused(tmp_path):
    (tmp_path / "sagecask.json").write_text("{}")
    with pytest.raises(ModelDataError, match=exactly(f"{tmp_path}: a file xgboost-model; got sagecask.json")):
        load(tmp_path)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(ModelDataError, match=exactly(f"{tmp_path}/none: a model folder; got none")):
        load(tmp_path / "none")


def test_known_names_come_before_other_files(tmp_path):
    for name in ("xgboost-model-10", "xgboost-model-9", "model.tar.gz", "notes.txt", ".hidden", "sagecask.json"):
        (tmp_path / name).touch()
    assert [path.name for path in model_files(tmp_path)] == ["xgboost-model-9", "xgboost-model-10"]


def test_other_names_are_models_where_there_is_no_known_name(tmp_path):
    for name in ("mine.json", "output.tar.gz", ".hidden", "sagecask.json"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert [path.name for path in model_files(tmp_path)] == ["mine.json"]


@pytest.mark.parametrize("form", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_rows_of_the_model_width_and_one_less_are_predicted(form, booster, rows):
    model = XGBoostModel([booster])
    short = np.column_stack([rows[:, :3], np.full(6, np.nan, np.float32)])
    for given_rows, full in ((rows, rows), (rows[:, :3], short)):
        answer = model.scores(Batch(form(given_rows)))
        np.testing.assert_array_equal(answer, booster.predict(xgb.DMatrix(full)))


def test_sparse_rows_may_be_much_narrower(booster, rows):
    only = np.full((6, 4), np.nan, np.float32)
    only[:, 0] = rows[:, 0]
    answer = XGBoostModel([booster]).scores(Batch(csr_matrix(rows[:, :1])))
    np.testing.assert_array_equal(answer, booster.predict(xgb.DMatrix(only)))


@pytest.mark.parametrize("booster_name", ["squarederror", "dart", "gblinear"])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((1, 5), np.float32), "request body: rows of 4 features; got 5"),
        (np.zeros((1, 2), np.float32), "request body: rows of 4 features; got 2"),
        (csr_matrix(np.ones((1, 5), np.float32)), "request body: rows of at most 4 features; got 5"),
        (
            np.full((1, 4), np.inf, np.float32),
            "request body: finite numbers, or none where a value is missing; got infinity",
        ),
    ],
    ids=["wide", "narrow", "wide sparse", "infinite"],
)
def test_rows_that_do_not_fit_are_refused(rows, message, booster_name):
    with pytest.raises(DataError, match=exactly(message)):
        load(ARTIFACTS / booster_name).scores(Batch(rows))


@pytest.mark.parametrize("name", ["squarederror", "softprob", "dart", "gblinear"])
def test_no_rows_give_no_answers(name):
    scores = load(ARTIFACTS / name).scores(Batch(np.zeros((0, 4), np.float32)))
    assert scores.shape == ((0, 3) if name == "softprob" else (0,))


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_do_not_change_the_answer(threads, booster, rows, tmp_path):
    (tmp_path / "xgboost-model").write_bytes(booster.save_raw("ubj"))
    answer = load(tmp_path, threads=threads).predict(Batch(rows), CSV).columns["score"]
    np.testing.assert_array_equal(answer, booster.predict(xgb.DMatrix(rows)))


def ensemble(folder, objective, labels, count=3, **parameters):
    """Save models that differ in their seed; return the rows and each model's answers."""
    values = np.random.default_rng(4).random((60, 3), dtype=np.float32)
    data = xgb.DMatrix(values, label=labels(values[:, 0]))
    answers = []
    for index in range(count):
        one = xgb.train(
            {"nthread": 1, "objective": objective, "subsample": 0.3, "seed": index, "max_depth": 2} | parameters,
            data,
            2,
        )
        (folder / f"xgboost-model-{index}").write_bytes(one.save_raw("ubj"))
        answers.append(one.predict(data))
    return Batch(values), np.stack(answers)


@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softprob"])
def test_several_models_answer_with_their_mean(objective, tmp_path):
    many = {"num_class": 3} if objective.startswith("multi") else {}
    labels = (lambda x: np.floor(x * 3)) if many else (lambda x: x > 0.5)
    batch, answers = ensemble(tmp_path, objective, labels, **many)
    np.testing.assert_allclose(load(tmp_path).scores(batch), answers.mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(load(tmp_path, ensemble=False).scores(batch), answers[0])


@pytest.mark.parametrize("objective", ["binary:hinge", "multi:softmax"])
def test_several_models_of_classes_answer_with_the_most_frequent(objective, tmp_path):
    many = {"num_class": 3} if objective.startswith("multi") else {}
    labels = (lambda x: np.floor(x * 3)) if many else (lambda x: x > 0.5)
    batch, answers = ensemble(tmp_path, objective, labels, **many)
    assert (answers != answers[0]).any(), "the models must disagree for this to show anything"
    expected = [np.bincount(column.astype(int)).argmax() for column in answers.T]
    np.testing.assert_array_equal(load(tmp_path).scores(batch), expected)
