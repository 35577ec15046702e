"""Training a setting of a task, and saying which difficulty it met."""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _keys, _trees, tracing
from ch5jax._types import Hyperparameters, Params, State
from ch5jax.diagnostics import Curvature, Signals, curvature_and_downhill, masked, nan_is_data, norm
from ch5jax.tasks import Task
from ch5jax.training import recorded_steps, train
from ch5jax.verdicts._continuations import Continuations, go_on
from ch5jax.verdicts._diagnosis import Diagnosis
from ch5jax.verdicts._judge import DEFAULT, findings_of
from ch5jax.verdicts._names import NO_NAMES, Names, names_of
from ch5jax.verdicts._summary import summarise
from ch5jax.verdicts._thresholds import Thresholds
from ch5jax.verdicts.difficulties._rule import Evidence

PROBES = 50
EVALUATIONS = 10  # of which the lowest validation loss says when to stop
CURVATURE_BATCHES = 8  # mini-batches whose mean loss has its curvature taken
GRADIENT_BATCHES = 64  # and whose mean is the gradient at the end: in few dimensions the late probes tell it badly


def diagnose(
    task: Task,
    hyperparameters: Hyperparameters,
    *,
    steps: int,
    key: jax.Array,
    best: jax.typing.ArrayLike | None = None,
    signals_every: int | None = None,
    iterations: int = 20,
    continuations: bool = True,
    thresholds: Thresholds = DEFAULT,
) -> Diagnosis:
    """Trains one setting of a task, and says which difficulties it met.

    It jits and vmaps over hyperparameters and keys. Inside a program the result is arrays; printed outside,
    it is sentences.

    Args:
      task: a `Task`. Without `params` and `loss`, the verdict comes from what its step reports ("loss",
        "gradient_norm"), and there is no curvature.
      hyperparameters: what the task takes; for the ready ones, an optimizer.
      steps: how many steps, ≥ 1; what is told by the course of the loss needs eight at least.
      key: the trial's key, as for `train`: the run is the same.
      best: the lowest loss known to be reachable, such as the best of other runs; by default the task's `lowest`.
        Where neither is known, its course says nothing of being stuck: no saddle, local optimum or noise.
      signals_every: steps from probe to probe; by default a fiftieth of all.
      iterations: products with the Hessian for the curvature at the end, of the mean loss of eight mini-batches, ≥ 0; 0
        takes none, and then nothing is said of saddles and local optima.
      continuations: whether to go on from the last state in six ways, a twentieth of the steps each (eight at least):
        as before, at a tenth of the rate, at ten times the rate, with steps averaged over eight mini-batches, with Adam
        at 0.01, and down the most negative curvature. What lowers the loss, and by how much, tells what held it up
        where nothing else does; a run is HEALTHY only if nothing does. They need `params` and `loss`.
      thresholds: what the verdict is measured against, `verdicts.Thresholds`.

    Returns:
      A `Diagnosis`: `difficulties`, a set of `diagnostics.Difficulty`; `main`, the first of them; `evidence`,
      `sentences` and `descriptions`; `str()` in sentences.

    Raises:
      ValueError: if an argument is not as above, or as `train` does.

    Example:
      >>> import ch5jax, jax
      >>> task = ch5jax.tasks.surface(ch5jax.problems.styblinski_tang(), start=[2.0, -2.0])
      >>> found = ch5jax.diagnose(task, ch5jax.sgd(0.01), steps=300, key=jax.random.key(0))
      >>> found.difficulties
      {<Difficulty.LOCAL_OPTIMUM: 6>}
      >>> print(found)  # doctest: +ELLIPSIS
      LOCAL_OPTIMUM: at step 300 it rested in a basin: a small gradient, a loss that curves up in all directions, ...

    Source: see `verdicts.judge`.
    """
    if not isinstance(task, Task):
        raise ValueError(f"task must be a ch5jax.Task, such as ch5jax.tasks.digits(), got {task!r}")
    if not isinstance(thresholds, Thresholds):
        raise ValueError(f"thresholds must be a ch5jax.verdicts.Thresholds, got {thresholds!r}")
    _trees.check_positive(steps=steps, signals_every=signals_every)
    if isinstance(iterations, bool) or not isinstance(iterations, int | np.integer) or iterations < 0:
        raise ValueError(f"iterations must be an integer from 0 on, got {iterations!r}")
    _trees.check_data(hyperparameters, "hyperparameters")
    every = int(signals_every or max(1, steps // PROBES))
    lowest = _checked_best(task.lowest if best is None else best)
    with nan_is_data():
        return _program(
            task, hyperparameters, key, lowest, thresholds, int(steps), every, int(iterations), bool(continuations)
        )


def _checked_best(best: Any) -> Any:
    """A best loss as one number; NaN where there is none."""
    if best is None:
        return jnp.nan
    if isinstance(best, str) or jnp.ndim(best) or not jnp.issubdtype(jnp.result_type(best), jnp.number):
        raise ValueError(f"best must be one number, a loss, got {best!r}")
    if isinstance(best, float) and not math.isfinite(best):
        raise ValueError(f"best must be finite, got {best!r}")
    return best


@functools.partial(tracing.jit, static_argnames=("task", "steps", "every", "iterations", "further"))
def _program(
    task: Task,
    hyperparameters: Hyperparameters,
    key: jax.Array,
    best: jax.typing.ArrayLike,
    limits: Thresholds,
    steps: int,
    every: int,
    iterations: int,
    further: bool,
) -> Diagnosis:
    """`diagnose`, compiled; a `best` of NaN is not known."""
    spacing = max(1, steps // EVALUATIONS)
    run = train(task, hyperparameters, key, steps, record_every=spacing, evaluate_every=spacing, signals_every=every)
    signals = _with_lost_parameters(run.signals or Signals(), task, run.state, -(-steps // every), steps)
    end = _end(task, hyperparameters, key, run.state, iterations, steps if further else 0)
    names = names_of(task, hyperparameters)
    last = run.last()
    held = run.evaluations.get("validation_loss")
    known = best, task.baseline, names, limits
    validated_at = recorded_steps(steps, spacing)
    found = diagnosis_of(signals, steps, every, *known, *end[:2], held, end[2], task.input_scale, validated_at)
    return dataclasses.replace(found, metrics=last)


def _with_lost_parameters(signals: Signals, task: Task, state: State, probes: int, steps: int) -> Signals:
    """Parameters that are not finite at the end count as diverged: at the last step, if the loss does not show it."""
    if task.params is None:
        return signals
    leaves = [
        leaf for leaf in jax.tree.leaves(task.params(state)) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
    ]
    lost = ~jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in leaves])) if leaves else jnp.array(False)
    since = jnp.full(probes, -1, jnp.int32) if signals.lost_since is None else signals.lost_since
    return signals._replace(lost_since=jnp.where(lost & (since[-1] < 0), jnp.int32(steps - 1), since))


def diagnosis_of(
    signals: Signals,
    steps: int,
    signals_every: int,
    best: jax.typing.ArrayLike,
    baseline: jax.typing.ArrayLike | None = None,
    names: Names = NO_NAMES,
    limits: Thresholds = DEFAULT,
    curvature: Curvature | None = None,
    gradient_norm: jax.typing.ArrayLike | None = None,
    validation: jax.typing.ArrayLike | None = None,
    continuations: Continuations | None = None,
    input_scale: jax.typing.ArrayLike | None = None,
    validated_at: jax.typing.ArrayLike | None = None,
) -> Diagnosis:
    """The diagnosis of a run by what was seen of it: of a training that `train` has done, for instance.

    Args:
      signals: of one run, as `train` gives them.
      steps: how many steps it took.
      signals_every: how many lie between two probes.
      best: the lowest loss known to be reachable; NaN where none is.
      baseline: the task's; None or NaN where there is none.
      names: of its layers, as `names_of` gives them.
      limits: what the verdict is measured against.
      curvature: of the loss at the end; None where it was not taken.
      gradient_norm: ‖G‖ at the end, where it is known better than from the late probes.
      validation: the same loss of other examples, at the end, or after each of some steps, of which the last is the
        end, shape (evaluations,); None where there is none.
      continuations: what lowered the loss from the last state on; None where nothing was tried.
      input_scale: the task's; None or NaN where it is not known.
      validated_at: the steps after which there is a validation loss, where there are several.

    Returns:
      A `Diagnosis`, without metrics.

    Raises:
      ValueError: as `judge` does.

    Example:
      >>> import ch5jax, jax
      >>> task, opt = ch5jax.tasks.digits(), ch5jax.sgd(20.0)
      >>> run = ch5jax.train(task, opt, jax.random.key(0), steps=300, signals_every=10)
      >>> ch5jax.verdicts.diagnosis_of(run.signals, steps=300, signals_every=10, best=0.0).main.name
      'SATURATED'

    Source: see `judge`.
    """
    probed_at = jnp.asarray(recorded_steps(steps, signals_every), jnp.int32)
    known = best, baseline, gradient_norm, validation, limits, input_scale, validated_at
    summary = summarise(signals, probed_at, *known)
    return Diagnosis(
        findings=findings_of(Evidence(signals, probed_at, summary, curvature, limits, continuations)),
        masked=masked((summary, continuations)),
        signals=signals,
        curvature=curvature,
        thresholds=limits,
        metrics={},
        steps=steps,
        signals_every=signals_every,
        names=names,
    )


def _end(
    task: Task, hyperparameters: Hyperparameters, key: jax.Array, state: State, iterations: int, steps: int
) -> tuple[Curvature | None, jax.Array | None, Continuations | None]:
    """The curvature of some mini-batches' mean loss at the end, ‖G‖ by more of them, and what lowers the loss further.

    None where not to be had, or not asked for: by no iterations, or no steps.
    """
    if task.params is None or task.loss is None:
        return None, None, None
    loss, params = task.loss, task.params(state)
    if not _trees.is_inexact(params):
        return None, None, None
    own = jax.random.fold_in(key, _keys.AT_THE_END)
    keys = jax.random.split(own, GRADIENT_BATCHES)

    def mean_loss(params: Params) -> jax.Array:
        return jnp.mean(jax.vmap(lambda k: loss(k, hyperparameters, state, params))(keys[:CURVATURE_BATCHES]))

    def add(total: Any, key: jax.Array) -> tuple[Any, None]:
        gradient = jax.grad(lambda w: loss(key, hyperparameters, state, w))(params)
        return jax.tree.map(lambda a, b: a + b / GRADIENT_BATCHES, total, gradient), None

    gradient = found = downhill = None
    if iterations:
        gradient, _ = jax.lax.scan(add, jax.tree.map(jnp.zeros_like, params), keys)
        found, downhill = curvature_and_downhill(mean_loss, params, own, iterations)
    ways = go_on(task, hyperparameters, key, state, steps, downhill) if steps else None
    return found, None if gradient is None else norm(gradient), ways
