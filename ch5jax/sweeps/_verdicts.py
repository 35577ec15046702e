"""Which difficulty each trial of a sweep met, by the signals that were kept of it."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ch5jax.diagnostics import Difficulty, Signals
from ch5jax.sweeps._curves import Curves
from ch5jax.sweeps._outline import Outline
from ch5jax.sweeps._programs import ONCE, compiler_options
from ch5jax.sweeps._siblings import seen_to_work, ties, with_siblings
from ch5jax.verdicts import NO_DIFFICULTY, PRECEDENCE, Diagnosis, diagnosis_of

# Trials judged at a time. Fewer are filled up to a power of two, so that a program serves sweeps of many sizes: it
# takes two seconds to compile, and 64 trials a millisecond.
FEWEST_AT_ONCE, MOST_AT_ONCE = 64, 4096


def diagnose_trials(
    outlines: tuple[Outline, ...],
    curves: dict[str, Curves],
    diverged: dict[str, np.ndarray],
    steps: int,
    signals_every: int,
    scores: dict[str, np.ndarray],
) -> dict[str, Diagnosis]:
    """The diagnoses of each group's trials, as a batch; nothing without signals.

    What a trial could have reached is the task's lowest loss where that is known, and otherwise the best that a trial
    of the same task had, in whatever group; then what its siblings refute is not said (`scores`: the larger the
    better).
    """
    if not signals_every:
        return {}
    signals = {
        name: _with_divergence(curve.signals, diverged[name], len(curve.probed_at)) for name, curve in curves.items()
    }
    found = {}
    for group in outlines:
        rivals = [signals[other.name] for other in outlines if other.task == group.task]
        best = _lowest(rivals) if group.lowest is None else group.lowest
        baseline, scale = (np.nan if one is None else one for one in (group.baseline, group.input_scale))
        held, at = _validation(curves[group.name], len(diverged[group.name]))
        batch = _in_lots(signals[group.name], held, at, steps, signals_every, best, baseline, scale)
        batch = dataclasses.replace(batch, names=group.names)
        if group.lowest is None:
            others = [scores[other.name] for other in outlines if other.task == group.task]
            tied = ties(scores[group.name], max((one.max() for one in others if len(one)), default=-np.inf))
            batch = with_siblings(batch, group.settings, group.seeds, tied, group.baseline)
        found[group.name] = batch
    return found


def verdict_columns(
    diagnoses: Diagnosis, settings: dict[str, np.ndarray], seeds: np.ndarray, scores: np.ndarray
) -> dict[str, np.ndarray]:
    """A trial's first difficulty, all of them in that order, and what was seen to work, in words."""
    names = np.array([difficulty.name.lower() for difficulty in Difficulty])
    ordered = [difficulty for difficulty in PRECEDENCE if difficulty not in NO_DIFFICULTY]
    # a sentence for each combination that there is, not for each trial
    found = np.asarray(diagnoses.findings.found)[:, ordered]
    combinations, which = np.unique(found @ (1 << np.arange(len(ordered))), return_inverse=True)
    words = [", ".join(names[d] for i, d in enumerate(ordered) if one >> i & 1) for one in combinations]
    verdicts = names[np.asarray(diagnoses.code)]
    remedies = np.where(verdicts == "healthy", "", seen_to_work(settings, seeds, scores))
    return {"verdict": verdicts, "difficulties": np.array(words, str)[which], "remedy": remedies}


def _with_divergence(signals: Any, diverged: np.ndarray, probes: int) -> Signals:
    """The table's step of divergence, which counts parameters and tasks without a loss too."""
    return signals._replace(lost_since=np.repeat(diverged.astype(np.int32)[:, None], probes, axis=1))


def _lowest(rivals: list[Signals]) -> float:
    """The lowest loss between two probes of all that did not diverge."""
    losses = [
        np.where((one.lost_since < 0) & np.isfinite(one.mean_loss), one.mean_loss, np.inf).min()
        for one in rivals
        if one.mean_loss is not None and one.lost_since is not None
    ]
    lowest = min(losses, default=np.inf)
    return float(lowest) if np.isfinite(lowest) else np.nan


def _validation(curves: Curves, trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Each trial's validation losses, shape (trials, evaluations), and their steps; NaN where the task has none."""
    held = curves.evaluations.get("validation_loss")
    if held is None:
        return np.full((trials, 1), np.nan), curves.evaluated_at[-1:]
    return np.asarray(held), curves.evaluated_at


def _in_lots(
    signals: Signals,
    validation: np.ndarray,
    validated_at: np.ndarray,
    steps: int,
    signals_every: int,
    best: float,
    baseline: float,
    input_scale: float,
) -> Diagnosis:
    trials = len(jax.tree.leaves(signals)[0])
    size = min(max(1 << (trials - 1).bit_length(), FEWEST_AT_ONCE), MOST_AT_ONCE)
    whole: Any = None
    for first in range(0, trials, size):
        rows = np.minimum(np.arange(first, first + size), trials - 1)
        lot = jax.tree.map(lambda values, rows=rows: values[rows], (signals, validation))
        told = jax.device_get(_diagnose_lot(steps, signals_every)(*lot, validated_at, best, baseline, input_scale))
        if whole is None:
            whole = jax.tree.map(lambda values: np.empty((trials, *values.shape[1:]), values.dtype), told)
        jax.tree.map(lambda to, values, i=first: to.__setitem__(slice(i, i + size), values[: trials - i]), whole, told)
    # what all have in common once, and the signals as the curves have them: of a million trials 0.3 GB for 0.75
    thresholds = jax.tree.map(lambda values: np.broadcast_to(values[:1], (trials, *values.shape[1:])), told.thresholds)
    return dataclasses.replace(whole, signals=signals, thresholds=thresholds)


@functools.lru_cache(32)
def _diagnose_lot(steps: int, signals_every: int) -> Callable[..., Diagnosis]:
    """`diagnosis_of`, compiled for a lot of trials; not before the first one: JAX's backend has to have started."""

    def one(
        signals: Signals,
        validation: jax.Array,
        validated_at: jax.Array,
        best: jax.Array,
        baseline: jax.Array,
        input_scale: jax.Array,
    ) -> Diagnosis:
        more = {"validation": validation, "validated_at": validated_at, "input_scale": input_scale}
        found = diagnosis_of(signals, steps, signals_every, best, baseline, **more)
        return dataclasses.replace(found, signals=Signals())

    options = compiler_options(ONCE, jax.default_backend())
    return jax.jit(jax.vmap(one, (0, 0, None, None, None, None)), compiler_options=options)
