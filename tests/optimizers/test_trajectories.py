"""Five steps worked out by hand: a misplaced ε or rate, or a missing correction, shows in the first digits."""

from math import sqrt

import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from tests.optimizers.registry import run

pytestmark = [pytest.mark.smoke, pytest.mark.usefixtures("x64")]


def assert_steps(opt, gradients, expected):
    updates, _ = run(opt, jnp.array(gradients, float))
    np.testing.assert_allclose(updates, expected, rtol=1e-14)


def test_sgd():
    # u = -0.5 g
    assert_steps(ch5jax.sgd(0.5), [1, -2, 0, 3, 0.25], [-0.5, 1.0, 0.0, -1.5, -0.125])


def test_momentum():
    # v = 0.5 v - 0.25 g: -0.25·4 = -1, then 0.5·(-1) - 0.25·2 = -1, then -0.5 - 0 = -0.5, then -0.25 + 1 = 0.75,
    # then 0.375 - 2 = -1.625
    assert_steps(ch5jax.momentum(0.25, decay=0.5), [4, 2, 0, -4, 8], [-1.0, -1.0, -0.5, 0.75, -1.625])


def test_momentum_that_forgets_nothing():
    # v = v - 0.25 g
    assert_steps(ch5jax.momentum(0.25, decay=1.0), [4, 4, 0, -4, -4], [-1.0, -2.0, -2.0, -1.0, 0.0])


def test_adagrad():
    # r = 3² = 3², 3² + 4² = 5², 5² + 12² = 13², 13² + 84² = 85², 85² + 132² = 157²; u = -2 g / (√r + 1)
    expected = [-2 * 3 / 4, 2 * 4 / 6, -2 * 12 / 14, -2 * 84 / 86, 2 * 132 / 158]
    assert_steps(ch5jax.adagrad(2.0, eps=1.0), [3, -4, 12, 84, -132], expected)


def test_adagrad_that_starts_at_a_given_sum():
    # r = 4² + 3² = 5², then as above
    expected = [-3 / 6, -12 / 14, -84 / 86, -132 / 158, 0]
    opt = ch5jax.adagrad(1.0, eps=1.0, initial_accumulator_value=16.0)
    assert_steps(opt, [3, 12, 84, 132, 0], expected)


def test_rmsprop():
    # r = 0.36 r + 0.64 g², so that √r is the hypotenuse of 0.6 √r and 0.8 g:
    # (0, 1) -> 1, (0.6, 0.8) -> 1, (0.6, 0.45) -> 0.75, (0.45, 0.6) -> 0.75, (0.45, 0) -> 0.45; u = -g / (√r + 0.25)
    expected = [-1.25 / 1.25, 1.0 / 1.25, -0.5625 / 1.0, -0.75 / 1.0, 0]
    assert_steps(ch5jax.rmsprop(1.0, decay=0.36, eps=0.25), [1.25, -1.0, 0.5625, 0.75, 0], expected)


def test_rmsprop_that_starts_at_a_given_scale():
    # r starts at 1, as after the first step above
    opt = ch5jax.rmsprop(1.0, decay=0.36, eps=0.25, initial_scale=1.0)
    assert_steps(opt, [-1.0, 0.5625, 0.75, 0, 0], [1.0 / 1.25, -0.5625 / 1.0, -0.75 / 1.0, 0, 0])


ADAM = {"learning_rate": 0.5, "b1": 0.5, "b2": 0.75, "eps": 0.1}
ADAM_GRADIENTS = [1, -2, 0.5, 0, 4]
# v = 0.5 v + 0.5 g:     1/2, -3/4, -1/8, -1/16, 63/32
# 1 - 0.5ᵗ:              1/2,  3/4,  7/8, 15/16, 31/32     v̂: 1, -1, -1/7, -1/15, 63/31
# r = 0.75 r + 0.25 g²:  1/4, 19/16, 61/64, 183/256, 4645/1024
# 1 - 0.75ᵗ:             1/4,  7/16, 37/64, 175/256,  781/1024   r̂: 1, 19/7, 61/37, 183/175, 4645/781


def test_adam():
    # u = -0.5 v̂ / (√r̂ + 0.1)
    expected = [
        -0.5 * 1 / (1 + 0.1),
        0.5 * 1 / (sqrt(19 / 7) + 0.1),
        0.5 * (1 / 7) / (sqrt(61 / 37) + 0.1),
        0.5 * (1 / 15) / (sqrt(183 / 175) + 0.1),
        -0.5 * (63 / 31) / (sqrt(4645 / 781) + 0.1),
    ]
    assert_steps(ch5jax.adam(**ADAM), ADAM_GRADIENTS, expected)


def test_adam_without_bias_correction():
    # u = -0.5 v / (√r + 0.1)
    expected = [
        -0.5 * (1 / 2) / (1 / 2 + 0.1),
        0.5 * (3 / 4) / (sqrt(19) / 4 + 0.1),
        0.5 * (1 / 8) / (sqrt(61) / 8 + 0.1),
        0.5 * (1 / 16) / (sqrt(183) / 16 + 0.1),
        -0.5 * (63 / 32) / (sqrt(4645) / 32 + 0.1),
    ]
    assert_steps(ch5jax.adam(**ADAM, bias_correction=False), ADAM_GRADIENTS, expected)


def test_adam_without_memory_follows_the_sign():
    # b1 = b2 = 0: v̂ = g and √r̂ = |g| at every step
    opt = ch5jax.adam(0.5, b1=0.0, b2=0.0, eps=0.0)
    assert_steps(opt, [1, -2, 0.5, 0, 4], [-0.5, 0.5, -0.5, 0, -0.5])


def test_adam_under_a_schedule_of_its_decays_corrects_by_their_product():
    # constant gradient 2: v̂ = 2 and r̂ = 4 only if the corrections are 1 - Πβ₁ and 1 - Πβ₂; u = -2 / (2 + 1)
    opt = ch5jax.adam(1.0, b1=ch5jax.linear_decay(0.0, 0.8, 4), b2=ch5jax.linear_decay(0.9, 0.5, 4), eps=1.0)
    assert_steps(opt, [2, 2, 2, 2, 2], [-2 / 3] * 5)


def test_defaults_are_the_chapters():
    # gradients so small that δ = 1e-7 decides: u = -g / (√r + δ)
    assert_steps(ch5jax.adagrad(1.0), [3e-7] * 1, [-3 / 4])
    assert_steps(ch5jax.rmsprop(1.0), [1e-7] * 1, [-1 / (sqrt(0.1) + 1)])
    assert_steps(ch5jax.adam(1.0), [1e-7] * 2, [-1 / 2] * 2)
    assert_steps(ch5jax.momentum(1.0), [1, 0], [-1, -0.9])
    # Adam's gradients 1, 0: v̂ = 0.09/0.19 and r̂ = 0.000999/0.001999
    assert_steps(ch5jax.adam(1.0, eps=0.0), [1, 0], [-1, -(0.09 / 0.19) / sqrt(0.000999 / 0.001999)])
