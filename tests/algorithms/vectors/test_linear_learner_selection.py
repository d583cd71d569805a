"""How Linear Learner chooses: thresholds, class weights, the best epoch, early stopping."""

import re

import numpy as np
import pytest
from sagecask_vectors.linear_learner.threshold import Aim, Cuts, edge
from sklearn.metrics import fbeta_score, precision_score, recall_score

from sagecask.formats import Batch, MediaType

NAME = "linear-learner"
BINARY = {"predictor_type": "binary_classifier", "mini_batch_size": 100, "num_models": 4, "epochs": 4}


@pytest.fixture(scope="module")
def rare():
    """Rows of which one in ten is of class 1."""
    draw = np.random.default_rng(6)
    features = draw.standard_normal((1500, 3)).astype(np.float32)
    labels = (features @ [1.5, 1, 0] + draw.standard_normal(1500) > 3).astype(np.float32)
    return features, labels


def judged(vectors_job, rows, **given):
    features, labels = rows
    vectors_job.records("train", features[:1000], labels[:1000])
    vectors_job.records("validation", features[1000:], labels[1000:])
    model = vectors_job.fit(NAME, **BINARY | given)
    columns = model.predict(Batch(features[1000:]), MediaType.parse("application/json")).columns
    return labels[1000:], columns["score"], columns["predicted_label"]


def every_cut(labels, scores, score):
    return [score(labels, scores >= cut) for cut in np.unique(scores)]


def test_f_beta_sets_the_best_cut_on_validation_rows(vectors_job, rare):
    labels, scores, predicted = judged(
        vectors_job, rare, binary_classifier_model_selection_criteria="f_beta", f_beta=2.0
    )

    def score(truth, guess):
        return fbeta_score(truth, guess, beta=2.0, zero_division=0)

    assert score(labels, predicted) == pytest.approx(max(every_cut(labels, scores, score)), abs=1e-9)


def test_accuracy_sets_the_best_cut_on_validation_rows(vectors_job, rare):
    labels, scores, predicted = judged(vectors_job, rare)
    best = max(every_cut(labels, scores, lambda truth, guess: (truth == guess).mean()))
    assert (labels == predicted).mean() == pytest.approx(best, abs=1e-9)


def test_target_recall_is_held_at_the_highest_precision(vectors_job, rare):
    criterion = {"binary_classifier_model_selection_criteria": "precision_at_target_recall", "target_recall": 0.9}
    labels, scores, predicted = judged(vectors_job, rare, **criterion)
    held = [cut for cut in np.unique(scores) if recall_score(labels, scores >= cut) >= 0.9]
    assert recall_score(labels, predicted) >= 0.9
    best = max(precision_score(labels, scores >= cut) for cut in held)
    assert precision_score(labels, predicted) == pytest.approx(best)


def test_target_precision_is_held_at_the_highest_recall(vectors_job, rare):
    criterion = {"binary_classifier_model_selection_criteria": "recall_at_target_precision", "target_precision": 0.7}
    labels, scores, predicted = judged(vectors_job, rare, **criterion)
    assert precision_score(labels, predicted) >= 0.7
    held = [cut for cut in np.unique(scores) if precision_score(labels, scores >= cut) >= 0.7]
    assert recall_score(labels, predicted) == pytest.approx(max(recall_score(labels, scores >= cut) for cut in held))


def test_loss_function_leaves_the_natural_cut(vectors_job, rare):
    _, scores, predicted = judged(vectors_job, rare, binary_classifier_model_selection_criteria="loss_function")
    assert (predicted == (scores >= 0.5)).all()


def counts_of(scores, labels):
    counts = np.zeros((2, 8), np.int64)
    np.add.at(counts, (labels, scores), 1)
    return counts


def test_of_equally_good_cuts_that_nearest_to_the_natural_one_is_taken():
    # bins 0 and 7: every cut between them is right
    assert Cuts.of(counts_of([0, 7], [0, 1])).best(Aim("accuracy"))[0] == 4
    assert Cuts.of(counts_of([5, 7], [0, 1])).best(Aim("accuracy"))[0] == 6


def test_target_that_no_cut_meets_is_come_as_near_to_as_can_be():
    cuts = Cuts.of(counts_of([2, 2, 2, 5, 5], [0, 1, 0, 1, 0]))
    cut, _ = cuts.best(Aim("recall_at_target_precision", target_precision=0.9))
    assert (cuts.precision[cut], cut) == (0.5, 4)


