import json
import os
import pty
import subprocess
import sys

import pytest


def test_convert_says_what_it_wrote(sagecask, table, tmp_path):
    done = sagecask("convert", "table.csv", "out", "--to", "recordio", "--skip-header", "--shards", "2")
    assert done.stdout == (
        "written   2 files, out/part-00000-of-00002.pbr and on\n"
        "formats   csv to recordio\n"
        "columns   label, x, y\n"
        "rows      3\n"
        "features  2 (dense)\n"
        "non-zero  66.67%\n"
        "missing   1 value\n"
        "label     0: 1 (33.3%), 1: 2 (66.7%)\n"
    )
    assert (done.returncode, done.stderr) == (0, "convert: 100% of 33 bytes read\n")


def test_convert_speaks_json_to_machines(sagecask, table, tmp_path):
    done = sagecask("convert", "table.csv", "out.pbr", "--skip-header", "--json")
    facts = json.loads(done.stdout)
    assert {name: facts[name] for name in ("from", "to", "files", "columns", "rows", "features")} == {
        "from": "text/csv", "to": "application/x-recordio-protobuf", "files": ["out.pbr"],
        "columns": ["label", "x", "y"], "rows": 3, "features": 2,
    }  # fmt: skip


def test_inspect_writes_a_page_beside_its_text(sagecask, table, tmp_path):
    done = sagecask("inspect", "table.csv", "--skip-header", "--html", "page.html")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "file      table.csv")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads(sagecask("inspect", "table.csv", "--skip-header", "--json").stdout)["rows"] == 3


@pytest.mark.parametrize("command", [("inspect", "bad.csv"), ("convert", "bad.csv", "out.pbr")])
def test_bad_file_is_one_line_and_exit_code_1(sagecask, tmp_path, command):
    (tmp_path / "bad.csv").write_text("1,2\n1,x\n")
    done = sagecask(*command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == 'sagecask: bad.csv, line 2, column 2: a number is needed; got "x"'
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("inspect", "nothing"), 1, 'source: a file or folder is needed; got "nothing", which does not exist'),
        (("inspect", "table.csv", "--from", "xml"), 2,
         '--from: one of csv, libsvm, jsonlines, parquet, recordio, npy, npz or a content type is needed; got "xml"'),
        (("convert", "table.csv", "out.csv", "--sparse"), 2,
         "--sparse: a target format with such rows is needed; got csv"),
        (("convert", "table.csv", "out.pbr", "--shards", "0"), 2,
         "Invalid value for '--shards': 0 is not in the range 1<=x<=10000."),
    ],
)  # fmt: skip
def test_exit_code_says_whose_fault_it_is(sagecask, table, arguments, code, message):
    done = sagecask(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"sagecask: {message}\n")


def test_terminal_gets_a_bar_of_bytes(table, tmp_path):
    reader, writer = pty.openpty()
    command = [sys.executable, "-m", "sagecask.cli", "convert", "table.csv", "out.pbr", "--skip-header"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=writer) as process:
        os.close(writer)
        chunks = []
        try:
            while chunk := os.read(reader, 65536):
                chunks.append(chunk)
        except OSError:
            # Linux's answer where the other side of a terminal has gone
            pass
        os.close(reader)
        assert process.wait(60) == 0
    shown = b"".join(chunks).decode()
    assert "convert" in shown
    assert "100%" in shown
    assert "bytes read" not in shown


@pytest.mark.parametrize("command", ["convert", "inspect"])
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys\nfrom sagecask.cli import main\n"
        f"try: main([{command!r}, '--help'])\nexcept SystemExit as end: assert not end.code\n"
        "print([name for name in ('numpy', 'google', 'pyarrow', 'scipy') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "[]\n"
