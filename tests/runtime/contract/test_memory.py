"""Memory that is left, read from files as the kernel writes them."""

from __future__ import annotations

import pytest

from sagecask.contract import memory

MIB = 1024 * 1024


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Lay out files of the kernel below a folder, and look there."""

    def lay_out(files: dict[str, str], membership: str = "0::/\n", machine: str = "MemAvailable: 8388608 kB\n"):
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "membership").write_text(membership)
        (tmp_path / "meminfo").write_text(machine)
        monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(memory, "MEMBERSHIP", tmp_path / "membership")
        monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
        return memory.available_memory()

    return lay_out


def limits(limit, used, reclaimable=0):
    return {"memory.max": f"{limit}\n", "memory.current": f"{used}\n", "memory.stat": f"inactive_file {reclaimable}\n"}


def below(folder, files):
    return {f"{folder}/{name}": text for name, text in files.items()}


def test_without_limits_it_is_the_machines(system):
    assert system({}) == 8192 * MIB
    assert system(limits("max", 5)) == 8192 * MIB


def test_cgroup_of_a_container_counts(system):
    assert system(limits(300 * MIB, 100 * MIB)) == 200 * MIB


def test_files_in_the_page_cache_can_be_given_back(system):
    assert system(limits(300 * MIB, 290 * MIB, reclaimable=50 * MIB)) == 60 * MIB


def test_narrowest_cgroup_above_counts(system):
    files = below("pods", limits(400 * MIB, 350 * MIB)) | below("pods/one", limits(300 * MIB, 10 * MIB))
    assert system(files, "0::/pods/one\n") == 50 * MIB


def test_first_version_of_cgroups_is_read_too(system):
    files = {
        "memory/docker/memory.limit_in_bytes": f"{300 * MIB}\n",
        "memory/docker/memory.usage_in_bytes": f"{100 * MIB}\n",
        "memory/docker/memory.stat": f"inactive_file 0\ntotal_inactive_file {10 * MIB}\n",
    }
    assert system(files, "9:name=systemd:/docker\n4:memory:/docker\n") == 210 * MIB


def test_more_use_than_the_limit_is_nothing_left(system):
    assert system(limits(100 * MIB, 120 * MIB)) == 0


def test_system_that_tells_nothing_is_none(system):
    assert system({}, machine="") is None


def test_this_machine_has_some():
    assert memory.available_memory() > 0
