"""Which difficulty each trial of a sweep met, by the signals that were kept of it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from ch5jax.diagnostics import Difficulty, Signals
from ch5jax.sweeps._groups import Group, locate
from ch5jax.sweeps._plan import Plan
from ch5jax.sweeps._programs import QUICK_ON_CPU
from ch5jax.sweeps._result import Curves
from ch5jax.verdicts import NO_DIFFICULTY, PRECEDENCE, Diagnosis, Verdict, diagnosis_of, judge

# Trials judged at a time. Fewer are filled up to a power of two, so that a program serves sweeps of many sizes.
MOST_AT_ONCE = 4096


class Judged(NamedTuple):
    """A group's verdicts, and what they were told by."""

    verdict: Verdict  # leading axis: trials
    signals: Signals
    best: float  # the loss that counts as the best; NaN where there is none


def judge_trials(
    groups: tuple[Group, ...], curves: dict[str, Curves], diverged: dict[str, np.ndarray]
) -> dict[str, Judged]:
    """The verdicts of each group's trials; nothing without signals.

    What a trial could have reached is the task's lowest loss where that is known, and otherwise the best that a trial
    of the same task had, in whatever group.
    """
    if any(curve.signals is None for curve in curves.values()):
        return {}
    signals = {
        name: _with_divergence(curve.signals, diverged[name], len(curve.looked_at)) for name, curve in curves.items()
    }
    judged = {}
    for group in groups:
        own, rivals = signals[group.name], [signals[other.name] for other in groups if other.task is group.task]
        best = _lowest(rivals) if group.task.lowest is None else float(group.task.lowest)
        baseline = np.nan if group.task.baseline is None else group.task.baseline
        verdict = _in_lots(own, curves[group.name].looked_at.astype(np.int32), best, baseline)
        judged[group.name] = Judged(verdict, own, best)
    return judged


def diagnoser(groups: tuple[Group, ...], judged: dict[str, Judged], plan: Plan) -> Callable[[int], Diagnosis]:
    """How a trial of the result is diagnosed."""

    def diagnosis(number: int) -> Diagnosis:
        if not judged:
            raise ValueError("a diagnosis needs signals, and this sweep took none (signals_every=0)")
        g, row = locate(groups, number)
        group = groups[g]
        _, signals, best = judged[group.name]
        own = jax.tree.map(lambda values: values[row], signals)
        hyperparameters, _ = group.one(row)
        return _diagnosis(group.task, hyperparameters, own, plan.steps, plan.signals_every, best)

    return diagnosis


_diagnosis = jax.jit(diagnosis_of, static_argnames=("task", "steps", "every"))


def verdict_columns(verdict: Verdict) -> dict[str, np.ndarray]:
    """A trial's first difficulty, and all of them in that order, in words."""
    names = np.array([difficulty.name.lower() for difficulty in Difficulty])
    ordered = [difficulty for difficulty in PRECEDENCE if difficulty not in NO_DIFFICULTY]
    found = [", ".join(names[d] for d in ordered if row[d]) for row in verdict.found]
    return {"verdict": names[verdict.code], "difficulties": np.array(found, str)}


def _with_divergence(signals: Any, diverged: np.ndarray, looks: int) -> Signals:
    """The table's step of divergence, which counts parameters and tasks without a loss too."""
    return signals._replace(lost_since=np.repeat(diverged.astype(np.int32)[:, None], looks, axis=1))


def _lowest(rivals: list[Signals]) -> float:
    """The lowest loss between two looks of all that did not diverge."""
    losses = [
        np.where((one.lost_since < 0) & np.isfinite(one.mean_loss), one.mean_loss, np.inf).min()
        for one in rivals
        if one.mean_loss is not None and one.lost_since is not None
    ]
    lowest = min(losses, default=np.inf)
    return float(lowest) if np.isfinite(lowest) else np.nan


def _in_lots(signals: Signals, looked_at: np.ndarray, best: float, baseline: float) -> Verdict:
    trials = len(jax.tree.leaves(signals)[0])
    size = min(1 << (trials - 1).bit_length(), MOST_AT_ONCE)
    lots = []
    for first in range(0, trials, size):
        rows = np.minimum(np.arange(first, first + size), trials - 1)
        lots.append(
            _judge_lot()(jax.tree.map(lambda values, rows=rows: values[rows], signals), looked_at, best, baseline)
        )
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:trials], *lots)


@functools.cache
def _judge_lot() -> Callable[..., Verdict]:
    """`judge`, compiled for a lot of trials; not before the first one, since JAX's backend has to have started."""

    def one(signals: Signals, looked_at: jax.Array, best: jax.Array, baseline: jax.Array) -> Verdict:
        return judge(signals, looked_at, best=best, baseline=baseline)

    options = QUICK_ON_CPU if jax.default_backend() == "cpu" else None
    return jax.jit(jax.vmap(one, (0, None, None, None)), compiler_options=options)
