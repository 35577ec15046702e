"""What the calls of a function have in common is computed apart, and the rest from it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax import tracing

pytestmark = pytest.mark.smoke

DATA = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
KEY = jax.random.key(3)


def step(rate, seed, key, state, index):
    """A batch that the seed decides, noise that the state scales, and a branch of the index."""
    own = jax.random.fold_in(jax.random.fold_in(key, seed), index)
    batch = jnp.asarray(DATA)[jax.random.randint(own, (16,), 0, len(DATA))]
    kick = jax.lax.cond(index % 2 == 0, lambda: 1.0, lambda: -1.0)
    noise = jax.random.normal(jax.random.fold_in(own, 1), state.shape) * state
    return state - rate * jnp.mean(batch, axis=0) + 1e-3 * noise + kick, index + seed


def two(function=step):
    return tracing.hoist_in_two(function, (1, 2, 4), 1, 0.1, np.uint32(5), KEY, np.zeros(8, np.float32), np.int32(2))


def run(parts, rate, seed, key, state, index):
    values = parts.common.function(parts.common.constants, seed, key, index)
    return parts.rest.function(parts.rest.constants, values, rate, seed, key, state, index)


def names(function, *args):
    return {eqn.primitive.name for eqn in tracing.all_eqns(jax.make_jaxpr(function)(*args).jaxpr)}


def test_both_together_are_the_function_and_the_data_are_in_the_first():
    parts = two()
    for seed, index in ((5, 2), (6, 3)):
        args = 0.3, np.uint32(seed), KEY, np.ones(8, np.float32), np.int32(index)
        together = jax.jit(lambda *args: run(parts, *args))
        for mine, theirs in zip(together(*args), jax.jit(step)(*args), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert [constant.shape for constant in parts.common.constants] == [(500, 8)]


def test_no_trial_draws_what_its_seed_decides_and_the_index_stays_a_number():
    parts = two()
    shapes = [jax.ShapeDtypeStruct(one.shape, one.dtype) for one in parts.common.shapes]
    args = 0.3, np.uint32(5), KEY, np.ones(8, np.float32), np.int32(2)
    rest = names(lambda *a: parts.rest.function(parts.rest.constants, *a), shapes, *args)
    assert "random_bits" not in rest
    assert "gather" not in rest
    assert "random_bits" in names(step, *args)
    mapped = jax.vmap(lambda values, rate: parts.rest.function(parts.rest.constants, values, rate, *args[1:]))
    stacked = [jax.ShapeDtypeStruct((4, *one.shape), one.dtype) for one in shapes]
    assert "cond" in names(mapped, stacked, jnp.ones(4))


def test_nothing_in_common_is_nothing_computed_apart():
    def alone(rate, seed, key, state, index):
        return state * rate + index

    parts = two(alone)
    assert parts.common.shapes == []
    assert run(parts, 2.0, np.uint32(0), KEY, np.ones(8, np.float32), np.int32(1)).tolist() == [3.0] * 8


def test_what_is_said_on_the_way_is_said_by_the_rest(capfd):
    def loud(rate, seed, key, state, index):
        jax.debug.print("seed {}", seed)
        return state * rate

    parts = two(loud)
    assert parts.common.shapes == []
    run(parts, 2.0, np.uint32(7), KEY, np.ones(8, np.float32), np.int32(1))
    jax.effects_barrier()
    assert capfd.readouterr().out == "seed 7\n"
