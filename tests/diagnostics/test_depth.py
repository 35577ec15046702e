"""The layer gradient over depth: exact on linear chains, and the verdicts that deep networks are known for."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax import Site
from ch5jax.diagnostics import depth_slope, first_over_last, flat_units, jacobian_norm, layer_gradient_norms
from ch5jax.networks import mlp, rnn
from ch5jax.tapping import Loop
from tests.references import rnn as reference
from tests.tapping.networks import site_gradients

pytestmark = pytest.mark.usefixtures("compiled_quickly")

WIDTH, DEPTH, BATCH = 64, 30, 32


@functools.cache
def compiled(activation, batch_norm):
    """The norms and flat units of 30 hidden layers, as a compiled function of the kernels, and of the gain on them."""
    net = mlp((WIDTH,) * (DEPTH + 1) + (10,), activation, jax.nn.initializers.zeros, batch_norm=batch_norm)
    blank = net.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (BATCH, WIDTH))
    targets = jax.random.normal(jax.random.key(2), (BATCH, 10))

    @jax.jit
    def measured(kernels, gain):
        params = tuple(layer._replace(kernel=gain * kernel) for layer, kernel in zip(blank, kernels, strict=True))

        def loss(params):
            outputs = net.apply_training(params, net.init_state(), x)[0] if batch_norm else net.apply(params, x)
            return jnp.mean(outputs * targets)

        gradients = site_gradients(loss, params)
        active = any(site.after is not None for site in gradients)
        return layer_gradient_norms(gradients), flat_units(gradients) if active else None

    return measured


def norms_of(activation, gain=1.0, batch_norm=False, orthogonal=True):
    """Layer gradients' norms with orthogonal kernels times a gain, or with He-normal ones, and shares of flat units."""
    rng = np.random.default_rng(0)
    normal = [rng.normal(size=(WIDTH, width)) for width in [WIDTH] * DEPTH + [10]]
    kernels = [np.linalg.qr(k)[0] if orthogonal else k * (2 / WIDTH) ** 0.5 for k in normal]
    return compiled(activation, batch_norm)([jnp.asarray(k, jnp.float32) for k in kernels], gain)


def identity(x):
    return x


def test_a_linear_net_of_gain_3_2_explodes_by_its_gain_a_layer():
    norms, flat = norms_of(identity, 1.5)
    # 64 to 64 by an orthogonal matrix keeps the norm; the last step, from 10 outputs, does, too
    np.testing.assert_allclose(norms[:-1] / norms[1:], 1.5, rtol=1e-4)
    np.testing.assert_allclose(first_over_last(norms), 1.5**DEPTH, rtol=1e-3)
    np.testing.assert_allclose(jnp.exp(-depth_slope(norms)), 1.5, rtol=1e-4)
    assert first_over_last(norms) > 1e3
    assert flat is None  # without a nonlinearity no unit can be flat


def test_a_linear_net_of_gain_2_3_vanishes():
    norms, _ = norms_of(identity, 0.67)
    np.testing.assert_allclose(first_over_last(norms), 0.67**DEPTH, rtol=1e-3)
    np.testing.assert_allclose(jnp.exp(-depth_slope(norms)), 0.67, rtol=1e-4)
    assert first_over_last(norms) < 1e-3


@pytest.mark.parametrize("gain", [0.67, 1.5])
def test_a_sigmoid_net_vanishes_at_either_gain(gain):
    """Its slope is at most a quarter: the layer gradient shrinks by gain/4 a layer at least."""
    norms, _ = norms_of(jax.nn.sigmoid, gain)
    assert first_over_last(norms) < 1e-3
    assert jnp.exp(-depth_slope(norms)) < gain / 4 * 1.01


@pytest.mark.parametrize("batch_norm", [False, True])
def test_he_initialised_relus_are_healthy_with_and_without_batch_norm(batch_norm):
    norms, flat = norms_of(jax.nn.relu, batch_norm=batch_norm, orthogonal=False)
    assert 1e-3 < first_over_last(norms) < 1e3
    assert 0.7 < jnp.exp(-depth_slope(norms)) < 1.4
    assert np.max(flat) < 0.5


def test_batch_norm_restores_a_sigmoid_net():
    """A badly scaled deep sigmoid net: its gradient is back with BatchNorm, within the limits of healthy."""
    without, _ = norms_of(jax.nn.sigmoid, 1.5)
    restored, _ = norms_of(jax.nn.sigmoid, 1.5, batch_norm=True)
    assert first_over_last(without) < 1e-12
    assert first_over_last(restored) > 1e-3


