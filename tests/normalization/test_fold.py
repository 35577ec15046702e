"""Frozen statistics in training, and BatchNorm folded into the layer before it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax import BatchNormParams


def trained(features, seed=0):
    """Parameters and statistics as after some training."""
    rng = np.random.default_rng(seed)
    params = BatchNormParams(*jnp.asarray(rng.normal(size=(2, features)), jnp.float32))
    return params, ch5jax.batch_norm_state(
        rng.normal(size=features).astype(np.float32), rng.uniform(0.1, 4, features).astype(np.float32)
    )


@pytest.mark.parametrize("with_bias", [False, True])
def test_folding_into_a_dense_kernel(with_bias):
    params, state = trained(7)
    rng = np.random.default_rng(1)
    x, kernel = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((20, 5), (5, 7)))
    bias = jnp.asarray(rng.normal(size=7), jnp.float32) if with_bias else None
    due = ch5jax.batch_norm_inference(x @ kernel + (bias if with_bias else 0), params, state)
    folded_kernel, folded_bias = ch5jax.batch_norm_fold(params, state, kernel, bias)
    np.testing.assert_allclose(x @ folded_kernel + folded_bias, due, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", ["HWIO", "OIHW"])
def test_folding_into_a_convolution_kernel(layout):
    params, state = trained(6)
    rng = np.random.default_rng(1)
    images = jnp.asarray(rng.normal(size=(4, 8, 8, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 3, 6)), jnp.float32)
    axis = -1
    if layout == "OIHW":
        kernel, axis = kernel.transpose(3, 2, 0, 1), 0

    def conv(kernel):
        return jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", layout, "NHWC"))

    due = ch5jax.batch_norm_inference(conv(kernel), params, state, eps=1e-3)
    folded_kernel, folded_bias = ch5jax.batch_norm_fold(params, state, kernel, axis=axis, eps=1e-3)
    np.testing.assert_allclose(conv(folded_kernel) + folded_bias, due, rtol=1e-5, atol=1e-5)


def test_folding_maps_over_models_and_keeps_dtypes():
    params, state = trained(4)
    kernel, bias = ch5jax.batch_norm_fold(params, state, jnp.ones((2, 4), jnp.bfloat16), jnp.ones(4))
    assert (kernel.dtype, bias.dtype) == (jnp.bfloat16, jnp.float32)
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), (params, state))
    kernels, biases = jax.vmap(lambda p, s: ch5jax.batch_norm_fold(p, s, jnp.ones((2, 4))))(*stacked)
    assert (kernels.shape, biases.shape) == ((2, 2, 4), (2, 4))


def test_fine_tuning_with_frozen_statistics(x64):
    """The statistics are constants: gradients are those of an affine map, not of BatchNorm."""
    rng = np.random.default_rng(0)
    x, g = (jnp.asarray(rng.normal(size=(5, 3, 2))) for _ in range(2))
    scale, bias, mean, var = (jnp.asarray(rng.uniform(0.5, 2, size=3)) for _ in range(4))
    state = ch5jax.batch_norm_state(mean, var)
    _, pull = jax.vjp(
        lambda x, p: ch5jax.batch_norm_inference(x, p, state, axis=1, eps=0.1), x, BatchNormParams(scale, bias)
    )
    dx, slopes = pull(g)
    deviation = np.sqrt(np.asarray(var) + 0.1)[:, None]
    np.testing.assert_allclose(dx, g * np.asarray(scale)[:, None] / deviation, rtol=1e-12)
    np.testing.assert_allclose(
        slopes.scale, np.sum(g * (x - np.asarray(mean)[:, None]) / deviation, (0, 2)), rtol=1e-12
    )
    np.testing.assert_allclose(slopes.bias, np.sum(g, (0, 2)), rtol=1e-12)


def test_frozen_layers_train_their_parameters_and_keep_their_statistics():
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(rng.normal(size=(64, 3)), jnp.float32) for _ in range(2))
    params, state = trained(3)

    @jax.jit
    def step(params):
        loss, slope = jax.value_and_grad(lambda p: jnp.mean((ch5jax.batch_norm_inference(x, p, state) - y) ** 2))(
            params
        )
        return jax.tree.map(lambda p, s: p - 0.1 * s, params, slope), loss

    losses = []
    for _ in range(50):
        params, loss = step(params)
        losses.append(float(loss))
    normalized = (x - state.mean) / np.sqrt(state.var + 1e-5)
    best = sum(
        np.linalg.lstsq(np.stack([normalized[:, i], np.ones(64)], 1), y[:, i], rcond=None)[1][0] for i in range(3)
    ) / (64 * 3)
    assert losses[-1] < losses[0] / 2
    np.testing.assert_allclose(losses[-1], best, rtol=0.05)
