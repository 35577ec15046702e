"""One group's compiled programs: a fixed number of trials on every device, trained a segment of steps at a time."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from ch5jax._types import Hyperparameters, Metrics, State
from ch5jax.diagnostics import Watch
from ch5jax.sweeps._groups import Group
from ch5jax.sweeps._history import History, to_host
from ch5jax.sweeps._lapack import lowering_parameters
from ch5jax.tracing import Hoisted, hoist
from ch5jax.training import Driver, Probes

# A segment reports every step's metrics, and the host keeps what was asked for: so a rerun that keeps all of them is
# the same program, and gives the same bits. Longer segments would hold more of them on the device at once.
SEGMENT = 1000

# Drawing a kernel of (32, 10) costs LLVM seconds: with all of XLA's passes, the digits' initial state took 3.5 to 4.2 s
# of the 6 to 7 s that a group's programs take to compile; at the first level 0.7 s. For what runs once a chunk.
QUICK_ON_CPU = {"xla_backend_optimization_level": 1}


class Carried(NamedTuple):
    """What a trial carries from segment to segment."""

    state: State  # the task's
    watch: Watch | None  # for the signals


class Record(NamedTuple):
    """What a segment of steps reports."""

    metrics: Metrics  # every step's, shape (segment,)
    signals: Any  # `diagnostics.Signals` with a row for each spacing that the segment touches; None without


class Evaluation(NamedTuple):
    """What an evaluation reports."""

    metrics: Metrics
    finite: Any  # whether the parameters are


class Traced(NamedTuple):
    """One trial's three functions, whatever the width and the devices. They are traced once, and compiled from that."""

    init: Hoisted  # (hyperparameters, seed, key) -> (Carried, what distances are measured from)
    advance: Hoisted  # (hyperparameters, seed, key, carried, origin, begin, end) -> (Carried, Record)
    evaluate: Hoisted  # (hyperparameters, carried) -> Evaluation
    program: str  # a hash of all three, lowered, without the data that the task closes over
    data: str  # a hash of the data

    @property
    def state_bytes(self) -> int:
        """The size of one trial's state."""
        carried, _ = self.init.shapes
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(carried.state))

    def history(self, trials: int) -> History:
        """Of trials of which nothing is known yet."""
        record = self.advance.shapes[1]
        return History.empty(trials, record.metrics, self.evaluate.shapes.metrics, record.signals)


class Programs(NamedTuple):
    """Compiled for `width` trials on each device: all arguments but the key and the steps have them leading."""

    init: Callable[..., Any]  # as in `Traced`
    advance: Callable[..., Any]
    evaluate: Callable[..., Any]
    sharding: NamedSharding


