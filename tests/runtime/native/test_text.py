"""The core's CSV and libsvm against straightforward Python, and against bytes that are neither."""

import math
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

core = pytest.importorskip("sagecask.native._core", reason="the compiled core was not built")

END, FULL, CELL, SHORT, LONG = range(5)
FULL_CELLS = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.floats(-1e6, 1e6, width=32).map(repr),
    st.decimals(-1000, 1000, places=5).map(str),
    st.sampled_from(["nan", "inf", "-inf", "1e-3", " 7", "8 "]),
)
CELLS = st.one_of(FULL_CELLS, st.sampled_from(["", " "]))
TEXT = st.one_of(st.binary(max_size=200), st.text("0123456789.,:eE+-# \t\r\nnaif", max_size=200).map(str.encode))


def csv(text: bytes, n_lead: int, width: int, capacity: int = 50, delimiter: str = ","):
    lead, features = np.empty((capacity, n_lead), np.float32), np.empty((capacity, width), np.float32)
    rows, *stop = core.csv(text, ord(delimiter), lead, features)
    return np.hstack([lead[:rows], features[:rows]]), tuple(stop)


def libsvm(text: bytes, *, labelled: bool = True, capacity: int = 50, room: int = 500):
    # lines without labels leave theirs as they are
    labels, weights = np.full((2, capacity), np.nan, np.float32)
    data, indices, indptr = np.empty(room, np.float32), np.empty(room, np.int32), np.empty(capacity + 1, np.int64)
    rows, *stop = core.libsvm(text, labelled, labels, weights, (data, indices, indptr))
    entries = [
        list(zip(indices[start:end].tolist(), data[start:end].tolist(), strict=True))
        for start, end in pairwise(indptr[: rows + 1])
    ]
    return labels[:rows].tolist(), weights[:rows].tolist(), entries, tuple(stop)


@settings(deadline=None)
@given(
    st.integers(0, 9).flatmap(
        lambda others: st.lists(st.tuples(FULL_CELLS, *[CELLS] * others).map(list), min_size=1, max_size=20)
    ),
    st.integers(0, 3),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
    st.sampled_from(",;\t|"),
    st.booleans(),
)
def test_csv_rows_are_what_python_reads(rows, n_lead, newline, delimiter, final_newline):
    text = newline.join(delimiter.join(row) for row in rows) + newline * final_newline
    n_lead = min(n_lead, len(rows[0]))
    cells, stop = csv(text.encode(), n_lead, len(rows[0]) - n_lead, capacity=len(rows), delimiter=delimiter)
    expected = [[float(cell) if cell.strip() else math.nan for cell in row] for row in rows]
    np.testing.assert_array_equal(cells, np.array(expected, np.float32))
    assert stop == (len(text), 0, END)


def test_csv_takes_a_blank_as_delimiter():
    cells, stop = csv(b" 1 2\n3  -4\n", 0, 3, delimiter=" ")
    np.testing.assert_array_equal(cells, [[math.nan, 1, 2], [3, math.nan, -4]])
    assert stop == (11, 0, END)


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        (b"1,2,3\n4,x,6\n", (6, 1, CELL)),
        (b"1,2,3\n4,5,6x\n", (6, 2, CELL)),
        (b"1,2,3\n4,5\n", (6, 1, SHORT)),
        (b"1,2,3\n4,5", (6, 1, SHORT)),
        (b"1,2,3\n\n4,5,6,7\n", (7, 2, LONG)),
        (b"1,2,3\n4,5,6,\n", (6, 2, LONG)),
        (b"1,2,3\n4,5\r,6\n", (6, 1, CELL)),
        (b'1,2,3\n4,"5",6\n', (6, 1, CELL)),
        (b"1,2,3\n4,5,6\n7,8,9\n", (12, 0, FULL)),
    ],
)
def test_csv_stops_at_the_row_that_is_not_numbers(text: bytes, stop: tuple[int, int, int]):
    cells, got = csv(text, 1, 2, capacity=2)
    assert cells[0].tolist() == [1, 2, 3]
    assert got == stop


