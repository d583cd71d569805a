from pathlib import Path

import pytest

from sagecask import registry
from sagecask.channels import FileChannel, PipeChannel
from sagecask.contract import TrainingJob
from sagecask.errors import PlatformError, TrainingStopped, UserError
from sagecask.formats import Layout
from sagecask.testing.job_directory import JobDirectory
from sagecask.testing.pipes import fed
from sagecask.train.inputs import open_channels

TRAINING = Layout(label_size=1)


def opened(job: JobDirectory, stopped: bool = False, **environ: str):
    return open_channels(registry.load("xgboost").declaration, TrainingJob.read(job.paths, environ), lambda: stopped)


def fault(job: JobDirectory) -> str:
    with pytest.raises(UserError) as caught:
        opened(job)
    return str(caught.value)


def test_pipe_is_open_to_an_algorithm_that_declares_it(job_directory: JobDirectory):
    job_directory.channel("train", {"a.csv": b"1,2\n", "b/c.csv": b"3,4\n"})
    with fed(job_directory):
        channel = opened(job_directory)["train"]
        assert [channel.read(TRAINING).labels.tolist() for _ in range(3)] == [[1, 3]] * 3


def test_libsvm_in_a_pipe_is_refused(job_directory: JobDirectory):
    job_directory.channel("train", {"a": b"1 0:2\n"}, "text/libsvm", "Pipe")
    job_directory.channel("validation", {"a": b"1 0:2\n"}, "text/csv", "Pipe")
    # validation is read as train's content type
    assert fault(job_directory).splitlines() == [
        f'xgboost: channel "{name}": input mode File or FastFile with content type text/libsvm; got "Pipe"'
        for name in ("train", "validation")
    ]


def test_pipe_is_refused_where_it_is_not_declared(job_directory: JobDirectory):
    job_directory.channel("train", {"a.csv": b"1,2\n"})
    job_directory.channel("code", {"a.py": b"pass\n"}, "text/python", "Pipe")
    assert fault(job_directory) == 'xgboost: channel "code": input mode one of File; got "Pipe"'


def test_wait_for_a_fifo_is_as_long_as_the_variable_says(job_directory: JobDirectory):
    job_directory.channel("train", {}, "text/csv", "Pipe")
    channel = opened(job_directory, SAGECASK_PIPE_TIMEOUT_SECONDS="1")["train"]
    fifo = job_directory.paths.data / "train_0"
    with pytest.raises(PlatformError) as caught:
        channel.read(TRAINING)
    assert str(caught.value) == f'channel "train", train_0: a FIFO {fifo} is needed within 1 seconds; got none'


def test_wait_for_a_fifo_ends_with_the_job(job_directory: JobDirectory):
    job_directory.channel("train", {}, "text/csv", "Pipe")
    with pytest.raises(TrainingStopped):
        opened(job_directory, stopped=True)["train"].read(TRAINING)


def test_missing_fifo_is_in_the_failure_file(job_directory: JobDirectory):
    job_directory.channel("train", {}, "text/csv", "Pipe").hyperparameters({"num_round": 1})
    outcome = job_directory.train("xgboost", {"SAGECASK_PIPE_TIMEOUT_SECONDS": "1"})
    fifo = job_directory.paths.data / "train_0"
    assert outcome.code == 3
    assert outcome.failure is not None
    assert outcome.failure.splitlines()[0] == (
        f'InternalServerError: channel "train", train_0: a FIFO {fifo} is needed within 1 seconds; got none'
    )


def test_files_and_pipes_may_be_mixed(job_directory: JobDirectory, tmp_path: Path):
    job_directory.channel("train", {"a.csv": b"1,2\n"})
    job_directory.channel("validation", {"a.csv": b"1,2\n"}, "text/csv", "Pipe")
    channels = opened(job_directory)
    kinds = {name: type(channel._channel) for name, channel in channels.items()}
    assert kinds == {"train": FileChannel, "validation": PipeChannel}
