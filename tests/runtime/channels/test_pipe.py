import io
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sagecask.channels import Channel, open_channel
from sagecask.contract import ChannelConfig
from sagecask.errors import DataError, PlatformError, SagecaskError, TrainingStopped, UserError
from sagecask.formats import Batch, Layout, MediaType, recordio
from sagecask.formats.framing import MAGIC, frame

TRAINING = Layout(label_size=1)
ROWS = Batch(np.arange(6, dtype=np.float32).reshape(3, 2), np.array([1, 2, 3], dtype=np.float32))
Feed = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def feed(data: Path) -> Iterator[Feed]:
    """Starts a process that writes objects into the FIFO of an epoch, one after the other, as the platform does."""
    writers: list[subprocess.Popen[bytes]] = []

    def start(*objects: bytes, epoch: int = 0, after: str = "", name: str = "train") -> subprocess.Popen[bytes]:
        fifo = data / f"{name}_{epoch}"
        os.mkfifo(fifo)
        sources = []
        for number, content in enumerate(objects):
            source = data.parent / f"object-{name}-{epoch}-{number}"
            source.write_bytes(content)
            sources.append(str(source))
        command = ["sh", "-c", f'exec > "$0"; cat "$@"{after}', str(fifo), *(sources or ["/dev/null"])]
        writers.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        return writers[-1]

    yield start
    for writer in writers:
        writer.kill()
        writer.wait(10)


def pipe(
    data: Path, content_type: str = "text/csv", wrapper: str | None = None, timeout: float = 20, name: str = "train"
) -> Channel:
    config = ChannelConfig(name, "Pipe", record_wrapper=wrapper)
    return open_channel(config, data / name, MediaType.parse(content_type), timeout)


def fault(channel: Channel, kind: type[SagecaskError] = DataError) -> str:
    with pytest.raises(kind) as caught:
        channel.read(TRAINING)
    return str(caught.value)


def labels(channel: Channel) -> list[float]:
    return channel.read(TRAINING).labels.tolist()


def test_objects_follow_one_another_without_a_border(data: Path, feed: Feed):
    feed(b"1,2\n", b"3,4\n")
    batch = pipe(data).read(TRAINING)
    assert (batch.labels.tolist(), batch.features.tolist()) == ([1, 3], [[2], [4]])


def test_each_epoch_is_the_next_fifo(data: Path, feed: Feed):
    feed(b"1,2\n")
    feed(b"3,4\n", epoch=1)
    channel = pipe(data)
    assert [labels(channel), labels(channel)] == [[1], [3]]


def test_epoch_closed_early_ends_the_writer_and_the_next_one_is_whole(data: Path, feed: Feed):
    content = b"1,2\n" * 8_000_000
    writer = feed(content)
    feed(b"3,4\n", epoch=1)
    channel = pipe(data)
    batches = channel.batches(TRAINING)
    assert next(batches).labels[0] == 1
    batches.close()
    # 141: cat ended by SIGPIPE, as a shell counts it
    assert writer.wait(20) in {141, -13, 1}
    assert labels(channel) == [3]


def test_fifo_that_comes_late_is_waited_for(data: Path, feed: Feed):
    timer = threading.Timer(0.3, feed, [b"1,2\n"])
    timer.start()
    assert labels(pipe(data)) == [1]
    timer.join()


def test_writer_that_opens_late_is_waited_for(data: Path):
    os.mkfifo(data / "train_0")
    with subprocess.Popen(["sh", "-c", 'sleep 0.3; echo 1,2 > "$0"', str(data / "train_0")]):
        assert labels(pipe(data)) == [1]


def test_bytes_that_come_one_by_one_are_put_together(data: Path):
    os.mkfifo(data / "train_0")
    script = 'exec > "$0"; for each in 1 , 2 "\\n" 3 , 4 "\\n"; do printf "$each"; sleep 0.02; done'
    with subprocess.Popen(["sh", "-c", script, str(data / "train_0")]):
        assert labels(pipe(data)) == [1, 3]


