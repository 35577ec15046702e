"""Timing contestants against each other in one run: in turns, in a new order every round, with a flushed cache.

A benchmark that is called with `--tiny` does all that it does at a size that takes seconds: it shows that it runs, its
figures mean nothing, and are not kept.
"""

import datetime
import functools
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np

RESULTS = Path(__file__).parent / "results"
TINY = "--tiny" in sys.argv
T = TypeVar("T")


@functools.cache
def on_gpu() -> bool:
    """Whether JAX computes on a GPU: PyTorch's contestants then do too."""
    return jax.default_backend() == "gpu"


def at(full: T, tiny: T, gpu: T | None = None) -> T:
    """A size, by how the benchmark was called, and on what: a GPU needs more, or the host's asking is what is timed."""
    return tiny if TINY else gpu if gpu is not None and on_gpu() else full


_FLUSH = np.zeros(at(64 << 20, 1 << 10), np.uint8)


def flush_cache() -> None:
    """Writes 64 MiB, more than the caches hold; on a GPU nothing, where sizes are many times its cache."""
    if not on_gpu():
        _FLUSH.__iadd__(1)


def alternate(contestants: dict[str, Callable[[], object]], rounds: int, flush: bool = True) -> dict[str, list[float]]:
    """Seconds of every contestant in every round, in an order drawn anew for each, after one uncounted round.

    In a fixed order, also a rotated one, each has the same one before it: an update that always came after PyTorch,
    whose threads still waited for work, took 1.6 × as long.
    """
    names = list(contestants)
    generator = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in generator.permutation(names).tolist():
            if flush:
                flush_cache()
            begin = time.perf_counter()
            contestants[name]()
            if turn:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def median(values: list[float]) -> float:
    return statistics.median(values)


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """The median of the ratios round by round, which a machine that drifts changes least."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    packages = {
        name: version(name)
        for name in ("jax", "jaxlib", "optax", "flax", "numpy", "pandas", "torch", "optuna", "hyperoptax")
        if find_spec(name)
    }
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    device = f"{jax.devices()[0].platform} {jax.devices()[0].device_kind}"
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "device": device,
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
        **packages,
    }


def save(name: str, content: dict[str, object]) -> None:
    """Writes a benchmark's figures as JSON."""
    text = json.dumps({"machine": machine(), **content}, indent=1)
    if not TINY:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}{'_gpu' * on_gpu()}.json").write_text(text + "\n")
