"""One group's functions for one trial: traced once, whatever the width and the devices, and hashed."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax._types import Hyperparameters, Metrics, State
from ch5jax.diagnostics import Signals
from ch5jax.sweeps._groups import Group
from ch5jax.sweeps._history import History, to_host
from ch5jax.tracing import Hoisted, InTwo, hoist, hoist_in_two
from ch5jax.training import Carried, Driver, Probes, joined


class Evaluation(NamedTuple):
    """What an evaluation reports, of each trial."""

    metrics: Metrics
    finite: Any  # whether the parameters are


class Traced(NamedTuple):
    """One trial's functions, whatever the width and the devices. They are traced once, and compiled from that."""

    init: Hoisted  # (hyperparameters, seed, key) -> (Carried, what distances are measured from)
    step: InTwo  # (hyperparameters, seed, key, Carried, index) -> (Carried, metrics, Signals)
    probe: InTwo  # (hyperparameters, seed, key, states, what distances are measured from, index) -> Signals
    evaluate: Hoisted  # (hyperparameters, state) -> Evaluation
    probes: Probes  # when signals are taken
    program: str  # a hash of all of them, lowered, without the data that the task closes over
    data: str  # a hash of the data

    @property
    def trial_bytes(self) -> int:
        """What a step of one trial works on: its state, the next one, and the largest array on the way."""
        return 2 * _bytes(self.init.shapes[0]) + self.step.largest

    @property
    def data_bytes(self) -> int:
        """The data that the functions close over, on every device."""
        parts = (self.init, *self.step, *self.probe, self.evaluate)
        return sum({id(const): const.nbytes for part in parts for const in part.constants}.values())

    def peak_bytes(self, length: int) -> int:
        """What one trial takes at most, whichever of the programs runs: 0.6 to 1.9 of what XLA then reserves."""
        ways = self.init.peak, self.step.peak, self.probe.peak, self.evaluate.peak
        return _bytes(self.init.shapes) + max(ways) + self.record_bytes(length)

    @property
    def metrics_bytes(self) -> int:
        """What a step reports of one trial."""
        return _bytes(self.step.shapes[1])

    def record_bytes(self, length: int) -> int:
        """What a segment of `length` steps reports of one trial."""
        rows = length // max(self.probes.every, 1) + 2
        return length * self.metrics_bytes + rows * _bytes(self.signals)

    def curve_bytes(self, records: int, evaluations: int, probes: int) -> int:
        """What is kept of one trial's course."""
        evaluated = _bytes(self.evaluate.shapes.metrics)
        return records * self.metrics_bytes + evaluations * evaluated + probes * _bytes(self.signals)

    @property
    def signals(self) -> Signals | None:
        """What a probe reports, in shapes and dtypes; None where there is none."""
        return joined(self.probe.shapes, self.step.shapes[2]) if self.probes.every else None

    def history(self, trials: int) -> History:
        """Of trials of which nothing is known yet."""
        return History.empty(trials, self.step.shapes[1], self.evaluate.shapes.metrics, self.signals)


def trace_group(group: Group, key: jax.Array, probes: Probes) -> Traced:
    """Traces a group's functions for one trial, and hashes what they are.

    Args:
      group: its trials.
      key: the sweep's.
      probes: when signals are taken.
    """
    task = group.task
    endless = probes._replace(steps=np.iinfo(np.int32).max)  # a step knows no last one, so that a sweep can go on

    def driver(hyperparameters: Hyperparameters, seed: Any, key: jax.Array) -> Driver:
        return Driver(task, hyperparameters, jax.random.fold_in(key, seed), endless)

    def init(hyperparameters: Hyperparameters, seed: Any, key: jax.Array) -> tuple[Carried, Any]:
        trial = driver(hyperparameters, seed, key)
        state = trial.init()
        return trial.carried(state), trial.origin(state)

    def step(hyperparameters: Hyperparameters, seed: Any, key: jax.Array, carried: Carried, index: Any) -> Any:
        return driver(hyperparameters, seed, key).step(index, carried)

    def probe(
        hyperparameters: Hyperparameters,
        seed: Any,
        key: jax.Array,
        states: tuple[State, State],
        origin: Any,
        index: Any,
    ) -> Signals:
        return driver(hyperparameters, seed, key).probe(index, *states, origin) if probes.every else Signals()

    def evaluate(hyperparameters: Hyperparameters, state: State) -> Evaluation:
        trial = Driver(task, hyperparameters, None, probes)  # that draws nothing
        params = jax.tree.leaves(task.params(state)) if task.params else []
        finite = [jnp.all(jnp.isfinite(p)) for p in params if jnp.issubdtype(p.dtype, jnp.inexact)]
        return Evaluation(trial.evaluate(state), jnp.all(jnp.array(finite)) if finite else jnp.array(True))

    hyperparameters, seeds = jax.tree.map(lambda leaf: leaf[0], group.rows(np.zeros(1, int)))
    index = jax.ShapeDtypeStruct((), jnp.int32)
    drawn = hoist(init, hyperparameters, seeds, key)
    carried, origin = drawn.shapes
    stepped = hoist_in_two(step, (1, 2, 4), 1, hyperparameters, seeds, key, carried, index)
    probed = hoist_in_two(probe, (1, 2, 5), 1, hyperparameters, seeds, key, (carried.state,) * 2, origin, index)
    evaluated = hoist(evaluate, hyperparameters, carried.state)
    parts = (drawn, *stepped, *probed, evaluated)

    def trial(
        constants: Sequence[Any], hyperparameters: Hyperparameters, seed: Any, key: jax.Array, index: jax.Array
    ) -> Any:
        carried, origin = drawn.function(constants[0], hyperparameters, seed, key)
        of_step = hyperparameters, seed, key, carried, index
        of_probe = hyperparameters, seed, key, (carried.state,) * 2, origin, index
        return (
            stepped.rest.function(constants[2], stepped.common.function(constants[1], seed, key, index), *of_step),
            probed.rest.function(constants[4], probed.common.function(constants[3], seed, key, index), *of_probe),
            evaluated.function(constants[5], hyperparameters, carried.state),
        )

    shapes = [[jax.ShapeDtypeStruct(c.shape, c.dtype) for c in part.constants] for part in parts]
    text = jax.jit(trial).lower(shapes, hyperparameters, seeds, key, index).as_text()
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Traced(drawn, stepped, probed, evaluated, probes, digest, _digest([part.constants for part in parts]))


def _bytes(shapes: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))


def _digest(constants: Any) -> str:
    """A hash of arrays' bytes, each read once."""
    digest = hashlib.sha256()
    kept: dict[tuple[int, int], tuple[bytes, np.ndarray]] = {}
    for array in to_host(constants):
        place = array.ctypes.data, array.nbytes
        if place not in kept:  # with the array itself, so that no other one gets its place
            kept[place] = hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest(), array
        digest.update(f"{array.dtype} {array.shape}".encode() + kept[place][0])
    return digest.hexdigest()
