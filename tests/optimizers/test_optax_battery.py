"""What Optax asks of its own optimizers (in alias_test, float64_test and sharding_test), asked of ours."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from tests.optimizers.registry import for_every_optimizer

pytestmark = pytest.mark.usefixtures("compiled_quickly")

OPTS = {  # one learning rate for both targets, small enough for Adam not to be thrown out of the valley at its end
    "sgd": ch5jax.sgd(1e-3),
    "momentum": ch5jax.momentum(1e-3, decay=0.9),
    "adagrad": ch5jax.adagrad(1.0),
    "rmsprop": ch5jax.rmsprop(5e-3),
    "adam": ch5jax.adam(1e-2),
    "adam_uncorrected": ch5jax.adam(1e-2, bias_correction=False),
    "lifted_adamw": ch5jax.lift(optax.adamw, 1e-2),
    "chain": ch5jax.chain(optax.clip_by_global_norm(10.0), ch5jax.adam(1e-2)),
    "master_weights": ch5jax.master_weights(ch5jax.adam(1e-2)),
    "decaying": ch5jax.adam(ch5jax.linear_decay(1e-1, 1e-3, 9000)),
}


def parabola(dtype):
    factor = 1 + 1j if jnp.issubdtype(dtype, jnp.complexfloating) else 1
    target = jnp.array([1.0, -1.0, 1.0], dtype) * factor
    start = jnp.array([-1.0, 10.0, 1.0], dtype)
    return start, target, lambda w: jnp.sum(jnp.real((w - target) * jnp.conj(w - target)))


def rosenbrock(dtype):
    a = 1 + 1j if jnp.issubdtype(dtype, jnp.complexfloating) else 1.0

    def loss(w):
        first, second = a - w[0], w[1] - w[0] ** 2
        return jnp.real(first * jnp.conj(first)) + 100 * jnp.real(second * jnp.conj(second))

    return jnp.zeros(2, dtype), jnp.array([a, a**2], dtype), loss


@pytest.mark.parametrize("key", OPTS)
@pytest.mark.parametrize("target", [parabola, rosenbrock])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_reaches_the_minimum_in_ten_thousand_steps(key, target, dtype):
    start, minimum, loss = target(dtype)
    steps = 40_000 if key == "sgd" else 10_000  # the complex valley's curvatures, 0.2 and 1,800, are far apart

    @jax.jit
    def train(opt):
        def step(carry, _):
            params, state = carry
            updates, state = opt.update(jnp.conj(jax.grad(loss)(params)), state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (start, opt.init(start)), None, steps)[0][0]

    np.testing.assert_allclose(train(OPTS[key]), minimum, rtol=3e-2, atol=3e-2)


@for_every_optimizer
def test_mixed_dtypes_under_x64_stay_as_they_are(case, x64):
    params = (jnp.array([1.0, 2.0], jnp.float32), jnp.array([3.0, 4.0], jnp.float64))
    opt = case.make()
    state = jax.jit(opt.init)(params)
    updates, after = jax.jit(opt.update)(params, state, params)
    chex.assert_trees_all_equal_shapes_and_dtypes((optax.apply_updates(params, updates), after), (params, state))


@for_every_optimizer
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"])
def test_a_branch_that_updates_and_one_that_does_not_agree_in_type(case, dtype):
    with jax.enable_x64(dtype in ("float64", "complex128")):
        opt, params = case.make(), jnp.ones(3, dtype)

        @jax.jit
        def step(go, params, state):
            updates, state = jax.lax.cond(go, lambda: opt.update(params, state, params), lambda: (params, state))
            return optax.apply_updates(params, updates), state

        state = opt.init(params)
        for go in (True, False, True):
            params, state = step(go, params, state)
        assert step._cache_size() == 1
