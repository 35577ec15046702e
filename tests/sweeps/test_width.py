"""How many trials run side by side when nobody says."""

import math
import re
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import ch5jax
from ch5jax import problems, tasks
from ch5jax._memory import Memory
from ch5jax.sweeps import _width
from ch5jax.sweeps._groups import make_groups
from ch5jax.sweeps._programs import compile_programs
from ch5jax.sweeps._traced import trace_group
from ch5jax.sweeps._width import choose_width, free_memory
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
        (450, 2e3, 10**6, [CPU, CPU], 31250),  # two numbers and their signals: measured the same from 11,000 to 33,000
        (1001, 2e3, 10**6, [CPU, CPU], 4951),
        (0, 0, 10**6, [CPU, CPU], 31250),  # at most 32,768
        (75e3, 8e3, 10**6, [GPU], 32259),
    ],
)
def test_the_width_fills_the_cache_and_the_last_chunk(trial_bytes, record_bytes, trials, devices, width):
    traced = sized(trial_bytes, record_bytes)
    assert choose_width([traced], 100, trials, devices, memory=20e9) == width
    assert choose_width([traced], 100, trials, devices, memory=None) == width


def sized(trial_bytes, record_bytes, peak_bytes=0, data_bytes=0):
    return SimpleNamespace(
        trial_bytes=trial_bytes,
        record_bytes=lambda length: record_bytes,
        peak_bytes=lambda length: peak_bytes,
        data_bytes=data_bytes,
    )


@pytest.mark.parametrize("spacing", ["evaluate_every", "record_every", "signals_every"])
def test_courses_that_no_machine_can_hold_are_refused(spacing):
    opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1])
    with pytest.raises(ValueError, match=r"2,147,483,647 .* of 1 trials .* would take [\d,.e+]+ GB, more than half"):
        ch5jax.sweep(tasks.surface(problems.beale()), opts, key=jax.random.key(0), steps=2**31 - 1, **{spacing: 1})


@pytest.mark.parametrize(("memory", "width"), [(None, 64), (8e9, 64), (4e9, 32), (2e9, 8), (1e9, 2), (1e6, 1)])
def test_the_width_leaves_room_for_what_a_trial_holds(memory, width):
    """50 MB a trial and 500 MB of data, where the cache would take 64: 0.6 of what is free, a power of two."""
    assert choose_width([sized(78e3, 1, 50e6, 5e8)], 100, 64, [CPU], memory) == width


def test_a_width_that_cannot_fit_is_refused_before_anything_compiles():
    task, opts = tasks.digits(hidden=(4,)), ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2])
    with pytest.raises(ValueError, match=r"width must be at most some [\d,]+ here, got 1,000,000,000: it would take"):
        ch5jax.sweep(task, opts, steps=5, key=jax.random.key(0), width=10**9)


def test_a_width_that_would_be_padding_is_refused():
    task, opts = tasks.digits(hidden=(4,)), ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2])
    with pytest.raises(ValueError, match=r"width must be at most 32,768 for 2 trials .*, got 100,000"):
        ch5jax.sweep(task, opts, steps=5, key=jax.random.key(0), width=100_000)


def test_devices_share_what_is_free(monkeypatch):
    monkeypatch.setattr(_width, "host_memory", lambda: Memory(4e9, 3e9))
    assert free_memory([CPU, CPU]) == 1.5e9
    monkeypatch.setattr(_width, "host_memory", lambda: None)
    assert free_memory([CPU]) is None
    stats = {"bytes_limit": 8, "bytes_in_use": 3}
    assert free_memory([SimpleNamespace(platform="gpu", memory_stats=lambda: stats)]) == 5
    assert free_memory([SimpleNamespace(platform="tpu", memory_stats=lambda: None)]) is None


def networks():
    images = np.random.default_rng(0).normal(size=(60, 12, 12, 1)).astype(np.float32)
    labels = np.arange(60) % 3

    def init(key):
        return {"conv": 0.1 * jax.random.normal(key, (3, 3, 1, 8)), "out": 0.1 * jax.random.normal(key, (1152, 3))}

    def apply(w, x):
        convolved = jax.lax.conv_general_dilated(
            x, w["conv"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jax.nn.relu(convolved).reshape(len(x), -1) @ w["out"]

    yield "deep", tasks.digits(hidden=(64,) * 4, batch_norm=True)
    yield "convolution", tasks.supervised((init, apply), (images, labels), batch_size=16)
    yield "recurrent", tasks.adding()


@pytest.mark.parametrize("signals_every", [0, 10])
@pytest.mark.parametrize("name", ["deep", "convolution", "recurrent"])
def test_the_memory_of_a_trial_is_known_before_it_is_compiled(compiled_quickly, name, signals_every):
    (group,) = make_groups(dict(networks())[name], ch5jax.grid(ch5jax.adam, learning_rate=[0.1, 0.2]), 4)
    key, width = jax.random.key(0), 32
    traced = trace_group(group, key, Probes(signals_every, 40))
    programs = compile_programs(traced, group, key, 40, width, jax.devices()[:1])
    taken = []
    for program in (programs.init, programs.advance, programs.evaluate):
        sizes = program.func.memory_analysis()
        taken.append(sizes.argument_size_in_bytes + sizes.output_size_in_bytes - sizes.alias_size_in_bytes)
        taken[-1] += sizes.temp_size_in_bytes
    assert 0.6 < (traced.data_bytes + width * traced.peak_bytes(40)) / max(taken) < 2


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
