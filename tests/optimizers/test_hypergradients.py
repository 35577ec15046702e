"""Training is differentiable in every hyperparameter, where gradients are zero and decays are zero too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from tests.optimizers.registry import CASES, bowl, for_every_hyperparameter, for_every_optimizer, params_like, train

pytestmark = pytest.mark.usefixtures("x64")


def final_loss(opt, params=None):
    return bowl(train(opt, bowl, params_like(jnp.float64) if params is None else params, 20))


def difference_quotient(function, value):
    step = 1e-5 * max(abs(value), 1e-2)
    return (function(value + step) - function(value - step)) / (2 * step)


@for_every_hyperparameter
def test_hypergradient_equals_the_difference_quotient(case, name):
    loss = jax.jit(lambda value: final_loss(case.make(**{name: value})))
    value = case.numbers[name]
    slope = jax.jit(jax.grad(loss))(value)
    assert abs(slope) > 1e-12
    np.testing.assert_allclose(slope, difference_quotient(loss, value), rtol=2e-6)


@for_every_optimizer
def test_hypergradients_of_schedules_equal_difference_quotients(case):
    opt = case.make(**{name: ch5jax.linear_decay(value, value / 2, 15.0) for name, value in case.numbers.items()})
    leaves, structure = jax.tree.flatten(opt)
    loss = jax.jit(lambda leaves: final_loss(structure.unflatten(leaves)))
    slopes = jax.jit(jax.grad(loss))(leaves)
    for position, (slope, value) in enumerate(zip(slopes, leaves, strict=True)):
        along = lambda x: loss([*leaves[:position], x, *leaves[position + 1 :]])  # noqa: E731
        np.testing.assert_allclose(slope, difference_quotient(along, value), rtol=1e-5, atol=1e-9)


def at_rest(case):
    """The optimizer without ε and without a start, so that an accumulator of zero gradients stays zero."""
    return case.make(**{name: 0.0 for name in case.numbers if name == "eps" or "initial" in name})


@for_every_optimizer
@pytest.mark.parametrize("make", [lambda case: case.make(), at_rest], ids=["eps", "no eps"])
def test_hypergradients_are_finite_where_gradients_are_zero(case, make):
    params = jnp.array([1.0, 1.0, 3.0])  # the bowl's gradient is exactly zero at 1
    slopes = jax.jit(jax.grad(final_loss))(make(case), params)
    assert np.all(np.isfinite(jax.tree.leaves(slopes)))
    assert slopes.learning_rate != 0
    slopes = jax.jit(jax.grad(final_loss))(make(case), jnp.ones(3))
    assert not np.any(jax.tree.leaves(slopes))


@pytest.mark.parametrize(
    ("key", "name"),
    [("momentum", "decay"), ("rmsprop", "decay"), ("adam", "b1"), ("adam", "b2"), ("adam_uncorrected", "b1")],
)
def test_hypergradients_at_a_decay_of_zero(key, name):
    loss = jax.jit(lambda value: final_loss(CASES[key].make(**{name: value})))
    slope = jax.jit(jax.grad(loss))(0.0)
    one_sided = (-3 * loss(0.0) + 4 * loss(1e-7) - loss(2e-7)) / 2e-7  # below 0 is no decay
    np.testing.assert_allclose(slope, one_sided, rtol=1e-4)


@pytest.mark.parametrize("name", ["b1", "b2"])
def test_hypergradients_on_both_sides_of_the_correction_s_branches(name):
    loss = jax.jit(lambda value: final_loss(CASES["adam"].make(**{name: value})))
    slope = jax.jit(jax.grad(loss))
    for decay in (0.5 - 1e-3, 0.5, 0.5 + 1e-3):
        np.testing.assert_allclose(slope(decay), difference_quotient(loss, decay), rtol=1e-5)


@for_every_optimizer
def test_second_derivatives_and_forward_mode(case):
    loss = lambda rate: final_loss(case.make(learning_rate=rate))  # noqa: E731
    rate = case.numbers["learning_rate"]
    slope = jax.jit(jax.grad(loss))
    np.testing.assert_allclose(jax.jit(jax.jacfwd(loss))(rate), slope(rate), rtol=1e-10)
    np.testing.assert_allclose(jax.jit(jax.grad(slope))(rate), difference_quotient(slope, rate), rtol=1e-5)


@for_every_optimizer
def test_the_last_parameters_differentiate_in_the_first(case):
    loss = jax.jit(lambda scale: final_loss(case.make(), {"w": scale * jnp.arange(3.0)}))
    np.testing.assert_allclose(jax.grad(loss)(1.3), difference_quotient(loss, 1.3), rtol=1e-6)
