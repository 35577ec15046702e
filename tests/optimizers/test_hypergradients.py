"""Training is differentiable in every hyperparameter, where gradients are zero and decays are zero too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from tests.optimizers.registry import CASES, bowl, for_every_hyperparameter, for_every_optimizer, params_like, train

pytestmark = pytest.mark.usefixtures("x64")


def final_loss(opt, params):
    return bowl(train(opt, bowl, params, 20))


value_and_slopes = jax.jit(
    jax.value_and_grad(final_loss, (0, 1))
)  # one program for all values of one kind of optimizer


def loss_and_slopes(opt, params=None):
    """The loss after training, and its slopes in the optimizer's hyperparameters."""
    value, (slopes, _) = value_and_slopes(opt, params_like(jnp.float64) if params is None else params)
    return value, slopes


def difference_quotient(function, value):
    step = 1e-5 * max(abs(value), 1e-2)
    return (function(value + step) - function(value - step)) / (2 * step)


@for_every_hyperparameter
def test_hypergradient_equals_the_difference_quotient(case, name):
    slope = getattr(loss_and_slopes(case.make())[1], name)
    assert abs(slope) > 1e-12
    quotient = difference_quotient(lambda x: loss_and_slopes(case.make(**{name: x}))[0], case.numbers[name])
    np.testing.assert_allclose(slope, quotient, rtol=2e-6)


@for_every_optimizer
def test_hypergradients_of_schedules_equal_difference_quotients(case):
    opt = case.make(**{name: ch5jax.linear_decay(value, value / 2, 15.0) for name, value in case.numbers.items()})
    leaves, structure = jax.tree.flatten(opt)
    slopes = jax.tree.leaves(loss_and_slopes(opt)[1])
    for position, (slope, value) in enumerate(zip(slopes, leaves, strict=True)):
        along = lambda x: loss_and_slopes(structure.unflatten([*leaves[:position], x, *leaves[position + 1 :]]))[0]
        np.testing.assert_allclose(slope, difference_quotient(along, value), rtol=1e-5, atol=1e-9)


def at_rest(case):
    """The optimizer without ε and without a start, so that an accumulator of zero gradients stays zero."""
    return case.make(**{name: 0.0 for name in case.numbers if name == "eps" or "initial" in name})


@for_every_optimizer
@pytest.mark.parametrize("make", [lambda case: case.make(), at_rest], ids=["eps", "no eps"])
def test_hypergradients_are_finite_where_gradients_are_zero(case, make):
    at_the_minimum = jax.tree.map(jnp.ones_like, params_like(jnp.float64))  # where the bowl's gradient is exactly zero
    beside = jax.tree.map(lambda p: p.at[..., -1].set(3.0), at_the_minimum)
    _, slopes = loss_and_slopes(make(case), beside)
    assert np.all(np.isfinite(jax.tree.leaves(slopes)))
    assert slopes.learning_rate != 0
    _, slopes = loss_and_slopes(make(case), at_the_minimum)
    assert not np.any(jax.tree.leaves(slopes))


@pytest.mark.parametrize(
    ("key", "name"),
    [("momentum", "decay"), ("rmsprop", "decay"), ("adam", "b1"), ("adam", "b2"), ("adam_uncorrected", "b1")],
)
def test_hypergradients_at_a_decay_of_zero(key, name):
    at = lambda value: loss_and_slopes(CASES[key].make(**{name: value}))
    one_sided = (-3 * at(0.0)[0] + 4 * at(1e-7)[0] - at(2e-7)[0]) / 2e-7  # below 0 is no decay
    np.testing.assert_allclose(getattr(at(0.0)[1], name), one_sided, rtol=1e-4)


@pytest.mark.parametrize("name", ["b1", "b2"])
def test_hypergradients_on_both_sides_of_the_correction_s_branches(name):
    at = lambda value: loss_and_slopes(CASES["adam"].make(**{name: value}))
    for decay in (0.5 - 1e-3, 0.5, 0.5 + 1e-3):
        quotient = difference_quotient(lambda x: at(x)[0], decay)
        np.testing.assert_allclose(getattr(at(decay)[1], name), quotient, rtol=1e-5)


@for_every_optimizer
def test_second_derivatives_and_forward_mode(case):
    params = params_like(jnp.float64)
    loss = lambda rate: final_loss(case.make(learning_rate=rate), params)
    derivatives = jax.jit(lambda rate: (jax.grad(loss)(rate), jax.jacfwd(loss)(rate), jax.grad(jax.grad(loss))(rate)))
    rate = case.numbers["learning_rate"]
    slope, forward, second = derivatives(rate)
    np.testing.assert_allclose(forward, slope, rtol=1e-10)
    np.testing.assert_allclose(second, difference_quotient(lambda x: derivatives(x)[0], rate), rtol=1e-5)


@for_every_optimizer
def test_the_last_parameters_differentiate_in_the_first(case):
    start = {"w": jnp.arange(6.0).reshape(2, 3), "b": {"c": jnp.arange(3.0)}}
    at = lambda scale: value_and_slopes(case.make(), jax.tree.map(lambda p: scale * p, start))
    _, (_, slopes) = at(1.3)
    slope = sum(np.sum(p * s) for p, s in zip(jax.tree.leaves(start), jax.tree.leaves(slopes), strict=True))
    np.testing.assert_allclose(slope, difference_quotient(lambda scale: at(scale)[0], 1.3), rtol=1e-6)
