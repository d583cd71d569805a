import os
import pty
import subprocess
import sys

import pytest

from sagecask.local.progress import Progress, total_rounds


def test_terminal_gets_a_bar_in_place_of_metric_lines(tmp_path, rows):
    rows(tmp_path / "t.csv", 100, label=True)
    command = [sys.executable, "-m", "sagecask.cli", "run", "xgboost", "--train", "t.csv", "--content-type", "text/csv",
               "-H", "num_round=4", "--output", "out"]  # fmt: skip
    reader, writer = pty.openpty()
    with subprocess.Popen(command, cwd=tmp_path, stdout=writer, stderr=subprocess.DEVNULL) as process:
        os.close(writer)
        shown = read_to_end(reader)
        assert process.wait(60) == 0
    assert "rounds" in shown
    assert "100%  train-rmse:0." in shown
    assert "[3]\t" not in shown


def read_to_end(descriptor: int) -> str:
    chunks = []
    try:
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
    except OSError:
        # Linux's answer where the other side of a terminal has gone
        pass
    finally:
        os.close(descriptor)
    return b"".join(chunks).decode()


def test_lines_go_through_unchanged_without_a_terminal(capsys):
    with Progress(4, terminal=False) as progress:
        progress.line("[0]\ttrain-rmse:0.50000")
        progress.line("a word")
    assert capsys.readouterr().out == "[0]\ttrain-rmse:0.50000\na word\n"


@pytest.mark.parametrize(
    ("hyperparameters", "total"),
    [
        ({"num_round": "10"}, 10),
        ({"epochs": '"3"'}, 3),
        ({"num_round": "x"}, None),
        ({"num_round": "0"}, None),
        ({}, None),
    ],
)
def test_total_is_what_the_hyperparameters_say(hyperparameters, total):
    assert total_rounds(hyperparameters) == total
