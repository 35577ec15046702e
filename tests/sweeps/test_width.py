"""How many trials run side by side when nobody says."""

import math
import re
from types import SimpleNamespace

import jax
import pytest

import ch5jax
from ch5jax import problems, tasks
from ch5jax.sweeps._groups import make_groups
from ch5jax.sweeps._programs import compile_programs, trace_group
from ch5jax.sweeps._width import choose_width
from ch5jax.training import Probes

CPU = SimpleNamespace(platform="cpu")
GPU = SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_limit": 80e9})


@pytest.mark.parametrize(
    ("trial_bytes", "record_bytes", "trials", "devices", "width"),
    [
        (75e3, 8e3, 10**6, [CPU, CPU], 67),  # MLP 64-32-10 with Adam: measured best near 64
        (660e3, 8e3, 10**6, [CPU, CPU], 8),  # MLP 64-128-128-10 with Adam: measured best at 4 to 8
        (75e3, 8e3, 192, [CPU, CPU], 48),  # two full rounds of 96 instead of 134 and a half-empty one
        (75e3, 8e3, 3, [CPU, CPU], 2),
        (75e3, 8e3, 1, [CPU] * 8, 1),
        (1e12, 8e3, 100, [CPU], 1),
        (150, 2e3, 10**6, [CPU, CPU], 31250),  # 16 rounds of what the record leaves room for
        (150, 2e6, 10**6, [CPU, CPU], 32),
        (0, 0, 10**6, [CPU, CPU], 31250),  # at most 32,768
        (75e3, 8e3, 10**6, [GPU], 32259),
    ],
)
def test_the_width_fills_the_cache_and_the_last_chunk(trial_bytes, record_bytes, trials, devices, width):
    assert choose_width(int(trial_bytes), int(record_bytes), trials, devices) == width


@pytest.mark.parametrize("task", ["digits", "surface"])
def test_no_step_waits_for_another_device(compiled_quickly, task):
    """A program of four devices exchanges nothing, and searches nothing at a step."""
    made = {"digits": lambda: tasks.digits(hidden=(4,)), "surface": lambda: tasks.surface(problems.beale())}[task]()
    (group,) = make_groups(made, ch5jax.grid(ch5jax.adam, learning_rate=[0.1, 0.2]), 2)
    key, devices = jax.random.key(0), jax.devices()[:4]
    programs = compile_programs(trace_group(group, key, Probes(5, 20)), group, key, 20, 2, devices)
    text = programs.advance.func.as_text()
    assert "while" in text
    for name in ("all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter", "TopK"):
        assert name not in text, name


@pytest.mark.parametrize(("seeds", "draws"), [(3, 3), (16, 16), (20, 16)])
def test_a_mini_batch_is_drawn_once_a_seed(compiled_quickly, seeds, draws):
    """Sixteen trials that share three seeds gather three mini-batches of 8 × 64 numbers, not sixteen."""
    task = tasks.digits(hidden=(4,), batch_size=8)
    (group,) = make_groups(task, ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), seeds)
    key = jax.random.key(0)
    programs = compile_programs(trace_group(group, key, Probes(0, 4)), group, key, 4, 16, jax.devices()[:1])
    text = programs.advance.func.as_text()
    found = re.findall(r"f32\[([\d,]+)\][^\n]* gather\([^\n]*slice_sizes=\{1,64\}", text)
    assert [math.prod(map(int, shape.split(","))) for shape in found] == [draws * 8 * 64]
