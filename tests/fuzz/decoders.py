"""Every decoder as a function of bytes that returns when these are read or refused, and raises when neither is so.

What may come out is rows or an error of the house (`UserError`, or the `ValueError` that a docstring promises). Where
a compiled core and a numpy or protobuf path read the same bytes, both must come to the same rows or the same sentence.
"""

from __future__ import annotations

import io
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sagecask_boosting.xgboost import integrity, legacy, loading, ubjson
from sagecask_boosting.xgboost.model import XGBoostModel

import sagecask.formats.recordio
from sagecask import artifact
from sagecask.channels.decoded import plain
from sagecask.channels.wrapped import wrapped
from sagecask.errors import UserError
from sagecask.formats import Batch, Codec, Layout, MediaType, ahead, codec_for, lines, negotiate, npy, parquet, spool
from sagecask.formats.csv import CsvCodec
from sagecask.formats.framing import records
from sagecask.formats.images import label_text, listed, packed, unpack
from sagecask.formats.libsvm import LibsvmCodec
from sagecask.formats.recordio import RecordioProtobufCodec
from sagecask.local.channel import LocalChannel
from sagecask.local.records import pieces
from sagecask.local.source import lines as manifest_lines
from sagecask.local.source import objects
from sagecask.serve.tensors import TensorCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

WHERE = 'channel "train", part-1'
# where a reader works in pieces: so small that their borders lie within these inputs
PIECES = [
    (lines, "BLOCK_BYTES", 32),
    (ahead, "PIECE_BYTES", 32),
    (sagecask.formats.recordio, "BATCH_RECORDS", 2),
    (sagecask.formats.recordio, "BATCH_BYTES", 64),
    (npy, "BATCH_CELLS", 4),
    (parquet, "BATCH_CELLS", 4),
    (parquet, "BATCH_RECORDS", 2),
    (spool, "_BLOCK_BYTES", 32),
]
# what a hostile file can say of its size in few bytes is not written out
MAX_SHOWN = 1 << 20


@contextmanager
def small_pieces() -> Iterator[None]:
    before = [getattr(module, name) for module, name, _ in PIECES]
    for module, name, size in PIECES:
        setattr(module, name, size)
    try:
        yield
    finally:
        for (module, name, _), size in zip(PIECES, before, strict=True):
            setattr(module, name, size)


def stream(data: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(data))


def told(error: Exception, start: str) -> str:
    """Return the sentence of an error, after a look that it is one."""
    # XGBoost shows in lines of its own where it stopped
    text = str(error).partition(": a model of XGBoost; got one of which it says: ")[0]
    assert text.startswith(start), text
    # the csv module's own words name a tab as it is
    assert text.replace("\t", "").isprintable(), text
    return text


def bits(values: np.ndarray) -> bytes:
    """Return the bytes of float32 numbers, any NaN as the same."""
    return np.where(np.isnan(values), np.float32(np.nan), values).astype(np.float32).tobytes()


def shown(batch: Batch) -> list[object]:
    """Return a batch as values that compare, after a look that it keeps what `Batch` promises."""
    features, n_rows = batch.features, len(batch)
    assert features.dtype == np.float32
    assert n_rows > 0
    for column in (batch.labels, batch.weights):
        assert column is None or (column.dtype == np.float32 and len(column) == n_rows)
    beside = [None if column is None else (column.shape, bits(column)) for column in (batch.labels, batch.weights)]
    if isinstance(features, np.ndarray):
        assert features.flags.c_contiguous
        assert features.nbytes < MAX_SHOWN
        return [n_rows, batch.width, bits(features), beside]
    assert features.indptr[-1] == len(features.indices) == len(features.data)
    assert features.has_sorted_indices
    assert not len(features.indices) or 0 <= features.indices.min() <= features.indices.max() < batch.width
    return [n_rows, batch.width, features.indptr.tolist(), features.indices.tolist(), bits(features.data), beside]


