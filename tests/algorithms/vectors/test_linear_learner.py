"""Linear Learner against closed forms, scikit-learn and its own words."""

import re

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from sagecask import registry
from sagecask.errors import DataError, UserError
from sagecask.formats import Batch, MediaType

NAME = "linear-learner"
REGRESSION = {"predictor_type": "regressor", "mini_batch_size": 100}
BINARY = {"predictor_type": "binary_classifier", "mini_batch_size": 100}
BY_LOSS = {"binary_classifier_model_selection_criteria": "loss_function"}
PATIENT = {"early_stopping_patience": 1000, "num_models": 4}


def regression_data(n=400, seed=0):
    """Features of very different scales, and a label with heavy tails to one side."""
    draw = np.random.default_rng(seed)
    features = draw.standard_normal((n, 3)) * [1, 50, 0.01] + [0, 1000, 5]
    label = 7 + features @ [2, -0.04, 100] + draw.exponential(1.0, n)
    return features.astype(np.float32), label.astype(np.float32)


def binary_data(n=400, seed=0, shift=0.0):
    draw = np.random.default_rng(seed)
    features = draw.standard_normal((n, 4)).astype(np.float32)
    chance = 1 / (1 + np.exp(-(features @ [2, -1, 0.5, 0] + shift)))
    return features, (draw.random(n) < chance).astype(np.float32)


def predict(model, features):
    return model.predict(Batch(features), MediaType.parse("application/json")).columns


def quantile_line(features, labels, q):
    """Return predictions of the line that minimises the pinball loss, a linear programme."""
    n, d = features.shape
    design = np.hstack([features, np.ones((n, 1))])
    cost = np.concatenate([np.zeros(d + 1), np.full(n, q), np.full(n, 1 - q)])
    found = linprog(
        cost,
        A_eq=np.hstack([design, np.eye(n), -np.eye(n)]),
        b_eq=labels,
        bounds=[(None, None)] * (d + 1) + [(0, None)] * 2 * n,
    )
    return design @ found.x[: d + 1]


def test_squared_loss_is_least_squares(vectors_job):
    features, labels = regression_data()
    model = vectors_job.records("train", features, labels).fit(NAME, **REGRESSION, epochs=40, wd=0, l1=0, **PATIENT)
    design = np.column_stack([features, np.ones(len(labels))]).astype(float)
    exact = design @ np.linalg.lstsq(design, labels, rcond=None)[0]
    np.testing.assert_allclose(predict(model, features)["score"], exact, atol=0.02)


@pytest.mark.parametrize(("loss", "q"), [("absolute_loss", 0.5), ("quantile_loss", 0.5), ("quantile_loss", 0.9)])
def test_quantile_losses_find_the_quantile(vectors_job, loss, q):
    features, labels = regression_data(200)
    model = vectors_job.records("train", features, labels).fit(
        NAME, **REGRESSION, epochs=40, loss=loss, quantile=q, wd=0, l1=0, **PATIENT
    )
    found, exact = predict(model, features)["score"], quantile_line(features, labels, q)
    cost = [np.maximum(q * (labels - each), (q - 1) * (labels - each)).mean() for each in (found, exact)]
    assert cost[0] <= 1.01 * cost[1]
    # the share of labels below the prediction
    assert np.mean(labels < found) == pytest.approx(q, abs=0.04)


def test_logistic_loss_is_logistic_regression(vectors_job):
    features, labels = binary_data(500)
    model = vectors_job.records("train", features, labels).fit(
        NAME, **BINARY, **BY_LOSS, epochs=40, wd=0, l1=0, **PATIENT
    )
    exact = LogisticRegression(C=np.inf, tol=1e-8).fit(features, labels).predict_proba(features)[:, 1]
    np.testing.assert_allclose(predict(model, features)["score"], exact, atol=0.02)


def test_weight_decay_is_ridge_on_standardised_rows(vectors_job):
    features, labels = regression_data(20_000)
    wd = 0.5
    model = vectors_job.records("train", features, labels).fit(
        NAME, **REGRESSION, epochs=1, wd=wd, l1=0, optimizer="sgd", num_models=1
    )
    scaled = (features - features.mean(axis=0, dtype=float)) / features.std(axis=0, dtype=float)
    target = (labels - labels.mean(dtype=float)) / labels.std(dtype=float)
    # mean squared error plus wd / 2 of the squared weights
    weights = np.linalg.solve(scaled.T @ scaled / len(labels) + wd / 2 * np.eye(3), scaled.T @ target / len(labels))
    exact = scaled @ weights * labels.std() + labels.mean()
    np.testing.assert_allclose(predict(model, features)["score"], exact, atol=0.1)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_strong_l1_makes_weights_zero_with_every_optimizer(vectors_job, optimizer):
    features, labels = binary_data()
    model = vectors_job.records("train", features, labels).fit(
        NAME, **BINARY, **BY_LOSS, epochs=40, l1=0.1, wd=0, optimizer=optimizer, **PATIENT | {"num_models": 1}
    )
    assert model.weights[3] == 0
    assert (model.weights[:2] != 0).all()


