from pathlib import Path

import numpy as np
import pytest

from sagecask.channels import Channel, FileRules, open_channel, shard
from sagecask.contract import ChannelConfig
from sagecask.errors import DataError
from sagecask.formats import Layout, MediaType

TRAINING = Layout(label_size=1)


def channel(folder: Path, content_type: str = "text/csv", distribution: str = "FullyReplicated") -> Channel:
    return open_channel(ChannelConfig("train", distribution=distribution), folder, MediaType.parse(content_type))


def write(folder: Path, *files: int) -> Path:
    """Write files of so many rows, labelled 0, 1, 2 and so on over all of them."""
    label = 0
    for number, rows in enumerate(files):
        lines = [f"{label + row} 0:1 3:{label + row}\n" for row in range(rows)]
        (folder / f"{number}").write_text("".join(lines))
        label += rows
    return folder


@pytest.mark.parametrize("size", [2, 3, 5])
def test_hosts_have_different_rows_that_together_are_all(tmp_path: Path, size: int):
    folder = write(tmp_path, 4, 1, 7, 0, 3)
    shares = []
    for rank in range(size):
        batch = shard(channel(folder, "text/libsvm"), rank, size).read(TRAINING)
        assert batch.features[:, 3].toarray().ravel().tolist() == batch.labels.tolist()
        shares.append(batch.labels.tolist())
    assert [row for share in shares for row in share] != list(range(15))
    assert sorted(row for share in shares for row in share) == list(range(15))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_epochs_of_a_host_are_the_same(tmp_path: Path):
    share = shard(channel(write(tmp_path, 5, 6), "text/libsvm"), 1, 2)
    assert share.read(TRAINING).labels.tolist() == share.read(TRAINING).labels.tolist() == [1, 3, 5, 7, 9]


def test_dense_rows_and_weights_are_shared_together(tmp_path: Path):
    (tmp_path / "a.csv").write_text("".join(f"{row},{row / 10},{row * 2}\n" for row in range(5)))
    batch = shard(channel(tmp_path), 1, 2).read(Layout(label_size=1, weighted=True))
    assert (batch.labels.tolist(), batch.features.tolist()) == ([1, 3], [[2], [6]])
    assert batch.weights.tolist() == np.float32([0.1, 0.3]).tolist()
    assert batch.features.flags.c_contiguous


def test_host_without_a_row_sees_none(tmp_path: Path):
    share = shard(channel(write(tmp_path, 1), "text/libsvm"), 1, 2)
    assert list(share.batches(TRAINING)) == []


def test_channel_that_the_platform_has_sharded_is_left_alone(tmp_path: Path):
    opened = channel(write(tmp_path, 4), "text/libsvm", "ShardedByS3Key")
    assert shard(opened, 1, 2) is opened
    assert len(shard(opened, 1, 2).read(TRAINING)) == 4


def test_empty_shard_of_the_platform_yields_nothing(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "not-even-a-folder"):
        assert list(channel(folder, distribution="ShardedByS3Key").batches(TRAINING)) == []
    with pytest.raises(DataError) as caught:
        channel(tmp_path, distribution="ShardedByS3Key").read(TRAINING)
    assert str(caught.value) == 'channel "train": at least one row is needed; got none'


def test_objects_are_shared_whole(tmp_path: Path):
    folder = write(tmp_path, 1, 1, 1)
    shares = [[each.where for each in shard(channel(folder), rank, 2).objects()] for rank in range(2)]
    assert shares == [['channel "train", 0', 'channel "train", 2'], ['channel "train", 1']]


def test_files_are_shuffled_anew_in_each_epoch_and_alike_for_the_same_seed(tmp_path: Path):
    folder = write(tmp_path, *[1] * 8)

    def epochs(seed: int | None) -> list[list[float]]:
        opened = channel(folder, "text/libsvm")
        rules = FileRules(shuffle_seed=seed)
        return [opened.read(TRAINING, rules).labels.tolist() for _ in range(3)]

    first = epochs(7)
    assert first == epochs(7) != epochs(8)
    assert len({tuple(epoch) for epoch in first}) == 3
    assert all(sorted(epoch) == list(range(8)) for epoch in first)
    assert epochs(None) == [list(range(8))] * 3
