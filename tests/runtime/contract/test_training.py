import json
from pathlib import Path

import pytest

from sagecask.contract import Paths, TrainingJob
from sagecask.errors import UsageError, UserError


def write(root: Path, **files: object) -> Paths:
    paths = Paths(root)
    paths.config.mkdir(parents=True)
    for name, content in files.items():
        (paths.config / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return paths


def test_job_of_the_platform_is_read(tmp_path: Path) -> None:
    paths = write(
        tmp_path,
        hyperparameters={"num_round": "10"},
        inputdataconfig={
            "train": {
                "ContentType": "text/csv", "TrainingInputMode": "File",
                "S3DistributionType": "ShardedByS3Key", "RecordWrapperType": "None",
            },
            "validation": {"TrainingInputMode": "Pipe", "RecordWrapperType": "RecordIO"},
        },
        resourceconfig={
            "current_host": "algo-2", "hosts": ["algo-2", "algo-10", "algo-1"], "network_interface_name": "eth1",
            "current_instance_type": "ml.c5.xlarge", "current_group_name": "g", "topology": None,
        },
    )  # fmt: skip
    job = TrainingJob.read(paths, {"TRAINING_JOB_NAME": "job-1"})
    assert job.hyperparameters == {"num_round": "10"}
    assert job.hosts == ("algo-1", "algo-10", "algo-2")
    assert (job.current_host, job.network_interface, job.instance_group) == ("algo-2", "eth1", "g")
    assert job.channels["train"].distribution == "ShardedByS3Key"
    assert job.channels["train"].record_wrapper is None
    assert job.channels["validation"].content_type is None
    assert job.channels["validation"].record_wrapper == "RecordIO"
    assert (job.job_name, job.job_arn) == ("job-1", None)


def test_missing_files_count_as_empty(tmp_path: Path) -> None:
    job = TrainingJob.read(Paths(tmp_path), {})
    assert (job.hyperparameters, job.channels, job.hosts) == ({}, {}, ("localhost",))
    assert job.network_interface == "eth0"
    assert job.checkpoint_dir is None


def test_local_mode_leaves_keys_out(tmp_path: Path) -> None:
    paths = write(
        tmp_path,
        inputdataconfig={"train": {"TrainingInputMode": "File"}},
        resourceconfig={
            "current_host": "algo-1-x7k2q", "hosts": ["algo-1-x7k2q"], "network_interface_name": "eth0",
            "current_instance_type": "local",
        },
    )  # fmt: skip
    job = TrainingJob.read(paths, {})
    assert job.hosts == ("algo-1-x7k2q",)
    assert job.channels["train"].distribution == "FullyReplicated"


def test_values_written_by_hand_become_texts(tmp_path: Path) -> None:
    paths = write(tmp_path, hyperparameters={"num_round": 10, "eta": 0.2, "flag": True, "none": None, "list": [1]})
    texts = TrainingJob.read(paths, {}).hyperparameters
    assert texts == {"num_round": "10", "eta": "0.2", "flag": "true", "list": "[1]"}


def test_checkpoint_folder_follows_the_job(tmp_path: Path) -> None:
    paths = write(tmp_path, checkpointconfig={"LocalPath": "/elsewhere", "S3Uri": "s3://bucket/prefix"})
    assert TrainingJob.read(paths, {}).checkpoint_dir == Path("/elsewhere")


def test_checkpoint_folder_that_someone_made_is_used(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    assert TrainingJob.read(Paths(tmp_path), {}).checkpoint_dir == tmp_path / "checkpoints"


@pytest.mark.parametrize(("text", "got"), [("[1]", "list"), ('"text"', "str"), ("3", "int")])
def test_configuration_that_is_no_object_is_refused(tmp_path: Path, text: str, got: str) -> None:
    with pytest.raises(UserError) as caught:
        TrainingJob.read(write(tmp_path, hyperparameters=text), {})
    assert str(caught.value) == f"hyperparameters.json: a JSON object; got {got}"


def test_unknown_input_mode_is_refused(tmp_path: Path) -> None:
    paths = write(tmp_path, inputdataconfig={"train": {"TrainingInputMode": "Stream"}})
    with pytest.raises(UserError) as caught:
        TrainingJob.read(paths, {})
    assert str(caught.value) == (
        'inputdataconfig.json: channel "train": TrainingInputMode one of File, FastFile, Pipe; got "Stream"'
    )


def test_text_that_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^hyperparameters\.json: a JSON object; got text that is no JSON \("):
        TrainingJob.read(write(tmp_path, hyperparameters="{'num_round': 1}"), {})


@pytest.mark.parametrize(("value", "count"), [("", 0), ("-1", 0), ("0", 1), ("0,1,2", 3), ("GPU-abc", 1)])
def test_visible_gpus_are_counted(tmp_path: Path, value: str, count: int) -> None:
    assert TrainingJob.read(Paths(tmp_path), {"CUDA_VISIBLE_DEVICES": value}).gpus == count


def test_wait_for_a_pipe_is_a_variable(tmp_path: Path) -> None:
    paths = write(tmp_path)
    assert TrainingJob.read(paths, {}).pipe_timeout_seconds == 300
    environ = {"SAGECASK_PIPE_TIMEOUT_SECONDS": "7"}
    assert TrainingJob.read(paths, environ).pipe_timeout_seconds == 7
    with pytest.raises(UsageError) as caught:
        TrainingJob.read(paths, {"SAGECASK_PIPE_TIMEOUT_SECONDS": "0"})
    expected = 'environment: variable SAGECASK_PIPE_TIMEOUT_SECONDS must be an integer of at least 1; got "0"'
    assert str(caught.value) == expected
