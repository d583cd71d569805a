"""The core's recordIO-protobuf against the protobuf package, and against bytes that are none."""

import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagecask.formats.framing import frame
from sagecask.formats.record_pb2 import Record, Value

core = pytest.importorskip("sagecask.native._core", reason="the compiled core was not built")

KINDS = {"float32_tensor": "f", "float64_tensor": "d", "int32_tensor": "i"}
DENSE = bytes.fromhex(  # [1.5, 16.0] with label 1.0, the vector of the public format description
    "0a23d7ce2c0000000a160a0676616c756573120c120a0a080000c03f0000804112120a0676616c756573120812060a040000803f"
)
SPARSE = bytes.fromhex("0a1f0a0676616c756573121512130a080000803f00008040120303ac021a02d00f")


def varint(number: int) -> bytes:
    head = b""
    while number > 0x7F:
        head += bytes([number & 0x7F | 0x80])
        number >>= 7
    return head + bytes([number])


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def tensor(kind: str, values: list, keys: list[int] | None = None, shape: int | None = None) -> Value:
    value = Value()
    chosen = getattr(value, kind)
    chosen.SetInParent()
    chosen.values.extend(values)
    chosen.keys.extend(keys or [])
    if shape is not None:
        chosen.shape.append(shape)
    return value


def record(features: Value, label: Value | None = None, uid: str = "") -> bytes:
    message = Record()
    message.features["values"].CopyFrom(features)
    if label is not None:
        message.label["values"].CopyFrom(label)
    if uid:
        message.uid = uid
    return frame(message.SerializeToString())


def dense(buffer: bytes, width: int, n_labels: int, capacity: int = 50):
    features, labels = np.empty((capacity, width), np.float32), np.empty((capacity, n_labels), np.float32)
    rows, offset = core.dense(buffer, features, labels)
    return features[:rows], labels[:rows], offset


def sparse(buffer: bytes, width: int, n_labels: int):
    rows, entries, offset = core.sparse_count(buffer, width, n_labels)
    labels = np.empty((rows, n_labels), np.float32)
    csr = np.empty(entries, np.float32), np.empty(entries, np.int32), np.empty(rows + 1, np.int64)
    copied, end, rising = core.sparse(buffer, width, labels, csr)
    assert copied <= rows
    assert end <= offset
    ends = csr[2][: copied + 1].tolist()
    pairs = [list(zip(csr[1][a:b].tolist(), csr[0][a:b].tolist(), strict=True)) for a, b in pairwise(ends)]
    return pairs, labels[:copied].tolist(), end, rising


def numbers(kind: str) -> st.SearchStrategy:
    if kind == "int32_tensor":
        return st.one_of(st.integers(0, 127), st.integers(-(2**31), 2**31 - 1))
    return st.floats(width=32, allow_nan=False)


def tensors(count: int) -> st.SearchStrategy[Value]:
    return st.sampled_from(sorted(KINDS)).flatmap(
        lambda kind: st.lists(numbers(kind), min_size=count, max_size=count).map(lambda values: tensor(kind, values))
    )


def values_of(value: Value) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.array(getattr(value, value.WhichOneof("value")).values).astype(np.float32)


def test_vector_of_the_format_description_is_read():
    assert core.record(DENSE) == (2, False, None, 1)
    features, labels, offset = dense(DENSE * 3, 2, 1)
    assert (features.tolist(), labels.tolist(), offset) == ([[1.5, 16.0]] * 3, [[1.0]] * 3, 3 * len(DENSE))
    assert core.record(frame(SPARSE)) == (2, True, 2000, 0)
    assert sparse(frame(SPARSE) * 2, 2000, 0) == ([[(3, 1.0), (300, 4.0)]] * 2, [[], []], 2 * len(frame(SPARSE)), True)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 40), st.integers(0, 3), st.data())
def test_dense_records_are_what_protobuf_reads(width: int, n_labels: int, data: st.DataObject):
    one = st.tuples(
        tensors(width), tensors(n_labels) if n_labels else st.none(), st.sampled_from(["", "", "", "a", "bc"])
    )
    rows = data.draw(st.lists(one, min_size=1, max_size=20))
    buffer = b"".join(record(*row) for row in rows)
    features, labels, offset = dense(buffer, width, n_labels)
    assert offset == len(buffer)
    np.testing.assert_array_equal(features, [values_of(row[0]) for row in rows])
    if n_labels:
        np.testing.assert_array_equal(labels, [values_of(row[1]) for row in rows])


