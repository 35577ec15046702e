"""How many trials run side by side when nobody says."""

from types import SimpleNamespace

import pytest

from ch5jax.sweeps._width import choose_width

CPU = SimpleNamespace(platform="cpu")
GPU = SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_limit": 80e9})


@pytest.mark.parametrize(
    ("state_bytes", "trials", "devices", "width"),
    [
        (29e3, 10**6, [CPU, CPU], 64),  # MLP 64-32-10 with Adam: measured best near 64
        (313e3, 10**6, [CPU, CPU], 8),  # MLP 64-128-128-10 with Adam: measured best at 4 to 8
        (29e3, 192, [CPU, CPU], 48),  # two full rounds of 96 instead of 128 and a half-empty one
        (29e3, 3, [CPU, CPU], 2),
        (29e3, 1, [CPU] * 8, 1),
        (1e12, 100, [CPU], 1),
        (29e3, 10**6, [GPU], 4082),  # 245 rounds of at most 4096
    ],
)
def test_the_width_fills_the_cache_and_the_last_chunk(state_bytes, trials, devices, width):
    assert choose_width(int(state_bytes), trials, devices) == width
