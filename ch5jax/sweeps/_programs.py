"""One group's compiled programs: a fixed number of trials on every device, trained a segment of steps at a time."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from ch5jax._types import Hyperparameters, Metrics, State
from ch5jax.diagnostics import Signals
from ch5jax.sweeps._groups import Group
from ch5jax.sweeps._lapack import lowering_parameters
from ch5jax.sweeps._traced import Evaluation, Traced
from ch5jax.tracing import Hoisted, InTwo
from ch5jax.training import Carried, with_row

# A segment reports every step's metrics, and the host keeps what was asked for: so a rerun that keeps all of them is
# the same program, and gives the same bits. Longer segments would hold more of them on the device at once.
SEGMENT = 1000

# LLVM's levels. The third, XLA's own, spends seconds on random numbers: the digits' initial state took 3.5 to 4.2 s of
# the 6 to 7 s that a group's programs took to compile; at the first level, for what runs once a chunk, 0.7 s. Loops
# have the second: the default sweep's rows are the same to the last bit, in 88 to 94 s of processor time for 100 to 110
# (JAX 0.12.0.1; 97 to 103 for 103 to 113 on 0.10.2), compiling included.
ONCE, LOOPED = 1, 2


def compiler_options(level: int, platform: str) -> dict[str, int] | None:
    """That level on a CPU, where XLA_FLAGS does not say another."""
    option = "xla_backend_optimization_level"
    return {option: level} if platform == "cpu" and option not in os.environ.get("XLA_FLAGS", "") else None


class Record(NamedTuple):
    """What a segment of steps reports, the steps leading and the trials after them."""

    metrics: Metrics  # every step's, shape (segment, trials)
    signals: Signals | None  # a row for each spacing that the segment touches, shape (rows, trials, ...)


class Programs(NamedTuple):
    """Compiled for `width` trials on each device, which are the leading axis of all but the key and the steps."""

    init: Callable[..., Any]  # (hyperparameters, seeds, key) -> (Carried, what distances are measured from)
    advance: Callable[
        ..., Any
    ]  # (hyperparameters, seeds, group's, key, Carried, origin, begin, end) -> (Carried, Record)
    evaluate: Callable[..., Any]  # (hyperparameters, state) -> Evaluation
    sharding: NamedSharding


def compile_programs(
    traced: Traced, group: Group, key: jax.Array, length: int, width: int, devices: Sequence[jax.Device]
) -> Programs:
    """Compiles a group's programs, of segments of `length` steps at most, for `width` trials on each of the devices.

    Plain `jit` with the trials sharded: XLA cuts the program into one for each device, of `width` trials, and a trial's
    bits depend on that width but not on how many devices there are. The data are on every device.
    """
    mesh = jax.make_mesh((len(devices),), ("trials",), axis_types=(AxisType.Auto,), devices=devices)
    split, whole = NamedSharding(mesh, PartitionSpec("trials")), NamedSharding(mesh, PartitionSpec())
    reported = NamedSharding(mesh, PartitionSpec(None, "trials"))
    trials = width * len(devices)
    hyperparameters, seeds = group.rows(np.zeros(trials, int))
    index = jax.ShapeDtypeStruct((), jnp.int32)
    placed: dict[int, jax.Array] = {}

    def of_all(part: Hoisted, *axes: int | None) -> Callable[..., Any]:
        return jax.vmap(part.function, (None, *axes))

    def init(constants: Any, hyperparameters: Hyperparameters, seeds: Any, key: jax.Array) -> tuple[Carried, Any]:
        return of_all(traced.init, 0, 0, None)(constants[0], hyperparameters, seeds, key)

    def advance(
        constants: Any,
        hyperparameters: Hyperparameters,
        seeds: Any,
        all_seeds: Any,
        key: jax.Array,
        carried: Carried,
        origin: Any,
        begin: jax.Array,
        end: jax.Array,
    ) -> tuple[Carried, Record]:
        in_order = jnp.argsort(all_seeds)
        which = in_order[jnp.searchsorted(all_seeds, seeds, sorter=in_order)]

        def drawn(two: InTwo, constants: Any, index: Any) -> Any:
            """What the seed alone decides, such as a mini-batch: once for all trials that share it."""
            few = len(all_seeds) < width
            values = of_all(two.common, 0, None, None)(constants, all_seeds if few else seeds, key, index)
            return jax.tree.map(lambda leaf: leaf[which], values) if few else values

        step, probe = (
            of_all(traced.step.rest, 0, 0, 0, None, 0, None),
            of_all(traced.probe.rest, 0, 0, 0, None, 0, 0, None),
        )
        every = max(traced.probes.every, 1)
        before = begin // every

        def one(index: jax.Array, held: tuple[Carried, Record]) -> tuple[Carried, Record]:
            carried, record = held
            batch = drawn(traced.step, constants[0], index)
            carried, metrics, watched = step(constants[1], batch, hyperparameters, seeds, key, carried, index)
            kept = jax.tree.map(lambda k, m: k.at[index - begin].set(m), record.metrics, metrics)
            signals = record.signals and with_row(record.signals, traced.probes.row(index) - before, watched)
            return carried, Record(kept, signals)

        def to_the_next_probe(at: tuple[jax.Array, Any]) -> tuple[jax.Array, Any]:
            index, (carried, record) = at
            now = traced.probes.now(index)
            stop = jnp.where(now, index + 1, jnp.minimum(traced.probes.following(index), end))
            new, record = jax.lax.fori_loop(index, stop, one, (carried, record))
            found = jax.lax.cond(
                now,
                lambda: probe(
                    *(constants[3], drawn(traced.probe, constants[2], index)),
                    *(hyperparameters, seeds, key, (carried.state, new.state), origin, index),
                ),
                lambda: jax.tree.map(lambda s: jnp.zeros((trials, *s.shape), s.dtype), traced.probe.shapes),
            )
            signals = with_row(record.signals, traced.probes.row(index) - before, found)
            return stop, (new, record._replace(signals=signals))

        def rows(count: int, like: Any) -> jax.Array:
            return jnp.zeros((count, trials, *like.shape), like.dtype, device=reported)

        metrics = jax.tree.map(functools.partial(rows, length), traced.step.shapes[1])
        signals = jax.tree.map(functools.partial(rows, length // every + 2), traced.signals)
        held = carried, Record(metrics, signals)
        if not traced.probes.every:
            return jax.lax.fori_loop(begin, end, one, held)
        # loops of their own for a probed step and for those up to it: where one loop has a branch that reads the state,
        # XLA copies it
        return jax.lax.while_loop(lambda at: at[0] < end, to_the_next_probe, (begin, held))[1]

    def evaluate(constants: Any, hyperparameters: Hyperparameters, state: State) -> Evaluation:
        return of_all(traced.evaluate, 0, 0)(constants[0], hyperparameters, state)

    def compiled(function: Any, parts: Sequence[Hoisted], shardings: Any, outs: Any, *args: Any, **donated: Any) -> Any:
        for const in (const for part in parts for const in part.constants):
            if id(const) not in placed:
                placed[id(const)] = jax.device_put(const if isinstance(const, jax.Array) else np.asarray(const), whole)
        constants = [[placed[id(const)] for const in part.constants] for part in parts]
        jitted = jax.jit(function, in_shardings=(whole, *shardings), out_shardings=outs, **donated)
        lowered = jitted.trace(constants, *args).lower(_private_parameters=lowering_parameters(trials, devices))
        options = compiler_options(ONCE if function is init else LOOPED, devices[0].platform)
        return functools.partial(lowered.compile(options), constants)

    own = hyperparameters, seeds, key
    carried, origin = jax.eval_shape(init, [traced.init.constants], *own)
    return Programs(
        compiled(init, [traced.init], (split, split, whole), split, *own),
        compiled(
            advance,
            [*traced.step, *traced.probe],
            (split, split, whole, whole, split, split, whole, whole),
            (split, reported),
            *(hyperparameters, seeds, group.seeds, key, carried, origin, index, index),
            donate_argnums=5,
        ),
        compiled(evaluate, [traced.evaluate], (split, split), split, hyperparameters, carried.state),
        split,
    )
