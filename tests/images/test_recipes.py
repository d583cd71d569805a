"""The recipes as text."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_gpu_recipe_differs_in_wheels_and_nvidia_variables_alone():
    gpu = (ROOT / "Dockerfile.gpu").read_text()
    without_variables = re.sub(r"^    NVIDIA_\w+=\S+ \\\n", "", gpu, flags=re.MULTILINE)
    assert gpu.count("NVIDIA_") == 2
    assert without_variables.replace("ARG WHEELS=gpu", "ARG WHEELS=cpu") == (ROOT / "Dockerfile.cpu").read_text()


def test_constraints_are_plain_requirements_with_hashes():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    builds = (ROOT / "images" / "builds.txt").read_text().splitlines()
    assert lines[-len(builds) :] == builds
    pinned = [line for line in lines[: -len(builds)] if not line.startswith("    --hash=sha256:")]
    assert pinned
    for line in pinned:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [^;]+)? \\", line), line


def test_every_further_build_is_one_of_a_version_that_is_pinned():
    lines = (ROOT / "images" / "builds.txt").read_text().splitlines()
    pinned = set(re.findall(r"^(\S+==\S+)", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE))
    builds = [line for line in lines if not line.startswith("#")]
    for line in builds:
        build = re.fullmatch(r"([a-z0-9-]+==[\w.]+)\+\w+( --hash=sha256:[0-9a-f]{64})+", line)
        assert build, line
        assert build[1] in pinned


def test_buildspec_calls_make_and_nothing_else():
    commands = re.findall(r"^ +- (.+)$", (ROOT / "buildspec.yml").read_text(), flags=re.MULTILINE)
    assert commands
    assert [command for command in commands if not command.startswith("make ")] == []
