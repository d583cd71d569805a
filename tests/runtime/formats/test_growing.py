"""Arrays that grow, and batches joined in them."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sagecask.formats import Batch, Joined, concatenate, growing
from sagecask.formats.growing import Growing

ROWS = np.arange(60, dtype=np.float32).reshape(20, 3)


def grown(rows: np.ndarray, times: int) -> np.ndarray:
    array = Growing(rows.dtype, rows.shape[1:])
    for _ in range(times):
        array.append(rows)
    return array.array()


@pytest.mark.parametrize("first_bytes", [1, 240, 4096, 5000])
@pytest.mark.parametrize("times", [0, 1, 7, 500])
def test_what_was_appended_is_there(times: int, first_bytes: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(growing, "RESERVED_BYTES", first_bytes)
    for rows in (ROWS, ROWS[:, 0].copy(), ROWS[::2], ROWS[:0], ROWS[:, :0]):
        array = grown(rows, times)
        np.testing.assert_array_equal(array, np.tile(rows, (times, *[1] * (rows.ndim - 1))) if times else rows[:0])
        assert array.flags.c_contiguous
        assert array.flags.writeable


@pytest.mark.parametrize("first_bytes", [1, 240, 1 << 20])
def test_rows_that_stand_in_their_place_are_not_copied(first_bytes: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(growing, "RESERVED_BYTES", first_bytes)
    array = Growing(np.float32, (3,))
    for fill in range(50):
        place = array.lend(20)
        place[:] = fill
        # fewer than there was room for
        array.append(place[: fill % 20])
        del place
    expected = np.repeat(np.arange(50), np.arange(50) % 20)
    np.testing.assert_array_equal(array.array(), np.tile(expected[:, None], 3))


def test_a_lent_place_that_is_not_appended_is_the_next_ones():
    array = Growing(np.float32, (3,))
    array.lend(20)[:] = -1
    place = array.lend(20)
    place[:] = ROWS
    # begins where the place does, but is no run of rows
    array.append(place[::2])
    array.append(ROWS)
    np.testing.assert_array_equal(array.array(), np.vstack([ROWS[::2], ROWS]))


def test_what_is_lent_while_the_array_grows_is_still_right(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(growing, "RESERVED_BYTES", 240)
    array = Growing(np.float32, (3,))
    first = array.lend(20)
    first[:] = ROWS
    array.append(first)
    second = array.lend(20)
    second[:] = ROWS
    array.append(first)
    np.testing.assert_array_equal(array.array(), np.vstack([ROWS, ROWS]))


def test_systems_that_cannot_move_pages_get_a_copy():
    memory = growing._memory(100)
    memory[:3] = b"abc"
    assert growing._copied(memory, 300)[:] == b"abc" + bytes(297)


def test_rows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"^rows of shape \(2,\) are needed; got \(3,\)$"):
        Growing(np.float32, (2,)).append(ROWS)


def test_memory_is_not_asked_for_in_vain():
    program = """
import resource, numpy as np
from sagecask.formats.growing import Growing
resource.setrlimit(resource.RLIMIT_AS, (700 << 20, resource.RLIM_INFINITY))
rows, array = np.ones((1 << 18, 4), np.float32), Growing(np.float32, (4,))
for _ in range(60):
    array.append(rows)
print(array.array().shape)
more = Growing(np.float32, (4,))
try:
    for _ in range(1000):
        more.append(rows)
except MemoryError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    shape, message = done.stdout.splitlines()
    assert shape == f"({60 << 18}, 4)"
    assert message.endswith(" bytes for the rows read so far are needed; got less")


def test_joined_batches_take_little_more_than_their_rows():
    program = """
import resource, numpy as np
from sagecask.formats import Batch, concatenate
def batches():
    for number in range(100):
        yield Batch(np.full((1 << 17, 4), number, np.float32), np.full(1 << 17, number, np.float32))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
joined = concatenate(batches())
taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
rows = joined.features.nbytes + joined.labels.nbytes
assert joined.labels[:: 1 << 17].tolist() == list(range(100))
print(taken * 1024 / rows)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.2


def test_sparse_rows_are_joined_to_the_widest_and_stay_sorted():
    one = csr_matrix(np.array([[0, 1.5], [2, 0]], np.float32))
    other = csr_matrix(np.array([[0, 0, 3], [0, 0, 0]], np.float32))
    joined = concatenate(iter([Batch(one), Batch(other), Batch(one)])).features
    assert joined.shape == (6, 3)
    assert (joined.dtype, joined.indices.dtype, joined.indptr.dtype) == (np.float32, np.int32, np.int32)
    assert joined.toarray().tolist() == [[0, 1.5, 0], [2, 0, 0], [0, 0, 3], [0, 0, 0], [0, 1.5, 0], [2, 0, 0]]
    assert joined.has_canonical_format


def test_dense_among_sparse_batches_keeps_its_zeros():
    dense, sparse = Batch(np.array([[0, 1]], np.float32)), Batch(csr_matrix(np.array([[0, 5]], np.float32)))
    for batches in ([dense, dense, sparse], [sparse, dense, dense], [dense, sparse, dense]):
        joined = concatenate(batches).features
        assert joined.nnz == 5
        assert joined.toarray().tolist() == [each.features.reshape(1, 2).toarray()[0].tolist() if each.sparse
                                             else each.features[0].tolist() for each in batches]  # fmt: skip


def test_room_is_for_dense_rows_of_the_width_that_the_others_have():
    joined = Joined()
    assert not joined
    joined.room(5, 2)[:] = -1
    room = joined.room(20, 3)
    room[:] = ROWS
    joined.add(Batch(room[:15]))
    np.testing.assert_array_equal(joined.room(20, 2).shape, (20, 2))
    joined.add(Batch(ROWS[15:]))
    assert joined
    np.testing.assert_array_equal(joined.batch().features, ROWS)


def test_room_that_no_dense_batch_filled_leaves_no_trace():
    joined = Joined()
    joined.room(5, 9)[:] = -1
    joined.add(Batch(csr_matrix(ROWS)))
    assert joined.room(5, 9).shape == (5, 9)
    joined.add(Batch(ROWS))
    np.testing.assert_array_equal(joined.batch().features.toarray(), np.vstack([ROWS, ROWS]))


def test_labels_of_one_batch_alone_are_dropped():
    rows, labels = np.ones((2, 1), np.float32), np.ones(2, np.float32)
    with_labels, without = Batch(rows, labels, labels), Batch(rows, None, labels)
    for batches in ([with_labels, without, with_labels], [without, with_labels]):
        joined = concatenate(batches)
        assert joined.labels is None
        assert joined.weights is not None
        assert joined.weights.tolist() == [1.0] * len(joined)


def test_dense_batches_of_different_widths_are_refused():
    with pytest.raises(ValueError, match=r"^rows of shape \(3,\) are needed; got \(1,\)$"):
        concatenate([Batch(ROWS), Batch(ROWS[:, :1])])


def test_no_batch_is_refused():
    with pytest.raises(ValueError, match=r"^a batch at least is needed; got none$"):
        concatenate([])
