"""Noise scale: per-example norms against vmap(grad), estimates against a problem whose noise is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax.diagnostics import (
    example_square_norms,
    noise_of_examples,
    noise_of_pair,
    noise_scale,
    norm,
)
from ch5jax.networks import mlp
from tests.tapping.networks import site_gradients

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(0)


@pytest.mark.smoke
@pytest.mark.parametrize("bias", [True, False])
def test_per_example_norms_from_layer_gradients_equal_vmap_of_grad(x64, bias):
    net = mlp((5, 7, 6, 3), jnp.tanh)
    params, x = net.init(KEY), jax.random.normal(jax.random.key(1), (9, 5))
    targets = jax.random.normal(jax.random.key(2), (9, 3))

    def loss(params, x, targets):
        return jnp.mean(jnp.sum((net.apply(params, x) - targets) ** 2, axis=-1))

    sites = site_gradients(loss, params, x, targets)
    inputs = [x]
    for layer in params[:-1]:
        inputs.append(jnp.tanh(inputs[-1] @ layer.kernel + layer.bias))
    got = example_square_norms(inputs, [site.z for site in sites], bias=bias)
    gradients = jax.vmap(jax.grad(loss), (None, 0, 0))(params, x[:, None], targets[:, None])
    leaves = [leaf for layer in gradients for leaf in (layer if bias else (layer.kernel,))]
    expected = sum(np.sum(np.asarray(leaf).reshape(9, -1) ** 2, axis=1) for leaf in leaves)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize(("time", "inputs", "units"), [(3, 5, 6), (9, 2, 3)])  # as products over time, as gradients
@pytest.mark.parametrize("bias", [True, False])
def test_per_example_norms_of_weights_shared_over_time(x64, time, inputs, units, bias):
    rng = np.random.default_rng(0)
    a, delta = rng.normal(size=(time, 4, inputs)), rng.normal(size=(time, 4, units))
    kernels = np.einsum("tbi,tbo->bio", a, delta)
    expected = (kernels**2).sum((1, 2)) + bias * (delta.sum(0) ** 2).sum(-1)
    got = example_square_norms([jnp.asarray(a)], [jnp.asarray(delta)], bias=bias)
    np.testing.assert_allclose(got, 16 * expected, rtol=1e-12)


def known(key, batch):
    """Gradients of a batch whose per-example ones are N(G, Σ), with ‖G‖² = 6 and tr Σ = 42, of a tree."""
    mean = {"a": jnp.array([1.0, 2.0]), "b": jnp.array([[1.0]])}
    std = {"a": jnp.array([4.0, 1.0]), "b": jnp.array([[5.0]])}
    keys = dict(zip("ab", jax.random.split(key), strict=True))
    return {n: mean[n] + std[n] * jax.random.normal(keys[n], (batch, *mean[n].shape)) for n in mean}


def test_both_estimates_are_unbiased_and_the_ratio_of_their_means_is_the_scale(x64):
    batch = 8

    def estimates(key):
        one, other = (known(k, batch) for k in jax.random.split(key))
        g, h = (jax.tree.map(lambda x: x.mean(0), tree) for tree in (one, other))
        squares = sum(jnp.sum(leaf.reshape(batch, -1) ** 2, axis=1) for leaf in jax.tree.leaves(one))
        return noise_of_pair(g, h), noise_of_examples(squares, g)

    draws = 20_000
    for found in jax.jit(jax.vmap(estimates))(jax.random.split(KEY, draws)):
        for value, expected in ((found.noise, 42 / batch), (found.squared_norm, 6.0)):
            np.testing.assert_allclose(np.mean(value), expected, atol=5 * np.std(value) / draws**0.5)
        np.testing.assert_allclose(
            noise_scale(np.mean(found.noise), np.mean(found.squared_norm)), 42 / batch / 6, rtol=0.05
        )


def test_a_pair_is_exact_algebra(x64):
    rng = np.random.default_rng(0)
    g, h = rng.normal(size=(2, 5))
    found = noise_of_pair([jnp.asarray(g)], [jnp.asarray(h)])
    np.testing.assert_allclose(found.noise, ((g - h) ** 2).sum() / 2, rtol=1e-13)
    np.testing.assert_allclose(found.squared_norm, g @ h, rtol=1e-12)
    z, w = g + 1j * h, h - 2j * g
    found = noise_of_pair(jnp.asarray(z), jnp.asarray(w))
    np.testing.assert_allclose(found.squared_norm, np.vdot(z, w).real, rtol=1e-12)


def test_the_scale_where_the_expected_gradient_is_zero():
    np.testing.assert_array_equal(
        noise_scale(jnp.array([3.0, 3.0, 0.0, 3.0]), jnp.array([1.5, 0.0, 0.0, -1.0])), [2, np.inf, 0, np.inf]
    )


def test_half_precision_gradients_count_in_float32():
    g = jnp.full(10_000, 300.0, jnp.float16)
    assert norm(g) == 30_000
    assert noise_of_pair(g, g) == (0, 9e8)


def test_what_does_not_match_is_refused():
    with pytest.raises(ValueError, match=r"second\[0\] must have shape \(2,\)"):
        noise_of_pair([jnp.ones(2)], [jnp.ones(3)])
    with pytest.raises(ValueError, match="two at least, got"):
        noise_of_examples(jnp.ones(1), jnp.ones(2))
    with pytest.raises(ValueError, match="the same layers, got 1 and 0"):
        example_square_norms([jnp.ones((2, 3))], [])
    with pytest.raises(ValueError, match=r"inputs\[0\] and layer_gradients\[0\] must have shapes"):
        example_square_norms([jnp.ones((2, 3))], [jnp.ones((3, 3))])


def test_the_noise_of_deepobs_quadratic_is_the_one_in_closed_form():
    """Gradients Q(θ − x̄) of batches drawn with replacement: tr Σ is that of Q Cov(x) Q, whatever θ."""
    task, opt = ch5jax.tasks.quadratic_deep(batch_size=32), ch5jax.sgd(0.0)
    params = task.params(task.init(KEY, opt))
    hessian = np.asarray(jax.hessian(task.loss, 3)(KEY, opt, None, params), float)

    @jax.jit
    @jax.vmap
    def pair(keys):
        first, second = (jax.grad(task.loss, 3)(key, opt, None, params) for key in keys)
        return noise_of_pair(first, second), first

    (noise, squared_norm), gradients = pair(jax.random.split(KEY, (1500, 2)))
    mean = np.mean(np.asarray(gradients, float), axis=0)
    assert np.trace(hessian) > 400  # a tenth of the eigenvalues lies from 30 to 60
    np.testing.assert_allclose(np.mean(noise), 6940.9 / 32, rtol=0.03)  # of its training set, as its docstring says
    np.testing.assert_allclose(np.mean(squared_norm), mean @ mean - 6940.9 / 32 / 1500, rtol=0.03)