def test_channels_are_read_at_once_from_several_threads(data: Path, feed: Feed):
    for name in ("train", "validation"):
        feed(f"{len(name)},2\n".encode() * 100_000, name=name)
    one, other = pipe(data).batches(TRAINING), pipe(data, name="validation").batches(TRAINING)
    for first, second in zip(one, other, strict=True):
        assert (set(first.labels.tolist()), set(second.labels.tolist())) == ({5}, {10})


def test_manifest_beside_the_fifos_is_no_channel(data: Path, feed: Feed):
    (data / "train-manifest").write_text("[]")
    feed(b"1,2\n")
    assert labels(pipe(data)) == [1]


def test_fifo_without_a_byte_is_an_empty_epoch(data: Path, feed: Feed):
    feed()
    channel = pipe(data)
    assert list(channel.batches(TRAINING)) == []


@pytest.mark.parametrize("content_type", ["application/x-parquet", "application/x-recordio-protobuf", "text/libsvm"])
def test_fifo_without_a_byte_is_an_empty_epoch_in_every_format(data: Path, feed: Feed, content_type: str):
    feed()
    assert fault(pipe(data, content_type)) == 'channel "train": at least one row is needed; got none'


def test_wrapped_objects_are_streams_of_their_own(data: Path, feed: Feed):
    feed(frame(b"1,2\n3,4"), frame(b""), frame(b"5,6"))
    assert labels(pipe(data, wrapper="RecordIO")) == [1, 3, 5]


def test_objects_without_a_last_newline_need_the_wrapper(data: Path, feed: Feed):
    feed(b"1,2\n3,4", b"5,6")
    expected = 'channel "train", train_0, line 2: 3 columns, expected 2 (1 label, 1 feature)'
    assert fault(pipe(data)) == expected


def test_wrapped_object_in_parts_is_joined_with_its_magic(data: Path, feed: Feed):
    payload = recordio.write(ROWS)
    head, tail = payload[:0], payload[4:]
    first = MAGIC + (1 << 29 | len(head)).to_bytes(4, "little") + head
    last = MAGIC + (3 << 29 | len(tail)).to_bytes(4, "little") + tail
    feed(first + last, frame(payload))
    channel = pipe(data, "application/x-recordio-protobuf", "RecordIO")
    assert labels(channel) == [1, 2, 3, 1, 2, 3]


def parquet(*rows: tuple[float, ...]) -> bytes:
    stream = io.BytesIO()
    columns = {str(place): list(column) for place, column in enumerate(zip(*rows, strict=True))}
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


@pytest.mark.parametrize("wrapped", [False, True])
def test_parquet_files_are_told_apart_by_their_own_borders(data: Path, feed: Feed, wrapped: bool):
    # the magic also occurs within a file, here as two numbers that look like it
    files = [parquet((1.0, 2.0)), parquet((3.0, 4.0), (5.0, 6.0)), parquet((np.frombuffer(b"PAR1PAR1", "f8")[0], 7.0))]
    feed(*map(frame, files) if wrapped else files)
    read = labels(pipe(data, "application/x-parquet", "RecordIO" if wrapped else None))
    assert (read[:3], len(read)) == ([1, 3, 5], 4)


def test_parquet_file_that_is_cut_off_is_refused(data: Path, feed: Feed):
    feed(parquet((1.0, 2.0)), parquet((1.0, 2.0))[:-6])
    assert fault(pipe(data, "application/x-parquet")).startswith(
        'channel "train", train_0: a Parquet file is needed; got '
    )


def test_fault_in_a_wrapped_object_names_it(data: Path, feed: Feed):
    feed(frame(b"1,2\n"), frame(b"1,2\n3,x\n"))
    expected = 'channel "train", train_0, object 2, line 2, column 2: a number is needed; got "x"'
    assert fault(pipe(data, wrapper="RecordIO")) == expected


