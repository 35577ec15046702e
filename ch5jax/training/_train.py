"""The compiled loop: a task, its hyperparameters and a key in; the final state and metrics out."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ch5jax import _trees, tracing
from ch5jax._forked import check_not_forked
from ch5jax._types import Hyperparameters, State
from ch5jax.diagnostics import Signals, inf_is_data
from ch5jax.tasks import Task, check_promises, steps_of
from ch5jax.training._driver import Carried, Driver, empty, joined, with_row
from ch5jax.training._probes import Probes
from ch5jax.training._run import Run


def train(
    task: Task,
    hyperparameters: Hyperparameters,
    key: jax.Array,
    steps: int | None = None,
    *,
    record_every: int = 1,
    evaluate_every: int | None = None,
    signals_every: int | None = None,
    state: State = None,
    start: jax.typing.ArrayLike = 0,
) -> Run:
    """Trains: one compiled loop, in which batches are drawn on the device.

    It composes: `jax.vmap(lambda opt: train(task, opt, key, 1000).evaluations["validation_loss"])(opts)` is a sweep,
    and `jax.grad` of the same is a hypergradient.

    Args:
      task: a `Task`; the program is compiled once for each task, number of steps and structure of hyperparameters.
      hyperparameters: what the task takes; for the ready ones, an optimizer.
      key: the trial's key. The initial state and every step draw from keys folded from it.
      steps: how many steps, ≥ 1; may be left out for a task that has `steps`.
      record_every: steps from one record of the metrics to the next; the last step is recorded too.
      evaluate_every: steps from one evaluation to the next, a multiple of `record_every`; the last is at the end. By
        default there is only that one.
      signals_every: steps from one probe to the next, at which `diagnostics.Signals` are taken; the last is at the end.
        A probe costs about three steps; by default there is one in a fiftieth of the steps, and in 25 at most, or
        eight probes where that is more. 0 takes none. They are not differentiated, and do not touch the training,
        though a compiler may round a program with them differently.
      state: a state to go on from, instead of the task's initial one; its buffers are donated.
      start: the index of the first step, for going on.

    Returns:
      A `Run`: the final `state`; the step's `metrics`, each of shape (records,), in the order of
      `recorded_steps(steps, record_every)`; the `evaluations`, each of shape (evaluations,), the last one at the end;
      and `signals`, a `Signals` with a leading axis, in the order of `recorded_steps(steps, signals_every)`: all of
      them for a task with `loss` and floating `params` (over depth, where `ch5jax.tap` finds layers), those that
      metrics allow for any other.

      Large arrays that the task's functions close over (4 KB and more) are arguments of the compiled program: neither
      its size nor the time to compile it grows with the data.

    Raises:
      ValueError: if a number of steps is not positive, `evaluate_every` is no multiple of `record_every`, the task
        breaks a promise of `Task`, or the state given is not such as the task's initial one.

    Example:
      >>> import ch5jax, jax
      >>> task = ch5jax.tasks.digits()
      >>> run = ch5jax.train(task, ch5jax.sgd(0.5), jax.random.key(0), steps=100, record_every=10)
      >>> run.metrics["loss"].shape, run.evaluations["test_accuracy"].shape, run.signals.flat_units.shape
      ((10,), (1,), (9, 1))
    """
    check_not_forked()
    steps = steps_of(task, steps)
    _trees.check_positive(record_every=record_every, evaluate_every=evaluate_every)
    signals_every = Probes.spaced(steps, signals_every).every
    if evaluate_every is not None and evaluate_every % record_every:
        raise ValueError(f"evaluate_every must be a multiple of record_every = {record_every}, got {evaluate_every}")
    _trees.check_data(hyperparameters, "hyperparameters")
    spacings = steps, int(record_every), int(evaluate_every or steps), signals_every  # NumPy's are strong types
    with inf_is_data() if signals_every else contextlib.nullcontext():
        return _train(task, hyperparameters, key, *spacings, state, start)


@functools.partial(
    tracing.jit,
    static_argnames=("task", "steps", "record_every", "evaluate_every", "signals_every"),
    donate_argnames=("state",),
)
def _train(
    task: Task,
    hyperparameters: Hyperparameters,
    key: jax.Array,
    steps: int,
    record_every: int,
    evaluate_every: int,
    signals_every: int,
    state: State,
    start: jax.typing.ArrayLike,
) -> Run:
    """`train`, compiled."""
    check_promises(task, hyperparameters, key=key)
    first = jnp.asarray(start, jnp.int32)
    driver = Driver(task, hyperparameters, key, Probes(signals_every, steps, first))
    if state is None:
        state = driver.init()
    else:
        due = jax.eval_shape(task.init, key, hyperparameters)
        _trees.check_match(state, due, "state", "the task's initial state under these hyperparameters")
    probes, carried, origin = driver.probes, driver.carried(state), driver.origin(state)
    probed, watched = driver.signals(carried) if signals_every else (Signals(), Signals())
    record = empty(joined(probed, watched), len(probes.taken_at()))

    def one(held: tuple[Carried, Signals], index: jax.Array) -> tuple[tuple[Carried, Signals], dict[str, jax.Array]]:
        carried, record = held
        new, metrics, found = driver.step(index, carried)
        if signals_every:  # what is written before the row's own step is written over then
            nothing = jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), probed)
            seen = jax.lax.cond(
                probes.now(index), lambda: driver.probe(index, carried.state, new.state, origin), lambda: nothing
            )
            found = joined(seen, found)
        return (new, with_row(record, probes.row(index), found)), metrics

    def recorded(held: Any, first: jax.Array, count: int) -> tuple[Any, dict[str, jax.Array]]:
        held, metrics = jax.lax.scan(one, held, first + jnp.arange(count, dtype=jnp.int32))
        return held, jax.tree.map(lambda values: values[-1:], metrics)

    def evaluated(held: Any, first: jax.Array, count: int) -> tuple[Any, Any]:
        held, metrics = _in_blocks(recorded, held, first, count, record_every)
        return held, (metrics, jax.tree.map(lambda value: value[None], driver.evaluate(held[0].state)))

    (carried, record), (metrics, evaluations) = _in_blocks(evaluated, (carried, record), first, steps, evaluate_every)
    return Run(carried.state, metrics, evaluations, record if signals_every else None)


def _in_blocks(body: Callable[..., Any], state: State, first: jax.Array, count: int, size: int) -> tuple[Any, Any]:
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
