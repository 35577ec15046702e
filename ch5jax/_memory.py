"""How much memory this machine has, or the container that this runs in."""

from pathlib import Path
from typing import NamedTuple

MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


class Memory(NamedTuple):
    """Bytes of the host's memory."""

    total: float
    free: float  # what can be had without swapping: files that are only cached count as free


def host_memory() -> Memory | None:
    """The machine's memory, or a container's (control groups, version 2) where that is less; None where none says."""
    if (machine := _numbers(MEMINFO)) is None or not machine.keys() >= {"MemTotal:", "MemAvailable:"}:
        return None
    total, free = 1024.0 * machine["MemTotal:"], 1024.0 * machine["MemAvailable:"]
    limit, used = _number(CGROUP / "memory.max"), _number(CGROUP / "memory.current")
    if limit is not None and used is not None:
        cached = (_numbers(CGROUP / "memory.stat") or {}).get("inactive_file", 0)
        total, free = min(total, limit), min(free, max(limit - used + cached, 0))
    return Memory(total, free)


def check_memory(needed: float, what: str) -> None:
    """Refuses what takes more than half of this machine's memory, before it is tried.

    Args:
      needed: bytes.
      what: what takes them, for the message.

    Raises:
      ValueError: if they are too many.
    """
    if needed > (most := memory() // 2):
        raise ValueError(
            f"{what} would take {needed / 1e9:,.3g} GB, more than half of this machine's memory, {most / 1e9:.3g} GB"
        )


def memory() -> int:
    """Bytes of this machine's memory; 16 GiB where it does not say."""
    host = host_memory()
    return 16 << 30 if host is None else int(host.total)


def _number(path: Path) -> int | None:
    """A file's one number; None where there is none, such as "max"."""
    text = path.read_text().strip() if path.exists() else ""
    return int(text) if text.isdigit() else None


def _numbers(path: Path) -> dict[str, int] | None:
    """Its lines, of a name and a number each."""
    if not path.exists():
        return None
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}