@pytest.mark.parametrize(
    "loss", ["eps_insensitive_squared_loss", "eps_insensitive_absolute_loss", "huber_loss", "squared_loss"]
)
def test_every_regression_loss_comes_near_the_line(vectors_job, loss):
    features, labels = regression_data()
    model = vectors_job.records("train", features, labels).fit(NAME, **REGRESSION, epochs=15, loss=loss, num_models=4)
    assert np.corrcoef(predict(model, features)["score"], labels)[0, 1] > 0.93


def test_hinge_loss_separates_at_one_half_and_scores_are_raw(vectors_job):
    draw = np.random.default_rng(1)
    labels = np.arange(400) % 2
    features = (draw.standard_normal((400, 2)) * 0.3 + labels[:, None] * 3).astype(np.float32)
    model = vectors_job.records("train", features, labels).fit(NAME, **BINARY, loss="hinge_loss", epochs=30)
    columns = predict(model, features)
    assert (columns["predicted_label"] == labels).all()
    assert model.threshold == pytest.approx(0.5)
    assert columns["score"].min() < 0.2
    assert columns["score"].max() > 0.8


def test_softmax_loss_is_multinomial_regression(vectors_job):
    draw = np.random.default_rng(2)
    features = draw.standard_normal((400, 3)).astype(np.float32)
    raw = features @ draw.standard_normal((3, 4)) + draw.gumbel(size=(400, 4))
    labels = raw.argmax(axis=1)
    model = vectors_job.records("train", features, labels).fit(
        NAME,
        predictor_type="multiclass_classifier",
        num_classes=4,
        mini_batch_size=100,
        epochs=40,
        wd=0,
        l1=0,
        **PATIENT,
    )
    exact = LogisticRegression(C=np.inf, tol=1e-8).fit(features, labels).predict_proba(features)
    columns = predict(model, features)
    np.testing.assert_allclose(columns["score"], exact, atol=0.05)
    assert (columns["predicted_label"] == columns["score"].argmax(axis=1)).all()