@pytest.mark.parametrize(("cut", "score"), [(0, -np.inf), (2, -1.0), (4, 0.0), (6, 1.0), (8, np.inf)])
def test_edges_are_finest_at_the_natural_cut(cut, score):
    assert edge(cut, 8) == score


def test_calibration_reads_as_many_rows_as_it_may(vectors_job, rare):
    features, labels = rare
    twisted = labels[1000:].copy()
    # rows after the first 200 would call for another cut
    twisted[200:] = 1
    labels, scores, predicted = judged(
        vectors_job, (features, np.concatenate([labels[:1000], twisted])), num_calibration_samples=200
    )
    best = max(every_cut(labels[:200], scores[:200], lambda truth, guess: (truth == guess).mean()))
    assert (labels[:200] == predicted[:200]).mean() == pytest.approx(best, abs=1e-9)


def mean_score(vectors_job, rows, **given):
    return judged(vectors_job, rows, binary_classifier_model_selection_criteria="loss_function", **given)[1].mean()


def test_weight_of_positive_rows_raises_scores_and_balanced_is_the_ratio_of_classes(vectors_job, rare):
    plain, balanced = (mean_score(vectors_job, rare, positive_example_weight_mult=each) for each in (1, "balanced"))
    train = rare[1][:1000]
    number = mean_score(vectors_job, rare, positive_example_weight_mult=(train == 0).sum() / (train == 1).sum())
    assert balanced == pytest.approx(number, rel=1e-5)
    assert balanced > plain + 0.05


def test_weights_chosen_for_best_performance_are_not_worse_than_none(vectors_job, rare):
    criterion = {"binary_classifier_model_selection_criteria": "f_beta", "num_models": 8}
    labels, _, plain = judged(vectors_job, rare, **criterion)
    _, _, chosen = judged(vectors_job, rare, **criterion, positive_example_weight_mult="auto")
    assert fbeta_score(labels, chosen, beta=1) >= fbeta_score(labels, plain, beta=1) - 0.02


def test_balanced_classes_raise_the_recall_of_rare_ones(vectors_job):
    draw = np.random.default_rng(7)
    labels = draw.choice(3, 1500, p=[0.8, 0.15, 0.05])
    features = (draw.standard_normal((1500, 2)) + np.array([[0, 0], [1.5, 0], [0, 1.5]])[labels]).astype(np.float32)
    vectors_job.records("train", features, labels)
    recalls = []
    for balanced in (False, True):
        model = vectors_job.fit(
            NAME, predictor_type="multiclass_classifier", num_classes=3, mini_batch_size=100, num_models=4, epochs=5,
            balance_multiclass_weights=balanced,
        )  # fmt: skip
        predicted = model.predict(Batch(features), MediaType.parse("application/json")).columns["predicted_label"]
        recalls.append((predicted[labels == 2] == 2).mean())
    assert recalls[1] > recalls[0] + 0.2


def losses(log, channel):
    return [float(value) for value in re.findall(rf"epoch=\d+, {channel} \S+_objective <loss>=(\S+)", log)]


def test_patience_ends_training_and_the_best_epoch_stays(vectors_job, capsys):
    draw = np.random.default_rng(8)
    features = draw.standard_normal((60, 80)).astype(np.float32)
    labels = features[:, 0] + draw.standard_normal(60)
    # more features than rows: later epochs fit the noise
    vectors_job.records("train", features[:40], labels[:40]).records("validation", features[40:], labels[40:])
    vectors_job.fit(
        NAME, predictor_type="regressor", mini_batch_size=10, epochs=50, early_stopping_patience=3, num_models=1,
        learning_rate=0.05, wd=0, l1=0,
    )  # fmt: skip
    log = capsys.readouterr().out
    found = losses(log, "validation")
    final = float(re.search(r"algo-1, validation mse_objective <loss>=(\S+)", log).group(1))
    assert len(found) == int(np.argmin(found)) + 1 + 3
    assert final == pytest.approx(min(found), rel=1e-5)


def test_patience_above_epochs_turns_early_stopping_off(vectors_job, capsys, rare):
    judged(vectors_job, rare, epochs=7, early_stopping_patience=8)
    assert len(losses(capsys.readouterr().out, "train")) == 7


def test_sampled_criterion_is_watched_with_validation_rows_and_the_loss_without(vectors_job, capsys, rare):
    judged(vectors_job, rare, epochs=1)
    assert "criteria=sampled_accuracy, value=0.9" in capsys.readouterr().out
    vectors_job.directory.without_channel("validation")
    vectors_job.fit(NAME, **BINARY)
    assert "criteria=binary_classification_cross_entropy_objective, value=0." in capsys.readouterr().out
