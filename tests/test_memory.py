"""The memory that a sweep and a table count on."""

import pytest

from ch5jax import _memory
from ch5jax._memory import Memory, host_memory


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Files of a machine with 4,000 kB, 3,000 of them free."""
    (tmp_path / "meminfo").write_text("MemTotal: 4000 kB\nMemFree: 10 kB\nMemAvailable:    3000 kB\nHugePages: 0\n")
    monkeypatch.setattr(_memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(_memory, "CGROUP", tmp_path)
    return tmp_path


def test_it_is_the_machines(machine):
    assert host_memory() == Memory(4000 * 1024, 3000 * 1024)


def test_a_container_has_less_and_its_cached_files_can_go(machine):
    (machine / "memory.max").write_text("2048000\n")
    (machine / "memory.current").write_text("2047000\n")
    assert host_memory() == Memory(2048000, 1000)
    (machine / "memory.stat").write_text("anon 47000\ninactive_file 1500000\nactive_file 500000\n")
    assert host_memory() == Memory(2048000, 1501000)
    (machine / "memory.max").write_text("max\n")
    assert host_memory() == Memory(4000 * 1024, 3000 * 1024)


def test_where_nothing_says_it_is_not_known(machine):
    (machine / "meminfo").write_text("MemTotal: 4000 kB\n")
    assert host_memory() is None
    (machine / "meminfo").unlink()
    assert host_memory() is None


def test_of_this_machine_it_is_something():
    found = host_memory()
    assert found is None or 0 < found.free <= found.total < 1e15
