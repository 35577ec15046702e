"""Population-based training: rounds of steps, and between them the worst go on from the best, with other numbers."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _keys, _trees, tracing
from ch5jax._forked import check_not_forked
from ch5jax._types import Hyperparameters, State
from ch5jax.diagnostics import nan_is_data
from ch5jax.optimizers import Batches
from ch5jax.populations._evolution import Evolution
from ch5jax.populations._leaves import Perturb, Perturbed, perturbed
from ch5jax.tasks import Task, check_promises, steps_of
from ch5jax.training import Driver, Probes, Run, train


def evolve(
    task: Task,
    population: Hyperparameters,
    *,
    steps: int,
    every: int,
    key: jax.Array,
    fraction: float = 0.2,
    factors: Sequence[float] = (0.8, 1.2),
    perturb: Perturb | None = None,
) -> Evolution:
    """Trains a population in rounds, between which the worst members go on from the best, with other hyperparameters.

    After every round but the last, members are ranked by the task's objective. Each of the worst, and each that is
    lost, takes state and hyperparameters of one of the best, drawn at random (truncation selection), and each
    hyperparameter that is perturbed is multiplied by one of `factors`, drawn at random. All rounds are one compiled
    program on one device.

    Args:
      task: a `Task`; only numbers can be inherited, so that all members have one structure.
      population: the hyperparameters of all members, a batch as from `ch5jax.sample` or `ch5jax.grid`.
      steps: how many steps every member takes in all, a multiple of `every`.
      every: steps in a round, ≥ 1.
      key: the key. Member m trains with `fold_in(key, m)`, whomever it goes on from: with that key's initial state and
        batches. It may be traced, to map over several.
      fraction: of the members, how many are replaced after a round, and how many are gone on from, from 0 to 0.5. It is
        rounded down, to one at least; 0 replaces none, not even the lost.
      factors: what a hyperparameter is multiplied by, each as likely; finite, above 0.
      perturb: the names of the hyperparameters that are perturbed, as a sweep's table names them, or a dict with the
        `ch5jax.linear` or `ch5jax.log` whose ends each stays between. By default all floating ones that differ in the
        population, and each stays between the population's least and greatest value, as does one without a scale.
        Whole numbers and what all share stay as they are.

    Returns:
      An `Evolution`: `best()`, the member with the best objective at the end; `schedule()`, the hyperparameters that
      led to it, round by round; `states`, and scores, parents and hyperparameters of every round.

    Raises:
      ValueError: if an argument is not as above, or the task breaks a promise of `Task`.

    Example:
      >>> import ch5jax, jax
      >>> task = ch5jax.tasks.digits(hidden=(8,))
      >>> population = ch5jax.sample(ch5jax.sgd, 10, learning_rate=ch5jax.log(1e-3, 10.0))
      >>> evolved = ch5jax.evolve(task, population, steps=100, every=20, key=jax.random.key(0))
      >>> evolved.scores.shape, evolved.schedule().learning_rate.shape
      ((5, 10), (5,))

    Source: Jaderberg et al., "Population based training of neural networks" (2017). There workers exploit
    asynchronously; here all do after the same step, as one program needs it.
    """
    check_not_forked()
    every, rounds = _checked_rounds(task, steps, every)
    if isinstance(population, Batches):
        raise ValueError(
            f"population must be one batch, since only numbers can be inherited, got the groups {', '.join(population)}"
        )
    _trees.check_data(population, "population")
    members = _trees.leading_axis(population, "population")
    copied = _checked_copied(fraction, members)
    check_promises(task, jax.tree.map(lambda leaf: leaf[0], population))
    chosen = perturbed(population, perturb)
    key = _keys.one_key(key)
    population = jax.tree.map(lambda leaf: jnp.asarray(leaf, jax.dtypes.canonicalize_dtype(leaf.dtype)), population)
    with nan_is_data():
        return _evolve(
            task,
            population,
            key,
            chosen.low,
            chosen.high,
            rounds,
            every,
            copied,
            _checked_factors(factors),
            chosen.which,
        )


@functools.partial(tracing.jit, static_argnames=("task", "rounds", "every", "copied", "factors", "which"))
def _evolve(
    task: Task,
    population: Hyperparameters,
    key: jax.Array,
    low: tuple[jax.Array, ...],
    high: tuple[jax.Array, ...],
    rounds: int,
    every: int,
    copied: int,
    factors: tuple[float, ...],
    which: tuple[int, ...],
) -> Evolution:
    """`evolve`, compiled."""
    members = _trees.leading_axis(population, "population")
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(members, dtype=jnp.uint32))
    chance = jax.random.fold_in(key, _keys.EXPLOIT)

    def init(hyperparameters: Hyperparameters, key: jax.Array) -> Any:
        return Driver(task, hyperparameters, key, Probes(0, every)).init()

    def trained(hyperparameters: Hyperparameters, key: jax.Array, state: State, start: jax.Array) -> Run:
        return train(task, hyperparameters, key, every, record_every=every, signals_every=0, state=state, start=start)

    def one_round(held: Any, number: jax.Array) -> Any:
        hyperparameters, states, scores = held
        parents = jnp.arange(members, dtype=jnp.int32)
        if copied:
            key_parents, key_factors = jax.random.split(jax.random.fold_in(chance, number))
            parents = jnp.where(number > 0, exploit(key_parents, scores, copied), parents)
            hyperparameters, states = jax.tree.map(lambda leaf: leaf[parents], (hyperparameters, states))
            replaced = parents != jnp.arange(members)
            hyperparameters = explore(key_factors, hyperparameters, replaced, factors, Perturbed(which, low, high))
        run = jax.vmap(trained, (0, 0, 0, None))(hyperparameters, keys, states, number * every)
        found = {name: values[:, -1] for name, values in (run.metrics | run.evaluations).items()}
        lost = jax.vmap(functools.partial(is_lost, task))(found, run.state)
        score = found[task.objective].astype(_trees.default_float())
        scores = jnp.where(lost, -jnp.inf, score if task.maximize else -score)
        return (hyperparameters, run.state, scores), (hyperparameters, parents, found, lost)

    begin = population, jax.vmap(init)(population, keys), jnp.zeros(members, _trees.default_float())
    (_, states, _), (course, parents, found, lost) = jax.lax.scan(one_round, begin, jnp.arange(rounds, dtype=jnp.int32))
    return Evolution(course, parents, found, lost, states, every, task.objective, task.maximize)


def exploit(key: jax.Array, scores: jax.Array, copied: int) -> jax.Array:
    """Whom each member goes on from: itself, or, if it is of the worst or lost, one of the best.

    Args:
      key: what the best are drawn with.
      scores: shape (members,), the more the better; −∞ of who is lost.
      copied: how many are the worst, and the best, at most half of the members.
    """
    members = jnp.arange(len(scores), dtype=jnp.int32)
    best_first = jnp.argsort(-scores, stable=True).astype(jnp.int32)
    rank = jnp.zeros_like(members).at[best_first].set(members)
    lost = scores == -jnp.inf
    healthy = jnp.sum(~lost, dtype=jnp.int32)
    drawn = jax.random.randint(key, members.shape, 0, jnp.clip(healthy, 1, copied), jnp.int32)
    replaced = (lost | (rank >= len(scores) - copied)) & (healthy > 0)
    return jnp.where(replaced, best_first[drawn], members)


def explore(
    key: jax.Array,
    hyperparameters: Hyperparameters,
    replaced: jax.Array,
    factors: Sequence[float],
    chosen: Perturbed,
) -> Any:
    """The hyperparameters, those chosen of replaced members times a factor, in their range."""
    leaves, structure = jax.tree.flatten(hyperparameters)
    for place, low, high in zip(*chosen, strict=True):
        leaf = leaves[place]
        drawn = jax.random.randint(jax.random.fold_in(key, place), leaf.shape, 0, len(factors), jnp.int32)
        new = jnp.clip(leaf * jnp.asarray(factors, leaf.dtype)[drawn], low, high)
        leaves[place] = jnp.where(replaced.reshape(-1, *[1] * (leaf.ndim - 1)), new, leaf)
    return jax.tree.unflatten(structure, leaves)


def is_lost(task: Task, found: dict[str, jax.Array], state: State) -> jax.Array:
    """Whether a member's objective, its last loss or a parameter is no finite number."""
    params = jax.tree.leaves(task.params(state)) if task.params else []
    looked_at = [found[task.objective], *([found["loss"]] if "loss" in found else []), *params]
    finite = [jnp.all(jnp.isfinite(one)) for one in looked_at if jnp.issubdtype(one.dtype, jnp.inexact)]
    return ~jnp.all(jnp.array(finite)) if finite else jnp.array(False)