def test_an_explosion_that_weight_gradients_miss():
    """Inputs that shrink as fast as layer gradients grow leave all weight gradients alike; the former grow."""
    net = mlp((16,) * 21, identity, jax.nn.initializers.orthogonal())
    params, x = net.init(jax.random.key(0), 1.5), jax.random.normal(jax.random.key(1), (8, 16))
    tapped = ch5jax.tap(lambda params: jnp.sum(jnp.sin(net.apply(params, x))))
    weights, sites = jax.grad(tapped, (0, 1))(params, tapped.zeros(params))
    ratio = jnp.linalg.norm(weights[0].kernel) / jnp.linalg.norm(weights[-1].kernel)
    assert 0.5 < ratio < 2
    assert first_over_last(layer_gradient_norms(sites)) > 1e3


def test_norms_are_those_of_numpy_whatever_the_container(x64):
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(4, 3)), rng.normal(size=(5, 2, 6)), rng.normal(size=(2,))
    through_time = Site(jnp.asarray(b), None, None, "b", (Loop(0, 5, False, "time"),))
    norms = layer_gradient_norms([jnp.asarray(a), through_time, Site(jnp.asarray(c), None, jnp.ones(2), "c")])
    expected = [np.linalg.norm(a), *np.linalg.norm(b.reshape(5, -1), axis=1), np.linalg.norm(c)]
    np.testing.assert_allclose(norms, expected, rtol=1e-14)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_norms_outlive_the_squares_of_float32(size):
    np.testing.assert_allclose(layer_gradient_norms([jnp.full((3, 3), size, jnp.float32)]), [3 * size], rtol=1e-6)


def test_half_precision_counts_in_float32_and_nan_comes_through():
    norms = layer_gradient_norms(
        [jnp.full((300, 300), 16.0, jnp.float16), jnp.array([1.0, jnp.nan]), jnp.zeros((2, 2))]
    )
    np.testing.assert_allclose(norms[0], 4800, rtol=1e-6)
    assert norms.dtype == jnp.float32
    assert np.isnan(norms[1])
    assert norms[2] == 0


def test_slope_is_least_squares_and_silence_is_finite():
    logs = np.array([0.3, -1.0, 2.0, 0.5, 4.0])
    slope = np.polyfit(np.arange(5), logs, 1)[0]
    np.testing.assert_allclose(depth_slope(np.exp(logs)), slope, rtol=1e-5)
    np.testing.assert_allclose(depth_slope(jnp.stack([np.exp(logs), np.ones(5)])), [slope, 0], rtol=1e-5, atol=1e-7)
    assert depth_slope(jnp.array([3.0])) == 0
    assert depth_slope(jnp.array([0.0, 1.0])) > 50
    assert first_over_last(jnp.array([0.0, 1.0])) == 0
    assert first_over_last(jnp.zeros(4)) == 1
    assert np.isinf(first_over_last(jnp.array([1.0, 0.0])))


def test_what_holds_no_layer_is_refused():
    for nothing in ((), [], None):
        with pytest.raises(ValueError, match="gradients must hold those of one layer at least"):
            layer_gradient_norms(nothing)
    with pytest.raises(ValueError, match=r"gradients\[1\] must be floating"):
        layer_gradient_norms([jnp.ones(2), jnp.arange(2)])
    for function in (depth_slope, first_over_last):
        with pytest.raises(ValueError, match=r"norms must have shape \(\.\.\., layers\), got \(\)"):
            function(jnp.float32(1))


def test_a_recurrent_networks_growth_is_that_of_the_product_of_its_jacobians(x64):
    """Through the whole network: the Jacobian of the last state with respect to the first step's pre-activation."""
    net = rnn(2, 6, 6, jnp.tanh)
    params = net.init(jax.random.key(0), (1.0, 1.3, 1.0))
    params = (params[0], params[1]._replace(kernel=jnp.eye(6)))  # the outputs are the last state
    x = jax.random.normal(jax.random.key(1), (1, 20, 2))

    def last_state(first):
        h = jnp.tanh(x[0, 0] @ params[0].kernel + params[0].bias + first)
        for t in range(1, 20):
            h = jnp.tanh(x[0, t] @ params[0].kernel + h @ params[0].recurrent_kernel + params[0].bias)
        return h

    layers = jax.tree.map(np.asarray, params)
    product = reference.jacobian_through_time(layers, np.asarray(x), "tanh", since=1)[0]
    first_state = np.tanh(np.asarray(x)[0, 0] @ layers[0].kernel + layers[0].bias)
    expected = np.linalg.norm(product @ np.diag(1 - first_state**2), 2)
    np.testing.assert_allclose(jacobian_norm(last_state, jnp.zeros(6), jax.random.key(2)), expected, rtol=1e-8)
    # and the gradient over time shrinks as that product does, in the direction that the loss picks
    norms = layer_gradient_norms(site_gradients(lambda params: jnp.sum(net.apply(params, x)), params))
    assert norms.shape == (21,)
    assert norms[0] <= expected * norms[-1] * (1 + 1e-9)
