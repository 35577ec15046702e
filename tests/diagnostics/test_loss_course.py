"""Oscillation, slowness and divergence as a loss shows them; distance, sharpness and Jacobians."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax.diagnostics import (
    alternation,
    descent,
    distance,
    diverged_at,
    jacobian_norm,
    sharpness,
    watch_init,
    watch_reset,
    watch_update,
)
from tests.diagnostics.spectra import quadratic, rotated
from tests.references import diagnostics as reference

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(0)


def test_turns_are_local_extrema():
    losses = np.random.default_rng(0).normal(size=(3, 50))
    expected = [reference.turns(row) for row in losses]
    np.testing.assert_allclose(alternation(losses), expected, rtol=1e-6)


def test_noise_turns_two_thirds_of_the_time_a_descent_never_and_a_jump_always():
    noise = jax.random.normal(KEY, (40, 1000))
    np.testing.assert_allclose(np.mean(alternation(noise)), 2 / 3, atol=0.01)
    assert alternation(jnp.linspace(3, 1, 20)) == 0
    assert alternation(jnp.array([1.0, 1, 1, 1])) == 0
    assert alternation(jnp.array([1.0, jnp.nan, 1, jnp.nan, 2])) == 0


def test_a_bouncing_rate_on_a_kink_turns_at_every_step():
    losses, w = [], 0.26
    for _ in range(30):
        losses.append(abs(w))
        w -= 0.5 * np.sign(w)
    assert alternation(np.array(losses)) == 1


def test_the_fall_at_half_time_and_at_the_end(x64):
    n = np.arange(40)
    losses = np.where(n < 20, 100.0 - 3 * n, 70 - 0.25 * n)
    np.testing.assert_allclose(descent(losses), (3, 0.25), rtol=1e-10)
    np.testing.assert_allclose(descent(np.stack([losses, -losses]))[1], (0.25, -0.25), rtol=1e-10)
    noisy = np.random.default_rng(0).normal(size=43)
    middle, end = descent(noisy)
    np.testing.assert_allclose(middle, -np.polyfit(np.arange(11), noisy[10:21], 1)[0], rtol=1e-10)
    np.testing.assert_allclose(end, -np.polyfit(np.arange(10), noisy[33:], 1)[0], rtol=1e-10)


@pytest.mark.parametrize(
    ("losses", "step"),
    [([1, 2, 3], -1), ([1, np.nan, np.inf], 1), ([np.nan, 1, np.nan], 2), ([np.nan], 0), ([np.inf, np.nan, 1.0], -1)],
)
def test_the_first_step_after_which_nothing_is_finite(losses, step):
    assert int(diverged_at(jnp.array(losses, jnp.float32))) == step
    np.testing.assert_array_equal(diverged_at(jnp.array([losses, losses], jnp.float32)), [step, step])


def test_too_few_losses_are_refused():
    for function, fewest in ((alternation, 3), (descent, 8), (diverged_at, 1)):
        with pytest.raises(ValueError, match=rf"losses must have shape \(\.\.\., n\) with n ≥ {fewest}, got"):
            function(jnp.ones(fewest - 1))


def test_a_watch_follows_turns_and_spikes():
    losses = np.random.default_rng(0).normal(size=30)
    sizes = np.exp(np.random.default_rng(1).normal(size=30))

    def step(watch, row):
        watch = watch_update(watch, *row)
        return watch, (watch.alternation, watch.spike)

    _, (shares, largest) = jax.jit(lambda rows: jax.lax.scan(step, watch_init(), rows))((losses, sizes))
    for n in (3, 10, 30):  # up to 50 losses it is the plain share of those so far
        np.testing.assert_allclose(shares[n - 1], reference.turns(losses[:n]), rtol=1e-5)
    spikes = reference.spikes(sizes)
    np.testing.assert_allclose(largest, np.maximum.accumulate(spikes), rtol=1e-5)
    only_loss = watch_update(watch_init(), 1.0, None)
    assert int(only_loss.spikes.count) == 0
    only_size = watch_update(watch_init(), None, 1.0)
    assert (int(only_size.spikes.count), int(only_size.steps)) == (1, 0)


def test_a_watch_averages_the_loss_between_looks_and_notes_since_when_it_is_lost():
    losses = [2.0, 4.0, 6.0, jnp.nan, 1.0, 3.0, 3e6, 1e9, jnp.inf]
    watch, means, since = watch_init(), [], []
    for step, loss in enumerate(losses):
        watch = watch_update(watch, loss, None)
        means.append(float(watch.mean_loss))
        since.append(int(watch.lost_since))
        watch = watch_reset(watch, step % 3 == 2)
    np.testing.assert_allclose([means[i] for i in (0, 1, 2, 3, 6, 7)], [2, 3, 4, np.nan, 3e6, (3e6 + 1e9) / 2])
    assert since == [-1, -1, -1, 3, -1, -1, 6, 6, 6]
    assert float(watch.first_loss) == 2
    assert since[-1] == int(diverged_at(jnp.array(losses)))


def test_a_loss_a_million_times_its_first_value_is_lost():
    assert int(diverged_at(jnp.array([0.1, 2e6, 3e6]))) == 1  # a first loss below 1 counts as 1
    assert int(diverged_at(jnp.array([100.0, 9e7, 9e7]))) == -1
    assert int(diverged_at(jnp.array([100.0, -2e8, -2e8]))) == 1
    assert int(diverged_at(jnp.array([jnp.nan, 5.0, 6e6]))) == 2


def test_distance_is_relative_to_the_start(x64):
    start = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([[4.0]])}
    moved = {"a": jnp.array([3.0, 6.0]), "b": jnp.array([[-4.0]])}
    np.testing.assert_allclose(distance(moved, start), 10 / 5)
    assert distance(start, start) == 0
    assert distance(jnp.zeros(2), jnp.zeros(2)) == 0
    assert np.isinf(distance(jnp.ones(2), jnp.zeros(2)))
    with pytest.raises(ValueError, match="params must match start"):
        distance(start, {"a": start["a"]})


def test_sharpness_is_the_rise_a_radius_up_the_gradient(x64):
    matrix = rotated(np.array([1.0, 4.0, 30.0]))
    loss, w = quadratic(matrix), np.array([1.0, -2.0, 0.5])
    g = matrix @ w
    up = w + 0.05 * g / np.linalg.norm(g)
    np.testing.assert_allclose(sharpness(loss, jnp.asarray(w)), (up @ matrix @ up - w @ matrix @ w) / 2, rtol=1e-10)
    tree = sharpness(lambda p: loss(jnp.stack([p["x"], *p["y"]])), {"x": jnp.asarray(w[0]), "y": jnp.asarray(w[1:])})
    np.testing.assert_allclose(tree, sharpness(loss, jnp.asarray(w)), rtol=1e-12)


def test_sharpness_at_a_minimum_and_close_to_it():
    loss = quadratic(np.diag([1.0, 100.0]))
    assert sharpness(loss, jnp.zeros(2)) == 0
    np.testing.assert_allclose(sharpness(loss, jnp.array([0.0, 1e-25]), 0.1), 0.01 * 100 / 2, rtol=1e-5)
    radii = jax.vmap(lambda radius: sharpness(loss, jnp.array([0.0, 1.0]), radius))(jnp.array([0.0, 0.1]))
    np.testing.assert_allclose(radii, [0, 10.5], rtol=1e-5)


@pytest.mark.parametrize("gain", [0.7, 1.2])
def test_a_recurrences_growth_is_that_of_the_product_of_its_jacobians(x64, gain):
    rng = np.random.default_rng(0)
    recurrent, inputs = gain * rng.normal(size=(6, 6)) / 6**0.5, rng.normal(size=(12, 6))

    def run(state):
        return jax.lax.scan(lambda h, x: (jnp.tanh(h @ recurrent + x), None), state, inputs)[0]

    state, product = 0.1 * rng.normal(size=6), np.eye(6)
    h = state
    for x in inputs:
        h = np.tanh(h @ recurrent + x)
        product = np.diag(1 - h**2) @ recurrent.T @ product
    found = jacobian_norm(run, jnp.asarray(state), KEY)
    np.testing.assert_allclose(found, np.linalg.norm(product, 2), rtol=1e-8)


def test_a_networks_jacobian_from_a_tree_to_a_tree(x64):
    a, b = np.random.default_rng(1).normal(size=(2, 3, 4))
    found = jacobian_norm(
        lambda x: {"u": a @ x["p"], "v": b @ x["p"] + x["q"]}, {"p": jnp.ones(4), "q": jnp.ones(3)}, KEY
    )
    whole = np.block([[a, np.zeros((3, 3))], [b, np.eye(3)]])
    np.testing.assert_allclose(found, np.linalg.norm(whole, 2), rtol=1e-9)
    assert jacobian_norm(lambda x: 0 * x, jnp.ones(3), KEY) == 0
    net = ch5jax.networks.mlp((4, 4), kernel_init=jax.nn.initializers.orthogonal())
    params = net.init(KEY, 2.5)
    np.testing.assert_allclose(jacobian_norm(lambda x: net.apply(params, x), jnp.ones(4), KEY), 2.5, rtol=1e-9)
