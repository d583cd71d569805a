import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sagecask.errors import UsageError, UserError
from sagecask.local.data_processing import DataProcessing
from sagecask.local.endpoint import EndpointDescription
from sagecask.local.transform import TransformDescription, transform


def scores(path: Path) -> list[float]:
    return [float(line) for line in path.read_text().splitlines()]


@pytest.fixture
def send(trained, environ):
    def sent(description: TransformDescription, **variables: str) -> None:
        endpoint = EndpointDescription(trained / "model.tar.gz", environment=variables)
        transform(endpoint, description, "process", environ, terminal=False)

    return sent


def test_single_records_and_many_give_the_same_answers_in_order(tmp_path, send, rows):
    rows(tmp_path / "x.csv", 40, label=False)
    about = TransformDescription(
        tmp_path / "x.csv", tmp_path / "many", "text/csv", "text/csv", "Line", assemble_with="Line"
    )
    send(about)
    send(replace(about, output=tmp_path / "single", strategy="SINGLE_RECORD", max_concurrent=3))
    assert len(scores(tmp_path / "many" / "x.csv.out")) == 40
    assert scores(tmp_path / "many" / "x.csv.out") == scores(tmp_path / "single" / "x.csv.out")


def test_folder_keeps_its_form_and_large_files_are_cut(tmp_path, send, rows):
    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    rows(source / "a.csv", 10, label=False)
    large = rows(source / "deep" / "b.csv", 80_000, label=False)
    assert large.stat().st_size > 1024 * 1024
    send(TransformDescription(source, tmp_path / "out", "text/csv", None, "Line", max_payload_mb=1, max_concurrent=2))
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.out"))
    assert found == ["a.csv.out", "deep/b.csv.out"]
    assert len(scores(tmp_path / "out" / "deep" / "b.csv.out")) == 80_000


def test_refusal_names_the_records_and_leaves_no_output(tmp_path, send):
    (tmp_path / "x.csv").write_text("0.1,0.2\n0.3,0.4\n0.5,word\n0.1,0.1\n")
    about = TransformDescription(tmp_path / "x.csv", tmp_path / "out", "text/csv", None, "Line", "SINGLE_RECORD")
    with pytest.raises(UserError) as caught:
        send(about)
    assert str(caught.value).startswith(f"transform: {tmp_path}/x.csv, record 3: the server must answer 200; got 4")
    assert '"word"' in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(UserError) as caught:
        send(replace(about, strategy="MULTI_RECORD"))
    assert str(caught.value).startswith(
        f"transform: {tmp_path}/x.csv, records 1 to 4: the server must answer 200; got 4"
    )


def test_missing_input_is_refused(tmp_path, send):
    with pytest.raises(UserError) as caught:
        send(TransformDescription(tmp_path / "none", tmp_path / "out"))
    assert str(caught.value) == (
        f'transform: the input must be a file or folder; got "{tmp_path}/none", which does not exist'
    )


def test_payload_over_the_platforms_limit_is_refused(tmp_path, send, rows):
    rows(tmp_path / "x.csv", 10, label=False)
    about = TransformDescription(tmp_path / "x.csv", tmp_path / "out", "text/csv", max_payload_mb=101)
    with pytest.raises(UsageError) as caught:
        send(about)
    assert str(caught.value) == "transform: --max-payload must be at most 100; got 101"


def test_command_says_what_became_of_each_input(tmp_path, trained, rows):
    rows(tmp_path / "x.csv", 7, label=False)
    command = [sys.executable, "-m", "sagecask.cli", "transform", str(trained / "model"), "x.csv", "--output", "out",
               "--content-type", "text/csv", "--split-type", "Line", "--assemble-with", "Line"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "x.csv -> out/x.csv.out\n", "")
    assert len(scores(tmp_path / "out" / "x.csv.out")) == 7


def test_filters_and_join_go_around_the_model(tmp_path, send, rows):
    rows(tmp_path / "x.csv", 30, label=False)
    plain = TransformDescription(
        tmp_path / "x.csv", tmp_path / "plain", "text/csv", "text/csv", "Line", assemble_with="Line"
    )
    send(plain)
    body = (tmp_path / "x.csv").read_text().splitlines()
    (tmp_path / "x.csv").write_text("".join(f'"row {number}",{row}\n' for number, row in enumerate(body)))
    wanted = DataProcessing(input_filter="$[1:]", join_source="Input", output_filter="$[0,-1]")
    send(replace(plain, output=tmp_path / "joined", processing=wanted))
    answers = (tmp_path / "plain" / "x.csv.out").read_text().splitlines()
    assert (tmp_path / "joined" / "x.csv.out").read_text().splitlines() == [
        f'"row {number}",{answer}' for number, answer in enumerate(answers)
    ]


def test_paths_by_name_are_refused_with_csv(tmp_path, send):
    (tmp_path / "x.csv").write_text("1,2\n")
    wanted = DataProcessing(input_filter="$.data")
    with pytest.raises(UsageError) as caught:
        send(TransformDescription(tmp_path / "x.csv", tmp_path / "out", "text/csv", processing=wanted))
    assert str(caught.value) == '--input-filter: columns of CSV must be named by index; got "$.data"'


def test_killed_command_goes_on_to_the_same_bytes(tmp_path, trained, rows):
    rows(tmp_path / "x.csv", 3000, label=False)
    command = [sys.executable, "-m", "sagecask.cli", "transform", str(trained / "model"), "x.csv", "--content-type",
               "text/csv", "--split-type", "Line", "--assemble-with", "Line", "--strategy", "SINGLE_RECORD",
               "--join-source", "Input", "--output"]  # fmt: skip
    whole = subprocess.run([*command, "whole"], cwd=tmp_path, timeout=120, check=True)
    with subprocess.Popen([*command, "parts"], cwd=tmp_path) as process:
        journal = tmp_path / "parts" / ".transform.journal"
        while not journal.is_file() or len(journal.read_text().splitlines()) < 500:
            assert process.poll() is None
            time.sleep(0.01)
        (server,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        process.wait()
    # nobody is left who would stop it
    os.kill(int(server), signal.SIGTERM)
    done = subprocess.run([*command, "parts"], cwd=tmp_path, timeout=120, capture_output=True, text=True, check=True)
    assert done.stderr.startswith("x.csv: goes on after record ")
    assert whole.returncode == 0
    assert (tmp_path / "parts" / "x.csv.out").read_bytes() == (tmp_path / "whole" / "x.csv.out").read_bytes()
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["x.csv.out"]


def test_stopped_command_says_how_it_goes_on(tmp_path, trained, rows):
    rows(tmp_path / "x.csv", 3000, label=False)
    command = [sys.executable, "-m", "sagecask.cli", "transform", str(trained / "model"), "x.csv", "--content-type",
               "text/csv", "--split-type", "Line", "--strategy", "SINGLE_RECORD", "--output", "out"]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        journal = tmp_path / "out" / ".transform.journal"
        while not journal.is_file() or len(journal.read_text().splitlines()) < 10:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said.strip()) == (130, "transform: stopped; the same command goes on from here")
