"""Whether the setting that is best in the end survives the rungs, and what stopping early saves.

The same settings are trained to the end, and with the rungs of successive halving, on keys of their own; Hyperband has
settings of its own, which begin as many. Steps are counted and wall time taken of one sweep each, in turns, with all
programs compiled.
"""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from sklearn import datasets

import ch5jax
from benchmarks.tables import table
from benchmarks.timing import at, median, save

KEYS, STEPS, SETTINGS, SEEDS = at(5, 1), at(540, 60), at(27, 4), 2
AXES = {
    "optimizer": [ch5jax.adam, ch5jax.momentum],
    "learning_rate": ch5jax.log(1e-4, 10.0),
    "b1": ch5jax.linear(0.5, 0.99),
    "decay": ch5jax.linear(0.0, 0.99),
    "initial_scale": ch5jax.log(0.1, 10.0),
}


class Found(NamedTuple):
    """What a way to stop came to."""

    scores: (
        np.ndarray
    )  # of each setting, the mean over its seeds, the larger the better; −∞ where it was stopped or lost
    steps: int
    seconds: float


def tasks() -> dict[str, ch5jax.Task]:
    def of(data: Any, kind: str) -> ch5jax.Task:
        frame = data.frame
        return ch5jax.tasks.table(ch5jax.tasks.read_table(frame, "target", kind), hidden=(16,), batch_size=32)

    return {
        "digits 64-32-10": ch5jax.tasks.digits(hidden=(32,)),
        "breast cancer 30-16-2": of(datasets.load_breast_cancer(as_frame=True), "classification"),
        "diabetes 10-16-1": of(datasets.load_diabetes(as_frame=True), "regression"),
    }


def spaces(task: ch5jax.Task, seed: int) -> tuple[Any, Any, Any]:
    """The settings of all ways but Hyperband's, and those with their rungs."""
    same = ch5jax.space(task, AXES, count=SETTINGS, seed=seed)
    opts: dict[str, Any] = {}
    rungs: dict[str, Any] = {}
    for i, bracket in enumerate(ch5jax.hyperband(STEPS)):
        drawn = ch5jax.space(task, AXES, count=at(bracket.settings, 2), seed=1000 * seed + i)
        for name, batch in drawn.hyperparameters.items():
            opts[f"{name}, bracket {i}"], rungs[f"{name}, bracket {i}"] = batch, bracket.rungs
    return same, dict.fromkeys(opts, task), (opts, rungs)


def swept(task: Any, opts: Any, key: jax.Array, rungs: Any) -> Found:
    begun = time.perf_counter()
    result = ch5jax.sweep(task, opts, steps=STEPS, key=key, seeds=SEEDS, rungs=rungs, width=at(9, 4))
    seconds = time.perf_counter() - begun
    values = result.columns[result.objective].astype(float) * (1 if result.maximize else -1)
    whole = (result.steps_trained == STEPS) & (result.columns["diverged_at"] < 0) & np.isfinite(values)
    scores = np.where(whole, values, -np.inf).reshape(-1, SEEDS).mean(axis=1)
    return Found(scores, int(result.steps_trained.sum()), seconds)


def ways(task: ch5jax.Task, number: int) -> dict[str, Callable[[], Found]]:
    key = jax.random.key(100 + number)
    same, brackets, (opts, rungs) = spaces(task, number)
    run = functools.partial(swept, *same, key)
    return {
        "all to the end": functools.partial(run, None),
        "halving, factor 3": functools.partial(run, ch5jax.halving(STEPS, 3.0)),
        "halving, factor 2": functools.partial(run, ch5jax.halving(STEPS, 2.0)),
        "stop_lost": functools.partial(run, ch5jax.stop_lost(STEPS)),
        "Hyperband, factor 3": functools.partial(swept, brackets, opts, key, rungs),
    }


def rows() -> list[dict[str, object]]:
    found = []
    for name, task in list(tasks().items())[: at(None, 1)]:
        compiled = {way: run() for way, run in ways(task, 99).items()}  # and forgotten
        seen: dict[str, list[Found]] = {way: [] for way in compiled}
        for number in range(KEYS):
            order = np.random.default_rng(number).permutation(list(seen))
            each = ways(task, number)
            for way in order.tolist():
                seen[way].append(each[way]())
        whole = seen["all to the end"]
        for way, runs in seen.items():
            own = way != "Hyperband, factor 3"  # whose settings are others
            kept = sum(np.argmax(one.scores) == np.argmax(all_.scores) for one, all_ in zip(runs, whole, strict=True))
            lost = [all_.scores.max() - one.scores.max() for one, all_ in zip(runs, whole, strict=True)]
            found.append(
                {
                    "task": name,
                    "rungs": way,
                    "best is the same": f"{kept} of {KEYS}" if own else "other settings",
                    "best score less": float(median(lost)),
                    "at most": float(max(lost)),
                    "× steps": float(median([one.steps / all_.steps for one, all_ in zip(runs, whole, strict=True)])),
                    "× wall time": float(
                        median([one.seconds / all_.seconds for one, all_ in zip(runs, whole, strict=True)])
                    ),
                }
            )
            print(found[-1], flush=True)
    return found


if __name__ == "__main__":
    figures = rows()
    print(table(figures))
    save("halving", {"rows": figures})
