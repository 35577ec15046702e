"""Training a setting of a task, and saying which difficulty it met."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax.diagnostics import Curvature, Signals, curvature, matrix_names
from ch5jax.tasks import Task
from ch5jax.training import recorded_steps, train
from ch5jax.verdicts._course import course
from ch5jax.verdicts._diagnosis import Diagnosis
from ch5jax.verdicts._judge import DEFAULT, judge
from ch5jax.verdicts._thresholds import Thresholds

LOOKS = 50
CURVATURE_BATCHES = 8  # mini-batches whose mean loss has its curvature taken
_OF_CURVATURE = np.uint32(2**32 - 4)  # no step's index, and none of the other numbers that keys are folded with


def diagnose(
    task: Task,
    hyperparameters: Any,
    *,
    steps: int,
    key: jax.Array,
    best: jax.typing.ArrayLike | None = None,
    signals_every: int | None = None,
    iterations: int = 20,
    thresholds: Thresholds = DEFAULT,
) -> Diagnosis:
    """Trains one setting of a task, and says which difficulties it met.

    Codes with evidence inside the program, sentences outside it: it jits and vmaps, over hyperparameters and keys, and
    what comes back says itself when printed.

    Args:
      task: a `Task`. Without `params` and `loss`, the verdict comes from what its step reports ("loss",
        "gradient_norm"), and there is no curvature.
      hyperparameters: what the task takes; for the ready ones, an optimizer.
      steps: how many steps, ≥ 1; what is told by the course of the loss needs eight at least.
      key: the trial's key, as for `train`: the run is the same.
      best: the lowest loss known to be reachable, such as the best of other runs; by default the task's `lowest`.
        Where neither is known, nothing is said of being stuck: no saddle, local optimum or noise.
      signals_every: steps from look to look; by default a fiftieth of all.
      iterations: products with the Hessian for the curvature at the end, of the mean loss of eight mini-batches; 0 for
        none, and then nothing is said of saddles and local optima.
      thresholds: what the verdict is measured against, `verdicts.Thresholds`.

    Returns:
      A `Diagnosis`: `difficulties`, a set of `diagnostics.Difficulty`; `main`, the first of them; `evidence` and
      `descriptions`; `str()` in sentences.

    Raises:
      ValueError: if a number is not positive, or as `train` does.

    Example:
      >>> import ch5jax, jax
      >>> task = ch5jax.tasks.surface(ch5jax.problems.styblinski_tang(), start=[2.0, -2.0])
      >>> found = ch5jax.diagnose(task, ch5jax.sgd(0.01), steps=300, key=jax.random.key(0))
      >>> found.difficulties
      {<Difficulty.LOCAL_OPTIMUM: 6>}
      >>> print(found)  # doctest: +ELLIPSIS
      LOCAL_OPTIMUM: at step 300 it rested in a basin: small gradient, no negative curvature, and ...

    Source: see `verdicts.judge`.
    """
    _trees.check_positive(steps=steps, signals_every=signals_every)
    _trees.check_data(hyperparameters, "hyperparameters")
    every = int(signals_every or max(1, steps // LOOKS))
    best = task.lowest if best is None else best
    best = jnp.nan if best is None else best
    return _program(task, hyperparameters, key, best, thresholds, int(steps), every, iterations)


@functools.partial(jax.jit, static_argnames=("task", "steps", "every", "iterations"))
def _program(
    task: Task,
    hyperparameters: Any,
    key: jax.Array,
    best: jax.typing.ArrayLike,
    limits: Thresholds,
    steps: int,
    every: int,
    iterations: int,
) -> Diagnosis:
    """`diagnose`, compiled; a `best` of NaN is not known."""
    state, metrics = train(task, hyperparameters, key, steps, every=steps, signals_every=every)
    signals = metrics.pop("signals", Signals())
    seen = _curvature_at(task, hyperparameters, key, state, iterations) if iterations else None
    found = diagnosis_of(task, hyperparameters, signals, steps, every, best, limits, seen)
    last = {name: value[-1] if jnp.ndim(value) else value for name, value in metrics.items()}
    return dataclasses.replace(found, metrics=last)


def diagnosis_of(
    task: Task,
    hyperparameters: Any,
    signals: Signals,
    steps: int,
    every: int,
    best: jax.typing.ArrayLike,
    limits: Thresholds = DEFAULT,
    curvature: Curvature | None = None,
) -> Diagnosis:
    """The diagnosis of a run by what was seen of it: of a training that `train` has done, for instance.

    Args:
      task: the run's task, for the names of its weight matrices.
      hyperparameters: the run's.
      signals: of one run, as `train` gives them under "signals".
      steps: how many steps it took.
      every: how many lie between two looks (`signals_every`).
      best: the lowest loss known to be reachable; NaN where none is.
      limits: what the verdict is measured against.
      curvature: of the loss at the end; None where it was not taken.

    Returns:
      A `Diagnosis`, without metrics.

    Raises:
      ValueError: as `judge` does.

    Example:
      >>> import ch5jax, jax
      >>> task, opt = ch5jax.tasks.digits(), ch5jax.sgd(20.0)
      >>> _, metrics = ch5jax.train(task, opt, jax.random.key(0), steps=300, signals_every=10)
      >>> ch5jax.verdicts.diagnosis_of(task, opt, metrics["signals"], steps=300, every=10, best=0.0).main.name
      'SATURATED'

    Source: see `judge`.
    """
    looked_at = jnp.asarray(recorded_steps(steps, every), jnp.int32)
    return Diagnosis(
        verdict=judge(signals, looked_at, best=best, curvature=curvature, thresholds=limits),
        course=course(signals, looked_at, best, limits),
        signals=signals,
        curvature=curvature,
        thresholds=limits,
        metrics={},
        steps=steps,
        signals_every=every,
        matrices=_matrices(task, hyperparameters),
    )


def _matrices(task: Task, hyperparameters: Any) -> tuple[str, ...]:
    if task.params is None:
        return ()
    params = task.params
    return matrix_names(jax.eval_shape(lambda h: params(task.init(jax.random.key(0), h)), hyperparameters))


def _curvature_at(task: Task, hyperparameters: Any, key: jax.Array, state: Any, iterations: int) -> Curvature | None:
    """The curvature of some mini-batches' mean loss at a training's end; None where the task does not allow it."""
    if task.params is None or task.loss is None:
        return None
    loss, params = task.loss, task.params(state)
    if any(not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact) for leaf in jax.tree.leaves(params)):
        return None
    own = jax.random.fold_in(key, _OF_CURVATURE)
    keys = jax.random.split(own, CURVATURE_BATCHES)

    def mean_loss(params: Any) -> jax.Array:
        return jnp.mean(jax.vmap(lambda k: loss(k, hyperparameters, params, None))(keys))

    return curvature(mean_loss, params, own, iterations)
