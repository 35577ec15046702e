"""The compiled loop: a task, its hyperparameters and a key in; the final state and metrics out."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax.tasks import Task, check_promises
from ch5jax.training._observer import Looks, look, observer, signal_spacing, start_of, watched_step
from ch5jax.training._step import init_key


def recorded_steps(steps: int, every: int) -> np.ndarray:
    """How many steps had been taken at each record of `train`: every, 2·every, …, and the last in any case.

    Args:
      steps: how many steps there were, ≥ 1.
      every: the spacing, ≥ 1.

    Returns:
      Increasing integers, shape (records,): the horizontal axis of a learning curve.

    Raises:
      ValueError: if one of them is not positive.

    Example:
      >>> import ch5jax
      >>> ch5jax.recorded_steps(10, every=4).tolist()
      [4, 8, 10]
    """
    _trees.check_positive(steps=steps, every=every)
    return np.minimum(np.arange(every, steps + every, every), steps)


def train(
    task: Task,
    hyperparameters: Any,
    key: jax.Array,
    steps: int,
    *,
    every: int = 1,
    evaluate_every: int | None = None,
    signals_every: int | None = None,
    state: Any = None,
    start: jax.typing.ArrayLike = 0,
) -> tuple[Any, dict[str, Any]]:
    """Trains: one compiled loop, in which batches are drawn on the device.

    It composes: `jax.vmap(lambda opt: train(task, opt, key, 1000)[1]["validation_loss"])(opts)` is a sweep, and
    `jax.grad` of the same is a hypergradient.

    Args:
      task: a `Task`; the program is compiled once for each task, number of steps and structure of hyperparameters.
      hyperparameters: what the task takes; for the ready ones, an optimizer.
      key: the trial's key. The initial state and every step draw from keys folded from it.
      steps: how many steps, ≥ 1.
      every: keep the metrics of every so many steps (and of the last).
      evaluate_every: evaluate every so many steps, a multiple of `every`, and at the end; by default only at the end.
      signals_every: take the signals of the difficulties (`diagnostics.Signals`) every so many steps, and at the last.
        A look costs three to four steps; by default there is one in a fiftieth of the steps, and in 25 at most, or
        eight looks where that is more. 0 takes none. They are not differentiated, and do not touch the training,
        though a compiler may round a program with them differently.
      state: a state to go on from, instead of the task's initial one; its buffers are donated.
      start: the index of the first step, for going on.

    Returns:
      The final state and the metrics: those of the step, each of shape (records,) in the order of
      `recorded_steps(steps, every)`, and those of `evaluate`: scalars, or (evaluations,) with `evaluate_every`. Under
      "signals" there is a `Signals` with a leading axis, in the order of `recorded_steps(steps, signals_every)`: all of
      them for a task with `loss` and floating `params` (over depth, where `ch5jax.tap` finds layers), those that
      metrics allow for any other.

    Raises:
      ValueError: if a number of steps is not positive, `evaluate_every` is no multiple of `every`, the task breaks a
        promise of `Task`, or the state given is not such as the task's initial one.

    Example:
      >>> import ch5jax, jax
      >>> task = ch5jax.tasks.digits()
      >>> state, metrics = ch5jax.train(task, ch5jax.sgd(0.5), jax.random.key(0), steps=100, every=10)
      >>> metrics["loss"].shape, metrics["test_accuracy"].shape, metrics["signals"].flat_units.shape
      ((10,), (), (9, 1))
    """
    _trees.check_positive(steps=steps, every=every, evaluate_every=evaluate_every)
    signals_every = signal_spacing(int(steps), signals_every)
    if evaluate_every is not None and evaluate_every % every:
        raise ValueError(f"evaluate_every must be a multiple of every = {every}, got {evaluate_every}")
    _trees.check_data(hyperparameters, "hyperparameters")
    steps, every, evaluate_every = int(steps), int(every), int(evaluate_every or 0)  # NumPy's integers are strong types
    return _train(task, hyperparameters, key, steps, every, evaluate_every, signals_every, state, start)


@functools.partial(
    jax.jit,
    static_argnames=("task", "steps", "every", "evaluate_every", "signals_every"),
    donate_argnames=("state",),
)
def _train(
    task: Task,
    hyperparameters: Any,
    key: jax.Array,
    steps: int,
    every: int,
    evaluate_every: int,
    signals_every: int,
    state: Any,
    start: jax.typing.ArrayLike,
) -> tuple[Any, dict[str, Any]]:
    """`train`, compiled; an `evaluate_every` of 0 evaluates at the end only."""
    check_promises(task, hyperparameters, key=key)
    if state is None:
        state = task.init(init_key(key), hyperparameters)
    else:
        due = jax.eval_shape(task.init, key, hyperparameters)
        _trees.check_match(state, due, "state", "the task's initial state under these hyperparameters")

    first, begun = jnp.asarray(start, jnp.int32), start_of(task, state)
    looks = Looks(signals_every, first, steps)
    rows = -(-steps // signals_every) if signals_every else 0

    def one(carried: Any, index: jax.Array) -> tuple[Any, dict[str, jax.Array]]:
        state, seen = carried
        if seen is not None:
            seen = look(task, hyperparameters, key, index, state, seen, begun, looks)
        state, metrics, seen = watched_step(task, hyperparameters, key, index, state, seen, looks)
        return (state, seen), metrics

    def record(carried: Any, first: jax.Array, count: int) -> tuple[Any, dict[str, jax.Array]]:
        carried, metrics = jax.lax.scan(one, carried, first + jnp.arange(count, dtype=jnp.int32))
        return carried, jax.tree.map(lambda values: values[-1:], metrics)

    def evaluated(carried: Any, first: jax.Array, count: int) -> tuple[Any, tuple[dict[str, Any], dict[str, Any]]]:
        carried, metrics = _in_blocks(record, carried, first, count, every)
        evaluation = task.evaluate(hyperparameters, carried[0])
        return carried, (metrics, jax.tree.map(lambda value: jnp.asarray(value)[None], evaluation))

    carried = state, observer(task, hyperparameters, key, state, rows) if rows else None
    (state, seen), (metrics, evaluation) = _in_blocks(evaluated, carried, first, steps, evaluate_every or steps)
    if not evaluate_every:
        evaluation = jax.tree.map(lambda value: value[0], evaluation)
    return state, metrics | evaluation | ({} if seen is None else {"signals": seen.record})


def _in_blocks(body: Callable[..., Any], state: Any, first: jax.Array, count: int, size: int) -> tuple[Any, Any]:
    """Runs `body(state, first index, length)` for `count` steps in blocks of `size`, the last one shorter if need be.

    What it reports has a leading axis, and comes back joined along it.
    """
    whole, rest = divmod(count, size)
    if whole == 1 and not rest:  # a loop within a loop of one pass costs vmap, and XLA, a second look at its body
        return body(state, first, count)
    reports = []
    if whole:
        firsts = first + size * jnp.arange(whole, dtype=jnp.int32)
        state, report = jax.lax.scan(lambda state, start: body(state, start, size), state, firsts)
        reports.append(jax.tree.map(lambda values: values.reshape(-1, *values.shape[2:]), report))
    if rest:
        state, report = body(state, first + whole * size, rest)
        reports.append(report)
    return state, jax.tree.map(lambda *values: jnp.concatenate(values), *reports)
