"""What Linear Learner writes and reads: checkpoints, the model file, the original's archive."""

import json
import struct
import zipfile

import numpy as np
import pytest
from sagecask_vectors.linear_learner.algorithm import LinearLearner

from sagecask.algorithm import InferenceSettings
from sagecask.errors import ModelDataError
from sagecask.formats import Batch, MediaType

NAME = "linear-learner"
BINARY = {"predictor_type": "binary_classifier", "mini_batch_size": 50, "num_models": 3}


@pytest.fixture
def rows():
    draw = np.random.default_rng(9)
    features = draw.standard_normal((200, 3)).astype(np.float32)
    return features, (features @ [1, -1, 0] + draw.standard_normal(200) > 0).astype(np.float32)


def files(model, folder):
    folder.mkdir()
    model.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_resumed_job_gives_the_model_of_an_uninterrupted_one(vectors_job, rows, tmp_path):
    vectors_job.checkpointed = True
    vectors_job.records("train", *rows)
    whole = vectors_job.fit(NAME, **BINARY, epochs=4)
    folder = vectors_job.directory.paths.checkpoints
    assert sorted(path.name for path in folder.iterdir()) == [f"linear-learner.{epoch}" for epoch in range(4)]
    for epoch in (2, 3):
        (folder / f"linear-learner.{epoch}").unlink()
    resumed = vectors_job.fit(NAME, **BINARY, epochs=4)
    assert files(whole, tmp_path / "whole") == files(resumed, tmp_path / "resumed")


def test_checkpoint_of_other_features_is_refused(vectors_job, rows):
    features, labels = rows
    vectors_job.checkpointed = True
    vectors_job.records("train", features, labels).fit(NAME, **BINARY, epochs=1)
    path = vectors_job.directory.paths.checkpoints / "linear-learner.0"
    with pytest.raises(ModelDataError) as caught:
        vectors_job.records("train", features[:, :2], labels).fit(NAME, **BINARY, epochs=1)
    assert str(caught.value) == (
        f'{path}: a checkpoint of a job with the same settings and features is needed; got "weights" of shape (4, 3), '
        "expected (3, 3)"
    )


def test_damaged_checkpoint_is_refused(vectors_job, rows):
    vectors_job.checkpointed = True
    path = vectors_job.directory.paths.checkpoints / "linear-learner.0"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(ModelDataError) as caught:
        vectors_job.records("train", *rows).fit(NAME, **BINARY)
    assert str(caught.value) == f"{path}: a whole checkpoint of linear-learner is needed; got File is not a zip file"


def test_stop_signal_returns_the_best_so_far(vectors_job, rows, capsys):
    asked = iter([False] * 9)
    vectors_job.stop = lambda: next(asked, True)
    model = vectors_job.records("train", *rows).fit(NAME, **BINARY, epochs=1000, early_stopping_patience=2000)
    assert 0 < capsys.readouterr().out.count("train throughput") <= 3
    scores = model.predict(Batch(rows[0]), MediaType.parse("application/json")).columns["score"]
    assert np.corrcoef(scores, rows[1])[0, 1] > 0.5


def mxnet(arrays):
    """Return an MXNet list of named arrays, as the second version of its form has them."""
    body = struct.pack("<QQQ", 0x112, 0, len(arrays))
    for array in arrays.values():
        body += struct.pack("<IiI", 0xF993FAC9, 0, array.ndim) + struct.pack(f"<{array.ndim}q", *array.shape)
        body += struct.pack("<iii", 1, 0, 0) + array.astype("<f4").tobytes()
    body += struct.pack("<Q", len(arrays))
    return body + b"".join(struct.pack("<Q", len(name)) + name.encode() for name in arrays)


def original(folder, arrays, settings):
    with zipfile.ZipFile(folder / "model_algo-1", "w") as archive:
        archive.writestr("mx-mod-symbol.json", "{}")
        archive.writestr("mx-mod-0000.params", mxnet(arrays))
        archive.writestr("manifest.json", "{}")
        archive.writestr("additional-params.json", settings if isinstance(settings, str) else json.dumps(settings))


def answers(folder, features):
    model = LinearLearner().load(folder, InferenceSettings())
    return model.predict(Batch(np.float32(features)), MediaType.parse("application/json")).columns


def test_binary_archive_of_the_original_is_read(tmp_path):
    arrays = {"arg:fc0_weight": np.float32([[1, -1]]), "arg:fc0_bias": np.float32([0.5])}
    original(tmp_path, arrays, {"predictor_type": "binary_classifier", "threshold": 0.7})
    columns = answers(tmp_path, [[1, 1], [1, 0]])
    np.testing.assert_allclose(columns["score"], 1 / (1 + np.exp([-0.5, -1.5])), rtol=1e-6)
    assert columns["predicted_label"].tolist() == [0, 1]


def test_multiclass_archive_of_the_original_is_read_without_settings(tmp_path):
    weights = np.float32([[1, 0], [0, 1], [-1, -1]])
    original(tmp_path, {"fc0_weight": weights, "fc0_bias": np.zeros(3)}, {})
    columns = answers(tmp_path, [[2, 1]])
    powers = np.exp([2, 1, -3])
    np.testing.assert_allclose(columns["score"], [powers / powers.sum()], rtol=1e-6)
    assert columns["predicted_label"].tolist() == [0]


@pytest.mark.parametrize(
    ("arrays", "settings", "message"),
    [
        (
            {"fc0_weight": np.zeros((1, 2))},
            {},
            'model_algo-1, additional-params.json: "predictor_type" must be one of binary_classifier, '
            "multiclass_classifier, regressor; got unknown",
        ),
        (
            {"fc0_weight": np.zeros((1, 2))},
            {"predictor_type": "binary_classifier", "threshold": "high"},
            "model_algo-1, additional-params.json: \"threshold\" must be a number; got 'high'",
        ),
        (
            {"fc0_weight": np.zeros((1, 2))},
            "{",
            "model_algo-1, additional-params.json: JSON is needed; got Expecting property name enclosed in double "
            "quotes: line 1 column 2 (char 1)",
        ),
        (
            {"w0": np.zeros((1, 2))},
            {},
            'model_algo-1: linear-learner needs an array "weights", or "fc0_weight" of the original; got w0',
        ),
    ],
)
def test_archive_that_does_not_say_enough_is_refused(tmp_path, arrays, settings, message):
    original(tmp_path, arrays, settings)
    with pytest.raises(ModelDataError) as caught:
        answers(tmp_path, [[1, 1]])
    assert str(caught.value) == message
