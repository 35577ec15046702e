"""How many trials train side by side on a device."""

from collections.abc import Sequence

import jax

# Measured on 2 cores with 1 MiB of L2 each, microseconds a configuration-step (digits, Adam): an MLP 64-32-10 of 29 kB
# of state took 15.0, 12.9, 9.7 and 12.0 at widths 4, 16, 64 and 256; 64-128-128-10 of 313 kB took 66, 67, 85, 86 and 89
# at 4, 8, 16, 32 and 64. Both are best while state, gradients and activations (about twice the state, and the largest
# array of a step) fill some 5 MB.
CPU_WORKING_SET = 5e6
CPU_RECORD = 64e6  # bytes of metrics and signals that a segment of steps reports: written once, and in memory
LARGEST = 1 << 15


def choose_width(trial_bytes: int, record_bytes: int, trials: int, devices: Sequence[jax.Device]) -> int:
    """The width for trials of a given size: what the cache (of a GPU, the memory) holds, evenly filled.

    Args:
      trial_bytes: what a step of one trial works on.
      record_bytes: what a segment of steps reports of one trial.
      trials: how many trials the largest group has; the last chunk of a group should not be mostly padding.
      devices: the devices that share them.
    """
    memory = (devices[0].memory_stats() or {}).get("bytes_limit", 0) if devices[0].platform != "cpu" else 0
    fitting = min(
        (memory / 4 or CPU_WORKING_SET) / max(trial_bytes, 1), (memory / 8 or CPU_RECORD) / max(record_bytes, 1)
    )
    rounds = -(-trials // (max(1, min(LARGEST, round(fitting))) * len(devices)))
    return -(-trials // (rounds * len(devices)))