def trace_group(group: Group, key: jax.Array, length: int, probes: Probes) -> Traced:
    """Traces a group's functions for one trial, and hashes what they are.

    Args:
      group: its trials.
      key: the sweep's.
      length: how long a segment may be.
      probes: when signals are taken.
    """
    task = group.task

    def driver(hyperparameters: Hyperparameters, seed: Any, key: jax.Array) -> Driver:
        return Driver(task, hyperparameters, jax.random.fold_in(key, seed), probes)

    def init(hyperparameters: Hyperparameters, seed: Any, key: jax.Array) -> tuple[Carried, Any]:
        trial = driver(hyperparameters, seed, key)
        state = trial.init()
        recorder = trial.recorder(state, 0)
        return Carried(state, recorder and recorder.watch), trial.origin(state)

    def advance(
        hyperparameters: Hyperparameters, seed: Any, key: jax.Array, carried: Carried, origin: Any, begin: Any, end: Any
    ) -> tuple[Carried, Record]:
        trial, every = driver(hyperparameters, seed, key), max(probes.every, 1)
        recorder = trial.recorder(carried.state, length // every + 2, carried.watch, begin // every)

        def step(index: jax.Array, held: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            state, recorder, kept = held
            state, metrics, recorder = trial.step(index, state, recorder)
            return state, recorder, jax.tree.map(lambda k, m: k.at[index - begin].set(m), kept, metrics)

        def to_the_next_probe(at: tuple[jax.Array, Any]) -> tuple[jax.Array, Any]:
            index, (state, recorder, kept) = at
            recorder = trial.probe(index, state, recorder, origin)
            stop = jnp.minimum(probes.following(index), end)
            return stop, jax.lax.fori_loop(index, stop, step, (state, recorder, kept))

        shapes = jax.eval_shape(lambda state: trial.step(begin, state, None)[1], carried.state)
        kept = jax.tree.map(lambda m: jnp.zeros((length, *m.shape), m.dtype), shapes)
        held = carried.state, recorder, kept
        if recorder is None:
            held = jax.lax.fori_loop(begin, end, step, held)
        else:  # a loop of its own from probe to probe: where one loop has a branch that reads the state, XLA copies it
            _, held = jax.lax.while_loop(lambda at: at[0] < end, to_the_next_probe, (begin, held))
        state, recorder, kept = held
        return Carried(state, recorder and recorder.watch), Record(kept, recorder and recorder.record)

    def evaluate(hyperparameters: Hyperparameters, carried: Carried) -> Evaluation:
        trial = Driver(task, hyperparameters, None, probes)  # that draws nothing
        params = jax.tree.leaves(task.params(carried.state)) if task.params else []
        finite = [jnp.all(jnp.isfinite(p)) for p in params if jnp.issubdtype(p.dtype, jnp.inexact)]
        return Evaluation(trial.evaluate(carried.state), jnp.all(jnp.array(finite)) if finite else jnp.array(True))

    hyperparameters, seeds = jax.tree.map(lambda leaf: leaf[0], group.rows(np.zeros(1, int)))
    index = jax.ShapeDtypeStruct((), jnp.int32)
    drawn = hoist(init, hyperparameters, seeds, key)
    advanced = hoist(advance, hyperparameters, seeds, key, *drawn.shapes, index, index)
    evaluated = hoist(evaluate, hyperparameters, drawn.shapes[0])
    parts = (drawn, advanced, evaluated)

    def trial(
        constants: Sequence[Any], hyperparameters: Hyperparameters, seed: Any, key: jax.Array, begin: Any, end: Any
    ) -> Any:
        first = drawn.function(constants[0], hyperparameters, seed, key)
        carried, record = advanced.function(constants[1], hyperparameters, seed, key, *first, begin, end)
        return record, evaluated.function(constants[2], hyperparameters, carried)

    shapes = [[jax.ShapeDtypeStruct(c.shape, c.dtype) for c in part.constants] for part in parts]
    text = jax.jit(trial).lower(shapes, hyperparameters, seeds, key, index, index).as_text()
    return Traced(*parts, hashlib.sha256(text.encode()).hexdigest(), _digest([part.constants for part in parts]))


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


def compile_programs(
    traced: Traced, group: Group, key: jax.Array, width: int, devices: Sequence[jax.Device]
) -> Programs:
    """Compiles a group's programs for `width` trials on each of the devices.

    Plain `jit` with the trials sharded: XLA cuts the program into one for each device, of `width` trials, and a trial's
    bits depend on that width but not on how many devices there are. The data are on every device.
    """
    mesh = jax.make_mesh((len(devices),), ("trials",), axis_types=(AxisType.Auto,), devices=devices)
    split, whole = NamedSharding(mesh, PartitionSpec("trials")), NamedSharding(mesh, PartitionSpec())
    hyperparameters, seeds = group.rows(np.zeros(width * len(devices), int))
    index = jax.ShapeDtypeStruct((), jnp.int32)
    carried, origin = jax.eval_shape(
        jax.vmap(functools.partial(traced.init.function, traced.init.constants), (0, 0, None)),
        *(hyperparameters, seeds, key),
    )
    placed: dict[int, jax.Array] = {}

    def compiled(part: Hoisted, axes: tuple[int | None, ...], *args: Any, quick: bool = False, **options: Any) -> Any:
        for const in part.constants:
            if id(const) not in placed:
                placed[id(const)] = jax.device_put(const if isinstance(const, jax.Array) else np.asarray(const), whole)
        constants = [placed[id(const)] for const in part.constants]
        shardings = (whole, *(split if axis == 0 else whole for axis in axes))
        jitted = jax.jit(jax.vmap(part.function, (None, *axes)), in_shardings=shardings, out_shardings=split, **options)
        lowering = lowering_parameters(width * len(devices), devices)
        lowered = jitted.trace(constants, *args).lower(_private_parameters=lowering)
        quickly = QUICK_ON_CPU if quick and devices[0].platform == "cpu" else None
        return functools.partial(lowered.compile(quickly), constants)

    return Programs(
        compiled(traced.init, (0, 0, None), hyperparameters, seeds, key, quick=True),
        compiled(
            traced.advance,
            (0, 0, None, 0, 0, None, None),
            *(hyperparameters, seeds, key, carried, origin, index, index),
            donate_argnums=4,
        ),
        compiled(traced.evaluate, (0, 0), hyperparameters, carried),
        split,
    )
