"""Continuations: short trainings from a run's last state, each with one thing otherwise: what lowers the loss?"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.extend import core

from ch5jax import _keys
from ch5jax._types import Hyperparameters, Params, State
from ch5jax.diagnostics import norm
from ch5jax.optimizers import adam
from ch5jax.tasks import Task
from ch5jax.tracing import all_eqns, peak_bytes

SHARE, FEWEST = 20, 8  # each takes 1/SHARE of the run's steps, and FEWEST at least
BATCHES = 32  # whose mean loss is compared, before and after
WIDER = 8  # times as many examples in a step
ADAM = 0.01
AT_ONCE = 2**30  # bytes that the steps of all ways may take, to be taken side by side
LENGTHS = (0.0, *(4.0**i for i in range(-6, 6)))  # of the parameters' norm, down the curvature

WAYS = ("as before", "at a tenth of the rate", "at ten times the rate", "with larger batches", "with Adam", "downhill")
AS_BEFORE, SLOWER, FASTER, LARGER, BY_ADAM, DOWNHILL = range(6)
_SCALES = (1.0, 0.1, 10.0, 1.0)  # of the first four ways


class Continuations(NamedTuple):
    """By how much each way to go on lowers the mean loss of the same mini-batches; made by `diagnose`.

    The ways are, in this order: as before; at a tenth of the rate; at ten times the rate; with steps averaged over
    eight mini-batches; with Adam at 0.01; one step down the most negative curvature, as long as lowers the loss most.
    """

    gain: jax.Array  # (6,): NaN for a way that is not to be had
    error: jax.Array  # (6,): its standard error
    steps: jax.Array  # (), int32: how many each took


def go_on(
    task: Task, hyperparameters: Hyperparameters, key: jax.Array, state: State, steps: int, downhill: Params | None
) -> Continuations:
    """Goes on from a run's last state in six ways.

    A step at another rate is the task's own, of which the parameters go another part of the way; one with larger
    batches is the mean of the states that it leads to from several mini-batches. So they are to be had of any task.

    Args:
      task: with `params`, all floating, and `loss`.
      hyperparameters: the run's.
      key: the run's.
      state: its last one.
      steps: how many it took.
      downhill: the direction of the most negative curvature, like the parameters; None if it is not known.
    """
    count = min(steps, max(FEWEST, steps // SHARE))
    loss, own = task.loss, jax.random.fold_in(key, _keys.CONTINUED)
    assert loss is not None
    assert task.params is not None
    keys = jax.random.split(jax.random.fold_in(key, _keys.AT_THE_END), BATCHES)
    params = task.params(state)
    which = _parameters_in(task, state)
    many = jax.vmap if _fit_together(task, key, hyperparameters, state) else _one_by_one
    missing = [*([SLOWER, FASTER] if which is None else []), *([DOWNHILL] if downhill is None else [])]

    def step(lanes: State, i: jax.Array) -> tuple[State, None]:
        index = steps + i
        first, others = jax.random.fold_in(key, index), jax.random.split(jax.random.fold_in(own, index), WIDER - 1)
        lane = jnp.array([0, 1, 2, *[3] * WIDER])  # the last way from several mini-batches
        each = jax.tree.map(lambda leaf: leaf[lane], lanes)
        all_keys = jnp.concatenate([jnp.stack([first] * 4), others])
        new = many(lambda key, lane: task.step(key, index, hyperparameters, lane)[0])(all_keys, each)
        return _joined(lanes, new, which), None

    def mean_loss(params: Params) -> jax.Array:
        return jnp.mean(many(lambda k: loss(k, hyperparameters, state, params))(keys[: BATCHES // 4]))

    lanes = jax.tree.map(lambda leaf: jnp.stack([leaf] * len(_SCALES)), state)
    lanes, _ = jax.lax.scan(step, lanes, jnp.arange(count, dtype=jnp.int32))
    ends = [
        *(task.params(jax.tree.map(lambda leaf, i=i: leaf[i], lanes)) for i in range(len(_SCALES))),
        _by_adam(task, hyperparameters, key, state, jnp.arange(steps, steps + count, dtype=jnp.int32)),
        params if downhill is None else _lowest(mean_loss, params, downhill),
    ]
    every = jax.tree.map(lambda *leaves: jnp.stack(leaves), params, *ends)
    states = jax.tree.map(lambda end, four: jnp.stack([end, *four, end, end]), state, lanes)
    losses = jax.lax.map(lambda k: many(lambda s, w: loss(k, hyperparameters, s, w))(states, every), keys)
    gains = losses[:, :1] - losses[:, 1:]
    if missing:
        gains = gains.at[:, jnp.array(missing)].set(jnp.nan)
    return Continuations(jnp.mean(gains, 0), jnp.std(gains, 0) / BATCHES**0.5, jnp.int32(count))


def _fit_together(task: Task, key: jax.Array, hyperparameters: Hyperparameters, state: State) -> bool:
    """Whether the steps of all ways can be taken side by side: what calls Python back may not know how."""
    step = jax.make_jaxpr(task.step)(key, jnp.int32(0), hyperparameters, state).jaxpr
    calls_back = any("callback" in eqn.primitive.name for eqn in all_eqns(step))
    return not calls_back and (len(_SCALES) - 1 + WIDER) * peak_bytes(step) < AT_ONCE


def _one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
    """`vmap`, for what cannot be done side by side."""
    return lambda *args: jax.lax.map(lambda one: function(*one), args)


def _parameters_in(task: Task, state: State) -> set[int] | None:
    """Which of a state's leaves the parameters are; None where they are made of it in another way."""
    jaxpr = jax.make_jaxpr(task.params)(state).jaxpr
    place = {var: i for i, var in enumerate(jaxpr.invars)}
    found = {place.get(var) if isinstance(var, core.Var) else None for var in jaxpr.outvars}
    return None if None in found else {i for i in found if i is not None}


