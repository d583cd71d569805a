"""Whole jobs in this process: options, metric lines, several files, and what is refused."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import accuracy_score, f1_score, log_loss

from sagecask import registry
from sagecask.errors import DataError, HyperparameterError, TrainingStopped, UserError
from sagecask.formats import Batch, MediaType

NAME = "factorization-machines"
JSON = MediaType.parse("application/json")
SETTINGS = {
    "feature_dim": 20, "num_factors": 3, "epochs": 40, "mini_batch_size": 32, "bias_lr": 0.05, "linear_lr": 0.02,
    "factors_lr": 0.02, "factors_init_sigma": 0.1, "bias_wd": 0, "linear_wd": 0, "factors_wd": 0,
}  # fmt: skip
REGRESSOR = SETTINGS | {"predictor_type": "regressor"}
CLASSIFIER = SETTINGS | {"predictor_type": "binary_classifier"}


@pytest.fixture(scope="module")
def machine_data():
    """Rows of two categories of ten, and labels that a factorization machine without bias or weights gives."""
    rng = np.random.default_rng(7)
    kinds = rng.integers(0, 10, (700, 2))
    factors = rng.normal(size=(2, 10, 2))
    labels = (factors[0, kinds[:, 0]] * factors[1, kinds[:, 1]]).sum(axis=1)
    columns = np.stack([kinds[:, 0], 10 + kinds[:, 1]], axis=1).ravel()
    return csr_matrix((np.ones(1400, np.float32), columns, np.arange(0, 1401, 2)), shape=(700, 20)), labels


def lines(captured):
    return [line for line in captured.out.splitlines() if line.startswith("#")]


def values(found, pattern):
    return [float(match[1]) for line in found if (match := re.search(pattern + r"=(\S+)$", line))]


def score_of(model, features):
    return np.asarray(model.predict(Batch(features), JSON).columns["score"])


def rmse(model, features, labels):
    return float(np.sqrt(np.mean((score_of(model, features) - labels) ** 2)))


def test_interactions_are_found_that_a_linear_model_cannot_have(vectors_job, machine_data):
    features, labels = machine_data
    vectors_job.records("train", features[:600], labels[:600])
    model = vectors_job.fit(NAME, **REGRESSOR)
    linear = vectors_job.fit(NAME, **REGRESSOR | {"factors_lr": 0, "factors_init_sigma": 0})
    assert labels.std() > 1
    assert rmse(model, features[600:], labels[600:]) < 0.05
    assert rmse(linear, features[600:], labels[600:]) > 0.8


def test_metric_lines_of_a_regressor(vectors_job, machine_data, capfd):
    features, labels = machine_data
    vectors_job.records("train", features[:600], labels[:600]).records("test", features[600:], labels[600:])
    model = vectors_job.fit(NAME, **REGRESSOR | {"epochs": 2, "batch_metrics_publish_interval": 8})
    found = lines(capfd.readouterr())
    errors = score_of(model, features[600:]) - labels[600:].astype(np.float32)
    expected = {"rmse": np.sqrt(np.mean(errors**2)), "mse": np.mean(errors**2), "absolute_loss": np.abs(errors).mean()}
    for name, value in expected.items():
        (line,) = values(found, f"^#quality_metric: host=algo-1, test {name} <loss>")
        (told,) = [line for line in found if line.startswith(f"#test_score (algo-1) : ('{name}', ")]
        assert told == f"#test_score (algo-1) : ('{name}', {line!r})"
        assert line == pytest.approx(value, rel=1e-5)
    # 19 mini-batches an epoch: lines after the first, the ninth and the seventeenth
    batches = [line for line in found if "batch=" in line]
    assert [re.search(r"epoch=(\d), batch=(\d+) train rmse ", line).groups() for line in batches[::3]] == [
        (epoch, batch) for epoch in "01" for batch in ("0", "8", "16")
    ]
    epochs = values(found, r"^#quality_metric: host=algo-1, epoch=\d, train rmse <loss>")
    assert values(found, r"^#quality_metric: host=algo-1, train rmse <loss>") == epochs[1:]
    assert epochs[1] < epochs[0]
    (first,) = values(found, r"^#quality_metric: host=algo-1, epoch=0, batch=0 train mse <loss>")
    # weights hardly differ from zero before the first step
    assert first == pytest.approx(np.mean(labels[:32] ** 2), rel=0.05)
    declared = {each.name: each.pattern for each in registry.load(NAME).declaration.metrics}
    assert re.search(declared["test:rmse"], "\n".join(found))[1] == repr(
        values(found, "^#quality_metric: host=algo-1, test rmse <loss>")[0]
    )


def test_metric_lines_of_a_classifier(vectors_job, machine_data, capfd):
    features, labels = machine_data[0], (machine_data[1] > 0.3).astype(np.float32)
    vectors_job.records("train", features[:600], labels[:600]).records("test", features[600:], labels[600:])
    model = vectors_job.fit(NAME, **CLASSIFIER | {"epochs": 30})
    log = "\n".join(lines(capfd.readouterr()))
    answer = model.predict(Batch(features[600:]), JSON).columns
    scores, predicted = np.asarray(answer["score"], np.float64), np.asarray(answer["predicted_label"])
    assert predicted.tolist() == (scores >= 0.5).astype(int).tolist()
    expected = {
        "test:binary_classification_accuracy": accuracy_score(labels[600:], predicted),
        "test:binary_classification_cross_entropy": log_loss(labels[600:], scores),
        "test:binary_f_beta": f1_score(labels[600:], predicted),
    }
    declared = {each.name: each.pattern for each in registry.load(NAME).declaration.metrics}
    for name, value in expected.items():
        assert float(re.search(declared[name], log)[1]) == pytest.approx(value, rel=1e-5), name
    assert expected["test:binary_classification_accuracy"] > 0.95
    assert "#quality_metric: host=algo-1, test binary_f_1.000 <score>=" in log
    assert "#test_score (algo-1) : ('binary_f_1.000', " in log


def test_f1_is_zero_where_no_row_is_of_class_1(vectors_job, capfd):
    vectors_job.records("train", np.eye(20, dtype=np.float32), np.zeros(20))
    vectors_job.fit(NAME, **CLASSIFIER | {"epochs": 20})
    assert "#quality_metric: host=algo-1, train binary_f_1.000 <score>=0.0\n" in capfd.readouterr().out


def test_files_are_one_stream_of_mini_batches_dense_or_sparse(vectors_job, machine_data):
    features, labels = machine_data
    vectors_job.records("train", features, labels)
    whole = vectors_job.fit(NAME, **REGRESSOR | {"epochs": 2})
    vectors_job.directory.without_channel("train")
    for name, part in {"a": slice(0, 50), "b": slice(50, 53), "c": slice(53, 700)}.items():
        vectors_job.records("train", features[part].toarray(), labels[part], name=f"{name}.pbr")
    parts = vectors_job.fit(NAME, **REGRESSOR | {"epochs": 2})
    np.testing.assert_array_equal(parts.weights.factors, whole.weights.factors)


def test_sparse_rows_may_be_narrower_than_feature_dim(vectors_job):
    features = csr_matrix(np.eye(3, dtype=np.float32))
    model = vectors_job.records("train", features, [1, 2, 3]).fit(NAME, **REGRESSOR)
    assert model.width == 20


@pytest.mark.parametrize("method", ["normal", "uniform", "constant"])
def test_groups_start_by_their_own_method_and_stay_at_a_rate_of_zero(vectors_job, method):
    vectors_job.records("train", np.eye(20, dtype=np.float32), np.zeros(20))
    given = {f"{group}_lr": 0 for group in ("bias", "linear", "factors")}
    given |= {f"{group}_init_method": method for group in ("bias", "linear", "factors")}
    given |= {f"{group}_init_sigma": 2 for group in ("bias", "linear", "factors")}
    given |= {"linear_init_scale": 3, "linear_init_value": -1.5}
    weights = vectors_job.fit(NAME, **REGRESSOR | given).weights
    if method == "normal":
        assert 1 < weights.factors.std() < 3
        assert 1 < weights.linear.std() < 3
        assert abs(weights.bias[0]) > 1e-3
    elif method == "uniform":
        assert 2 < np.abs(weights.linear).max() <= 3
        assert 0 < np.abs(weights.factors).max() <= 0.001
        assert 0 < abs(weights.bias[0]) <= 0.01
    else:
        np.testing.assert_array_equal(weights.linear, np.full(20, -1.5, np.float32))
        np.testing.assert_array_equal(weights.factors, np.full((20, 3), 0.001, np.float32))
        assert weights.bias.tolist() == [0]


def test_groups_can_be_left_out(vectors_job, machine_data):
    features, labels = machine_data
    vectors_job.records("train", features, labels + 3)
    weights = vectors_job.fit(NAME, **REGRESSOR | {"epochs": 1, "use_bias": "false", "use_linear": "false"}).weights
    assert weights.bias.tolist() == [0]
    assert not weights.linear.any()
    assert weights.factors.any()


def test_optimizer_settings_change_the_steps(vectors_job, machine_data):
    features, labels = machine_data
    vectors_job.records("train", features, labels)
    found = {
        name: vectors_job.fit(NAME, **REGRESSOR | {"epochs": 1} | given).weights.linear[0]
        for name, given in {
            "none": {}, "clip_gradient": {"clip_gradient": 0.001}, "eps": {"eps": 0.1},
            "linear_wd": {"linear_wd": 0.5}, "rescale_grad": {"rescale_grad": 1, "eps": 0.1},
        }.items()
    }  # fmt: skip
    assert len(set(found.values())) == len(found)
    explicit = vectors_job.fit(NAME, **REGRESSOR | {"epochs": 1, "eps": 1e-8, "mini_batch_size": 700})
    mean = vectors_job.fit(NAME, **REGRESSOR | {"epochs": 1, "rescale_grad": 1 / 700, "mini_batch_size": 700})
    np.testing.assert_allclose(mean.weights.linear, explicit.weights.linear, rtol=1e-5)


@pytest.mark.parametrize("asks", range(1, 9))
def test_stop_keeps_the_model_so_far_or_ends_before_there_is_one(vectors_job, machine_data, capfd, caplog, asks):
    features, labels = machine_data
    vectors_job.records("train", features, labels).records("test", features, labels)
    asked = []
    vectors_job.stop = lambda: asked.append(True) or len(asked) >= asks
    if asks == 1:
        # by the channel, before its first row
        with pytest.raises(TrainingStopped):
            vectors_job.fit(NAME, **REGRESSOR)
        return
    with caplog.at_level(logging.INFO):
        model = vectors_job.fit(NAME, **REGRESSOR)
    found = lines(capfd.readouterr())
    epochs = len(values(found, r"epoch=\d+, train rmse <loss>"))
    # by the channel, after the only block, and at the end of each epoch
    assert epochs == (asks - 1) // 3
    assert caplog.messages[-1] == f"asked to stop in epoch {epochs}: the model so far is kept"
    assert len(values(found, r"host=algo-1, train rmse <loss>")) == 1
    assert not any(line.startswith("#test_score") for line in found)
    # 22 mini-batches of at most 0.02 each, from starts of 0.1
    assert np.abs(model.weights.factors).max() > 0.3


def test_stop_while_the_test_channel_is_scored_keeps_the_model(vectors_job, machine_data, capfd, caplog):
    features, labels = machine_data
    vectors_job.records("train", features, labels).records("test", features[:100], labels[:100])
    # the log says when training has ended
    vectors_job.stop = lambda: any(message.startswith("scoring") for message in caplog.messages)
    with caplog.at_level(logging.INFO):
        model = vectors_job.fit(NAME, **REGRESSOR | {"epochs": 2})
    assert caplog.messages == [
        "scoring the test channel",
        "asked to stop while the test channel was scored: its metrics are left out",
    ]
    assert not any("test" in line for line in lines(capfd.readouterr()))
    assert model.weights.factors.any()


def test_gpu_job_with_sparse_rows_trains_on_the_cpu_and_says_so(vectors_job, machine_data, caplog):
    from dataclasses import replace

    features, labels = machine_data
    job = vectors_job.records("train", features, labels).prepare(NAME, **REGRESSOR | {"epochs": 1})
    with caplog.at_level(logging.INFO):
        registry.load(NAME).fit(replace(job, gpus=1))
    assert caplog.messages[0] == "sparse rows are trained on the CPU: GPUs are for dense rows"


def test_internal_settings_of_the_original_pass_with_a_line_in_the_log(vectors_job, machine_data, caplog):
    features, labels = machine_data
    given = {"_optimizer": "adam", "_wd": 1.0, "_tuning_objective_metric": "test:rmse", "sagemaker_region": "x"}
    with caplog.at_level(logging.INFO):
        vectors_job.records("train", features, labels).fit(NAME, **REGRESSOR | {"epochs": 1} | given)
    assert caplog.messages[0] == "internal settings of the original have no effect: _optimizer, _wd"


def test_faults_between_hyperparameters_come_in_one_message(vectors_job):
    wrong = {"clip_gradient": -1, "eps": 0, "rescale_grad": "-0.5", "batch_metrics_publish_interval": 0}
    vectors_job.records("train", np.eye(20, dtype=np.float32), np.zeros(20))
    with pytest.raises(HyperparameterError) as refusal:
        vectors_job.prepare(NAME, **REGRESSOR | wrong | {"feature_dim": 2**31})
    assert str(refusal.value) == (
        'factorization-machines: hyperparameter "clip_gradient" must be above 0; got "-1"\n'
        'factorization-machines: hyperparameter "eps" must be above 0; got "0"\n'
        'factorization-machines: hyperparameter "rescale_grad" must be above 0; got "-0.5"\n'
        'factorization-machines: hyperparameter "batch_metrics_publish_interval" must be above 0; got "0"\n'
        'factorization-machines: hyperparameter "feature_dim" must be at most 2147483647; got "2147483648"'
    )


EYE = np.eye(20, dtype=np.float32)


@pytest.mark.parametrize(
    ("given", "features", "labels", "message"),
    [
        (CLASSIFIER, EYE, [*[0] * 17, 2, 1, 0],
         'channel "train", row 18: a label of 0 or 1 is needed (predictor_type binary_classifier); got 2'),
        (REGRESSOR, EYE, np.zeros((20, 2)), 'channel "train", row 1: one label is needed; got 2'),
        (REGRESSOR, EYE, None, 'channel "train", row 1: a label is needed; got none'),
        (REGRESSOR, np.eye(21, dtype=np.float32), np.zeros(21),
         'channel "train", row 1: 20 features are needed (feature_dim); got 21'),
        (REGRESSOR, csr_matrix(np.eye(21, dtype=np.float32)), np.zeros(21),
         'channel "train", row 1: 20 features are needed (feature_dim); got 21'),
        (REGRESSOR, np.eye(19, dtype=np.float32), np.zeros(19),
         'channel "train", row 1: 20 features are needed (feature_dim); got 19'),
        (REGRESSOR, EYE * np.nan, np.zeros(20),
         'channel "train", row 1, feature 1: a finite number is needed; got a missing value'),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_trained_on_are_refused(vectors_job, given, features, labels, message):
    vectors_job.records("train", features, labels)
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        vectors_job.fit(NAME, **given)


def test_key_beyond_feature_dim_is_refused_with_its_record(vectors_job):
    vectors_job.records("train", csr_matrix(EYE), np.zeros(20), name="a.pbr")
    vectors_job.records("train", csr_matrix(np.eye(25, dtype=np.float32)), np.zeros(25), name="b.pbr")
    with pytest.raises(DataError) as refusal:
        vectors_job.fit(NAME, **REGRESSOR)
    assert str(refusal.value) == 'channel "train", b.pbr, record 1: 25 features, expected 20'


def test_weights_that_grow_beyond_bounds_are_refused(vectors_job):
    vectors_job.records("train", EYE * 1e30 + 1e30, np.ones(20))
    with pytest.raises(UserError) as refusal:
        vectors_job.fit(NAME, **REGRESSOR | {"epochs": 3})
    assert str(refusal.value) == (
        "factorization-machines, epoch 0: scores must stay finite; got others: lower the learning rates, set "
        "clip_gradient, or scale the features"
    )


def test_weights_larger_than_memory_are_refused(vectors_job):
    from dataclasses import replace

    vectors_job.records("train", EYE, np.ones(20))
    job = vectors_job.prepare(NAME, **REGRESSOR | {"feature_dim": 10_000_000, "num_factors": 1000})
    with pytest.raises(UserError) as refusal:
        registry.load(NAME).fit(replace(job, available_memory=lambda: 2**33))
    assert str(refusal.value) == (
        "factorization-machines: memory for feature_dim x (num_factors + 1) numbers is needed, 37.3 GiB; got 8.0 GiB"
    )


def test_csv_is_refused_for_training(vectors_job):
    vectors_job.csv("train", np.zeros(20), EYE)
    with pytest.raises(UserError, match=r"text/csv"):
        vectors_job.fit(NAME, **REGRESSOR)
