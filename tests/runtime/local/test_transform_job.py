"""Transform jobs against a server of the test's own, which counts, waits, fails and breaks off as it is told."""

import gzip
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sagecask.errors import DataError, PlatformError, UsageError, UserError
from sagecask.local.data_processing import DataProcessing, Processor
from sagecask.local.transform import TransformDescription, TransformJob
from sagecask.local.transform_client import Client
from sagecask.local.transform_journal import NAME, Journal, Progress

# a job in a process of its own, that a test can kill
SCRIPT = """
import sys, threading
from pathlib import Path
from sagecask.local.data_processing import DataProcessing, Processor
from sagecask.local.transform import TransformDescription, TransformJob
from sagecask.local.transform_client import Client
from sagecask.local.transform_journal import Journal
port, source, output, compression = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
about = TransformDescription(source, output, "text/csv", "text/csv", "Line", "SINGLE_RECORD", "Line", 1, 4, compression)
processor = Processor(DataProcessing(join_source="Input"), "text/csv", "text/csv", split="Line", assemble="Line")
client = Client(port, {"Content-Type": "text/csv"}, threading.Event())
with Journal(output, "f", restart=False) as journal:
    TransformJob(client, about, processor, journal).transform(source.name, source, lambda size: None)
"""


def lines(count: int) -> bytes:
    return b"".join(b"%d," % number + b"x" * (number % 50) + b"\n" for number in range(count))


def ignore(_size: int) -> None:
    """Show no progress."""


class Server(ThreadingHTTPServer):
    """Answers each body with its length; `plan` gives statuses of the first answers to each body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: Counter[bytes] = Counter()
        self.plan: dict[bytes, list[int]] = {}
        self.pause = 0.0
        self.chunked: list[bool] = []
        self.lock = threading.Lock()

    def handle_error(self, request, client_address) -> None:
        """A killed client is no fault of the server."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        chunked = self.headers.get("Transfer-Encoding") == "chunked"
        body = self.chunks() if chunked else self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            turn = self.server.seen[body]
            self.server.seen[body] += 1
            self.server.chunked.append(chunked)
        plan = self.server.plan.get(body, [])
        status = plan[turn] if turn < len(plan) else 200
        time.sleep(self.server.pause)
        if not status:
            self.close_connection = True
            return
        content = b"%d\n" % len(body.strip()) if status == 200 else b'{"error": "not\\n now"}'
        self.send_response(status)
        self.send_header("Content-Type", "text/csv" if status == 200 else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *_) -> None:
        """Say nothing."""


@pytest.fixture
def server():
    with Server() as started:
        thread = threading.Thread(target=started.serve_forever, args=(0.01,))
        thread.start()
        yield started
        started.shutdown()
        thread.join()


@pytest.fixture
def job(server, tmp_path):
    def run(content: bytes, *, name="x.csv", fingerprint="f", restart=False, client=None, **settings) -> bytes:
        if not (tmp_path / name).is_file() or (tmp_path / name).read_bytes() != content:
            (tmp_path / name).write_bytes(content)
        given = {"content_type": "text/csv", "split_type": "Line", "strategy": "SINGLE_RECORD", "max_payload_mb": 1}
        about = TransformDescription(tmp_path / name, tmp_path / "out", **given | settings)
        processor = Processor(
            about.processing, about.content_type, about.accept, split=about.split_type, assemble=about.assemble_with
        )
        client = client or Client(server.server_port, {"Content-Type": "text/csv"}, threading.Event(), 5)
        with Journal(tmp_path / "out", fingerprint, restart=restart) as journal:
            TransformJob(client, about, processor, journal).transform(name, tmp_path / name, ignore)
        return (tmp_path / "out" / f"{name}.out").read_bytes()

    return run


def joined(content: bytes) -> bytes:
    return b"".join(b"%b,%d\n" % (line, len(line)) for line in content.splitlines())


def run_script(server, tmp_path, compression="None") -> subprocess.Popen[bytes]:
    arguments = [str(server.server_port), str(tmp_path / "x.csv"), str(tmp_path / "out"), compression]
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], stderr=subprocess.PIPE)


@pytest.mark.parametrize("compression", ["None", "Gzip"])
def test_killed_job_goes_on_and_sends_nothing_twice_that_it_finished(server, tmp_path, compression):
    content = lines(400)
    (tmp_path / "x.csv").write_bytes(gzip.compress(content) if compression == "Gzip" else content)
    server.pause = 0.01
    finished = 0
    for _ in range(3):
        goal = sum(server.seen.values()) + 60
        with run_script(server, tmp_path, compression) as process:
            while sum(server.seen.values()) < goal:
                assert process.poll() is None
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        assert not (tmp_path / "out" / "x.csv.out").exists()
        part = (tmp_path / "out" / ".x.csv.out.part").read_bytes()
        assert len(part.splitlines()) > finished
        finished = len(part.splitlines())
        assert joined(content).startswith(part)
    last = run_script(server, tmp_path, compression)
    _, said = last.communicate(timeout=60)
    assert last.returncode == 0
    assert said.startswith(f"{tmp_path}/x.csv: goes on after record ".encode())
    assert (tmp_path / "out" / "x.csv.out").read_bytes() == joined(content)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["x.csv.out"]
    # of each kill at most what was under way: four requests, and one whose line in the journal was not written yet
    assert 400 <= sum(server.seen.values()) <= 400 + 3 * 5
    assert len(server.seen) == 400


