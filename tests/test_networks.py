"""The multilayer perceptron against a NumPy one, and what it promises of its parameters."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax.networks import Layer, mlp
from tests.references import mlp as reference

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}


def example(widths, rows=6):
    rng = np.random.default_rng(0)
    layers = tuple(Layer(rng.normal(size=(i, o)), rng.normal(size=o)) for i, o in itertools.pairwise(widths))
    return layers, rng.normal(size=(rows, widths[0])), np.eye(widths[-1])[rng.integers(0, widths[-1], rows)]


def cross_entropy(logits, one_hot):
    return -jnp.mean(jnp.sum(one_hot * jax.nn.log_softmax(logits), axis=1))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", [(3, 4), (3, 5, 4), (3, 5, 2, 4)])
def test_outputs_gradients_and_taps_equal_numpys(x64, widths, activation):
    layers, x, y = example(widths)
    network = mlp(widths, ACTIVATIONS[activation])
    outputs, inputs, pre_activations = reference.forward(layers, x, activation)
    loss, output_gradient = reference.cross_entropy(outputs, y)
    kernels, biases, signals = reference.backward(layers, inputs, pre_activations, output_gradient, activation)

    def loss_of(layers, taps):
        return cross_entropy(network.apply(layers, x, taps), y)

    taps = [jnp.zeros((len(x), width)) for width in widths[1:]]
    np.testing.assert_allclose(network.apply(layers, x), outputs, rtol=1e-12)
    got_loss, (got, got_signals) = jax.value_and_grad(loss_of, argnums=(0, 1))(layers, taps)
    np.testing.assert_allclose(got_loss, loss, rtol=1e-12)
    expected = tuple(Layer(kernel, bias) for kernel, bias in zip(kernels, biases, strict=True))
    chex.assert_trees_all_close(got, expected, rtol=1e-10, atol=1e-14)
    chex.assert_trees_all_close(got_signals, signals, rtol=1e-10, atol=1e-14)


def test_taps_are_added_to_the_pre_activations():
    layers, x, _ = example((3, 5, 4))
    moved = tuple(Layer(layer.kernel, layer.bias + tap) for layer, tap in zip(layers, (0.5, -2.0), strict=True))
    network = mlp((3, 5, 4))
    np.testing.assert_allclose(network.apply(layers, x, (0.5, -2.0)), network.apply(moved, x), rtol=1e-5, atol=1e-5)


def test_any_number_of_leading_axes():
    layers, x, _ = example((3, 5, 4))
    network = mlp((3, 5, 4))
    one = network.apply(layers, x)
    assert network.apply(layers, x[0]).shape == (4,)
    np.testing.assert_allclose(network.apply(layers, x.reshape(2, 3, 3)), one.reshape(2, 3, 4), rtol=1e-5)


def test_initial_weights_are_he_normal_and_biases_zero():
    params = mlp((400, 300, 200)).init(jax.random.key(1))
    assert [layer.kernel.shape for layer in params] == [(400, 300), (300, 200)]
    for layer in params:
        assert layer.kernel.dtype == layer.bias.dtype == jnp.float32
        np.testing.assert_allclose(layer.kernel.std(), np.sqrt(2 / layer.kernel.shape[0]), rtol=0.02)
        np.testing.assert_allclose(layer.kernel.mean(), 0, atol=1e-3)
        np.testing.assert_array_equal(layer.bias, np.zeros(layer.kernel.shape[1], np.float32))


def test_layers_of_one_shape_start_differently():
    first, second = mlp((4, 4, 4)).init(jax.random.key(0))
    assert not np.any(first.kernel == second.kernel)


@pytest.mark.parametrize("scale", [0.5, (0.5, 3.0), np.float64(0.25)])
def test_scale_multiplies_the_initial_kernels(scale):
    network, key = mlp((3, 5, 2)), jax.random.key(0)
    scales = np.broadcast_to(scale, 2)
    got, plain = jax.jit(network.init)(key, scale), network.init(key)
    for i in range(2):
        np.testing.assert_allclose(got[i].kernel, scales[i] * plain[i].kernel, rtol=1e-6)
        np.testing.assert_array_equal(got[i].bias, plain[i].bias)


def test_another_initialiser_serves_every_layer():
    params = mlp((3, 5, 2), kernel_init=jax.nn.initializers.constant(0.5)).init(jax.random.key(0), scale=(1.0, 4.0))
    np.testing.assert_array_equal(params[0].kernel, np.full((3, 5), 0.5))
    np.testing.assert_array_equal(params[1].kernel, np.full((5, 2), 2.0))


def test_networks_train_where_jax_refuses_all_promotion(x64):
    network = mlp((3, 5, 4))
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        params = network.init(jax.random.key(0), 0.5)
        outputs = network.apply(params, jnp.ones((6, 3)), [jnp.zeros((6, 5)), jnp.zeros((6, 4))])
    assert outputs.dtype == params[0].kernel.dtype == jnp.float64


@pytest.mark.parametrize("widths", [(), (3,), (3, 0), (3, -1, 2), (3, 2.0), (3, "4")])
def test_widths_that_are_no_widths_are_refused(widths):
    with pytest.raises(ValueError, match="widths must be two or more positive integers"):
        mlp(widths)


def test_widths_from_numpy_are_widths():
    assert mlp(np.array([3, 5, 2])).init(jax.random.key(0))[0].kernel.shape == (3, 5)


def test_inputs_and_parameters_of_another_shape_are_refused():
    network = mlp((3, 5, 2))
    params = network.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"x must have shape \(\.\.\., 3\), got \(6, 4\)"):
        network.apply(params, jnp.ones((6, 4)))
    with pytest.raises(ValueError, match=r"x must have shape \(\.\.\., 3\), got \(\)"):
        network.apply(params, jnp.ones(()))
    with pytest.raises(ValueError, match="params must hold 2 layers, got 1"):
        network.apply(params[:1], jnp.ones((6, 3)))
