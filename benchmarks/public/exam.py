"""Training the runs, what is kept of a training, judging it again, and whether it failed: the last without a verdict.

A run has learned if its last validation score (accuracy, or R² for numbers) covers 0.9 or more of the way from the best
constant prediction's to a reference's, the better of scikit-learn's gradient-boosted trees and logistic or ridge
regression on the same split. It has failed if it covers less than half of the way, or is not finite. Between the two it
is neither. The criterion was written down before any run was judged.
"""

import functools
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import ch5jax
from benchmarks.public.data import range_of
from benchmarks.public.failed_on_shapes import failed_on_shapes
from benchmarks.public.failed_on_tables import failed_on_tables
from benchmarks.public.learned import learned
from benchmarks.public.published import published
from benchmarks.public.runs import Run, keys_of, programs, setting_of, task_of
from ch5jax import Task, tracing
from ch5jax.diagnostics import Curvature, Signals
from ch5jax.verdicts import Continuations, Diagnosis, Names, Thresholds, diagnosis_of

SEEDS = 3
AT_ONCE = 8  # programs between two times that they are dropped
LEARNED, FAILED = 0.9, 0.5  # shares of the way from the constant prediction to the reference


def runs() -> tuple[Run, ...]:
    """The whole exam."""
    return (*published(), *learned(), *failed_on_shapes(), *failed_on_tables())


class Recorded(NamedTuple):
    """What `verdicts.diagnosis_of` takes, of one run; arrays of NumPy with the seeds as leading axis."""

    training: str  # the run's: of another training this is no record
    signals: Signals
    curvature: Curvature | None
    continuations: Continuations | None
    gradient_norm: np.ndarray  # what `diagnose` took of the gradient at the end: its bound, where that is lower
    metrics: dict[str, np.ndarray]  # of the last step and of the validation part
    code: np.ndarray  # the verdict that `diagnose` gave
    steps: int
    signals_every: int
    names: Names
    baseline: float | None
    input_scale: float | None = None


def recorded(group: list[Run], seeds: int = SEEDS, steps: int | None = None) -> Callable[[], list[Recorded]]:
    """Traces the program of runs that share one; the function that comes back trains them, each a `Recorded`."""
    task, steps = task_of(group[0]), steps or group[0].steps
    # every run with every seed is a lane of one program
    settings = jax.tree.map(
        lambda *leaves: jnp.repeat(jnp.stack([jnp.asarray(leaf, jnp.float32) for leaf in leaves]), seeds),
        *(setting_of(run) for run in group),
    )
    keys = jnp.concatenate([keys_of(run, seeds) for run in group])
    lowered = _diagnoses.lower(task, settings, keys, steps)

    def train() -> list[Recorded]:
        quickly = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
        program = lowered.compile(compiler_options=quickly)  # most of the time goes into compiling
        every = jax.tree.map(np.asarray, program(settings, keys))
        lanes = [slice(seeds * i, seeds * (i + 1)) for i in range(len(group))]
        each = (jax.tree.map(lambda leaf: leaf[lane], every) for lane in lanes)
        return [_recorded(run, task, found) for run, found in zip(group, each, strict=True)]

    return train


@functools.partial(jax.jit, static_argnames=("task", "steps"))
def _diagnoses(task: Task, settings: Any, keys: jax.Array, steps: int) -> Diagnosis:
    return jax.vmap(lambda setting, key: ch5jax.diagnose(task, setting, steps=steps, key=key))(settings, keys)


def _recorded(run: Run, task: Task, found: Diagnosis) -> Recorded:
    return Recorded(
        run.training,
        found.signals,
        found.curvature,
        found.continuations,
        np.sqrt(np.maximum(found.summary.squared_norm, 0)),
        found.metrics,
        np.asarray(found.code),
        found.steps,
        found.signals_every,
        found.names,
        task.baseline,
        task.input_scale,
    )


def examined(chosen: tuple[Run, ...], seeds: int = SEEDS, steps: int | None = None) -> Iterator[tuple[Run, Recorded]]:
    """Trains runs, some programs at a time: while two are compiled and run, the next is traced."""
    groups = programs(chosen)
    for first in range(0, len(groups), AT_ONCE):
        with ThreadPoolExecutor(2) as workers:
            some = [(group, workers.submit(recorded(group, seeds, steps))) for group in groups[first : first + AT_ONCE]]
            for group, found in some:
                yield from zip(group, found.result(), strict=True)
        some.clear()
        jax.clear_caches()  # with 55 programs that were kept, a process had no room for one more
        tracing.clear_caches()


def judged(record: Recorded, thresholds: Thresholds | None = None) -> Diagnosis:
    """A run's diagnoses again, of every seed, by today's code and these thresholds: no training.

    The same as by `diagnose`, but that another `errors` does not reach the gradient at the end.
    """
    limits = thresholds or Thresholds()

    def one(signals: Signals, curvature: Any, gradient_norm: jax.Array, held: Any, ways: Any) -> Diagnosis:
        spacing = record.steps, record.signals_every
        known = jnp.nan, record.baseline, record.names
        return diagnosis_of(signals, *spacing, *known, limits, curvature, gradient_norm, held, ways, record.input_scale)

    held = record.metrics.get("validation_loss")
    arrays = jax.tree.map(
        jnp.asarray, (record.signals, record.curvature, record.gradient_norm, held, record.continuations)
    )
    return jax.vmap(one)(*arrays)  # op by op: compiling takes three seconds a run


def outcomes(run: Run, record: Recorded) -> list[str]:
    """What became of every seed's training: learned, failed or neither."""
    return [_outcome(share) for share in shares(run, record)]


def _outcome(share: float) -> str:
    if not share >= FAILED:  # NaN is no score
        return "failed"
    return "learned" if share >= LEARNED else "neither"


def shares(run: Run, record: Recorded) -> list[float]:
    """How much of the way from the constant prediction to the reference each seed covered; NaN if it is lost."""
    name = next(name for name in ("validation_accuracy", "validation_r2") if name in record.metrics)
    constant, reference = range_of(run.data.problem)
    scores = np.asarray(record.metrics[name], float)
    finite = np.isfinite(record.metrics["loss"]) & np.isfinite(scores)
    return np.where(finite, (scores - constant) / (reference - constant), np.nan).tolist()


def keep(path: Path, records: dict[str, Recorded]) -> None:
    """Writes what was recorded, by the runs' names."""
    partly = path.with_suffix(".part")
    partly.write_bytes(pickle.dumps(records))
    partly.replace(path)


def kept(path: Path) -> dict[str, Recorded]:
    """Reads it, without what is of a run that is another today. Only one's own file: reading one can run anything."""
    found = pickle.loads(path.read_bytes()) if path.exists() else {}
    today = {run.name: run.training for run in runs()}
    return {name: record for name, record in found.items() if today.get(name) == record.training}
