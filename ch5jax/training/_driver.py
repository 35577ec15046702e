"""The driver of steps: what `train` and a sweep's programs loop over."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ch5jax import _keys, _trees
from ch5jax._types import Hyperparameters, Metrics, State
from ch5jax.diagnostics import Signals, Watch, observe, watch_init, watch_reset, watch_update
from ch5jax.tapping import tap
from ch5jax.tasks import Task
from ch5jax.training._probes import Probes

# the signals that a step's metrics give, metric by metric
WATCHED = {"gradient_norm": ("spike",), "loss": ("alternation", "mean_loss", "first_loss", "lost_since")}


class Recorder(NamedTuple):
    """What a loop carries to have signals: a watch on every step, and a record with a row for each probe."""

    watch: Watch
    record: Signals  # leading axis: rows
    before: Any  # the rows, of all, that come before this record's first


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

    def origin(self, state: State) -> Any:
        """What the distance travelled is measured from, where the task says what its parameters are."""
        return self.task.params(state) if self.probes.every and self.task.params is not None else None

    def evaluate(self, state: State) -> dict[str, jax.Array]:
        """The metrics of `evaluate`, as arrays."""
        return {name: jnp.asarray(value) for name, value in self.task.evaluate(self.hyperparameters, state).items()}

    def recorder(self, state: State, rows: int, watch: Watch | None = None, before: Any = 0) -> Recorder | None:
        """An empty record for a trial with such a state; None where nothing is probed."""
        if not self.probes.every:
            return None

        def first(state: State) -> Signals:
            index = jnp.zeros((), jnp.int32)
            signals = self._signals(index, state, self.origin(state))
            return signals._replace(**_watched(watch_init(), self._step(index, state)[1]))

        shapes = jax.eval_shape(first, state)
        record = jax.tree.map(lambda s: jnp.zeros((rows, *s.shape), s.dtype), shapes)
        return Recorder(watch_init() if watch is None else watch, record, before)

    def step(
        self, index: jax.Array, state: State, recorder: Recorder | None
    ) -> tuple[Any, dict[str, jax.Array], Recorder | None]:
        """One step, which signals do not touch: the state after it, its metrics, and the watch on them."""
        state, metrics = self._step(index, state)
        if recorder is None:
            return state, metrics, None
        watch = watch_update(
            recorder.watch, *jax.lax.stop_gradient((metrics.get("loss"), metrics.get("gradient_norm")))
        )
        row = self.probes.row(index) - recorder.before
        record = recorder.record
        record = record._replace(
            **{name: getattr(record, name).at[row].set(value) for name, value in _watched(watch, metrics).items()}
        )
        return state, metrics, recorder._replace(watch=watch_reset(watch, self.probes.now(index)), record=record)

    def probe(self, index: jax.Array, state: State, recorder: Recorder | None, origin: Any) -> Recorder | None:
        """Takes the signals of the step that comes now, if it is one to be probed."""
        if recorder is None:
            return None
        followed = {name: getattr(recorder.record, name) for names in WATCHED.values() for name in names}
        record = recorder.record._replace(**dict.fromkeys(followed))

        def nothing() -> Signals:
            return jax.tree.map(lambda rows: jnp.zeros(rows.shape[1:], rows.dtype), record)

        found = jax.lax.cond(self.probes.now(index), lambda: self._signals(index, state, origin), nothing)
        # what is written before the row's own step is written over then
        row = self.probes.row(index) - recorder.before
        record = jax.tree.map(lambda rows, one: rows.at[row].set(one), record, found)
        return recorder._replace(record=record._replace(**followed))

    def _step(self, index: jax.Array, state: State) -> tuple[Any, dict[str, jax.Array]]:
        state, metrics = self.task.step(jax.random.fold_in(self.key, index), index, self.hyperparameters, state)
        return state, {name: jnp.asarray(value) for name, value in metrics.items()}

    def _signals(self, index: jax.Array, state: State, origin: Any) -> Signals:
        """Signals of the step that comes now, taken a second time here: XLA shares its gradient."""
        task, key = self.task, self.key
        if task.params is None or task.loss is None:
            return Signals()
        hyperparameters, state, origin = jax.lax.stop_gradient((self.hyperparameters, state, origin))
        loss, params = task.loss, task.params(state)
        if not _trees.is_inexact(params):
            return Signals()  # what counts has no gradient
        this, other = (jax.random.fold_in(k, index) for k in (key, jax.random.fold_in(key, _keys.OTHER_BATCH)))
        traced = tap(lambda w: loss(this, hyperparameters, state, w), activations=True).trace(params)
        gradient, site_gradients = jax.grad(traced, (0, 1))(params, traced.zeros())
        other_gradient = jax.grad(lambda w: loss(other, hyperparameters, state, w))(params)
        new_params = task.params(self._replace(hyperparameters=hyperparameters)._step(index, state)[0])
        return observe(params, new_params, origin, gradient, other_gradient, site_gradients)


def _watched(watch: Watch, metrics: Metrics) -> dict[str, jax.Array]:
    """The signals that metrics alone allow."""
    names = (name for metric, names in WATCHED.items() if metric in metrics for name in names)
    return {name: getattr(watch, name) for name in names}