def test_wrapped_object_that_is_cut_off_is_named(data: Path, feed: Feed):
    feed(frame(b"1,2\n3,4\n")[:-3])
    expected = 'channel "train", train_0, object 1: 8 bytes of payload and padding are needed; got 5 until the end'
    assert fault(pipe(data, wrapper="RecordIO")) == expected


def test_unwrapped_bytes_where_records_are_due_are_refused(data: Path, feed: Feed):
    feed(b"1,2\n3,4\n")
    expected = 'channel "train", train_0, object 1: the RecordIO magic 0a23d7ce is needed; got 312c320a'
    assert fault(pipe(data, wrapper="RecordIO")) == expected


def test_unknown_wrapper_is_refused(data: Path):
    with pytest.raises(UserError) as caught:
        pipe(data, wrapper="TFRecord")
    assert str(caught.value) == 'channel "train": RecordWrapperType None or RecordIO is needed; got "TFRecord"'


def test_writer_that_dies_within_a_record_is_named(data: Path, feed: Feed):
    writer = feed(recordio.write(ROWS)[:-5], after='; kill -9 "$$"')
    expected = 'channel "train", train_0, record 3: 44 bytes of payload and padding are needed; got 39 until the end'
    assert fault(pipe(data, "application/x-recordio-protobuf")) == expected
    assert writer.wait(10) == -9


def test_missing_fifo_fails_in_time(data: Path):
    expected = f'channel "train", train_0: a FIFO {data / "train_0"} is needed within 0.2 seconds; got none'
    assert fault(pipe(data, timeout=0.2), PlatformError) == expected


@pytest.mark.parametrize("kind", ["a folder", "a regular file"])
def test_other_things_than_a_fifo_are_refused_at_once(data: Path, kind: str):
    place = data / "train_0"
    place.mkdir() if kind == "a folder" else place.touch()
    expected = f'channel "train", train_0: a FIFO {place} is needed; got {kind}'
    assert fault(pipe(data), PlatformError) == expected


def test_writer_that_never_opens_fails_in_time(data: Path):
    os.mkfifo(data / "train_0")
    expected = 'channel "train", train_0: a writer that opens the FIFO is needed within 0.2 seconds; got none'
    assert fault(pipe(data, timeout=0.2), PlatformError) == expected


def test_writer_that_writes_no_more_fails_in_time(data: Path, feed: Feed):
    feed(b"1,2\n", after="; sleep 60")
    expected = 'channel "train", train_0: more than 4 bytes or their end are needed within 1 seconds; got none'
    assert fault(pipe(data, timeout=1), PlatformError) == expected


def test_wait_ends_when_the_job_is_to_stop(data: Path):
    started = time.monotonic()
    config = ChannelConfig("train", "Pipe")
    channel = open_channel(config, data / "train", MediaType.parse("text/csv"), 60, lambda: True)
    with pytest.raises(TrainingStopped):
        channel.read(TRAINING)
    assert time.monotonic() - started < 10


def test_epoch_closed_while_nothing_comes_ends_the_wait(data: Path, feed: Feed):
    feed(b"1,2\n" * 3_000_000, after="; sleep 60")
    batches = pipe(data, timeout=60).batches(TRAINING)
    next(batches)
    started = time.monotonic()
    batches.close()
    assert time.monotonic() - started < 10


def test_file_of_a_pipe_cannot_be_opened_by_name(data: Path):
    with pytest.raises(DataError) as caught:
        pipe(data).open("a.jpg")
    assert str(caught.value) == 'channel "train": input mode File or FastFile is needed to read "a.jpg"; got Pipe'


def test_object_left_unread_ends_the_wait_for_its_bytes(data: Path, feed: Feed):
    feed(b"1,2\n", after="; sleep 60")
    objects = pipe(data, timeout=60).objects()
    next(objects)
    started = time.monotonic()
    objects.close()
    assert time.monotonic() - started < 10
