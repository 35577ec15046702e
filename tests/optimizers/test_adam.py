"""Adam's corrections: right in float32 at the first step, after a million, at the counter's end, under schedules."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from tests.optimizers.registry import run

ULP = float(jnp.finfo(jnp.float32).eps)
SIZES = np.logspace(-15.9, 17.9, 200)


def first_step(opt, gradient):
    return opt.update(gradient, opt.init(gradient))[0]


@pytest.mark.parametrize("b2", [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1 - 1e-6])
@pytest.mark.parametrize("b1", [0.0, 0.45, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["python", "array", "traced", "schedule"])
def test_the_first_step_is_the_sign(kind, b1, b2):
    gradient = jnp.concatenate([SIZES, -SIZES, jnp.zeros(2)]).astype(jnp.float32)

    def step(b1, b2):
        return first_step(ch5jax.adam(1.0, b1=b1, b2=b2, eps=0.0), gradient)

    if kind == "python":
        update = step(b1, b2)
    elif kind == "schedule":
        update = step(ch5jax.linear_decay(b1, 0.5, 10), ch5jax.linear_decay(b2, 0.99, 10))
    else:
        update = (jax.jit(step) if kind == "traced" else step)(jnp.float32(b1), jnp.float32(b2))
    np.testing.assert_allclose(update, -np.sign(gradient), rtol=4 * ULP, atol=0)


def test_the_first_step_is_the_sign_where_optax_falls_short():
    gradient = jnp.float32(1.0)
    assert abs(float(first_step(optax.adam(1.0, eps=0.0), gradient)) + 1) > 5e-6
    assert abs(float(first_step(ch5jax.adam(1.0, eps=0.0), gradient)) + 1) < 4 * ULP


@pytest.mark.parametrize("b2", [0.9, 0.99, 0.999, 0.9999])
def test_the_correction_keeps_1e_7_of_float64_for_a_million_steps(b2):
    opt = ch5jax.adam(1.0, b1=0.0, b2=b2, eps=0.0)
    counts = np.unique(np.logspace(0, 6, 300).astype(np.int32))

    def weight(count):
        state = opt.init(jnp.ones(1))._replace(count=count - 1)
        return opt.update(jnp.ones(1), state)[1].nu_weight

    exact = -np.expm1(counts * np.log1p(-np.float64(np.float32(1) - np.float32(b2))))  # of the β that float32 holds
    np.testing.assert_allclose(jax.jit(jax.vmap(weight))(counts), exact, rtol=3e-7)


def test_a_constant_gradient_gives_constant_steps():
    # v̂ = g and r̂ = g² at every step, so that a drift of the corrections against the averages shows
    updates, _ = jax.jit(run)(ch5jax.adam(1.0, eps=0.0), jnp.full((20_000, 1), 0.3))
    np.testing.assert_allclose(updates, -1, rtol=4e-5)


def test_the_counter_saturates_at_its_end():
    opt, gradient = ch5jax.adam(1.0, eps=0.0), jnp.array([2.0, -3.0])
    end = 2**31 - 1
    old = jnp.array([0.5, -1.0])
    for count in (end - 1, end):
        state = opt.init(gradient)._replace(count=jnp.int32(count), mu=old, nu=old**2)
        update, after = jax.jit(opt.update)(gradient, state)
        assert int(after.count) == end
        mean, square = 0.9 * old + 0.1 * gradient, 0.999 * old**2 + 0.001 * gradient**2
        np.testing.assert_allclose(update, -mean / np.sqrt(square), rtol=1e-6)  # corrected by 1


@pytest.mark.parametrize("factory", [ch5jax.sgd, ch5jax.momentum, ch5jax.adagrad, ch5jax.rmsprop])
def test_every_counter_saturates(factory):
    opt, gradient = factory(ch5jax.linear_decay(1.0, 0.5, 10)), jnp.ones(2)
    state = opt.init(gradient)._replace(count=jnp.int32(2**31 - 1))
    update, after = opt.update(gradient, state)
    assert int(after.count) == 2**31 - 1
    assert np.isfinite(update).all()


@pytest.mark.parametrize("name", ["b1", "b2"])
def test_a_schedule_is_corrected_by_the_product_of_its_decays(name):
    decays = [0.0, 0.5, 0.75, 0.875]
    opt = ch5jax.adam(1.0, **{name: lambda count: jnp.array(decays)[count]})
    _, state = run(opt, jnp.ones((3, 1)))
    field = {"b1": "mu_weight", "b2": "nu_weight"}[name]
    assert getattr(state, field) == 1.0  # 1 - 0 · ½ · ¾
    decays[0] = 0.5
    _, state = run(opt, jnp.ones((3, 1)))
    assert getattr(state, field) == 1 - 0.5 * 0.5 * 0.75


def test_a_constant_schedule_equals_the_number():
    gradients = jax.random.normal(jax.random.key(0), (500, 4))
    updates, _ = run(ch5jax.adam(0.1), gradients)
    schedules = {name: ch5jax.constant(value) for name, value in (("b1", 0.9), ("b2", 0.999), ("eps", 1e-7))}
    scheduled, _ = run(ch5jax.adam(0.1, **schedules), gradients)
    np.testing.assert_allclose(scheduled, updates, rtol=3e-5)


def test_schedules_see_the_count_before_the_update():
    updates, _ = run(ch5jax.sgd(lambda count: jnp.array([1.0, 2.0, 4.0])[count]), jnp.ones((3, 1)))
    assert updates[:, 0].tolist() == [-1, -2, -4]
