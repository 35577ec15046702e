"""The recurrent network against a NumPy one, and what becomes of a gradient on its way back through time."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

import ch5jax
from ch5jax.networks import Layer, RecurrentLayer, rnn
from tests.references import rnn as reference
from tests.tapping.networks import site_gradients

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu, "linear": lambda z: z}
EXAMPLES, TIME, INPUTS, HIDDEN, OUTPUTS = 5, 7, 3, 4, 2


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def random_params():
    rng = np.random.default_rng(1)
    kernel, recurrent = rng.normal(size=(INPUTS, HIDDEN)), rng.normal(size=(HIDDEN, HIDDEN)) / 2
    layer = RecurrentLayer(kernel, recurrent, rng.normal(size=HIDDEN))
    return layer, Layer(rng.normal(size=(HIDDEN, OUTPUTS)), rng.normal(size=OUTPUTS))


PARAMS, X, TARGETS = random_params(), numbers(EXAMPLES, TIME, INPUTS), numbers(EXAMPLES, OUTPUTS, seed=2)


@functools.cache
def ours(activation):
    """In float64: outputs, loss, and the loss's gradients with respect to parameters and at the layers."""
    network = rnn(INPUTS, HIDDEN, OUTPUTS, ACTIVATIONS[activation])

    def loss_of(params):
        outputs = network.apply(params, X)
        return jnp.mean((outputs - TARGETS) ** 2), outputs

    with jax.enable_x64(True):
        tapped = ch5jax.tap(loss_of, activations=True)
        slope = jax.jit(jax.value_and_grad(tapped, argnums=(0, 1), has_aux=True))
        (loss, outputs), (gradients, sites) = slope(PARAMS, tapped.zeros(PARAMS))
        return jax.tree.map(np.asarray, (outputs, loss, gradients, sites))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_outputs_and_gradients_of_parameters_and_of_every_step_equal_numpys(activation):
    outputs, loss, gradients, (through_time, at_the_end) = ours(activation)
    due = reference.forward(PARAMS, X, activation)[0]
    due_loss, output_gradient = reference.squared_error(due, TARGETS)
    due_gradients, before, after = reference.backward(PARAMS, X, output_gradient, activation)
    np.testing.assert_allclose(outputs, due, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(loss, due_loss, rtol=1e-12)
    expected = (RecurrentLayer(*due_gradients[0]), Layer(*due_gradients[1]))
    chex.assert_trees_all_close(gradients, expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(through_time.z, before, rtol=1e-12, atol=1e-13)
    if activation != "linear":
        np.testing.assert_allclose(through_time.after, after, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(at_the_end.z, output_gradient, rtol=1e-12, atol=1e-13)
    assert at_the_end.after is None


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_gradient_goes_back_through_time_by_the_product_of_jacobians(activation):
    *_, (through_time, _) = ours(activation)
    after = through_time.z if activation == "linear" else through_time.after
    last = after[-1][:, None]  # ∂L/∂h_T
    for since in range(1, TIME):
        product = reference.jacobian_through_time(PARAMS, X, activation, since)
        np.testing.assert_allclose(after[since - 1], (last @ product)[:, 0], rtol=1e-11, atol=1e-14)
    whole = (last @ reference.jacobian_through_time(PARAMS, X, activation))[:, 0]  # ∂L/∂h_0
    np.testing.assert_allclose(through_time.z[0] @ PARAMS[0].recurrent_kernel.T, whole, rtol=1e-11, atol=1e-14)
    assert np.abs(whole).max() > 1e-6


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_product_of_jacobians_is_the_derivative_of_the_last_state(activation):
    """The reference itself, by central differences."""
    product, step = reference.jacobian_through_time(PARAMS, X, activation), 1e-6
    for unit in range(HIDDEN):
        move = np.broadcast_to(step * np.eye(HIDDEN)[unit], (EXAMPLES, HIDDEN))
        ends = [reference.forward(PARAMS, X, activation, start=sign * move)[2][-1] for sign in (1, -1)]
        np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), product[:, :, unit], rtol=1e-6, atol=1e-8)


def test_through_an_orthogonal_kernel_a_linear_networks_gradient_changes_by_scale_to_the_time(x64):
    network, x = rnn(2, 8, 1, lambda z: z), np.ones((3, 50, 2))

    @jax.jit
    def layer_gradient(scale):
        params = network.init(jax.random.key(0), jnp.array([1.0, 1.0, 1.0]).at[1].set(scale))
        return params, site_gradients(lambda params: jnp.sum(network.apply(params, x)), params)[0].z

    for scale in (0.8, 1.0, 1.25):
        params, got = layer_gradient(scale)
        norms = np.linalg.norm(got, axis=-1)
        due = np.broadcast_to(scale ** np.arange(49.0, -1, -1)[:, None], (50, 3))
        np.testing.assert_allclose(norms / norms[-1], due, rtol=1e-11)
        jacobians = reference.jacobian_through_time(jax.tree.map(np.asarray, params), x, "linear")
        np.testing.assert_allclose(np.linalg.svd(jacobians, compute_uv=False), np.full((3, 8), scale**50), rtol=1e-11)


@pytest.fixture(scope="module")
def network():
    return rnn(INPUTS, HIDDEN, OUTPUTS)


@pytest.fixture(scope="module")
def apply(network):
    return jax.jit(network.apply)


def test_any_number_of_leading_axes(network):
    x = numbers(2, 3, TIME, INPUTS)
    whole = network.apply(PARAMS, x)
    assert whole.shape == (2, 3, OUTPUTS)
    due = reference.forward(PARAMS, x.reshape(6, TIME, INPUTS), "tanh")[0].reshape(2, 3, OUTPUTS)
    np.testing.assert_allclose(whole, due, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(network.apply(PARAMS, x[0, 1]), due[0, 1], rtol=1e-5, atol=1e-5)


def test_initial_kernels_keep_the_size_of_what_goes_through_and_biases_are_zero():
    layer, last = rnn(400, 300, 200).init(jax.random.key(1))
    for kernel, shape in ((layer.kernel, (400, 300)), (last.kernel, (300, 200))):
        assert kernel.shape == shape
        np.testing.assert_allclose(kernel.std(), np.sqrt(1 / shape[0]), rtol=0.02)
        np.testing.assert_allclose(kernel.mean(), 0, atol=1e-3)
        assert np.abs(kernel.T @ kernel - np.eye(shape[1])).max() > 0.1  # independent, not orthogonal
    np.testing.assert_allclose(layer.recurrent_kernel @ layer.recurrent_kernel.T, np.eye(300), atol=1e-5)
    assert abs(np.trace(layer.recurrent_kernel)) < 10  # about N(0, 1) for a random rotation, 300 for the identity
    np.testing.assert_array_equal(layer.bias, np.zeros(300))
    np.testing.assert_array_equal(last.bias, np.zeros(200))
    assert {leaf.dtype for leaf in jax.tree.leaves((layer, last))} == {np.dtype(np.float32)}


@pytest.mark.parametrize("scale", [0.5, (0.5, 3.0, 2.0)])
def test_scale_multiplies_the_input_recurrent_and_output_kernels(network, scale):
    key = jax.random.key(0)
    got, plain, scales = network.init(key, scale), network.init(key), np.broadcast_to(scale, 3)
    np.testing.assert_allclose(got[0].kernel, scales[0] * plain[0].kernel, rtol=1e-5)
    np.testing.assert_allclose(got[0].recurrent_kernel, scales[1] * plain[0].recurrent_kernel, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[1].kernel, scales[2] * plain[1].kernel, rtol=1e-5)


def test_every_kernel_is_drawn_with_a_key_and_an_initialiser_of_its_own():
    def normal(key, shape, dtype):
        return jax.random.normal(key, shape, dtype)

    layer, last = rnn(4, 4, 4, kernel_init=normal, recurrent_init=normal).init(jax.random.key(0))
    kernels = [layer.kernel, layer.recurrent_kernel, last.kernel]
    assert len(np.unique(kernels)) == 48
    ones = jax.nn.initializers.ones
    layer, last = rnn(4, 4, 4, recurrent_init=ones).init(jax.random.key(0))
    np.testing.assert_array_equal(layer.recurrent_kernel, np.ones((4, 4)))
    assert not np.any(layer.kernel == 1)
    layer, last = rnn(4, 4, 4, kernel_init=ones).init(jax.random.key(0))
    np.testing.assert_array_equal([layer.kernel, last.kernel], np.ones((2, 4, 4)))
    assert not np.any(layer.recurrent_kernel == 1)


def test_with_relu_and_the_identity_a_value_stays_until_an_input_moves_it():
    network = rnn(2, 3, 1, jax.nn.relu, recurrent_init=lambda key, shape, dtype: jnp.eye(*shape, dtype=dtype))
    params = network.init(jax.random.key(0))
    x = numbers(5, 2)
    np.testing.assert_array_equal(
        network.apply(params, np.concatenate([x, np.zeros((20, 2))])), network.apply(params, x)
    )


def test_a_batch_of_models_equals_the_models_one_by_one(network):
    keys, scales = jax.random.split(jax.random.key(0), 3), jnp.array([0.5, 1.0, 2.0])
    x = numbers(3, EXAMPLES, TIME, INPUTS)

    def run(key, scale, x):
        tapped = ch5jax.tap(lambda params: jnp.sum(jnp.sin(network.apply(params, x))))
        params = network.init(key, scale)
        return params, jax.value_and_grad(tapped, argnums=(0, 1))(params, tapped.zeros(params))

    batch, run = jax.jit(jax.vmap(run))(keys, scales, x), jax.jit(run)
    for i in range(3):
        chex.assert_trees_all_close(
            jax.tree.map(lambda leaf: leaf[i], batch), run(keys[i], scales[i], x[i]), rtol=1e-4, atol=1e-5
        )


def test_sequences_spread_over_devices_give_the_same_outputs_and_gradients(network):
    """The first state is zeros on every device, which a loop in `jax.shard_map` has to be told."""
    x, params = jnp.asarray(numbers(8, TIME, INPUTS), jnp.float32), jax.tree.map(jnp.float32, PARAMS)
    mesh, spread, whole = (
        jax.make_mesh((8,), ("devices",), axis_types=(AxisType.Auto,), devices=jax.devices("cpu")),
        jax.P("devices"),
        jax.P(),
    )

    def loss(params, x):
        return jnp.sum(jnp.sin(network.apply(params, x)))

    def gradient(params, x):
        return jax.grad(lambda params: jax.lax.psum(loss(params, x), "devices"))(params)

    mapped = jax.shard_map(gradient, mesh=mesh, in_specs=(whole, spread), out_specs=whole)
    chex.assert_trees_all_close(jax.jit(mapped)(params, x), jax.grad(loss)(params, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float64, jnp.bfloat16])
def test_networks_train_where_jax_refuses_all_promotion(x64, network, dtype):
    def slope(key, x):
        params = jax.tree.map(lambda leaf: leaf.astype(dtype), network.init(key, 0.5))
        tapped = ch5jax.tap(lambda params: jnp.sum(network.apply(params, x)))
        return jax.value_and_grad(tapped, argnums=(0, 1))(params, tapped.zeros(params))

    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        found = jax.eval_shape(slope, jax.random.key(0), jnp.ones((EXAMPLES, TIME, INPUTS), dtype))
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype(dtype)}
    assert network.init(jax.random.key(0))[0].recurrent_kernel.dtype == jnp.float64


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ((0, 4, 2), "inputs must be a positive integer, got 0"),
        ((3, -1, 2), "hidden must be a positive integer, got -1"),
        ((3, 4, 2.0), "outputs must be a positive integer, got 2.0"),
    ],
)
def test_widths_that_are_no_widths_are_refused(widths, message):
    with pytest.raises(ValueError, match=message):
        rnn(*widths)


def test_widths_from_numpy_are_widths():
    assert rnn(*np.array([3, 4, 2])).init(jax.random.key(0))[0].kernel.shape == (3, 4)


@pytest.mark.parametrize("shape", [(), (3,), (5, 7, 4), (5, 0, 3)])
def test_inputs_of_another_shape_are_refused(network, shape):
    with pytest.raises(ValueError, match=r"x must have shape \(\.\.\., time, 3\), with one step at least, got \("):
        network.apply(PARAMS, jnp.ones(shape))


def test_parameters_of_another_network_are_refused(network):
    with pytest.raises(ValueError, match="params must hold 2 layers, the recurrent one and the outputs, got 1"):
        network.apply(PARAMS[:1], X)
