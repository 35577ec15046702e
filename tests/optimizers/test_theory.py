"""What the chapter's theory predicts comes out: terminal velocity and rates of convergence on quadratics."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from tests.optimizers.registry import run

pytestmark = pytest.mark.usefixtures("x64")


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.99])
def test_momentum_reaches_its_terminal_velocity(decay):
    rate, gradient = 0.01, jnp.array([3.0, -4.0])  # of norm 5
    updates, _ = run(ch5jax.momentum(rate, decay), jnp.tile(gradient, (4000, 1)))
    speed = np.linalg.norm(updates, axis=1)
    np.testing.assert_allclose(speed[-1], rate * 5 / (1 - decay), rtol=1e-13)
    # after t steps it has a share 1 - βᵗ of it
    np.testing.assert_allclose(speed[:50], rate * 5 * (1 - decay ** np.arange(1, 51)) / (1 - decay), rtol=1e-12)


def test_adagrad_under_a_constant_gradient_slows_down_as_the_root_of_time():
    updates, _ = run(ch5jax.adagrad(0.1, eps=0.0), jnp.full((100, 1), 7.0))
    np.testing.assert_allclose(updates[:, 0], -0.1 / np.sqrt(np.arange(1, 101)), rtol=1e-13)


def test_rmsprop_and_adam_under_a_constant_gradient_go_at_the_learning_rate():
    updates, _ = run(ch5jax.rmsprop(0.1, decay=0.9, eps=0.0), jnp.full((500, 1), 7.0))
    np.testing.assert_allclose(updates[:, 0], -0.1 / np.sqrt(1 - 0.9 ** np.arange(1, 501)), rtol=1e-12)
    updates, _ = run(ch5jax.adam(0.1, eps=0.0), jnp.full((500, 1), 7.0))
    np.testing.assert_allclose(updates, -0.1, rtol=1e-12)


@pytest.mark.parametrize("key", ["adagrad", "rmsprop", "adam"])
def test_adaptive_steps_do_not_depend_on_the_gradient_s_scale(key):
    opt = getattr(ch5jax, key)(0.1, eps=0.0)
    gradients = jax.random.normal(jax.random.key(0), (50, 3))
    np.testing.assert_allclose(run(opt, 1e8 * gradients)[0], run(opt, gradients)[0], rtol=1e-12)


def errors(opt, eigenvalues, steps):
    """The distances to the minimum of ½ Σ λ w², step by step from w = 1, one row for each eigenvalue's coordinate."""

    def step(carry, _):
        w, state = carry
        updates, state = opt.update(eigenvalues * w, state, w)
        w = optax.apply_updates(w, updates)
        return (w, state), w

    w = jnp.ones_like(eigenvalues)
    return np.abs(jax.jit(lambda: jax.lax.scan(step, (w, opt.init(w)), None, steps)[1])())


@pytest.mark.parametrize("condition", [2.0, 10.0, 100.0, 1000.0])
def test_gradient_descent_converges_at_its_best_rate(condition):
    smallest, largest = 0.5, 0.5 * condition
    w = errors(ch5jax.sgd(2 / (smallest + largest)), jnp.array([smallest, largest]), 40)
    rate = (condition - 1) / (condition + 1)
    np.testing.assert_allclose(w[1:] / w[:-1], rate, rtol=1e-9)  # at both ends of the spectrum, at every step
    inside = errors(ch5jax.sgd(2 / (smallest + largest)), jnp.linspace(smallest, largest, 8)[1:-1], 40)
    assert np.all(inside[1:] / inside[:-1] < rate)


@pytest.mark.parametrize("condition", [10.0, 100.0, 1000.0])
def test_heavy_ball_converges_at_its_best_rate(condition):
    root = np.sqrt(condition)
    rate = (root - 1) / (root + 1)
    learning_rate = (2 / (1 + root)) ** 2  # for eigenvalues from 1 to k: α = (2 / (√l + √L))², β = rate²
    steps = int(200 / -np.log(rate)) // 2
    w = errors(ch5jax.momentum(learning_rate, rate**2), jnp.linspace(1.0, condition, 8), steps)
    # at the ends the iteration's two roots coincide: w_t ~ t rateᵗ, exactly (1 + c t) rateᵗ; inside they are complex
    time = np.arange(1, steps + 1)
    for end, sign in ((0, 1), (-1, -1)):
        per_step = (1 - learning_rate * [1.0, condition][end]) / rate * sign - 1
        np.testing.assert_allclose(w[:, end], np.abs(1 + per_step * time) * rate**time, rtol=1e-6)
    measured = np.exp(np.polyfit(time[steps // 2 :], np.log(w[steps // 2 :, 0] / time[steps // 2 :]), 1)[0])
    np.testing.assert_allclose(measured, rate, rtol=1e-3)


def test_heavy_ball_beats_gradient_descent_by_the_root_of_the_condition():
    eigenvalues = jnp.array([1.0, 1000.0])
    root = np.sqrt(1000.0)
    descent = errors(ch5jax.sgd(2 / 1001), eigenvalues, 400)[-1].max()
    heavy_ball = errors(ch5jax.momentum((2 / (1 + root)) ** 2, ((root - 1) / (root + 1)) ** 2), eigenvalues, 400)
    assert descent > 0.4
    assert heavy_ball[-1].max() < 1e-7


@pytest.mark.parametrize(("factor", "converges"), [(1.99, True), (2.01, False)])
def test_gradient_descent_is_stable_up_to_twice_the_inverse_curvature(factor, converges):
    w = errors(ch5jax.sgd(factor / 10.0), jnp.array([10.0]), 500)
    assert (w[-1, 0] < 0.01) == converges
