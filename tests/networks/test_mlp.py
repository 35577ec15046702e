"""The multilayer perceptron against a NumPy one, and what it promises of its parameters."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax.networks import Layer, NormalizedLayer, mlp
from tests.references import batch_norm as batch_norm_reference, mlp as reference
from tests.tapping.networks import site_gradients

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}


def example(widths, rows=6):
    rng = np.random.default_rng(0)
    layers = tuple(Layer(rng.normal(size=(i, o)), rng.normal(size=o)) for i, o in itertools.pairwise(widths))
    return layers, rng.normal(size=(rows, widths[0])), np.eye(widths[-1])[rng.integers(0, widths[-1], rows)]


def cross_entropy(logits, one_hot):
    return -jnp.mean(jnp.sum(one_hot * jax.nn.log_softmax(logits), axis=1))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", [(3, 4), (3, 5, 4), (3, 5, 2, 4)])
def test_outputs_and_gradients_of_parameters_and_layers_equal_numpys(x64, widths, activation):
    layers, x, y = example(widths)
    network = mlp(widths, ACTIVATIONS[activation])
    outputs, inputs, pre_activations = reference.forward(layers, x, activation)
    loss, output_gradient = reference.cross_entropy(outputs, y)
    kernels, biases, layer_gradients = reference.backward(layers, inputs, pre_activations, output_gradient, activation)

    tapped = ch5jax.tap(lambda layers: cross_entropy(network.apply(layers, x), y))
    np.testing.assert_allclose(network.apply(layers, x), outputs, rtol=1e-12)
    got_loss, (got, got_sites) = jax.value_and_grad(tapped, argnums=(0, 1))(layers, tapped.zeros(layers))
    np.testing.assert_allclose(got_loss, loss, rtol=1e-12)
    expected = tuple(Layer(kernel, bias) for kernel, bias in zip(kernels, biases, strict=True))
    chex.assert_trees_all_close(got, expected, rtol=1e-10, atol=1e-14)
    chex.assert_trees_all_close([site.z for site in got_sites], layer_gradients, rtol=1e-10, atol=1e-14)


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
        outputs = network.apply(params, jnp.ones((6, 3)))
        sites = site_gradients(lambda params: jnp.sum(network.apply(params, jnp.ones((6, 3)))), params)
    assert {leaf.dtype for leaf in jax.tree.leaves(sites)} == {np.dtype(jnp.float64)}
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


def normalized_example(widths=(3, 5, 4, 2), rows=7):
    rng = np.random.default_rng(0)
    network = mlp(widths, jnp.tanh, batch_norm=True)
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), network.init(jax.random.key(0)))
    return network, params, jnp.asarray(rng.normal(size=(rows, widths[0])))


def test_batch_norm_in_training_equals_numpys(x64):
    network, params, x = normalized_example()
    h, means = np.asarray(x), []
    for layer in params[:-1]:
        z, mean, *_ = batch_norm_reference.forward(h @ np.asarray(layer.kernel), layer.scale, layer.bias, 1e-3)
        h = np.tanh(z)
        means.append(mean)
    outputs, state = network.apply_training(params, network.init_state(), x, momentum=0.0, eps=1e-3)
    np.testing.assert_allclose(outputs, h @ params[-1].kernel + params[-1].bias, rtol=1e-11)
    for got, mean in zip(state, means, strict=True):
        np.testing.assert_allclose(got.mean, mean, rtol=1e-11)
    # with running statistics that are this batch's, inference on it is training
    np.testing.assert_allclose(network.apply(params, x, state=state, eps=1e-3), outputs, rtol=1e-11)


def test_layers_with_batch_norm_start_as_identity_scales_without_a_bias_of_their_own():
    network = mlp((3, 5, 2), batch_norm=True)
    hidden, last = network.init(jax.random.key(0), scale=2.0)
    assert isinstance(hidden, NormalizedLayer)
    assert isinstance(last, Layer)
    plain, _ = mlp((3, 5, 2)).init(jax.random.key(0), scale=2.0)
    np.testing.assert_array_equal(hidden.kernel, plain.kernel)
    np.testing.assert_array_equal(hidden.scale, np.ones(5))
    np.testing.assert_array_equal(hidden.bias, np.zeros(5))
    (state,) = network.init_state()
    assert [leaf.shape for leaf in state] == [(5,)] * 3
    assert mlp((3, 5, 2)).init_state() == ()


def test_masks_and_named_axes_reach_batch_norm(x64):
    network, params, x = normalized_example(rows=8)
    mask = jnp.arange(8)[:, None] < 5
    state = network.init_state()
    outputs, after = network.apply_training(params, state, jnp.where(mask, x, 7.0), mask=mask)
    due, due_after = network.apply_training(params, state, x[:5])
    np.testing.assert_allclose(outputs[:5], due, rtol=1e-11)
    chex.assert_trees_all_close(after, due_after, rtol=1e-11)
    halves, _ = jax.vmap(lambda x: network.apply_training(params, state, x, axis_name="devices"), axis_name="devices")(
        x.reshape(2, 4, 3)
    )
    np.testing.assert_allclose(halves.reshape(8, 2), network.apply_training(params, state, x)[0], rtol=1e-11)


def test_statistics_of_another_number_of_layers_are_refused():
    network, params, x = normalized_example()
    with pytest.raises(ValueError, match=r"state must hold the running statistics of 2 hidden layers.* got 1"):
        network.apply(params, x, state=network.init_state()[:1])
    with pytest.raises(ValueError, match=r"state must hold the running statistics of 2 hidden layers.* got 0"):
        network.apply_training(params, (), x)


def test_batch_norm_keeps_the_gradient_of_a_deep_sigmoid_network():
    """Thirty layers: without it, the gradient at the first is a billionth of that at the last."""
    widths = (16,) * 31
    x = jax.random.normal(jax.random.key(1), (64, 16))

    def ratio(network, apply):
        sites = site_gradients(lambda params: jnp.sum(apply(params) ** 2), network.init(jax.random.key(0)))
        return float(jnp.linalg.norm(sites[0].z) / jnp.linalg.norm(sites[-1].z))

    plain = mlp(widths, jax.nn.sigmoid)
    normalized = mlp(widths, jax.nn.sigmoid, batch_norm=True)
    assert ratio(plain, lambda params: plain.apply(params, x)) < 1e-9
    state = normalized.init_state()
    assert ratio(normalized, lambda params: normalized.apply_training(params, state, x)[0]) > 1e-3


def test_a_trained_network_folds_into_one_without_batch_norm():
    network, params, x = normalized_example()
    params = jax.tree.map(jnp.float32, params)
    state = network.init_state()
    for _ in range(3):
        _, state = network.apply_training(params, state, jnp.float32(x))
    folded = [
        Layer(*ch5jax.batch_norm_fold(ch5jax.BatchNormParams(layer.scale, layer.bias), seen, layer.kernel))
        for layer, seen in zip(params[:-1], state, strict=True)
    ]
    plain = mlp((3, 5, 4, 2), jnp.tanh)
    np.testing.assert_allclose(
        plain.apply([*folded, params[-1]], jnp.float32(x)),
        network.apply(params, jnp.float32(x), state=state),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("batch_norm", [False, True])
def test_gradients_around_an_activation_show_both_its_sides_and_its_slope(x64, batch_norm):
    """With BatchNorm, what the activation sees is not the product: `before` is there beside `z`."""
    network = mlp((3, 5, 4, 2), jnp.tanh, batch_norm=batch_norm)
    params, x = network.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (6, 3))

    def outputs(params):
        if batch_norm:
            return network.apply_training(params, network.init_state(), x)[0]
        return network.apply(params, x)

    first, second, last = site_gradients(lambda params: jnp.sum(jnp.sin(outputs(params))), params)
    assert last.after is None
    np.testing.assert_allclose(last.z, jnp.cos(outputs(params)), rtol=1e-12)
    np.testing.assert_allclose(second.after, last.z @ params[2].kernel.T, rtol=1e-12)
    z = x @ params[0].kernel
    if batch_norm:
        z = ch5jax.batch_norm(z, ch5jax.BatchNormParams(params[0].scale, params[0].bias), network.init_state()[0])[0]
        assert not np.allclose(first.before, first.z)
    else:
        assert first.before is None
        z = z + params[0].bias
    before = first.before if batch_norm else first.z
    np.testing.assert_allclose(before, first.after * (1 - jnp.tanh(z) ** 2), rtol=1e-9)
