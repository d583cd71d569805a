"""Ports that are free, and whose they are."""

import os
import subprocess
import sys

import pytest

from sagecask.errors import PlatformError
from sagecask.local import ports

FINDER = """
import sys
from sagecask.local import ports
ports.LOWEST, ports.HIGHEST = map(int, sys.argv[1:])
print(ports.free_port(), flush=True)
input()
"""


@pytest.fixture
def few(monkeypatch):
    """The bounds of two ports, the only ones that are looked at."""
    first = ports.free_port(2)
    # what this process has found it may find again
    monkeypatch.setattr(ports, "LOWEST", first)
    monkeypatch.setattr(ports, "HIGHEST", first + 2)
    for port in (first, first + 1):
        os.close(ports._found.pop(port))
    return first, first + 2


def test_port_that_another_process_has_just_found_is_not_found(few):
    command = [sys.executable, "-c", FINDER, *map(str, few)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        theirs = int(other.stdout.readline())
        assert {ports.free_port() for _ in range(10)} == {*range(*few)} - {theirs}
        with pytest.raises(PlatformError) as caught:
            ports.free_port(2)
        assert str(caught.value) == f"endpoint: 2 free ports in a row must be found below {few[1]}; got none"
        other.communicate("\n")
    assert {ports.free_port() for _ in range(100)} == {*range(*few)}
