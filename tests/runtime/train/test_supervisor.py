"""The supervisor with real processes: what a death by signal looks like from outside."""

import signal
import subprocess
import sys

import pytest

DYING = "import os, signal, sys; os.kill(os.getpid(), int(sys.argv[1]))"


def supervise(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a supervisor, in a process of its own since it takes over the signals, of a child that runs `code`."""
    script = (
        "import os, sys\n"
        "from sagecask.train.supervisor import Supervisor\n"
        "supervisor = Supervisor([sys.executable, '-c', *sys.argv[1:]], os.environ)\n"
        "print('status', supervisor.wait(), flush=True)\n"
    )
    return subprocess.Popen([sys.executable, "-c", script, code, *arguments], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_exit_code_of_the_child_is_passed_on(code: int) -> None:
    with supervise(f"raise SystemExit({code})") as process:
        assert process.communicate(timeout=30)[0] == f"status {code}\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_death_by_signal_is_seen(number: signal.Signals) -> None:
    with supervise(DYING, str(int(number))) as process:
        assert process.communicate(timeout=30)[0] == f"status {-int(number)}\n"


@pytest.mark.parametrize(("given", "found"), [(None, "passive"), ("active", "active")])
def test_waiting_threads_sleep_unless_told_otherwise(
    given: str | None, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if given:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    with supervise("import os; print(os.environ['OMP_WAIT_POLICY'], flush=True)") as process:
        assert process.communicate(timeout=30)[0] == f"{found}\nstatus 0\n"


def test_sigterm_reaches_the_child() -> None:
    child = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    with supervise(child) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.communicate(timeout=30)[0] == "status 7\n"


def test_orphans_are_reaped() -> None:
    # the child leaves a grandchild behind, which a first process of a container inherits
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'pass']); sys.exit(0)"
    with supervise(child) as process:
        assert process.communicate(timeout=30)[0] == "status 0\n"


def test_supervisor_imports_nothing_heavy_before_its_handlers() -> None:
    code = (
        "import sys, sagecask.train.supervisor\n"
        "print(sorted({'numpy', 'pydantic', 'xgboost', 'flask'} & set(sys.modules)))\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"
