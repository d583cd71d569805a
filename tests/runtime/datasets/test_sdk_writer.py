"""Agreement byte for byte with the writer of version 2 of the SageMaker Python SDK, read from its own package."""

import ast
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix

from sagecask.formats import Batch, Layout, concatenate
from sagecask.formats.recordio import RecordioProtobufCodec, write
from sagecask.formats.rows import to_csr

VERSION = "2.257.7"
FLOATS = st.floats(width=32)
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 40))


def wheel() -> Path:
    """Return the SDK's package without its dependencies, kept between runs outside the tree."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sagecask" / "sdk-wheel"
    found = cache / f"sagemaker-{VERSION}-py3-none-any.whl"
    if not found.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--dest", str(cache), f"sagemaker=={VERSION}"], check=True, timeout=200)
    return found


def schema(source: str) -> type:
    """Return the SDK's class Record; its generated code is of a protobuf of old, the schema inside is not."""
    literals = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    serialized = next(value for value in literals if isinstance(value, bytes) and b"aialgs.data" in value)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(descriptor_pb2.FileDescriptorProto.FromString(serialized))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("aialgs.data.Record"))


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    """The SDK's module with writer and reader, unchanged, above its own schema."""
    with zipfile.ZipFile(wheel()) as archive:
        writer, record = (archive.read(f"sagemaker/{name}.py").decode() for name in ("serializer_utils",
                                                                                    "amazon/record_pb2"))  # fmt: skip
    # what the module imports and does not need here would bring the whole SDK with it
    beside = {name: ModuleType(name) for name in ("sagemaker", "sagemaker.amazon", "sagemaker.amazon.record_pb2",
                                                  "sagemaker.utils")}  # fmt: skip
    beside["sagemaker.amazon.record_pb2"].Record = schema(record)
    beside["sagemaker.utils"].DeferredError = ImportError
    module = ModuleType("serializer_utils")
    with pytest.MonkeyPatch.context() as patch:
        for name, each in beside.items():
            patch.setitem(sys.modules, name, each)
        exec(compile(writer, "serializer_utils.py", "exec"), module.__dict__)
    return module


def written(write_rows, features, labels) -> bytes:
    stream = io.BytesIO()
    write_rows(stream, features, labels)
    return stream.getvalue()


def read(data: bytes) -> Batch:
    return concatenate(list(RecordioProtobufCodec().read(io.BytesIO(data), Layout(), "sdk")))


@given(features=arrays(np.float32, SHAPES, elements=FLOATS), labelled=st.booleans())
@settings(deadline=None)
def test_dense_rows_are_the_bytes_of_the_sdk(sdk, features, labelled):
    labels = features[:, 0].copy() if labelled else None
    assert write(Batch(features, labels)) == written(sdk.write_numpy_to_dense_tensor, features, labels)


@given(features=arrays(np.float32, SHAPES, elements=st.sampled_from([0, 0, 0, 1.5, -2])), labelled=st.booleans(),
       apart=st.sampled_from([1, 1000]))  # fmt: skip
@settings(deadline=None)
def test_sparse_rows_are_the_bytes_of_the_sdk(sdk, features, labelled, apart):
    labels = np.arange(len(features), dtype=np.float32) if labelled else None
    given_rows = csr_matrix(features)
    rows = to_csr(given_rows.data, given_rows.indices * apart, np.diff(given_rows.indptr), features.shape[1] * apart)
    assert write(Batch(rows, labels)) == written(sdk.write_spmatrix_to_sparse_tensor, rows, labels)


@given(
    table=arrays(
        st.sampled_from([np.float32, np.float64, np.int64]), SHAPES, elements=st.integers(-(2**20), 2**20)
    ),
    sparse=st.booleans(),
)  # fmt: skip
@settings(deadline=None)
def test_what_the_sdk_writes_of_any_type_is_read(sdk, table, sparse):
    write_rows = sdk.write_spmatrix_to_sparse_tensor if sparse else sdk.write_numpy_to_dense_tensor
    batch = read(written(write_rows, csr_matrix(table) if sparse else table, table[:, 0]))
    assert batch.sparse == sparse
    np.testing.assert_array_equal(batch.features.toarray() if sparse else batch.features, table)
    np.testing.assert_array_equal(batch.labels, table[:, 0])


def test_the_sdk_reads_what_is_written(sdk):
    rows = np.array([[1.5, 16], [-1, 0]], dtype=np.float32)
    data = write(Batch(rows, np.array([1, 0], dtype=np.float32)))
    records = sdk.read_records(io.BytesIO(data))
    assert [list(record.features["values"].float32_tensor.values) for record in records] == rows.tolist()
    assert [list(record.label["values"].float32_tensor.values) for record in records] == [[1], [0]]
