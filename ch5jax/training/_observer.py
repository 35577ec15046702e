"""The signals of a training, taken inside its loop."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ch5jax import _keys, _trees
from ch5jax.diagnostics import Signals, Watch, observe, watch_init, watch_reset, watch_update
from ch5jax.tapping import tap
from ch5jax.tasks import Task
from ch5jax.training._step import one_step

# A look costs 2.6 steps of a small network by itself, and 3.8 under vmap, where memory is what it waits for.
FEWEST_STEPS_BETWEEN_SIGNALS = 25
FEWEST_LOOKS = 8  # what a verdict needs to tell a course; short trainings pay for them

# the signals that a step's metrics give, metric by metric
WATCHED = {"gradient_norm": ("spike",), "loss": ("alternation", "mean_loss", "first_loss", "lost_since")}


def signal_spacing(steps: int, every: int | None) -> int:
    """How many steps apart signals are taken, 0 for never.

    By default a fiftieth of all, and 25 at least, or what gives eight looks where that is less.
    """
    if every is None:
        return max(steps // 50, min(FEWEST_STEPS_BETWEEN_SIGNALS, steps // FEWEST_LOOKS), 1)
    if every != 0:
        _trees.check_positive(signals_every=every)
    return int(every)


class Looks(NamedTuple):
    """When a loop looks at a step, and where it writes down what it saw.

    Nothing here may depend on the trial: mapped over trials, a look would be taken at every step.
    """

    every: int  # steps from look to look; 0 for none at all
    first: Any  # the index of the training's first step
    steps: int  # of the whole training; the last one is looked at in any case
    rows_before: Any = 0  # rows of the record that belong to earlier stretches

    def now(self, index: jax.Array) -> jax.Array:
        """Whether this step is looked at."""
        taken = index - self.first + 1
        return (taken % self.every == 0) | (taken == self.steps)

    def following(self, index: jax.Array) -> jax.Array:
        """The first step after this one that is looked at; the next step after the last."""
        looked = ((index - self.first + 1) // self.every + 1) * self.every
        return jnp.maximum(self.first + jnp.minimum(looked, self.steps) - 1, index + 1)

    def row(self, index: jax.Array) -> jax.Array:
        """The row that belongs to this step."""
        return (index - self.first) // self.every - self.rows_before


class Observer(NamedTuple):
    """What a loop carries to have signals: a watch on every step, and a record with a row for each look."""

    watch: Watch
    record: Signals  # leading axis: rows


def observer(task: Task, hyperparameters: Any, key: jax.Array, state: Any, rows: int) -> Observer:
    """An empty record for a trial whose state looks like this."""

    def first(hyperparameters: Any, key: jax.Array, state: Any) -> Signals:
        index = jnp.zeros((), jnp.int32)
        metrics = one_step(task, hyperparameters, key, index, state)[1]
        seen = _look(task, hyperparameters, key, index, state, start_of(task, state))
        return seen._replace(**_watched(watch_init(), metrics))

    shapes = jax.eval_shape(first, hyperparameters, key, state)
    return Observer(watch_init(), jax.tree.map(lambda s: jnp.zeros((rows, *s.shape), s.dtype), shapes))


def look(
    task: Task,
    hyperparameters: Any,
    key: jax.Array,
    index: jax.Array,
    state: Any,
    seen: Observer,
    start: Any,
    looks: Looks,
) -> Observer:
    """A look at the step that comes now, if there is to be one; `start` is what the distance is measured from."""
    watched = jax.lax.stop_gradient((hyperparameters, state, start))
    followed = {name: getattr(seen.record, name) for names in WATCHED.values() for name in names}
    record = seen.record._replace(**dict.fromkeys(followed))

    def signals() -> Signals:
        hyperparameters, state, start = watched
        return _look(task, hyperparameters, key, index, state, start)

    def nothing() -> Signals:
        return jax.tree.map(lambda rows: jnp.zeros(rows.shape[1:], rows.dtype), record)

    found = jax.lax.cond(looks.now(index), signals, nothing)
    # what is written before the row's own step is written over then
    record = jax.tree.map(lambda rows, one: rows.at[looks.row(index)].set(one), record, found)
    return seen._replace(record=record._replace(**followed))


def watched_step(
    task: Task, hyperparameters: Any, key: jax.Array, index: jax.Array, state: Any, seen: Observer | None, looks: Looks
) -> tuple[Any, dict[str, Any], Observer | None]:
    """`one_step`, which signals do not touch, with a watch on its metrics; without an observer, none."""
    state, metrics = one_step(task, hyperparameters, key, index, state)
    if seen is None:
        return state, metrics, None
    watch = watch_update(seen.watch, *jax.lax.stop_gradient((metrics.get("loss"), metrics.get("gradient_norm"))))
    record = seen.record._replace(
        **{
            name: getattr(seen.record, name).at[looks.row(index)].set(value)
            for name, value in _watched(watch, metrics).items()
        }
    )
    return state, metrics, Observer(watch_reset(watch, looks.now(index)), record)


def start_of(task: Task, state: Any) -> Any:
    """What the distance travelled is measured from, where the task says what its parameters are."""
    return None if task.params is None else task.params(state)


def _watched(watch: Watch, metrics: dict[str, Any]) -> dict[str, jax.Array]:
    """The signals that metrics alone allow."""
    names = (name for metric, names in WATCHED.items() if metric in metrics for name in names)
    return {name: getattr(watch, name) for name in names}


def _look(task: Task, hyperparameters: Any, key: jax.Array, index: jax.Array, state: Any, start: Any) -> Signals:
    """Signals of the step that comes now; it is taken here a second time, and its gradient shared with it by XLA."""
    if task.params is None or task.loss is None:
        return Signals()
    loss, params = task.loss, task.params(state)
    if not _trees.is_inexact(params):
        return Signals()  # what counts has no gradient
    this, other = (jax.random.fold_in(k, index) for k in (key, jax.random.fold_in(key, _keys.OTHER_BATCH)))
    traced = tap(lambda w: loss(this, hyperparameters, state, w), activations=True).trace(params)
    gradient, site_gradients = jax.grad(traced, (0, 1))(params, traced.zeros())
    other_gradient = jax.grad(lambda w: loss(other, hyperparameters, state, w))(params)
    new_params = task.params(one_step(task, hyperparameters, key, index, state)[0])
    return observe(params, new_params, start, gradient, other_gradient, site_gradients)
