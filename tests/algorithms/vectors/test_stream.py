"""A channel as mini-batches: cut to size, checked, and divided between hosts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
from sagecask_vectors.stream import Stream, refuse_missing, rows
from scipy.sparse import csr_matrix

from sagecask.cluster import Cluster
from sagecask.errors import DataError, TrainingStopped
from sagecask.formats import Batch
from sagecask.local.ports import free_port
from sagecask.testing.hosts import HOSTS

TABLE = np.arange(1, 47, dtype=np.float32).reshape(23, 2)
ALONE = Cluster(("algo-1",), "algo-1")


class Side(Cluster):
    """One of several hosts in one process: exchanges meet at a barrier."""

    def meet(self, others):
        self.__dict__["others"] = others
        return self

    def sum(self, *arrays):
        barrier, places = self.others
        for array in arrays:
            places[self.rank] = array.copy()
            barrier.wait(timeout=20)
            total = sum(places[rank] for rank in range(self.size))
            barrier.wait(timeout=20)
            array[...] = total

    def gather(self, array):
        barrier, places = self.others
        places[self.rank] = array
        barrier.wait(timeout=20)
        found = [places[rank] for rank in range(self.size)]
        barrier.wait(timeout=20)
        return found


def channel(vectors_job, table=TABLE, labels=None, stop=None):
    if stop is not None:
        vectors_job.stop = stop
    vectors_job.records("train", table, labels)
    return vectors_job.prepare("kmeans", feature_dim=2, k=1).channels["train"]


def on_hosts(channels, size, epochs=1):
    """Return the batches of each host, whose channels are given."""
    shared = threading.Barrier(len(channels)), {}
    names = tuple(f"algo-{index}" for index in range(len(channels)))
    found = {}

    def run(name, source):
        stream = Stream(source, Side(names, name).meet(shared), feature_dim=2)
        found[name] = [list(stream.epoch(size)) for _ in range(epochs)][-1]

    threads = [threading.Thread(target=run, args=pair) for pair in zip(names, channels, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[name] for name in names]


@pytest.mark.parametrize("size", [1, 5, 22, 23, 24, 1000])
@pytest.mark.parametrize("sparse", [False, True])
def test_mini_batches_are_of_the_size_asked_for(vectors_job, size, sparse):
    stream = Stream(channel(vectors_job, csr_matrix(TABLE) if sparse else TABLE), ALONE, feature_dim=2)
    for _ in range(2):
        batches = list(stream.epoch(size))
        assert [len(batch) for batch in batches] == [size] * (23 // size) + [23 % size] * (23 % size > 0)
        assert {batch.sparse for batch in batches} == {sparse}
        features = [batch.features.toarray() if sparse else batch.features for batch in batches]
        np.testing.assert_array_equal(np.concatenate(features), TABLE)


def test_mini_batches_span_files_with_their_labels(vectors_job):
    vectors_job.directory.channel("train", {"a.csv": b"1,2,3\n4,5,6\n", "b.csv": b"7,8,9\n"})
    source = vectors_job.prepare("kmeans", feature_dim=2, k=1).channels["train"]
    (batch,) = Stream(source, ALONE, label_size=1, feature_dim=2, labelled=True).epoch(10)
    assert batch.labels.tolist() == [1, 4, 7]
    assert batch.features.tolist() == [[2, 3], [5, 6], [8, 9]]


def test_width_is_that_of_the_first_row_where_none_is_given(vectors_job):
    (batch,) = Stream(channel(vectors_job), ALONE).epoch(100)
    assert batch.width == 2


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (TABLE, {"feature_dim": 3}, 'channel "train", row 1: 3 features are needed (feature_dim); got 2'),
        (TABLE, {"labelled": True}, 'channel "train", row 1: a label is needed; got none'),
        (
            np.array([[1, 2], [3, 4], [5, np.nan]]),
            {},
            'channel "train", row 3, feature 2: a finite number is needed; got a missing value',
        ),
        (
            csr_matrix([[0, 2], [0, 4], [-np.inf, 0]]).astype(np.float32),
            {},
            'channel "train", row 3, feature 1: a finite number is needed; got -inf',
        ),
    ],
)
def test_rows_that_do_not_fit_are_named(vectors_job, table, options, message):
    with pytest.raises(DataError) as raised:
        list(Stream(channel(vectors_job, table), ALONE, **options).epoch(2))
    assert str(raised.value) == message


def test_channel_without_rows_is_refused(vectors_job):
    source = channel(vectors_job)
    for path in vectors_job.directory.paths.channel("train").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError) as raised:
        list(Stream(source, ALONE).epoch(2))
    assert str(raised.value) == 'channel "train": at least one row is needed; got none'


def test_stop_signal_before_the_first_row_ends_the_job(vectors_job):
    with pytest.raises(TrainingStopped):
        list(Stream(channel(vectors_job, stop=lambda: True), ALONE).epoch(2))


def test_stop_signal_later_on_ends_the_epoch(vectors_job):
    asked = iter([False])
    stream = Stream(channel(vectors_job, stop=lambda: next(asked, True)), ALONE)
    assert sum(len(batch) for batch in stream.epoch(5)) == 23
    assert list(stream.epoch(5)) == []


@pytest.mark.parametrize("size", [1, 4, 7, 100])
@pytest.mark.parametrize("hosts", [2, 3])
def test_hosts_with_all_rows_divide_each_mini_batch(vectors_job, size, hosts):
    source = channel(vectors_job)
    found = on_hosts([source] * hosts, size)
    assert len({len(batches) for batches in found}) == 1
    for index, parts in enumerate(zip(*found, strict=True)):
        np.testing.assert_array_equal(
            np.concatenate([part.features for part in parts]), TABLE[index * size : (index + 1) * size]
        )


@pytest.mark.parametrize("dealt", [(15, 8), (23, 0), (0, 23)])
def test_hosts_that_have_run_out_of_their_own_rows_contribute_none(vectors_job, tmp_path, dealt):
    job, given = type(vectors_job), []
    for index, (start, stop) in enumerate([(0, dealt[0]), (dealt[0], 23)]):
        folder = type(vectors_job.directory)(tmp_path / str(index))
        source = channel(job(folder), TABLE[start:stop] if stop > start else TABLE)
        if stop == start:
            for path in folder.paths.channel("train").iterdir():
                path.unlink()
        given.append(source)
        source.sharded = True
    found = on_hosts(given, 4, epochs=2)
    assert len({len(batches) for batches in found}) == 1
    for batches, (start, stop) in zip(found, [(0, dealt[0]), (dealt[0], 23)], strict=True):
        np.testing.assert_array_equal(np.concatenate([batch.features for batch in batches]), TABLE[start:stop])


SCRIPT = """
import json, sys
import numpy as np
from sagecask import registry
from sagecask.contract import Paths, TrainingJob
from sagecask.train.run import prepare
from sagecask_vectors.stream import Stream
from pathlib import Path
job = prepare(registry.load("kmeans"), TrainingJob.read(Paths(Path(sys.argv[1])), dict([sys.argv[2].split("=")])), bool)
stream = Stream(job.channels["train"], job.cluster, feature_dim=2)
print(json.dumps([[batch.features.tolist() for batch in stream.epoch(4)] for _ in range(2)]))
job.cluster.leave()
"""


def test_two_processes_with_rows_of_their_own_go_in_step(vectors_job, tmp_path):
    job, port, running = type(vectors_job), free_port(), []
    for name, part in zip(HOSTS, (TABLE[:17], TABLE[17:]), strict=True):
        folder = type(vectors_job.directory)(tmp_path / name)
        channel(job(folder), part)
        folder.host(name, HOSTS)
        path = folder.paths.input_data_config
        channels = json.loads(path.read_text())
        channels["train"]["S3DistributionType"] = "ShardedByS3Key"
        path.write_text(json.dumps(channels))
        command = [sys.executable, "-c", SCRIPT, str(folder.root), f"SAGECASK_RENDEZVOUS_PORT={port}"]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    found = [json.loads(process.communicate(timeout=120)[0].splitlines()[-1]) for process in running]
    for epochs, part in zip(found, (TABLE[:17], TABLE[17:]), strict=True):
        for epoch in epochs:
            assert len(epoch) == 5
            assert [row for batch in epoch for row in batch] == part.tolist()


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_keep_labels_and_weights(sparse):
    batch = Batch(csr_matrix(TABLE) if sparse else TABLE, TABLE[:, 0], TABLE[:, 1])
    part = rows(batch, 3, 5)
    assert (part.labels.tolist(), part.weights.tolist()) == ([7, 9], [8, 10])
    np.testing.assert_array_equal(part.features.toarray() if sparse else part.features, TABLE[3:5])
    assert rows(batch, 0, 99) is batch


def test_numbers_that_overflow_together_are_not_missing():
    refuse_missing(Batch(np.full((4, 2), 3e38, np.float32)), "row")


def test_missing_value_is_counted_from_the_first_row():
    with pytest.raises(DataError, match=re.escape("row 12, feature 1: a finite number is needed; got inf")):
        refuse_missing(Batch(np.array([[1], [2], [np.inf]], np.float32)), "row", 10)
