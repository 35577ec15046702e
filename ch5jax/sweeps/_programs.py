"""One group's compiled programs: a fixed number of trials on every device, trained a stretch of steps at a time."""

import hashlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from ch5jax.diagnostics import watch_init
from ch5jax.sweeps._groups import Group
from ch5jax.sweeps._lapack import lowering_parameters
from ch5jax.training import Looks, init_key, look, observer, one_step, start_of, watched_step

# A stretch reports every step's metrics, and the host keeps what was asked for: so a rerun that keeps all of them is
# the same program, and gives the same bits. Longer stretches would hold more of them on the device at once.
STRETCH = 1000

# Drawing a kernel of (32, 10) costs LLVM seconds: with all of XLA's passes, the digits' initial state took 3.5 to 4.2 s
# of the 6 to 7 s that a group's programs take to compile; at the first level 0.7 s. For what runs once a chunk.
QUICK_ON_CPU = {"xla_backend_optimization_level": 1}


class Programs(NamedTuple):
    """Compiled for `width` trials on each device: all arguments but the key and the steps have them leading."""

    init: Callable[..., Any]  # (hyperparameters, seeds, key) -> (carried, what distances are measured from)
    advance: Callable[..., Any]  # (hyperparameters, seeds, key, carried, begun, start, stop) -> (carried, record)
    evaluate: Callable[..., Any]  # (hyperparameters, carried) -> (metrics, whether the parameters are finite)
    sharding: NamedSharding


class Carried(NamedTuple):
    """What a trial carries from step to step."""

    state: Any  # the task's
    watch: Any  # for the signals; None without


class Record(NamedTuple):
    """What a stretch of steps reports."""

    metrics: dict[str, Any]  # every step's, shape (stretch,)
    signals: Any  # `diagnostics.Signals` with a row for each spacing that the stretch touches; None without


class Stretch(NamedTuple):
    """How long a stretch may be, and where in a training signals are taken."""

    length: int
    signals_every: int  # 0 for never
    steps: int  # of the whole training, whose last one has signals too


