"""The driver of steps: what `train` and a sweep's programs loop over."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ch5jax import _keys, _trees
from ch5jax._types import Hyperparameters, Params, State
from ch5jax.diagnostics import Signals, Watch, observe, watch_init, watch_reset, watch_update
from ch5jax.tapping import tap
from ch5jax.tasks import Task
from ch5jax.training._probes import Probes

# the signals that a step's metrics give, metric by metric
WATCHED = {"gradient_norm": ("spike",), "loss": ("alternation", "mean_loss", "first_loss", "lost_since")}


class Carried(NamedTuple):
    """What a trial carries from step to step."""

    state: State  # the task's
    watch: Watch | None  # for the signals; None where none are taken


class Driver(NamedTuple):
    """One trial's steps. Its initial state is drawn, and every step, with a key that is folded from the trial's."""

    task: Task
    hyperparameters: Hyperparameters
    key: jax.Array | None  # None for one that only evaluates
    probes: Probes

    def init(self) -> Any:
        """The initial state, of arrays."""
        state = self.task.init(jax.random.fold_in(self.key, _keys.INIT), self.hyperparameters)
        return jax.tree.map(jnp.asarray, state)

    def carried(self, state: State) -> Carried:
        """What is carried into the first step."""
        return Carried(state, watch_init() if self.probes.every else None)

    def origin(self, state: State) -> Params | None:
        """What the distance travelled is measured from, where the task says what its parameters are."""
        return self.task.params(state) if self.probes.every and self.task.params is not None else None

    def evaluate(self, state: State) -> dict[str, jax.Array]:
        """The metrics of `evaluate`, as arrays."""
        return {name: jnp.asarray(value) for name, value in self.task.evaluate(self.hyperparameters, state).items()}

    def step(self, index: jax.Array, carried: Carried) -> tuple[Carried, dict[str, jax.Array], Signals]:
        """One step, which signals do not touch: its metrics, and what the watch on them says of this interval."""
        state, metrics = self._step(index, carried.state)
        if carried.watch is None:
            return Carried(state, None), metrics, Signals()
        watch = watch_update(carried.watch, *jax.lax.stop_gradient((metrics.get("loss"), metrics.get("gradient_norm"))))
        names = (name for metric, names in WATCHED.items() if metric in metrics for name in names)
        watched = Signals(**{name: getattr(watch, name) for name in names})
        return Carried(state, watch_reset(watch, self.probes.now(index))), metrics, watched

    def probe(self, index: jax.Array, state: State, new_state: State, origin: Params | None) -> Signals:
        """The signals of the step from one state to the next; not those that `step` reports."""
        task, key = self.task, self.key
        if task.params is None or task.loss is None:
            return Signals()
        hyperparameters, state, new_state, origin = jax.lax.stop_gradient(
            (self.hyperparameters, state, new_state, origin)
        )
        loss, params, new_params = task.loss, task.params(state), task.params(new_state)
        if not _trees.is_inexact(params):
            return Signals()  # what counts has no gradient
        this, other = (jax.random.fold_in(k, index) for k in (key, jax.random.fold_in(key, _keys.OTHER_BATCH)))
        traced = tap(lambda w: loss(this, hyperparameters, state, w), activations=True).trace(params)
        gradient, site_gradients = jax.grad(traced, (0, 1))(params, traced.zeros())
        other_gradient = jax.grad(lambda w: loss(other, hyperparameters, state, w))(params)
        return observe(params, new_params, origin, gradient, other_gradient, site_gradients)

    def signals(self, carried: Carried) -> tuple[Signals, Signals]:
        """What `probe` and `step` report of signals, in shapes and dtypes."""
        index, origin = jax.ShapeDtypeStruct((), jnp.int32), jax.eval_shape(self.origin, carried.state)
        probed = jax.eval_shape(self.probe, index, carried.state, carried.state, origin)
        return probed, jax.eval_shape(self.step, index, carried)[2]

    def _step(self, index: jax.Array, state: State) -> tuple[Any, dict[str, jax.Array]]:
        state, metrics = self.task.step(jax.random.fold_in(self.key, index), index, self.hyperparameters, state)
        return state, {name: jnp.asarray(value) for name, value in metrics.items()}


def joined(one: Signals, other: Signals) -> Signals:
    """All that is known to either."""
    return Signals(*(b if a is None else a for a, b in zip(one, other, strict=True)))


def with_row(record: Signals, row: Any, new: Signals) -> Signals:
    """A record, whose leading axis are rows, with what is known of one."""
    known = {name: value for name, value in new._asdict().items() if value is not None}
    return record._replace(**{name: getattr(record, name).at[row].set(value) for name, value in known.items()})


def empty(signals: Signals, rows: int) -> Signals:
    """A record of such signals, shapes or arrays."""
    return jax.tree.map(lambda one: jnp.zeros((rows, *one.shape), one.dtype), signals)
