"""How many trials train side by side on a device."""

from collections.abc import Sequence

import jax

from ch5jax._memory import host_memory
from ch5jax.sweeps._traced import Traced

# Measured on 2 cores with 1 MiB of L2 each, microseconds a configuration-step (digits, Adam): an MLP 64-32-10 of 29 kB
# of state took 15.0, 12.9, 9.7 and 12.0 at widths 4, 16, 64 and 256; 64-128-128-10 of 313 kB took 66, 67, 85, 86 and 89
# at 4, 8, 16, 32 and 64. Both are best while state, gradients and activations (about twice the state, and the largest
# array of a step) fill some 5 MB.
CPU_WORKING_SET = 5e6
# Trials of two numbers do not care: 200,000 of 200 steps took 5.9, 5.3 and 5.1 s at widths of 11,112, 20,000 and 33,334
# (JAX 0.12.0.1). Wider ones are fewer chunks, and so fewer files: 35 for a million trials, of 93.
SMALL, CPU_WORKING_SET_OF_SMALL = 1e3, 15e6  # bytes of a trial, and of all
CPU_RECORD = 64e6  # bytes of metrics and signals that a segment of steps reports: written once, and in memory
LARGEST = 1 << 15

# Of the memory that is free, what a sweep counts on: its prediction was 0.6 to 1.9 of what XLA reserves.
SHARE = 0.6


def choose_width(
    traced: Sequence[Traced], length: int, trials: int, devices: Sequence[jax.Device], memory: float | None
) -> int:
    """The width for trials of a given size: what the cache (of a GPU, the memory) holds, evenly filled.

    Args:
      traced: the groups' functions.
      length: steps in a segment.
      trials: how many trials the largest group has; the last chunk of a group should not be mostly padding.
      devices: the devices that share them.
      memory: bytes that are free for each device; None where nobody knows.
    """
    limit = None if devices[0].platform == "cpu" else (devices[0].memory_stats() or {}).get("bytes_limit")
    largest = max(1, *(one.trial_bytes for one in traced))
    in_cache = CPU_WORKING_SET_OF_SMALL if largest <= SMALL else CPU_WORKING_SET
    working_set, record = (limit / 4, limit / 8) if limit else (in_cache, CPU_RECORD)
    fitting = min(
        working_set / largest,
        record / max(1, *(one.record_bytes(length) for one in traced)),
    )
    most = max(1, min(LARGEST, round(fitting), most_in_memory(traced, length, memory)))
    rounds = -(-trials // (most * len(devices)))
    return -(-trials // (rounds * len(devices)))


def check_width(width: int, trials: int, traced: Sequence[Traced], length: int, memory: float | None) -> None:
    """Refuses a width that cannot fit, or would be mostly padding: of the largest group's trials."""
    need = max(one.data_bytes + width * one.peak_bytes(length) for one in traced)
    if memory is None or need <= 2 * memory:  # it may be half of what is predicted
        if width > (most := max(LARGEST, trials)):
            raise ValueError(
                f"width must be at most {most:,} for {trials:,} trials in the largest group, got {width:,}"
            )
        return
    if width == 1:
        raise ValueError(
            f"one training of this task would take {need / 1e9:,.1f} GB, and {memory / 1e9:,.1f} GB are free on each "
            "device: take a smaller network, smaller batches or fewer devices"
        )
    raise ValueError(
        f"width must be at most some {most_in_memory(traced, length, memory):,} here, got {width:,}: it would take "
        f"{need / 1e9:,.1f} GB on each device, and {memory / 1e9:,.1f} GB are free"
    )


def most_in_memory(traced: Sequence[Traced], length: int, memory: float | None) -> int:
    """How many trials fit on a device, one at least; a power of two, so that it seldom differs from day to day."""
    if memory is None:
        return LARGEST
    room = SHARE * memory - max(one.data_bytes for one in traced)
    fitting = int(room / max(1, *(one.peak_bytes(length) for one in traced)))
    return 1 << max(fitting, 1).bit_length() - 1


def free_memory(devices: Sequence[jax.Device]) -> float | None:
    """Bytes that are free for each device; None where nobody knows."""
    if devices[0].platform != "cpu":
        stats = devices[0].memory_stats() or {}
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0) if "bytes_limit" in stats else None
    host = host_memory()
    return None if host is None else host.free / len(devices)