def test_unpacked_split_and_reordered_fields_are_read():
    packed = field(1, struct.pack("<2f", 1, 2))
    unpacked = b"".join(varint(1 << 3 | 5) + struct.pack("<f", value) for value in (1, 2))
    split = field(1, struct.pack("<f", 1)) + varint(1 << 3 | 5) + struct.pack("<f", 2)
    unknown = (
        varint(12 << 3)
        + varint(2**63)
        + varint(13 << 3 | 1)
        + bytes(8)
        + varint(14 << 3 | 5)
        + bytes(4)
        + field(15, b"x")
    )
    forms = [packed, unpacked, split, unknown + packed + unknown]
    for form in forms:
        for entry in (field(1, b"values") + field(2, field(2, form)), field(2, field(2, form)) + field(1, b"values")):
            for payload in (
                field(1, entry),
                unknown + field(1, entry) + field(3, b"id"),
                field(4, b"{}") + field(1, entry),
            ):
                Record.FromString(payload)
                features, _, offset = dense(frame(payload) * 3, 2, 0)
                assert (features.tolist(), offset) == ([[1, 2]] * 3, 3 * len(frame(payload)))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_records_of_one_layout_and_of_another_follow_each_other(kind: str):
    one, other = (
        record(tensor(kind, [1, 2, 3]), tensor(kind, [1])),
        record(tensor(kind, [4, 5, 6]), tensor(kind, [0]), uid="x"),
    )
    features, labels, offset = dense((one * 3 + other * 2) * 2, 3, 1)
    assert offset == 2 * (3 * len(one) + 2 * len(other))
    assert features.tolist() == ([[1, 2, 3]] * 3 + [[4, 5, 6]] * 2) * 2
    assert labels[:, 0].tolist() == ([1] * 3 + [0] * 2) * 2


def test_one_byte_integers_in_the_room_of_longer_ones_are_noticed():
    # two varints in two bytes, then one varint in the same two bytes
    one, other = record(tensor("int32_tensor", [1, 2])), record(tensor("int32_tensor", [300]))
    assert len(one) == len(other)
    features, _, offset = dense(one * 2 + other, 2, 0)
    assert (features.tolist(), offset) == ([[1, 2]] * 2, 2 * len(one))


@pytest.mark.parametrize(
    "odd",
    [
        record(tensor("float32_tensor", [1.0, 2.0, 3.0]), tensor("float32_tensor", [1.0])),
        record(tensor("float32_tensor", [1.0, 2.0])),
        record(tensor("float32_tensor", [1.0, 2.0]), tensor("float32_tensor", [1.0, 2.0])),
        record(tensor("float32_tensor", [1.0, 2.0], keys=[0, 1], shape=2), tensor("float32_tensor", [1.0])),
        record(tensor("float32_tensor", [1.0, 2.0], shape=3), tensor("float32_tensor", [1.0])),
        frame(b""),
        frame(field(1, field(1, b"other!") + field(2, field(2, b"")))),
        frame(field(1, field(1, b"values") + field(2, field(9, b"")))),
        frame(field(1, field(1, b"values"))),
        b"\x0a\x23\xd7\xce" + struct.pack("<I", len(DENSE) - 8 | 1 << 29) + DENSE[8:],
        b"\x0a\x23\xd7\xcf" + DENSE[4:],
        DENSE[:-1],
        DENSE[:7],
        b"\x0a\x23\xd7\xce\xff\xff\xff\x1f",
    ],
    ids=range(14),
)
def test_record_that_is_no_such_row_stops_the_reader(odd: bytes):
    features, _, offset = dense(DENSE * 2 + odd, 2, 1)
    assert (len(features), offset) == (2, 2 * len(DENSE))


def test_matrix_that_is_full_stops_the_reader():
    features, _, offset = dense(DENSE * 5, 2, 1, capacity=3)
    assert (len(features), offset) == (3, 3 * len(DENSE))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 2**31 - 1), st.integers(0, 2), st.data())