@settings(deadline=None)
@given(TEXT, st.integers(0, 4), st.integers(0, 4), st.integers(0, 6), st.sampled_from(", \t"))
def test_csv_of_arbitrary_bytes_gives_rows_or_a_place_to_stop(text, n_lead, width, capacity, delimiter):
    if n_lead + width == 0:
        with pytest.raises(ValueError, match="a column and an ASCII delimiter are needed"):
            csv(text, n_lead, width, capacity, delimiter)
        return
    cells, (offset, column, why) = csv(text, n_lead, width, capacity, delimiter)
    assert offset <= len(text)
    assert column < n_lead + width
    assert (why == END) == (offset == len(text))
    again, (end, _, _) = csv(text[:offset], n_lead, width, capacity, delimiter)
    np.testing.assert_array_equal(again, cells)
    assert end == offset


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            FULL_CELLS,
            st.none() | FULL_CELLS,
            st.lists(st.tuples(st.integers(0, 2**31 - 2), FULL_CELLS), max_size=10),
            st.sampled_from(["", " # 5:6", " "]),
        ),
        max_size=20,
    ),
    st.sampled_from(["\n", "\r\n", "\n# all comment\n \t\n"]),
)
def test_libsvm_rows_are_what_python_reads(rows, newline):
    lines = [
        " ".join(
            [
                label.strip() + (f":{weight.strip()}" if weight else ""),
                *(f"{at}:{value.strip()}" for at, value in pairs),
            ]
        )
        + end
        for label, weight, pairs, end in rows
    ]
    text = newline.join(lines).encode()
    labels, weights, entries, stop = libsvm(text)
    single = lambda text: float(np.float32(text))  # noqa: E731
    np.testing.assert_array_equal(labels, [single(label) for label, *_ in rows])
    np.testing.assert_array_equal(weights, [single(weight) if weight else 1 for _, weight, *_ in rows])
    expected = [[(at, single(value)) for at, value in pairs] for _, _, pairs, _ in rows]
    assert str(entries) == str(expected)
    everywhere = [[at for at, _ in pairs] for pairs in expected]
    rising = all(at == sorted(set(at)) for at in everywhere)
    assert stop == (len(text), 0, END, max(chain(*everywhere), default=-1), sum(bool(row[1]) for row in rows), rising)


def test_libsvm_without_labels_passes_numbers_over():
    _, _, entries, stop = libsvm(b"1 0:2.5 7:1\n3:4 9\n\n5\n", labelled=False)
    assert entries == [[(0, 2.5), (7, 1)], [(3, 4)], []]
    assert stop == (21, 0, END, 7, 0, True)


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        (b"1 1:2\n0 x:1\n", (6, 1, CELL)),
        (b"1 1:2\n0 1:2 3:\n", (6, 2, CELL)),
        (b"1 1:2\n0 2147483647:1\n", (6, 1, CELL)),
        (b"1 1:2\n0 -1:1\n", (6, 1, CELL)),
        (b"1 1:2\n0 1:2:3\n", (6, 1, CELL)),
        (b"1 1:2\nqid:7 1:2\n", (6, 1, CELL)),
        (b"1 1:2\n0 1:2\r1:3\n", (6, 2, CELL)),
        (b"1 1:2\n0 1:2 3:4\n", (6, 2, FULL)),
        (b"1 1:2\n0 1:2\n1 3:4\n", (12, 0, FULL)),
    ],
)
def test_libsvm_stops_at_the_line_that_is_not_pairs(text: bytes, stop: tuple[int, int, int]):
    labels, _, entries, got = libsvm(text, capacity=2, room=2 + (stop[2] == CELL))
    assert (labels[0], entries[0], got[:3]) == (1, [(1, 2)], stop)


@settings(deadline=None)
@given(TEXT, st.booleans(), st.integers(0, 6), st.integers(0, 9))
def test_libsvm_of_arbitrary_bytes_gives_rows_or_a_place_to_stop(text, labelled, capacity, room):
    labels, weights, entries, (offset, _, why, *_) = libsvm(text, labelled=labelled, capacity=capacity, room=room)
    assert (why == END) == (offset == len(text))
    again = libsvm(text[:offset], labelled=labelled, capacity=capacity, room=room)
    assert str(again[:3]) == str((labels, weights, entries))
    assert again[3][0] == offset


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 200))
def test_lines_and_entries_are_counted(text: bytes, times: int):
    text *= times
    assert core.count_lines(text) == text.count(b"\n") + (text[-1:] not in {b"", b"\n"})
    assert core.count_entries(text) == text.count(b":")


def test_arrays_of_another_form_are_refused():
    good = np.empty((2, 2), np.float32)
    for bad in (good[0], good.astype(np.float64), [[1.0]], b"1234"):
        with pytest.raises((TypeError, BufferError)):
            core.csv(b"1,2", ord(","), bad, good)
    with pytest.raises(ValueError, match="not C-contiguous"):
        core.csv(b"1,2", ord(","), good.T, good)
    good.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        core.csv(b"1,2", ord(","), np.empty((2, 0), np.float32), good)
    with pytest.raises(ValueError, match="indptr of an item more than there are rows is needed; got none"):
        core.libsvm(b"", False, *np.empty((2, 0), "f4"), (np.empty(1, "f4"), np.empty(1, "i4"), np.empty(0, "i8")))
