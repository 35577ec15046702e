"""How many trials train side by side on a device."""

from collections.abc import Sequence

import jax

# Measured on 2 cores with 1 MiB of L2 each, microseconds a configuration-step (digits, Adam): an MLP 64-32-10 of 29 kB
# of state took 15.0, 12.9, 9.7 and 12.0 at widths 4, 16, 64 and 256; 64-128-128-10 of 313 kB took 66, 67, 85, 86 and 89
# at 4, 8, 16, 32 and 64. Both are best while state, gradients and activations (about twice the state, plus a batch)
# fill some 5 MB.
CPU_WORKING_SET = 5e6
BATCH = 20e3
LARGEST = 4096


def choose_width(state_bytes: int, trials: int, devices: Sequence[jax.Device]) -> int:
    """The width for trials of a given size of state: what the cache (of a GPU, the memory) holds, evenly filled.

    Args:
      state_bytes: the size of one trial's state.
      trials: how many trials the largest group has; the last chunk of a group should not be mostly padding.
      devices: the devices that share them.
    """
    memory = (devices[0].memory_stats() or {}).get("bytes_limit", 0) if devices[0].platform != "cpu" else 0
    budget = memory / 4 or CPU_WORKING_SET
    fitting = max(1, min(LARGEST, round(budget / (2 * state_bytes + BATCH))))
    rounds = -(-trials // (fitting * len(devices)))
    return -(-trials // (rounds * len(devices)))