def test_sparse_records_are_what_protobuf_reads(width: int, n_labels: int, data: st.DataObject):
    row = st.lists(st.integers(0, min(width, data.draw(st.sampled_from([100, 10**4, 2**31]))) - 1), max_size=30)
    rows = data.draw(st.lists(row, min_size=1, max_size=10))
    label = tensor("float64_tensor", [0.5] * n_labels) if n_labels else None
    buffer = b"".join(
        record(tensor("float32_tensor", [float(np.float32(key)) for key in keys], keys, width), label) for keys in rows
    )
    pairs, labels, offset, rising = sparse(buffer, width, n_labels)
    assert offset == len(buffer)
    assert pairs == [[(key, float(np.float32(key))) for key in keys] for keys in rows]
    assert labels == [[0.5] * n_labels] * len(rows)
    assert rising == all(keys == sorted(set(keys)) for keys in rows)


@pytest.mark.parametrize(
    "odd",
    [
        tensor("float32_tensor", [1.0], keys=[5], shape=6),
        tensor("float32_tensor", [1.0], keys=[7], shape=7),
        tensor("float32_tensor", [1.0, 2.0], keys=[1], shape=7),
        tensor("float32_tensor", [1.0], keys=[1, 2], shape=7),
        tensor("float32_tensor", [1.0], keys=[2**64 - 1], shape=7),
        tensor("float32_tensor", [1.0], shape=7),
        tensor("float32_tensor", [], keys=[1], shape=7),
        tensor("float32_tensor", [1.0]),
    ],
    ids=range(8),
)
def test_record_that_is_no_such_sparse_row_stops_the_reader(odd: Value):
    good = record(tensor("float32_tensor", [1.0], keys=[5], shape=7))
    pairs, _, offset, _ = sparse(good * 2 + record(odd), 7, 0)
    assert (pairs, offset) == ([[(5, 1.0)]] * 2, 2 * len(good))


def test_frames_are_counted_up_to_a_limit():
    size, (cut, enough, odd) = len(DENSE), range(3)
    assert core.frames(DENSE * 5, 3, 10**9) == (3, 3 * size, enough)
    assert core.frames(DENSE * 5, 10, 45) == (2, 2 * size, enough)
    assert core.frames(DENSE * 5, 10, 10**9) == (5, 5 * size, cut)
    assert core.frames(DENSE * 5 + DENSE[:20], 10, 10**9) == (5, 5 * size, cut)
    assert core.frames(DENSE * 2 + b"12345678", 10, 10**9) == (2, 2 * size, odd)
    assert core.frames(b"", 10, 10) == (0, 0, cut)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_records_are_read_as_protobuf_reads_them_or_left(data: st.DataObject):
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    keys = data.draw(st.sampled_from([None, [3, 4]]))
    good = record(tensor(kind, [1, 2], keys, keys and 7), tensor(kind, [1]))
    payload = bytearray(good[8:])
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(payload) - 1), st.integers(0, 255)), max_size=3)):
        payload[at] = byte
    buffer = good + frame(bytes(payload)) + good
    known = core.record(frame(bytes(payload)))
    for _, _, offset, *_ in (dense(buffer, 2, 1), sparse(buffer, 7, 1)[1:]):
        assert offset <= len(buffer)
    if known is None:
        return
    parsed = Record.FromString(bytes(payload))
    value = parsed.features["values"]
    expected = getattr(value, value.WhichOneof("value"))
    shape = expected.shape[0] if len(expected.shape) == 1 else None
    assert known[:3] == (len(expected.values), bool(expected.keys), shape)
    if known[:2] == (2, False) and known[3] == 1 and shape in {None, 2}:
        features, labels, _ = dense(frame(bytes(payload)), 2, 1)
        if len(features):
            np.testing.assert_array_equal(features[0], values_of(value))
            np.testing.assert_array_equal(labels[0], values_of(parsed.label["values"]))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_give_no_record_or_one_that_protobuf_reads(payload: bytes):
    if core.record(frame(payload)) is not None:
        Record.FromString(payload)
    core.record(payload)
    core.frames(payload, 100, 100)
    dense(payload, 1, 0)
    sparse(payload, 1, 0)
