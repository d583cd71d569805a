import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sagecask.errors import UserError
from sagecask.local.description import JobDescription, LocalChannel
from sagecask.local.folder import lay_out, mounts
from sagecask.local.run import run


def sagecask_run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sagecask.cli", "run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)


def test_job_by_options_leaves_model_archive_and_output(tmp_path, rows):
    rows(tmp_path / "t.csv", 300, label=True)
    rows(tmp_path / "v.csv", 50, label=True, seed=1)
    done = sagecask_run(
        "xgboost", "--train", "t.csv", "--validation", "v.csv", "--content-type", "text/csv", "--output", "out",
        "-H", "num_round=3", "-H", "eta=0.2", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines() if line.startswith("[")] == [
        "[0]\ttrain-rmse",
        "[1]\ttrain-rmse",
        "[2]\ttrain-rmse",
    ]
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["input", "model", "model.tar.gz", "output"]
    assert sorted(path.name for path in (out / "model").iterdir()) == ["sagecask.json", "xgboost-model"]
    assert {path.stat().st_uid for path in out.rglob("*")} == {os.getuid()}
    assert json.loads((out / "input/config/hyperparameters.json").read_text()) == {"num_round": "3", "eta": "0.2"}
    assert json.loads((out / "input/config/inputdataconfig.json").read_text())["validation"] == {
        "ContentType": "text/csv",
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }


def test_job_by_file_takes_a_folder_as_channel(tmp_path, rows):
    (tmp_path / "data" / "deep").mkdir(parents=True)
    rows(tmp_path / "data" / "a.csv", 100, label=True)
    rows(tmp_path / "data" / "deep" / "b.csv", 100, label=True, seed=1)
    (tmp_path / "job.yaml").write_text(
        "algorithm: xgboost\nchannels: {train: {path: data, content_type: text/csv, input_mode: FastFile}}\n"
        "hyperparameters: {num_round: 2}\noutput: out\n"
    )
    done = sagecask_run("--job", "job.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out" / "model.tar.gz").is_file()


def test_failed_job_ends_with_its_exit_code_and_failure(tmp_path, rows):
    rows(tmp_path / "t.csv", 20, label=True)
    done = sagecask_run(
        "xgboost", "--train", "t.csv", "--content-type", "text/csv", "-H", "num_round=2", "-H", "max_detph=3",
        "--output", "out", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        'sagecask: training job failed with exit code 1: ClientError: xgboost: hyperparameter "max_detph" is unknown; '
        'did you mean "max_depth"?'
    )
    assert not (tmp_path / "out" / "model.tar.gz").exists()


def test_output_folder_in_use_is_refused_and_kept(tmp_path, rows, environ):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    job = JobDescription("xgboost", {"train": LocalChannel(rows(tmp_path / "t.csv", 5, label=True))})
    with pytest.raises(UserError) as caught:
        lay_out(job, tmp_path / "out")
    assert str(caught.value) == f'run: the output folder must be new or empty; got "{tmp_path}/out"'
    assert (tmp_path / "out" / "mine").read_text() == "kept"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_signal_ends_the_job_with_a_model(tmp_path, rows, number):
    rows(tmp_path / "t.csv", 200, label=True)
    command = [sys.executable, "-m", "sagecask.cli", "run", "xgboost", "--train", "t.csv", "--content-type", "text/csv",
               "-H", "num_round=1000000", "--output", "out"]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("[3]"):
                break
        started = time.monotonic()
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(60) == 0
        assert time.monotonic() - started < 30
    assert (tmp_path / "out" / "model.tar.gz").is_file()


def test_checkpoints_stay_in_their_folder_and_are_resumed_from(tmp_path, rows, environ, capsys):
    channels = {"train": LocalChannel(rows(tmp_path / "t.csv", 100, label=True), "text/csv")}
    for number, rounds in enumerate(("2", "5")):
        job = JobDescription(
            "xgboost", channels, {"num_round": rounds}, output=tmp_path / f"out{number}", checkpoints=tmp_path / "kept"
        )
        assert run(job, "process", environ, terminal=False) == 0
        assert any((tmp_path / "kept").iterdir())
        printed = capsys.readouterr().out.splitlines()
        first = next(line for line in printed if line.startswith("["))
        assert first.startswith("[0]" if number == 0 else "[2]")


def test_container_sees_inputs_read_only(tmp_path, rows):
    file = rows(tmp_path / "t.csv", 5, label=True)
    job = JobDescription("a", {"train": LocalChannel(file), "test": LocalChannel(tmp_path)}, checkpoints=tmp_path / "c")
    paths = lay_out(job, tmp_path / "out")
    assert [(str(m.source.relative_to(tmp_path)), str(m.target), m.writable) for m in mounts(job, paths)] == [
        ("out/input/config", "/opt/ml/input/config", False),
        ("out/model", "/opt/ml/model", True),
        ("out/output", "/opt/ml/output", True),
        ("t.csv", "/opt/ml/input/data/train/t.csv", False),
        (".", "/opt/ml/input/data/test", False),
        ("c", "/opt/ml/checkpoints", True),
    ]


def test_container_sees_files_among_pipes(tmp_path, rows):
    file = rows(tmp_path / "t.csv", 5, label=True)
    channels = {"a": LocalChannel(file, input_mode="Pipe"), "b": LocalChannel(file), "c": LocalChannel(tmp_path)}
    job = JobDescription("a", channels)
    paths = lay_out(job, tmp_path / "out")
    assert [(str(m.source.relative_to(tmp_path)), str(m.target), m.writable) for m in mounts(job, paths)][3:] == [
        ("out/input/data", "/opt/ml/input/data", False),
        ("t.csv", "/opt/ml/input/data/b/t.csv", False),
        (".", "/opt/ml/input/data/c", False),
    ]
    assert sorted(path.relative_to(paths.data).as_posix() for path in paths.data.rglob("*")) == ["b", "b/t.csv", "c"]