def read(codec: Codec, data: bytes, layout: Layout) -> list[object]:
    seen: list[object] = []
    try:
        for batch in codec.read(stream(data), layout, WHERE):
            assert layout.width is None or batch.width >= layout.width
            seen.append(shown(batch))
    except UserError as error:
        seen.append(told(error, WHERE))
    return seen


def decode(codec: Codec, data: bytes, layout: Layout) -> list[object]:
    try:
        return shown(codec.decode(data, layout))
    except UserError as error:
        return [told(error, "request body")]


def codec_of(*codecs: Codec, layouts: Iterable[Layout], requests: bool = True) -> Callable[[bytes], None]:
    """Return a function that reads bytes with codecs that must agree, as one piece, as many and as a request."""
    layouts = tuple(layouts)

    def run(data: bytes) -> None:
        for layout in layouts:
            ways = [read]
            if requests:
                ways.append(decode)
            for way in ways:
                first, *others = [way(codec, data, layout) for codec in codecs]
                assert all(other == first for other in others), (layout, first, others)
            with small_pieces():
                first, *others = [read(codec, data, layout) for codec in codecs]
            assert all(other == first for other in others), (layout, first, others)

    return run


def refusing(
    *kinds: type[Exception], start: str = ""
) -> Callable[[Callable[[bytes], object]], Callable[[bytes], None]]:
    """Return what makes a function of bytes one that may raise these errors."""

    def made(function: Callable[[bytes], object]) -> Callable[[bytes], None]:
        def run(data: bytes) -> None:
            try:
                function(data)
            except kinds as error:
                told(error, start)

        return run

    return made


def spooled(data: bytes) -> None:
    with spool.spooled(stream(data)) as files:
        assert b"".join(file.read() for file in files) == data


def piped_parquet(data: bytes) -> None:
    """Read as from a pipe, which cannot seek."""
    with small_pieces():
        for batch in codec_for(MediaType("parquet")).read(Pipe(data), Layout(label_size=1), WHERE):
            shown(batch)


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


def media_type(data: bytes) -> None:
    text = data.decode("latin-1")
    parsed = MediaType.parse(text)
    assert parsed.essence == parsed.essence.strip().lower()
    str(parsed)
    with suppress(UserError):
        Layout().under(parsed, WHERE)
    with suppress(UserError):
        codec_for(parsed)
    chosen = negotiate(text, ["application/json", "text/csv"], "text/csv")
    assert chosen is None or chosen.essence in {"application/json", "text/csv"}


def charsets(data: bytes) -> None:
    """Read text of a charset that the first line names."""
    name, _, text = data.partition(b"\n")
    charset = name.decode("latin-1")
    for codec in (CsvCodec(), LibsvmCodec(), codec_for(MediaType("application/jsonlines"))):
        with small_pieces():
            read(codec, text, Layout(charset=charset))
        decode(codec, text, Layout(charset=charset))


def tensors(data: bytes) -> None:
    shown(TensorCodec("model", data).decode(data, Layout()))


def objects_of(content_type: str) -> Callable[[bytes], None]:
    """Return a function that reads bytes as instances that are objects, as one piece and as many."""

    @refusing(UserError, start=WHERE)
    def read_all(data: bytes) -> None:
        for each in codec_for(MediaType(content_type)).read_records(stream(data), Layout(), WHERE):
            assert len(each.values) == len(each.places) > 0

    def run(data: bytes) -> None:
        read_all(data)
        with small_pieces():
            read_all(data)

    return run


