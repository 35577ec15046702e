"""What half precision breaks elsewhere: a stuck second moment, parameters that do not move, and what mends them."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from tests.optimizers.registry import CASES, counted, for_every_optimizer, run


def ones(steps, dtype=jnp.bfloat16, value=1.0):
    return jnp.full((steps, 2), value, dtype)


def train_on_ones(opt, params, steps=1000):
    """The parameters and the state after a constant gradient of 1."""

    def step(carry, _):
        params, state = carry
        updates, state = opt.update(jax.tree.map(jnp.ones_like, params), state, params)
        return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(step, (params, opt.init(params)), None, steps)[0]


def test_the_second_moment_does_not_stick_in_bfloat16():
    opt = ch5jax.adam(1.0, eps=0.0)
    updates, state = jax.jit(run)(opt, ones(2000, value=0.01))
    square = float(jnp.bfloat16(0.01)) ** 2
    np.testing.assert_allclose(state.nu, square * (1 - 0.999**2000), rtol=1e-4)  # Optax's stays at a third of it
    np.testing.assert_array_equal(np.asarray(updates, np.float32), -1)
    _, theirs = jax.jit(lambda g: run(optax.adam(1.0, eps=0.0), g))(ones(2000, value=0.01))
    assert np.all(np.asarray(theirs[0].nu, np.float32) < 0.5 * square)


@for_every_optimizer
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_master_weights_move_in_steps_that_half_precision_rounds_away(case, dtype):
    opt = case.make(learning_rate=1e-4)
    params, state = jax.jit(train_on_ones)(ch5jax.master_weights(opt), jnp.ones(2, dtype))
    exact, _ = jax.jit(train_on_ones)(opt, jnp.ones(2))
    np.testing.assert_allclose(state.master, exact, rtol=1e-6)
    np.testing.assert_array_equal(params, state.master.astype(dtype))  # the copy's rounding
    assert float(params[0]) < 1


def test_without_master_weights_bfloat16_does_not_move():
    params, _ = jax.jit(train_on_ones)(ch5jax.sgd(1e-3), jnp.ones(2, jnp.bfloat16))
    assert params.tolist() == [1, 1]
    params, _ = jax.jit(train_on_ones)(ch5jax.master_weights(ch5jax.sgd(1e-3)), jnp.ones(2, jnp.bfloat16))
    np.testing.assert_allclose(np.asarray(params, np.float32), 0, atol=1e-4)


def test_updates_of_master_weights_are_float32():
    params = {"half": jnp.ones(2, jnp.float16), "single": jnp.ones(2)}
    opt = ch5jax.master_weights(ch5jax.adam(0.1))
    state = opt.init(params)
    updates, after = opt.update(params, state, params)
    assert {leaf.dtype.name for leaf in jax.tree.leaves((updates, after.master))} == {"float32"}
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)


def test_parameters_of_float32_pass_straight_through():
    params = {"half": jnp.ones(2, jnp.bfloat16), "single": jnp.array([0.3, 0.7])}
    opt = ch5jax.master_weights(ch5jax.adam(1e-3))
    got, state = jax.jit(train_on_ones)(opt, params)
    plain, _ = jax.jit(train_on_ones)(opt.inner, {"single": params["single"]})
    chex.assert_trees_all_equal(got["single"], plain["single"])
    assert state.master["single"] is None


@pytest.mark.parametrize("inner", [optax.adamw(1e-3), optax.lion(1e-3), optax.chain(optax.clip(0.5), optax.sgd(1e-3))])
def test_master_weights_around_a_foreign_transformation(inner):
    params, state = jax.jit(lambda p: train_on_ones(ch5jax.master_weights(inner), p))(jnp.ones(2, jnp.bfloat16))
    exact, _ = jax.jit(lambda p: train_on_ones(inner, p))(jnp.ones(2))
    np.testing.assert_allclose(state.master, exact, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(params, state.master.astype(jnp.bfloat16))


def test_the_inner_transformation_sees_the_copy_and_extra_arguments():
    seen = {}

    def update(updates, state, params=None, **extra):
        seen.update(params=params, updates=updates, **extra)
        return updates, state

    inner = optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)
    opt, params = ch5jax.master_weights(inner), jnp.ones(2, jnp.float16)
    opt.update(params, opt.init(params), params, value=7.0)
    assert seen["params"].dtype == seen["updates"].dtype == jnp.float32
    assert seen["value"] == 7.0


def test_master_weights_pull_back_what_was_changed_from_outside():
    opt, params = ch5jax.master_weights(ch5jax.sgd(0.0)), jnp.ones(2, jnp.bfloat16)
    moved = params + 3
    updates, _ = opt.update(params, opt.init(params), moved)
    np.testing.assert_array_equal(optax.apply_updates(moved, updates), params)


def test_master_weights_sweep_and_pass_through_jit():
    opts = [ch5jax.master_weights(ch5jax.momentum(rate, decay=0.5)) for rate in (1e-4, 5e-4)]
    assert jax.tree.leaves(opts[0]) == [1e-4, 0.5]
    one, traces = counted(lambda opt: train_on_ones(opt, jnp.ones(2, jnp.bfloat16), 100))
    together = jax.jit(jax.vmap(lambda opt: train_on_ones(opt, jnp.ones(2, jnp.bfloat16), 100)))(ch5jax.stack(opts))
    chex.assert_trees_all_close(together, ch5jax.stack([one(opt) for opt in opts]), rtol=1e-6)
    assert len(traces) == 1


@pytest.mark.parametrize("key", ["adagrad", "rmsprop", "adam"])
def test_complex_and_half_leaves_side_by_side(key):
    params = {"half": jnp.ones(2, jnp.bfloat16), "complex": jnp.ones(2, jnp.complex64)}
    got, _ = jax.jit(train_on_ones)(ch5jax.master_weights(CASES[key].make(learning_rate=1e-3)), params)
    assert got["complex"].dtype == jnp.complex64
    np.testing.assert_allclose(got["complex"].real, np.asarray(got["half"], np.float32), atol=4e-3)