def _joined(lanes: State, new: State, which: set[int] | None) -> State:
    """The next states of the four ways, of which the last has a lane for each mini-batch."""
    old_leaves, structure = jax.tree.flatten(lanes)
    last = len(_SCALES) - 1

    def one(i: int, old: jax.Array, stepped: jax.Array) -> jax.Array:
        if not jnp.issubdtype(stepped.dtype, jnp.inexact):
            return stepped[: last + 1]
        mean = jnp.mean(stepped[last:], 0, keepdims=True, dtype=stepped.dtype)
        joined = jnp.concatenate([stepped[:last], mean])
        if which is None or i not in which:
            return joined
        scale = jnp.array(_SCALES, joined.dtype).reshape(-1, *[1] * (joined.ndim - 1))
        return jnp.where(scale == 1, joined, old + scale * (joined - old))

    return structure.unflatten(
        [one(i, *pair) for i, pair in enumerate(zip(old_leaves, jax.tree.leaves(new), strict=True))]
    )


def _by_adam(task: Task, hyperparameters: Hyperparameters, key: jax.Array, state: State, indices: jax.Array) -> Params:
    """The parameters after steps of Adam, from nothing; what else is in the state stays."""
    loss, optimizer = task.loss, adam(ADAM)
    assert loss is not None
    assert task.params is not None
    params = task.params(state)

    def step(held: tuple[Params, Any], index: jax.Array) -> tuple[tuple[Params, Any], None]:
        params, moments = held
        gradient = jax.grad(lambda w: loss(jax.random.fold_in(key, index), hyperparameters, state, w))(params)
        updates, moments = optimizer.update(gradient, moments, params)
        return (optax.apply_updates(params, updates), moments), None

    return jax.lax.scan(step, (params, optimizer.init(params)), indices)[0][0]


def _lowest(loss: Any, params: Params, direction: Params) -> Params:
    """The parameters on the line along a direction, to both sides, where a loss is lowest."""
    size = norm(params)
    size = jnp.where(size > 0, size, 1) / jnp.maximum(norm(direction), 1e-30)
    lengths = size * jnp.array([sign * length for length in LENGTHS for sign in (1, -1)])

    def at(length: jax.Array) -> Params:
        return jax.tree.map(lambda w, d: (w + length * d).astype(w.dtype), params, direction)

    losses = jax.lax.map(lambda length: loss(at(length)), lengths)
    return at(lengths[jnp.argmin(jnp.where(jnp.isnan(losses), jnp.inf, losses))])