def test_sparse_rows_train_as_dense_ones(vectors_job, tmp_path):
    from sagecask.testing.job_directory import JobDirectory

    draw = np.random.default_rng(3)
    features = (draw.random((300, 5)) < 0.3).astype(np.float32) * draw.integers(1, 4, (300, 5)).astype(np.float32)
    labels = (features @ [1, -1, 0.5, 0, 1] + draw.standard_normal(300) > 0.5).astype(np.float32)
    dense = vectors_job.records("train", features, labels).fit(NAME, **BINARY, epochs=5)
    sparse_job = type(vectors_job)(JobDirectory(tmp_path / "sparse"))
    sparse = sparse_job.records("train", csr_matrix(features), labels).fit(NAME, **BINARY, epochs=5)
    np.testing.assert_allclose(dense.weights, sparse.weights, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(dense.bias, sparse.bias, rtol=1e-3, atol=1e-4)


def test_without_bias_the_origin_scores_zero(vectors_job):
    features, labels = regression_data()
    model = vectors_job.records("train", features, labels).fit(NAME, **REGRESSION, use_bias=False, epochs=3)
    assert model.bias.tolist() == [0]


@pytest.mark.parametrize(
    "given",
    [
        {"init_method": "normal", "init_sigma": 0.1, "init_bias": 1},
        {"normalize_data": False, "unbias_data": False},
        {"normalize_label": False, "unbias_label": False},
        {"use_lr_scheduler": False, "bias_lr_mult": 1, "bias_wd_mult": 1},
        {"lr_scheduler_step": 5, "lr_scheduler_factor": 0.9, "lr_scheduler_minimum_lr": 0.001, "momentum": 0.5},
        {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.99, "optimizer": "adam", "num_models": 3},
    ],
    ids=lambda given: next(iter(given)),
)
def test_settings_lead_to_a_line_that_fits(vectors_job, given):
    draw = np.random.default_rng(4)
    features = draw.standard_normal((300, 3)).astype(np.float32)
    labels = features @ [1, -2, 0.5] + 1
    model = vectors_job.records("train", features, labels).fit(NAME, **REGRESSION | {"epochs": 30} | given)
    assert np.corrcoef(predict(model, features)["score"], labels)[0, 1] > 0.98


def test_same_job_gives_the_same_weights(vectors_job):
    features, labels = binary_data()
    vectors_job.csv("train", labels, features)
    first, second = (vectors_job.fit(NAME, **BINARY, epochs=3) for _ in range(2))
    assert first.weights.tobytes() == second.weights.tobytes()


def test_inside_a_tuning_job_one_model_is_trained(vectors_job, caplog):
    caplog.set_level("INFO")
    features, labels = binary_data()
    vectors_job.records("train", features, labels).fit(
        NAME, **BINARY, epochs=1, num_models=8, _tuning_objective_metric="validation:objective_loss", _kvstore="x"
    )
    assert "num_models is 1 inside a tuning job; 8 was given" in caplog.messages
    assert "1 models of 4 features, 1 output(s) each, on cpu" in caplog.messages


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"predictor_type": "regressor", "loss": "logistic"},
            'linear-learner: hyperparameter "loss" must be one of "auto", "squared_loss", "absolute_loss", '
            '"eps_insensitive_squared_loss", "eps_insensitive_absolute_loss", "quantile_loss", "huber_loss" for a '
            'regressor; got "logistic"',
        ),
        (
            {"predictor_type": "multiclass_classifier"},
            'linear-learner: hyperparameter "num_classes" is required when predictor_type is multiclass_classifier; it '
            "is missing",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(vectors_job, given, message):
    with pytest.raises(UserError) as caught:
        vectors_job.records("train", *binary_data(10)).fit(NAME, **given)
    assert str(caught.value) == message


def test_mini_batch_of_more_rows_than_there_are_is_refused(vectors_job):
    with pytest.raises(UserError) as caught:
        vectors_job.records("train", *binary_data(50)).fit(NAME, predictor_type="binary_classifier")
    assert str(caught.value) == (
        "linear-learner: mini_batch_size must be at most the number of train rows; got 1000 and 50 rows"
    )


@pytest.mark.parametrize(
    ("labels", "given", "message"),
    [
        ([0, 1, 2], {"predictor_type": "binary_classifier"}, 'channel "train": labels 0 and 1 are needed; got 2'),
        ([0, 1, 0.5], {"predictor_type": "binary_classifier"}, 'channel "train": labels 0 and 1 are needed; got 0.5'),
        (
            [0, 1, 3],
            {"predictor_type": "multiclass_classifier", "num_classes": 3},
            'channel "train": labels 0 to 2 are needed; got 3',
        ),
        (
            [0, 1, 1],
            {"predictor_type": "regressor", "feature_dim": 5},
            'channel "train", row 1: 5 features are needed (feature_dim); got 2',
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused(vectors_job, labels, given, message):
    with pytest.raises(DataError) as caught:
        vectors_job.records("train", np.zeros((3, 2)), labels).fit(NAME, mini_batch_size=3, **given)
    assert str(caught.value) == message


def test_validation_rows_have_the_width_of_the_train_rows(vectors_job):
    vectors_job.records("train", *binary_data(50)).records("validation", np.zeros((3, 2)), [0, 1, 0])
    with pytest.raises(DataError) as caught:
        vectors_job.fit(NAME, **BINARY | {"mini_batch_size": 10})
    assert str(caught.value) == 'channel "validation", row 1: 4 features are needed (feature_dim); got 2'


def test_training_that_diverges_in_all_models_says_so(vectors_job):
    features, labels = regression_data(100)
    with pytest.raises(UserError) as caught:
        vectors_job.records("train", features, labels).fit(
            NAME, **REGRESSION | {"mini_batch_size": 10}, optimizer="sgd", learning_rate=1e30, normalize_data=False
        )
    assert str(caught.value) == (
        "linear-learner: every model has diverged; learning_rate must be lower, or normalize_data true"
    )


def lines(text, pattern):
    return re.findall(pattern, text)


@pytest.mark.parametrize("kind", ["binary_classifier", "multiclass_classifier", "regressor"])
@pytest.mark.parametrize("validated", [True, False], ids=["validation", "train-alone"])
def test_every_declared_metric_of_the_predictor_type_is_logged(vectors_job, capsys, kind, validated):
    features, labels = binary_data(120)
    given = {"num_classes": 3} if kind == "multiclass_classifier" else {}
    vectors_job.records("train", features, labels).records("test", features[:30], labels[:30])
    if validated:
        vectors_job.records("validation", features[:50], labels[:50])
    vectors_job.fit(NAME, predictor_type=kind, mini_batch_size=60, epochs=2, num_models=2, **given)
    log = capsys.readouterr().out
    others = {"binary_classifier", "multiclass_classifier", "regressor"} - {kind}
    absent = "without a validation channel" if validated else "with a validation channel"
    for metric in registry.load(NAME).declaration.metrics:
        when = metric.when or ""
        if absent not in when and not any(when.startswith(other) for other in others):
            assert re.search(metric.pattern, log), metric.name
    names = {
        "binary_classifier": "binary_f_1.000",
        "multiclass_classifier": "multiclass_top_k_accuracy_3",
        "regressor": "rmse",
    }
    assert f" test {names[kind]} <" in log
    assert "#test_score (algo-1) : (" in log
    assert "#progress_metric: host=algo-1, completed 100 % of epochs" in log


def test_objective_loss_of_an_epoch_and_of_the_end_are_told_apart(vectors_job, capsys):
    features, labels = binary_data(200)
    vectors_job.records("train", features, labels).records("validation", features[:80], labels[:80])
    vectors_job.fit(NAME, **BINARY, epochs=3, num_models=1, early_stopping_patience=9)
    log = capsys.readouterr().out
    patterns = {metric.name: metric.pattern for metric in registry.load(NAME).declaration.metrics}
    assert len(lines(log, patterns["validation:objective_loss"])) == 3
    assert len(lines(log, patterns["train:objective_loss"])) == 3
    assert len(lines(log, patterns["validation:objective_loss:final"])) == 1