def _checked_rounds(task: Any, steps: Any, every: Any) -> tuple[int, int]:
    if every is None:
        raise ValueError("every must be a positive integer, got None")
    _trees.check_positive(every=every)
    if isinstance(task, Task) and task.steps is not None:
        raise ValueError(f"task must be one that stops anywhere, and this one takes its own {task.steps} steps at once")
    steps = steps_of(task, steps)
    if steps % every:
        raise ValueError(f"steps must be a multiple of every = {every}, got {steps}")
    return int(every), steps // int(every)


def _checked_copied(fraction: Any, members: int) -> int:
    """How many members are replaced, and how many gone on from."""
    number = isinstance(fraction, int | float | np.number) and not isinstance(fraction, bool)
    if not number or not 0 <= fraction <= 0.5:
        raise ValueError(f"fraction must be a number from 0 to 0.5, got {fraction!r}")
    if not fraction:
        return 0
    if members < 2:
        raise ValueError(f"population must have two members at least, for one to go on from the other, got {members}")
    return max(1, math.floor(fraction * members + 1e-9))  # 0.3 of ten are three, in floats too


def _checked_factors(factors: Any) -> tuple[float, ...]:
    values = np.asarray(factors)
    fits = values.ndim == 1 and len(values) and values.dtype.kind in "iuf" and np.isfinite(values).all()
    if not fits or (values <= 0).any():
        raise ValueError(f"factors must be a list of finite numbers above 0, got {factors!r}")
    return tuple(map(float, values))