@pytest.mark.parametrize(
    ("change", "sent"),
    [({}, 10), ({"fingerprint": "g"}, 20), ({"restart": True}, 20), ({"content": lines(20) + b"new\n"}, 21)],
)
def test_interrupted_job_begins_anew_with_other_settings_or_inputs_or_on_demand(server, tmp_path, job, change, sent):
    server.plan = {b"10,xxxxxxxxxx\n": [503, 503, 200]}
    client = Client(server.server_port, {"Content-Type": "text/csv"}, threading.Event(), 5, 1)
    with pytest.raises(PlatformError) as caught:
        job(lines(20), client=client)
    assert str(caught.value) == (
        f"transform: {tmp_path}/x.csv, record 11: the server must answer 200; got 503: not now"
    )
    before = sum(server.seen.values())
    content = change.pop("content", lines(20))
    assert len(job(content, **change).splitlines()) == len(content.splitlines())
    assert sum(server.seen.values()) - before == sent


def test_finished_inputs_are_not_sent_again(server, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(f"{name},1\n".encode())
    server.plan = {b"b.csv,1\n": [503, 200]}
    about = TransformDescription(
        tmp_path, tmp_path / "out", "text/csv", None, "Line", "SINGLE_RECORD", max_payload_mb=1
    )
    processor = Processor(DataProcessing(), "text/csv", None, split="Line", assemble="None")
    client = Client(server.server_port, {}, threading.Event(), 5, 0)

    def both() -> None:
        with Journal(tmp_path / "out", "f", restart=False) as journal:
            transform = TransformJob(client, about, processor, journal)
            for name in ("a.csv", "b.csv"):
                transform.transform(name, tmp_path / name, ignore)

    with pytest.raises(PlatformError):
        both()
    both()
    assert server.seen == {b"a.csv,1\n": 1, b"b.csv,1\n": 2}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv.out", "b.csv.out"]


def test_requests_are_repeated_where_the_server_is_to_blame(server, job):
    server.plan = {b"a\n": [500, 429, 0], b"bb\n": [503]}
    assert job(b"a\nbb\n", max_concurrent=2) == b"1\n2\n"
    assert server.seen == {b"a\n": 4, b"bb\n": 2}


def test_refusal_is_not_repeated_and_leaves_nothing(server, tmp_path, job):
    server.plan = {b"bb\n": [415]}
    with pytest.raises(UserError) as caught:
        job(b"a\nbb\n")
    assert str(caught.value) == f"transform: {tmp_path}/x.csv, record 2: the server must answer 200; got 415: not now"
    assert server.seen[b"bb\n"] == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_request_over_its_time_is_given_up(server, job):
    server.pause = 1.5
    client = Client(server.server_port, {}, threading.Event(), 1, 0)
    with pytest.raises(PlatformError) as caught:
        job(b"a\n", client=client)
    assert str(caught.value).endswith("record 1: the server must answer 200; got no answer")


def test_answers_keep_the_order_of_records_when_requests_overlap(server, job):
    server.pause = 0.005
    content = lines(100)
    assert job(content, max_concurrent=8, assemble_with="Line") == b"".join(
        b"%d\n" % len(line) for line in content.splitlines()
    )


def test_no_limit_sends_chunks(server, job):
    client = Client(server.server_port, {"Content-Type": "text/csv"}, threading.Event(), 5, 0, chunked=True)
    content = lines(5000)
    assert job(content, split_type="None", max_payload_mb=0, client=client) == b"%d\n" % len(content.strip())
    assert server.chunked == [True]


def test_answer_that_does_not_match_names_the_record(server, tmp_path, job):
    with pytest.raises(DataError) as caught:
        job(b"a\nb\n", strategy="MULTI_RECORD", assemble_with="Line", processing=DataProcessing(join_source="Input"))
    assert str(caught.value) == (
        f"transform: {tmp_path}/x.csv: the answer must hold a record for each of 2 that were sent; got 1"
    )


def test_damaged_gzip_is_refused(tmp_path, job):
    with pytest.raises(DataError) as caught:
        job(gzip.compress(lines(100))[:-20], compression="Gzip")
    assert str(caught.value).startswith(f"transform: {tmp_path}/x.csv: Compressed file ended before")
    with pytest.raises(DataError) as caught:
        job(b"a,b\n", compression="Gzip")
    assert str(caught.value).startswith(f"transform: {tmp_path}/x.csv: Not a gzipped file")


def test_journal_of_a_folder_in_use_is_refused(tmp_path):
    with (
        Journal(tmp_path, "f", restart=False),
        pytest.raises(UsageError) as caught,
        Journal(tmp_path, "f", restart=False),
    ):
        pass
    assert str(caught.value) == f'transform: the output folder must be of one job at a time; got "{tmp_path}", in use'


def test_line_cut_short_does_not_count(tmp_path):
    (tmp_path / NAME).write_text(
        "".join(f"{json.dumps(each)}\n" for each in [{"fingerprint": "f"}, ["a", "s", [0, 0, 0]], [10, 2, 8]]) + "[20,4"
    )
    with Journal(tmp_path, "f", restart=False) as journal:
        assert journal.begin("a", "s") == Progress(10, 2, 8)
        journal.end()
        assert journal.done("a", "s")
    assert list(tmp_path.iterdir()) == []
