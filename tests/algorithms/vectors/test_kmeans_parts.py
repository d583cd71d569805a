"""The mathematics of k-means, part by part."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sagecask_vectors.kmeans import native
from sagecask_vectors.kmeans.assignment import HostRows, Tally
from sagecask_vectors.kmeans.assignment_gpu import DeviceRows
from sagecask_vectors.kmeans.centers import Centers
from sagecask_vectors.kmeans.following import n_centers
from sagecask_vectors.kmeans.hyperparameters import KMeansHyperparameters
from sagecask_vectors.kmeans.lloyd import Points, lloyd
from sagecask_vectors.kmeans.reduction import calibrated
from sagecask_vectors.kmeans.relocation import relocate
from sagecask_vectors.kmeans.sample import Sample
from sagecask_vectors.kmeans.start import plus_plus, random_rows
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans

DRAW = np.random.default_rng(5)
ROWS = DRAW.normal(size=(200, 7)).astype(np.float32)
ROWS[np.abs(ROWS) < 0.5] = 0
CENTERS = DRAW.normal(size=(37, 7))
ORIGIN = np.zeros(7, np.float32)


def naive(rows, centers):
    """Return labels, squared distances and sums by their definitions."""
    squared = np.square(rows[:, None].astype(float) - centers.astype(np.float32)).sum(axis=2)
    labels = squared.argmin(axis=1)
    sums = np.array([rows[labels == label].sum(axis=0, dtype=float) for label in range(len(centers))])
    return labels, squared.min(axis=1), sums


@pytest.mark.parametrize("features", [ROWS, csr_matrix(ROWS)], ids=["dense", "sparse"])
@pytest.mark.parametrize("on_device", [False, True], ids=["numpy", "torch"])
def test_rows_come_to_their_closest_centers(features, on_device):
    rows = DeviceRows(features, ORIGIN, torch.device("cpu")) if on_device else HostRows(features, ORIGIN)
    labels, squared, sums = naive(ROWS, CENTERS)
    closest = rows.closest(CENTERS)
    np.testing.assert_array_equal(closest[0], labels)
    np.testing.assert_allclose(closest[1], squared, rtol=1e-4)
    tally = rows.tally(closest, len(CENTERS))
    np.testing.assert_allclose(tally.sums, sums, atol=1e-5)
    np.testing.assert_array_equal(tally.counts, np.bincount(labels, minlength=37))
    np.testing.assert_allclose(tally.errors, np.bincount(labels, squared, 37), rtol=1e-4)
    apart = np.square(ROWS[:, None] - CENTERS[:3]).sum(axis=2)
    np.testing.assert_allclose(rows.squared_distances(CENTERS[:3]), apart, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("on_device", [False, True], ids=["numpy", "torch"])
def test_dense_rows_are_measured_from_the_origin(on_device):
    origin = np.full(7, 1000, np.float32)
    far = ROWS + origin
    rows = DeviceRows(far, origin, torch.device("cpu")) if on_device else HostRows(far, origin)
    # float32 keeps 6e-5 of a thousand
    np.testing.assert_allclose(rows.closest(CENTERS)[1], naive(ROWS, CENTERS)[1], rtol=1e-2)


@pytest.mark.parametrize("n_centers", [1, 3, 16, 17, 64, 100])
def test_first_of_equally_close_centers_is_taken(n_centers):
    products = DRAW.integers(0, 3, (50, n_centers)).astype(np.float32)
    labels, squared = np.empty(50, np.int64), np.empty(50, np.float32)
    native.closest(products, np.zeros(n_centers, np.float32), np.full(50, 9, np.float32), labels, squared)
    np.testing.assert_array_equal(labels, products.argmax(axis=1))
    np.testing.assert_array_equal(squared, 9 - 2 * products.max(axis=1))


@pytest.mark.parametrize(
    ("position", "replaced"),
    [
        (0, np.zeros((5, 3), np.float64)),
        (0, np.zeros((5, 4), np.float32)),
        (0, np.zeros((3, 5), np.float32).T),
        (3, np.zeros(5, np.float32)),
        (4, np.zeros(6, np.float32)),
    ],
)
def test_arrays_of_another_type_or_size_are_no_products(position, replaced):
    given = [
        np.zeros((5, 3), np.float32), np.zeros(3, np.float32), np.zeros(5, np.float32), np.zeros(5, np.int64),
        np.zeros(5, np.float32),
    ]  # fmt: skip
    native.closest(*given)
    given[position] = replaced
    with pytest.raises((ValueError, BufferError)):
        native.closest(*given)


@pytest.mark.parametrize(
    ("position", "replaced"),
    [
        (0, np.zeros((5, 3), np.float32)),
        (1, np.full(5, 2)),
        (1, np.full(5, -1)),
        (3, np.zeros((2, 2), np.float32)),
        (4, np.zeros(0)),
    ],
)
def test_arrays_of_another_type_or_size_are_not_added(position, replaced):
    given = [
        np.zeros((5, 2), np.float32), np.zeros(5, np.int64), np.zeros(5, np.float32), np.zeros((2, 2)), np.zeros(2),
        np.zeros(2),
    ]  # fmt: skip
    native.tally(*given)
    given[position] = replaced
    with pytest.raises(ValueError, match=r"^tally: float32 rows, labels of centers and float64 sums are needed$"):
        native.tally(*given)


def test_center_moves_by_the_share_of_its_new_rows():
    # 100 rows before and 25 new ones give p = 0.2
    centers = Centers(np.array([[1.0], [5.0]]), np.array([100.0, 7.0]), np.zeros(2))
    centers.update(Tally(np.array([[25 * 6.0], [0]]), np.array([25.0, 0]), np.array([25 * 25.0, 0])), decay=1)
    np.testing.assert_allclose(centers.means, [[0.8 * 1 + 0.2 * 6], [5]])
    np.testing.assert_allclose(centers.weights, [125, 7])
    # 100 rows at 1 and 25 at 6, around 2
    np.testing.assert_allclose(centers.scatter, [100 * 1 + 25 * 16, 0])


def test_rows_seen_before_fade_by_their_half_life():
    centers = Centers(np.array([[1.0]]), np.array([100.0]), np.array([8.0]))
    centers.update(Tally(np.array([[50 * 4.0]]), np.array([50.0]), np.array([50 * 9.0])), decay=0.5)
    np.testing.assert_allclose(centers.means, [[2.5]])
    np.testing.assert_allclose(centers.weights, [100])
    np.testing.assert_allclose(centers.scatter, [4 + 100 * 1.5**2])


def test_merged_centers_are_the_mean_and_scatter_of_their_rows():
    rows = DRAW.normal(size=(10, 2))
    parts = rows[:3], rows[3:]
    centers = Centers(
        np.array([part.mean(axis=0) for part in parts]),
        np.array([3.0, 7.0]),
        np.array([np.square(part - part.mean(axis=0)).sum() for part in parts]),
    )
    centers.merge(0, 1)
    np.testing.assert_allclose(centers.means[0], rows.mean(axis=0))
    np.testing.assert_allclose(centers.weights, [10, 0])
    np.testing.assert_allclose(centers.scatter, [np.square(rows - rows.mean(axis=0)).sum(), 0])


def test_center_moves_from_a_crowded_cluster_to_one_without():
    near, far = DRAW.normal(size=(40, 2)), DRAW.normal(size=(40, 2)) + 50
    rows = HostRows(np.concatenate([near, far]).astype(np.float32), np.zeros(2, np.float32))
    centers = Centers(near[:2].copy(), np.array([20.0, 20.0]), np.zeros(2))
    labels, squared = rows.closest(centers.means)
    everyone = np.concatenate([near, far])
    moves = list(
        relocate(
            centers,
            np.bincount(labels, minlength=2),
            squared,
            lambda chosen: rows.squared_distances(everyone[chosen]),
            np.random.default_rng(0),
        )
    )
    ((kept, gone, row),) = moves
    assert {kept, gone} == {0, 1}
    assert row >= 40


@pytest.mark.parametrize("seed", range(3))
def test_lloyd_is_that_of_scikit_learn(seed):
    draw = np.random.default_rng(seed)
    points = Points(ROWS, draw.uniform(0.1, 3, len(ROWS)))
    start = points.start("random", 5, draw)
    centers, loss = lloyd(points, start, 300, 0)
    peer = KMeans(5, init=start, n_init=1, tol=0).fit(ROWS, sample_weight=points.weights)
    np.testing.assert_allclose(centers, peer.cluster_centers_, atol=1e-5)
    assert loss == pytest.approx(peer.inertia_ / points.weights.sum(), rel=1e-5)


def test_lloyd_stops_at_its_limits():
    points = Points(ROWS, np.ones(len(ROWS)))
    start = points.start("kmeans++", 5, np.random.default_rng(0))
    losses = [lloyd(points, start, limit, 0)[1] for limit in (1, 2, 300)]
    assert losses[0] > losses[1] > losses[2]
    # a tolerance of 1 is met by any step
    assert lloyd(points, start, 300, 1)[1] == losses[0]


def test_centers_without_points_go_where_points_cost_most():
    points = Points(np.array([[0], [1], [100], [120]], np.float32), np.ones(4))
    centers, loss = lloyd(points, np.array([[0], [-500], [110]], np.float32), 300, 0)
    assert sorted(centers[:, 0].tolist()) == [0.5, 100, 120]
    assert loss == pytest.approx(0.125)


def test_chance_of_a_start_grows_with_squared_distance():
    rows = np.array([0.0, 1, 3])
    counts = np.zeros(3)
    draw = np.random.default_rng(0)
    for _ in range(3000):
        first, second = plus_plus(
            np.array([1.0, 0, 0]) + 1e-300, 2, lambda chosen: np.square(rows[:, None] - rows[chosen]), draw
        )
        assert first == 0
        counts[second] += 1
    # weights of nearly zero count in proportion; 1 and 9 of 10, within three standard deviations
    np.testing.assert_allclose(counts / 3000, [0, 0.1, 0.9], atol=0.017)


def test_random_start_is_of_different_points_that_count():
    chosen = random_rows(np.array([0.0, 1, 2, 3]), 5, np.random.default_rng(0))
    assert sorted(chosen.tolist()) == [1, 2, 3]


def kept(room, log_weights, seed=0):
    sample = Sample(room, 1)
    draw = np.random.default_rng(seed)
    for index, log_weight in enumerate(log_weights):
        rows = np.full((50, 1), index, np.float32)
        sample.add(rows.__getitem__, np.full(50, index % 4), draw.random(50), log_weight)
    sample.cut()
    return sample


def test_sample_of_equal_rows_is_uniform():
    means = [kept(200, np.zeros(100), seed).rows.mean() for seed in range(20)]
    assert len(kept(200, np.zeros(100)).rows) == 200
    # 20 times 200 draws from 0 to 99
    assert np.mean(means) == pytest.approx(49.5, abs=3 * 29 / np.sqrt(20 * 200))


def test_sample_of_fading_rows_weighs_as_all_of_them():
    logs = np.arange(100) * np.log(2) / 10
    true = (50 * np.exp(logs) * np.arange(100)).sum() / (50 * np.exp(logs)).sum()
    found = []
    for seed in range(20):
        sample = kept(200, logs, seed)
        found.append(sample.weights() @ sample.rows[:, 0] / sample.weights().sum())
    assert np.mean(found) == pytest.approx(true, abs=1)


def test_sample_of_rows_without_end_stays_within_its_room():
    sample = kept(60, np.zeros(400))
    assert len(sample.rows) == len(sample.cells) == len(sample.weights()) == 60


def test_calibrated_rows_add_up_to_what_the_centers_have_seen():
    sample = kept(20, np.zeros(40))
    centers = Centers(DRAW.normal(size=(5, 1)), DRAW.uniform(1, 9, 5), np.arange(5.0))
    points, scatter = calibrated(centers, sample)
    sums = np.bincount([*sample.cells, 4], points.weights * points.rows[:, 0], 5)
    np.testing.assert_allclose(sums, centers.weights * centers.means[:, 0], rtol=1e-5)
    # no row of the last center was drawn
    assert scatter == pytest.approx(4 / centers.weights.sum())


@pytest.mark.parametrize(("k", "expected"), [(1, 10), (8, 80), (10, 100), (11, 99), (40, 80), (60, 60), (500, 500)])
def test_auto_works_with_ten_times_the_centers_of_few_clusters(k, expected):
    assert n_centers(KMeansHyperparameters.parse({"feature_dim": "2", "k": str(k)}, owner="kmeans")) == expected
