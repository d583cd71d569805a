import os
import threading
from pathlib import Path

import numpy as np
import pytest

from sagecask.channels import Channel, open_channel
from sagecask.channels.images import listed_images, manifest_images, packed_images
from sagecask.contract import ChannelConfig
from sagecask.errors import DataError
from sagecask.formats import MediaType
from sagecask.formats.framing import frame
from sagecask.formats.images import Image, pack

IMAGES = [Image(number, np.float32([number % 2]), b"\x89PNG" + bytes([number])) for number in range(5)]


def channel(folder: Path, mode: str = "File", wrapper: str | None = None) -> Channel:
    return open_channel(
        ChannelConfig(folder.name, mode, record_wrapper=wrapper), folder, MediaType.parse("application/x-recordio"), 20
    )


def feed(fifo: Path, data: bytes) -> threading.Thread:
    os.mkfifo(fifo)
    thread = threading.Thread(target=fifo.write_bytes, args=(data,))
    thread.start()
    return thread


def facts(groups: object) -> list[tuple[int, list[float], bytes]]:
    return [(image.number, image.labels.tolist(), image.content) for group in groups for image in group]


EXPECTED = facts([IMAGES])


def test_packed_files_are_read_and_their_index_is_not(tmp_path: Path):
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "a.rec").write_bytes(b"".join(frame(pack(image)) for image in IMAGES[:2]))
    (folder / "a.idx").write_text("0\t0\n1\t40\n")
    (folder / "b.rec").write_bytes(b"".join(frame(pack(image)) for image in IMAGES[2:]))
    assert facts(packed_images(channel(folder))) == EXPECTED


@pytest.mark.parametrize("wrapped", [False, True])
def test_packed_files_come_through_a_pipe(tmp_path: Path, wrapped: bool):
    data = b"".join(frame(pack(image)) for image in IMAGES)
    writer = feed(tmp_path / "train_0", frame(data) if wrapped else data)
    opened = channel(tmp_path / "train", "Pipe", "RecordIO" if wrapped else None)
    assert facts(packed_images(opened)) == EXPECTED
    writer.join()


def test_listed_files_are_read_in_the_order_of_the_list(tmp_path: Path):
    (tmp_path / "train" / "sub").mkdir(parents=True)
    (tmp_path / "train_lst").mkdir()
    for image in IMAGES:
        (tmp_path / "train" / "sub" / f"{image.number}.png").write_bytes(image.content)
    lines = [f"{image.number}\t{image.labels[0]:f}\tsub/{image.number}.png\n" for image in IMAGES]
    (tmp_path / "train_lst" / "train.lst").write_text("".join(lines))
    listing = channel(tmp_path / "train_lst")
    assert facts(listed_images(channel(tmp_path / "train"), listing)) == EXPECTED
    (tmp_path / "train" / "sub" / "3.png").unlink()
    with pytest.raises(DataError) as caught:
        list(listed_images(channel(tmp_path / "train"), listing))
    assert str(caught.value) == 'channel "train", sub/3.png: a regular file is needed; got something else'


def test_augmented_manifest_gives_image_and_label_in_turn(tmp_path: Path):
    records = [part for image in IMAGES for part in (image.content, str(int(image.labels[0])).encode())]
    writer = feed(tmp_path / "train_0", b"".join(map(frame, records)))
    assert facts(manifest_images(channel(tmp_path / "train", "Pipe", "RecordIO"))) == EXPECTED
    writer.join()


def test_augmented_manifest_without_the_last_label_is_refused(tmp_path: Path):
    writer = feed(tmp_path / "train_0", frame(b"image") + frame(b"0") + frame(b"image"))
    with pytest.raises(DataError) as caught:
        list(manifest_images(channel(tmp_path / "train", "Pipe", "RecordIO")))
    assert str(caught.value) == 'channel "train", line 2: 2 attributes are needed; got 1'
    writer.join()


def test_augmented_manifest_with_another_label_is_refused(tmp_path: Path):
    writer = feed(tmp_path / "train_0", frame(b"image") + frame(b"cat"))
    with pytest.raises(DataError) as caught:
        list(manifest_images(channel(tmp_path / "train", "Pipe", "RecordIO")))
    expected = 'channel "train", line 1: a number or a list of numbers as label is needed; got "cat"'
    assert str(caught.value) == expected
    writer.join()
