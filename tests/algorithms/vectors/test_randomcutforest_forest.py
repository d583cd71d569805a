"""Random cut trees and their scores against the definitions, written out in numpy and Python."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sagecask_vectors.randomcutforest.forest import Forest
from scipy import stats

from sagecask.errors import ModelDataError

Rows = NDArray[np.float32]


def forest_of(rows: Rows, n_trees: int = 3, seed: int = 0) -> Forest:
    """A forest whose trees all have the same rows."""
    return Forest.build(np.repeat(rows[None], n_trees, axis=0), seed)


def subtree_score(forest: Forest, row: Rows, part: tuple[int, int, int], depth: int, mass: float) -> float:
    """Expected reciprocal depth of `row` in a part of a tree (node, first leaf, leaves), from the root down."""
    node, leaf, size = part
    points = forest.points[leaf : leaf + size].astype(np.float64)
    if size == 1:
        count = float(forest.counts[leaf])
        if (points[0] == row).all():
            return (1 - count / (2 * mass)) / (depth + np.log2(count + 1))
        return 1 / (depth + 1)
    low, high = points.min(axis=0), points.max(axis=0)
    growth = np.maximum(low - row, 0).sum() + np.maximum(row - high, 0).sum()
    cut_off = growth / (growth + (high - low).sum())
    left = int(forest.left[node])
    below = (
        subtree_score(forest, row, (node + 1, leaf, left), depth + 1, mass)
        if row[forest.dimensions[node]] <= forest.cuts[node]
        else subtree_score(forest, row, (node + left, leaf + left, size - left), depth + 1, mass)
    )
    return cut_off / (depth + 1) + (1 - cut_off) * below


def reference_score(forest: Forest, row: Rows) -> float:
    """The score by its definition."""
    total, leaf = 0.0, 0
    for tree, size in enumerate(map(int, forest.leaves)):
        mass = float(forest.counts[leaf : leaf + size].sum())
        total += np.log2(mass + 1) * subtree_score(forest, row, (leaf - tree, leaf, size), 0, mass)
        leaf += size
    return total / len(forest.leaves)


def leaves_below(forest: Forest, node: int, leaf: int, size: int) -> list[tuple[int, Rows, Rows]]:
    """Every node of a tree with the points on either side of its cut."""
    if size == 1:
        return []
    left = int(forest.left[node])
    sides = forest.points[leaf : leaf + left], forest.points[leaf + left : leaf + size]
    return [
        (node, *sides),
        *leaves_below(forest, node + 1, leaf, left),
        *leaves_below(forest, node + left, leaf + left, size - left),
    ]


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 17, 48])
def test_score_is_that_of_the_definition(width: int):
    draw = np.random.default_rng(width)
    rows = draw.normal(size=(40, width)).astype(np.float32)
    rows[30:34] = rows[0]
    forest = forest_of(rows)
    asked = np.concatenate([rows[:31:5], draw.normal(size=(8, width)), 5 * draw.normal(size=(8, width))])
    scores = forest.scores(asked.astype(np.float32))
    expected = [reference_score(forest, row) for row in asked.astype(np.float32)]
    # boxes grow by float32 sums
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_two_points_and_a_row_on_a_line():
    forest = forest_of(np.array([[0], [1]], np.float32), n_trees=7)
    # outside: cut off at once in one of two cases (growth 1, side 1), else beside the leaf at depth 1
    away = np.log2(3) * (0.5 * 1 + 0.5 * 0.5)
    # a point of the tree: (1 - 1 / 4) / (1 + log2(2))
    known = np.log2(3) * 0.75 / 2
    scores = forest.scores(np.array([[2], [0], [1]], np.float32))
    np.testing.assert_allclose(scores, [away, known, known], rtol=1e-6)


def test_tree_of_one_point():
    forest = forest_of(np.zeros((1, 3), np.float32))
    np.testing.assert_allclose(forest.scores(np.array([[0, 0, 0], [0, 1, 0]], np.float32)), [0.5, 1.0])


def test_equal_rows_share_a_leaf():
    rows = np.array([[1, 2]] * 5 + [[3, 2]] * 2, np.float32)
    forest = forest_of(rows, n_trees=2)
    assert forest.leaves.tolist() == [2, 2]
    assert forest.counts.tolist() == [5, 2, 5, 2]
    assert forest.dimensions.tolist() == [0, 0]
    np.testing.assert_allclose(forest.scores(rows[:1]), 3 * (1 - 5 / 14) / (1 + np.log2(6)), rtol=1e-6)


def test_rows_that_are_all_equal_make_a_leaf():
    forest = forest_of(np.ones((8, 2), np.float32))
    assert (forest.leaves.tolist(), forest.counts.tolist()) == ([1, 1, 1], [8, 8, 8])
    np.testing.assert_allclose(forest.scores(np.array([[1, 2]], np.float32)), np.log2(9), rtol=1e-6)


def test_cuts_part_the_points_and_keep_to_dimensions_that_vary():
    draw = np.random.default_rng(1)
    rows = draw.integers(0, 6, size=(200, 3)).astype(np.float32)
    rows[:, 1] = 4
    forest = forest_of(rows, n_trees=1)
    distinct, counts = np.unique(rows, axis=0, return_counts=True)
    order = np.lexsort(forest.points.T[::-1])
    np.testing.assert_array_equal(forest.points[order], distinct)
    np.testing.assert_array_equal(forest.counts[order], counts)
    nodes = leaves_below(forest, 0, 0, len(forest.points))
    assert [node for node, _, _ in nodes] == list(range(len(distinct) - 1))
    for node, left, right in nodes:
        dimension, cut = forest.dimensions[node], forest.cuts[node]
        assert dimension != 1
        assert left[:, dimension].max() <= cut < right[:, dimension].min()


def test_neighbouring_numbers_are_parted():
    low = np.float32(1)
    high = np.nextafter(low, np.float32(2))
    forest = forest_of(np.array([[low], [high]]), n_trees=20)
    assert forest.leaves.tolist() == [2] * 20
    np.testing.assert_array_equal(forest.cuts, low)


def test_dimension_is_drawn_by_the_sides_and_the_place_uniformly():
    rows = np.array([[0, 0, 0], [1, 3, 6]], np.float32)
    forest = forest_of(rows, n_trees=4000)
    counts = np.bincount(forest.dimensions, minlength=3)
    assert stats.chisquare(counts, 4000 * np.array([0.1, 0.3, 0.6])).pvalue > 0.01
    places = forest.cuts / rows[1][forest.dimensions]
    assert stats.kstest(places, "uniform").pvalue > 0.01


def test_scores_of_numbers_that_float32_can_hardly_hold_are_those_of_smaller_ones():
    draw = np.random.default_rng(2)
    rows = draw.uniform(-1, 1, size=(64, 5)).astype(np.float32)
    asked = draw.uniform(-1.5, 1.5, size=(16, 5)).astype(np.float32)
    # a power of two, so that cuts fall between the same rows
    large = np.float32(2.0**127)
    asked[asked > 1] = 1.5
    small, huge = forest_of(rows), forest_of(rows * large)
    np.testing.assert_allclose(huge.scores(asked * large), small.scores(asked), rtol=1e-5)


def test_row_scores_alike_alone_among_others_and_with_threads():
    draw = np.random.default_rng(3)
    forest = forest_of(draw.normal(size=(100, 6)).astype(np.float32), n_trees=13)
    rows = draw.normal(size=(1501, 6)).astype(np.float32)
    before = {name: array.copy() for name, array in forest.arrays.items()}
    scores = forest.scores(rows)
    np.testing.assert_array_equal(scores, forest.scores(rows, threads=2))
    np.testing.assert_array_equal(scores[-20:], [forest.scores(row[None])[0] for row in rows[-20:]])
    np.testing.assert_array_equal(scores, forest.scores(np.asfortranarray(rows)))
    for name, array in forest.arrays.items():
        np.testing.assert_array_equal(array, before[name])


def test_no_rows_have_no_scores():
    assert forest_of(np.eye(2, dtype=np.float32)).scores(np.empty((0, 2), np.float32)).shape == (0,)


SOUND = forest_of(np.random.default_rng(4).normal(size=(6, 2)).astype(np.float32), n_trees=2)


def changed(name: str, index: int, value: float) -> Forest:
    array = getattr(SOUND, name).copy()
    array.reshape(-1)[index] = value
    return replace(SOUND, **{name: array})


@pytest.mark.parametrize(
    ("forest", "fault"),
    [
        (changed("left", 0, 0), "a forest is needed; got a node that leads out"),
        (changed("left", 0, 6), "a forest is needed; got a node that leads out"),
        (changed("left", 5, 2**32 - 1), "a forest is needed; got a node that leads out"),
        (changed("dimensions", 3, 2), "a forest is needed; got a dimension that is none"),
        (changed("leaves", 0, 0), "a forest is needed; got trees of other leaves"),
        (changed("leaves", 0, 11), "a forest is needed; got trees of other leaves"),
        (changed("leaves", 0, 12), "a forest is needed; got trees of other leaves"),
        (changed("leaves", 1, 7), "a forest is needed; got trees of other leaves"),
        (changed("leaves", 1, 5), "a forest is needed; got trees of other leaves"),
        (changed("leaves", 0, 2**32 - 1), "a forest is needed; got trees of other leaves"),
        (changed("counts", 11, 0), "a forest is needed; got a leaf of no rows"),
        (changed("cuts", 0, np.nan), 'finite numbers are needed in "cuts"; got others'),
        (changed("points", 3, np.inf), 'finite numbers are needed in "points"; got others'),
        (replace(SOUND, left=SOUND.left[:-1]), "a forest is needed; got arrays of other lengths or types"),
        (replace(SOUND, leaves=SOUND.leaves[:0]), "a forest is needed; got arrays of other lengths or types"),
        (replace(SOUND, points=SOUND.points[:, :0]), "a forest is needed; got arrays of other lengths or types"),
        (replace(SOUND, points=SOUND.points[0]), 'an array "points" of 2 axes of float32 is needed; got 1 of float32'),
        (
            replace(SOUND, left=SOUND.left.astype(np.int64)),
            'an array "left" of 1 axis of uint32 is needed; got 1 of int64',
        ),
    ],
)
def test_arrays_that_are_no_forest_are_refused(forest: Forest, fault: str):
    with pytest.raises(ModelDataError) as caught:
        Forest.of(forest.arrays, "model")
    assert str(caught.value) == f"model: {fault}"


def test_any_damage_is_refused_or_harmless():
    draw = np.random.default_rng(5)
    rows = draw.normal(size=(16, 2)).astype(np.float32)
    refused = 0
    for _ in range(2000):
        name = str(draw.choice(["left", "dimensions", "leaves", "counts"]))
        array = getattr(SOUND, name)
        value = int(draw.choice([draw.integers(0, 8), draw.integers(0, 2**32)]))
        try:
            forest = Forest.of(changed(name, int(draw.integers(len(array))), value).arrays, "model")
        except ModelDataError:
            refused += 1
        else:
            assert np.isfinite(forest.scores(rows)).all()
    assert refused > 1000


def test_array_that_is_not_there_is_named():
    arrays = SOUND.arrays
    del arrays["counts"]
    with pytest.raises(ModelDataError) as caught:
        Forest.of(arrays, "model")
    assert str(caught.value) == 'model: an array "counts" of 1 axis of uint32 is needed; got none'
