"""The parts of k-NN that have an answer of their own: sampling, projections, votes, scores."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sagecask_vectors.knn.preparation import normalized
from sagecask_vectors.knn.projection import hadamard, projection
from sagecask_vectors.knn.sampling import Reservoir, gathered
from sagecask_vectors.knn.scoring import ClassScores, SquaredError
from sagecask_vectors.knn.voting import majority, mean
from scipy.linalg import hadamard as reference_hadamard
from scipy.stats import chisquare
from sklearn.metrics import accuracy_score, f1_score

from sagecask.cluster import Cluster
from sagecask.formats import Batch

ALONE = Cluster(("algo-1",), "algo-1")


def sampled(size, count, batch, seed=0):
    """Return the positions that a reservoir keeps of `count` rows that come `batch` at a time."""
    reservoir = Reservoir(size, 1, np.asarray, seed)
    rows = np.arange(count, dtype=np.float32)
    for start in range(0, count, batch):
        part = rows[start : start + batch]
        reservoir.add(Batch(part[:, None], 2 * part), start)
    features, labels, order = reservoir.rows()
    np.testing.assert_array_equal(labels, 2 * features[:, 0])
    np.testing.assert_array_equal(order, features[:, 0])
    return features[:, 0]


def test_sample_does_not_depend_on_how_rows_come():
    whole = sampled(20, 200, 200)
    for batch in (1, 7, 30):
        np.testing.assert_array_equal(sampled(20, 200, batch), whole)
    assert len(set(whole)) == 20


def test_small_channel_is_kept_whole_and_in_order():
    np.testing.assert_array_equal(sampled(300, 200, 64), np.arange(200))


def test_every_row_is_kept_with_the_same_chance():
    counts = np.zeros(50)
    for seed in range(400):
        counts[sampled(10, 50, 17, seed).astype(int)] += 1
    # 0.0005 would be a seed in 2,000
    assert chisquare(counts).pvalue > 0.0005


def test_sample_of_one_host_is_what_its_reservoir_holds():
    reservoir = Reservoir(5, 1, np.asarray, 0)
    reservoir.add(Batch(np.ones((3, 1), np.float32), np.arange(3, dtype=np.float32)), 0)
    features, labels = gathered(reservoir, 5, ALONE, 0)
    assert (features.shape, labels.tolist()) == ((3, 1), [0.0, 1.0, 2.0])


def test_hadamard_matrix_is_that_of_scipy():
    np.testing.assert_array_equal(hadamard(4), reference_hadamard(16))


@pytest.mark.parametrize("input_dim", [5, 64, 700])
def test_fast_transform_is_the_product_of_its_matrices(input_dim):
    fast = projection("fjlt", input_dim, 4, seed=3)
    matrix = fast(np.eye(input_dim, dtype=np.float32))
    # entries are signs over sqrt(target_dim), as those of a dense random matrix
    np.testing.assert_allclose(np.abs(matrix), 0.5, rtol=1e-6)
    size = 1 << (input_dim - 1).bit_length()
    columns = matrix * np.sign(matrix[:, :1])
    known = {tuple(row) for row in np.sign(reference_hadamard(size)[:, :input_dim] * 1.0).tolist()}
    ratio = np.sign(columns[:, 1:] * columns[:, :1]).T.tolist()
    # products of two columns are a Walsh function: signs fall out
    assert all(tuple(row) in known for row in ratio)
    rows = np.random.default_rng(1).standard_normal((9, input_dim)).astype(np.float32)
    np.testing.assert_allclose(fast(rows), rows @ matrix, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["sign", "fjlt"])
def test_projection_keeps_distances_and_inner_products_on_average(kind):
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((40, 900)).astype(np.float32)
    rows += rows[0]
    reduced = projection(kind, 900, 256, seed=1)(rows)
    ratio = (reduced**2).sum(axis=1) / (rows**2).sum(axis=1)
    # a squared length is kept up to about sqrt(2 / 256) = 0.09
    assert abs(ratio.mean() - 1) < 0.1
    assert np.abs(ratio - 1).max() < 0.4
    products, kept = rows[1:20] @ rows[20:].T, reduced[1:20] @ reduced[20:].T
    assert abs(kept.mean() / products.mean() - 1) < 0.15


@pytest.mark.parametrize("kind", ["sign", "fjlt"])
def test_projection_is_made_again_from_its_seed(kind):
    rows = np.random.default_rng(2).standard_normal((3, 40)).astype(np.float32)
    first, again, other = (projection(kind, 40, 8, seed)(rows) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_vectors_of_any_size_are_brought_to_length_one_but_zeros():
    vectors = np.array([[3, 4], [0, 0], [3e30, 4e30], [3e-30, 4e-30]], np.float32)
    expected = np.array([[0.6, 0.8], [0, 0], [0.6, 0.8], [0.6, 0.8]])
    np.testing.assert_allclose(normalized(vectors), expected, rtol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 5, 30])
def test_majority_is_the_most_frequent_label_and_the_lowest_of_several(k):
    labels = np.random.default_rng(k).choice([-3.5, 0, 7, 1000], (300, k)).astype(np.float32)
    expected = [min(Counter(row).items(), key=lambda pair: (-pair[1], pair[0]))[0] for row in labels.tolist()]
    assert majority(labels).tolist() == expected


def test_mean_is_that_of_double_precision():
    labels = np.array([[1e8, 1, -1e8], [1, 2, 4]], np.float32)
    np.testing.assert_array_equal(mean(labels), np.array([1 / 3, 7 / 3], np.float32))


def test_scores_in_parts_are_those_of_all_rows():
    rng = np.random.default_rng(0)
    truth, answers = rng.choice([1, 2, 7], (2, 90)).astype(np.float32)
    truth[:20] = 5
    scores, error = ClassScores(), SquaredError()
    for start in range(0, 90, 13):
        part = slice(start, start + 13)
        scores.add(truth[part], answers[part])
        error.add(truth[part], answers[part])
    f1 = f1_score(truth, answers, average="macro")
    assert scores.total(ALONE) == [
        ("accuracy", "score", accuracy_score(truth, answers)),
        ("macro_f_1.000", "score", pytest.approx(f1, rel=1e-12)),
    ]
    assert error.total(ALONE) == [("mse", "loss", np.mean((truth - answers) ** 2, dtype=float))]