def _functions(group: Group, stretch: Stretch) -> tuple[Callable[..., Any], ...]:
    """A trial's three functions."""
    task, every = group.task, stretch.signals_every

    def init(hyperparameters: Any, seed: Any, key: jax.Array) -> tuple[Carried, Any]:
        trial_key = jax.random.fold_in(key, seed)
        state = jax.tree.map(jnp.asarray, task.init(init_key(trial_key), hyperparameters))
        return (Carried(state, watch_init()), start_of(task, state)) if every else (Carried(state, None), None)

    def advance(
        hyperparameters: Any, seed: Any, key: jax.Array, carried: Carried, begun: Any, start: Any, stop: Any
    ) -> tuple[Carried, Record]:
        trial_key = jax.random.fold_in(key, seed)
        seen = None
        looks = Looks(every, 0, stretch.steps, start // max(every, 1))
        if every:
            rows = stretch.length // every + 2
            seen = observer(task, hyperparameters, trial_key, carried.state, rows)._replace(watch=carried.watch)

        def body(index: jax.Array, held: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            state, seen, record = held
            state, metrics, seen = watched_step(task, hyperparameters, trial_key, index, state, seen, looks)
            return state, seen, jax.tree.map(lambda r, m: r.at[index - start].set(m), record, metrics)

        def to_the_next_look(at: tuple[jax.Array, Any]) -> tuple[jax.Array, Any]:
            index, (state, seen, record) = at
            seen = look(task, hyperparameters, trial_key, index, state, seen, begun, looks)
            end = jnp.minimum(looks.following(index), stop)
            return end, jax.lax.fori_loop(index, end, body, (state, seen, record))

        shapes = jax.eval_shape(
            lambda *args: one_step(task, *args)[1], hyperparameters, trial_key, start, carried.state
        )
        record = jax.tree.map(lambda m: jnp.zeros((stretch.length, *m.shape), m.dtype), shapes)
        held = carried.state, seen, record
        if seen is None:
            held = jax.lax.fori_loop(start, stop, body, held)
        else:  # a loop of its own from look to look: where one loop has a branch that reads the state, XLA copies it
            _, held = jax.lax.while_loop(lambda at: at[0] < stop, to_the_next_look, (start, held))
        state, seen, record = held
        return Carried(state, seen and seen.watch), Record(record, seen and seen.record)

    def evaluate(hyperparameters: Any, carried: Carried) -> Any:
        state = carried.state
        metrics = {name: jnp.asarray(value) for name, value in task.evaluate(hyperparameters, state).items()}
        params = jax.tree.leaves(task.params(state)) if task.params else []
        finite = [jnp.all(jnp.isfinite(p)) for p in params if jnp.issubdtype(p.dtype, jnp.inexact)]
        return metrics, jnp.all(jnp.array(finite)) if finite else jnp.array(True)

    return init, advance, evaluate


def compile_programs(group: Group, key: jax.Array, width: int, stretch: Stretch, devices: list[jax.Device]) -> Programs:
    """Compiles a group's programs for `width` trials on each of the devices.

    Plain `jit` with the trials sharded: XLA cuts the program into one for each device, of `width` trials, and a trial's
    bits depend on that width but not on how many devices there are.
    """
    mesh = jax.make_mesh((len(devices),), ("trials",), axis_types=(AxisType.Auto,), devices=devices)
    split, whole = NamedSharding(mesh, PartitionSpec("trials")), NamedSharding(mesh, PartitionSpec())
    init, advance, evaluate = _functions(group, stretch)
    hyperparameters, seeds = group.rows(np.zeros(width * len(devices), int))
    step = jax.ShapeDtypeStruct((), jnp.int32)

    def lowered(jitted: Any, *args: Any) -> jax.stages.Lowered:
        return jitted.trace(*args).lower(_private_parameters=lowering_parameters(width * len(devices), devices))

    batched_init = jax.vmap(init, (0, 0, None))
    carried, begun = jax.eval_shape(batched_init, hyperparameters, seeds, key)
    return Programs(
        lowered(
            jax.jit(batched_init, in_shardings=(split, split, whole), out_shardings=split), hyperparameters, seeds, key
        ).compile(QUICK_ON_CPU if devices[0].platform == "cpu" else None),
        lowered(
            jax.jit(
                jax.vmap(advance, (0, 0, None, 0, 0, None, None)),
                in_shardings=(split, split, whole, split, split, whole, whole),
                out_shardings=split,
                donate_argnums=3,
            ),
            *(hyperparameters, seeds, key, carried, begun, step, step),
        ).compile(),
        lowered(
            jax.jit(jax.vmap(evaluate), in_shardings=(split, split), out_shardings=split), hyperparameters, carried
        ).compile(),
        split,
    )


class Fingerprint(NamedTuple):
    """What a group's programs are, whatever the width and the devices."""

    program: str  # a hash of the lowered program, its large constants left out
    data: str  # a hash of those constants: the data that the task closes over
    state_bytes: int  # of one trial


def fingerprint(group: Group, key: jax.Array, stretch: Stretch) -> Fingerprint:
    """Lowers a whole trial once, without compiling it, and hashes what it is."""
    init, advance, evaluate = _functions(group, stretch)

    def trial(hyperparameters: Any, seed: Any, key: jax.Array, start: Any, stop: Any) -> Any:
        carried, record = advance(hyperparameters, seed, key, *init(hyperparameters, seed, key), start, stop)
        return record, evaluate(hyperparameters, carried)

    hyperparameters, seeds = jax.tree.map(lambda leaf: leaf[0], group.rows(np.zeros(1, int)))
    step = jax.ShapeDtypeStruct((), jnp.int32)
    text = jax.jit(trial).lower(hyperparameters, seeds, key, step, step).as_text()
    data = hashlib.sha256()

    def without(match: re.Match[str]) -> str:
        data.update(match.group().encode())
        return "dense<data>"

    program = re.sub(r'dense<(?:"0x[0-9A-Fa-f]{128,}"|\[[^>]{256,}\])>', without, text)
    carried, _ = jax.eval_shape(init, hyperparameters, seeds, key)
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(carried.state))
    return Fingerprint(hashlib.sha256(program.encode()).hexdigest(), data.hexdigest(), size)