def archive(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tar.gz")
        path.write_bytes(data)
        artifact.unpack(path, Path(folder, "model"))
        assert {each.name for each in Path(folder).iterdir()} <= {"model.tar.gz", "model"}


def manifest(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "manifest")
        path.write_bytes(data)
        with suppress(UserError):
            objects("train", LocalChannel(path, data_type="ManifestFile"))
        with suppress(UserError):
            manifest_lines("train", LocalChannel(path, attribute_names=("image-ref", "class")))


def transform(data: bytes) -> None:
    for split in ("None", "Line", "RecordIO"):
        for strategy in ("MULTI_RECORD", "SINGLE_RECORD"):
            with suppress(UserError):
                cut = list(pieces(io.BytesIO(data), split, strategy, 64))
                assert sum(piece.covered for piece in cut) == len(data)


def binary_model(data: bytes) -> None:
    """Read the binary format of old releases, as far as it is ours."""
    legacy.to_json(legacy.MAGIC + data.removeprefix(legacy.MAGIC), WHERE)


def model(data: bytes) -> None:
    """Load a model as a server does, and let it answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "xgboost-model")
        path.write_bytes(data)
        loaded = XGBoostModel([loading.read(path)])
    loaded.prepare()
    width = loaded.width
    if width < 1000:
        rows = np.linspace(-9, 9, 70 * width, dtype=np.float32).reshape(70, width)
        loaded.scores(Batch(rows))
        loaded.scores(Batch(rows[:1]))


TRAINING = [Layout(label_size=1), Layout(), Layout(label_size=2, weighted=True), Layout(label_size=1, width=2)]
DECODERS: dict[str, Callable[[bytes], None]] = {
    "csv": codec_of(
        CsvCodec(), CsvCodec(core=None), layouts=[*TRAINING, Layout(label_size=1, weighted=True, delimiter=None)]
    ),
    "libsvm": codec_of(LibsvmCodec(), LibsvmCodec(core=None), layouts=[Layout(label_size=1), Layout(width=3)]),
    "recordio": codec_of(
        RecordioProtobufCodec(), RecordioProtobufCodec(core=None), layouts=[Layout(label_size=1), Layout(width=2)]
    ),
    "jsonlines": codec_of(codec_for(MediaType("application/jsonlines")), layouts=[Layout(), Layout(width=2)]),
    "json": lambda data: [decode(codec_for(MediaType("application/json")), data, Layout(width=w)) for w in (None, 2)],
    "parquet": codec_of(codec_for(MediaType("parquet")), layouts=[Layout(label_size=1), Layout()], requests=False),
    "records-jsonlines": objects_of("application/jsonlines"),
    "records-parquet": objects_of("parquet"),
    "records-json": refusing(UserError, start="request body")(
        lambda data: codec_for(MediaType("application/json")).records(data, Layout())
    ),
    "records-tensors": refusing(UserError, start="request body")(
        lambda data: TensorCodec("model", data).records(data, Layout())
    ),
    "npy": codec_of(codec_for(MediaType("application/x-npy")), layouts=TRAINING, requests=False),
    "npz": codec_of(codec_for(MediaType("application/x-npz")), layouts=[Layout(), Layout(width=2)], requests=False),
    "frames": refusing(UserError, start=WHERE)(lambda data: list(records(stream(data), WHERE))),
    "wrapped": refusing(UserError, start=WHERE)(
        lambda data: [each.stream.read() for each in wrapped(stream(data), WHERE)]
    ),
    "gzip": refusing(UserError, start=WHERE)(lambda data: plain(stream(data), WHERE).read(1 << 20)),
    "images": refusing(UserError, start=WHERE)(lambda data: list(packed(stream(data), WHERE))),
    "image": refusing(UserError, start=WHERE)(lambda data: unpack(data, WHERE)),
    "image-list": refusing(UserError, start=WHERE)(lambda data: list(listed(stream(data), WHERE))),
    "label": refusing(UserError, start=WHERE)(lambda data: label_text(data, WHERE)),
    "parquet-pipe": refusing(UserError, start=WHERE)(piped_parquet),
    "spool": spooled,
    "media-type": media_type,
    "charset": charsets,
    "tensors": refusing(UserError, start="request body")(tensors),
    "archive": refusing(UserError)(archive),
    "manifest": manifest,
    "transform": transform,
    "ubjson": refusing(ValueError)(ubjson.parse),
    "ubjson-walk": refusing(ValueError)(integrity.check_whole),
    "binary-model": refusing(UserError, ValueError)(binary_model),
    "model": refusing(UserError)(model),
}
