"""Padding reaches nothing, and what is not padding counts fully."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax import BatchNormParams

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ROWS, FEATURES = 12, 3
rng = np.random.default_rng(0)
X = jnp.asarray(rng.normal(size=(ROWS, FEATURES)), jnp.float32)
MASKS = {
    "rows": rng.random((ROWS, 1)) < 0.6,
    "features": np.array([True, False, True]),
    "both": rng.random((ROWS, FEATURES)) < 0.6,
    "one number": np.array(True),
    "integers": (rng.random((ROWS, 1)) < 0.6).astype(np.int32),
}
PARAMS = BatchNormParams(jnp.array([1.0, -2.0, 0.5]), jnp.array([0.5, 1.0, -1.0]))


@functools.partial(jax.jit, static_argnames="momentum")
def everything(x, mask, momentum=0.9, cotangent=1.0):
    """y, state and gradients of a loss over all of y."""
    _, state = ch5jax.batch_norm_init(FEATURES)

    def function(x, params):
        return ch5jax.batch_norm(x, params, state, momentum=momentum, mask=mask)

    y, pull, state = jax.vjp(function, x, PARAMS, has_aux=True)
    return y, state, pull(jnp.broadcast_to(jnp.asarray(cotangent, y.dtype), y.shape) * jnp.cos(3 * y))


@pytest.mark.parametrize("momentum", [0.9, None])
@pytest.mark.parametrize("junk", [np.nan, -np.inf])
@pytest.mark.parametrize("name", MASKS)
def test_what_stands_in_padding_changes_no_bit(name, junk, momentum):
    mask = MASKS[name]
    clean = everything(X, mask, momentum)
    dirty = everything(jnp.where(mask, X, junk), mask, momentum)
    chex.assert_trees_all_equal(dirty, clean)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(clean))


@pytest.mark.parametrize("name", MASKS)
def test_y_and_its_gradient_are_zero_in_padding(name):
    mask = np.broadcast_to(MASKS[name] != 0, X.shape)
    y, _, (dx, _) = everything(X, MASKS[name])
    np.testing.assert_array_equal(np.asarray(y)[~mask], 0)
    np.testing.assert_array_equal(np.asarray(dx)[~mask], 0)
    assert np.all(np.asarray(y)[mask] != 0)


def test_a_nan_that_comes_back_into_padding_goes_no_further():
    """Say, of a loss with a square root, masked after it was taken."""
    mask = MASKS["both"]
    clean = everything(X, mask)
    dirty = everything(X, mask, cotangent=jnp.where(mask, 1.0, jnp.nan))
    chex.assert_trees_all_equal(dirty, clean)


def test_masked_rows_are_as_if_they_were_not_there():
    mask = MASKS["rows"]
    keep = mask[:, 0]
    y, state, (dx, slopes) = everything(X, mask)
    y_alone, state_alone, (dx_alone, slopes_alone) = everything(X[keep], None)
    chex.assert_trees_all_close(
        (y[keep], state, dx[keep], slopes), (y_alone, state_alone, dx_alone, slopes_alone), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("momentum", [0.9, None])
@pytest.mark.parametrize("unbiased", [False, True])
def test_a_batch_with_nothing_in_it_leaves_the_state_and_is_finite(momentum, unbiased):
    state = ch5jax.batch_norm_state(np.float32([1, 2, 3]), np.float32([4, 5, 6]), weight=0.3)
    x = jnp.full((4, FEATURES), jnp.nan)
    options = {"momentum": momentum, "unbiased": unbiased, "mask": jnp.zeros((4, 1), bool)}
    y, after = jax.jit(lambda x, p: ch5jax.batch_norm(x, p, state, **options))(x, PARAMS)
    chex.assert_trees_all_equal(after, state)
    np.testing.assert_array_equal(y, np.zeros(x.shape))
    slopes = jax.jit(jax.grad(lambda x, p: ch5jax.batch_norm(x, p, state, **options)[0].sum(), (0, 1)))(x, PARAMS)
    chex.assert_trees_all_equal(slopes, jax.tree.map(jnp.zeros_like, (x, PARAMS)))


def test_one_empty_feature_leaves_the_others_alone():
    mask = MASKS["features"]
    state = ch5jax.batch_norm_state(np.float32([1, 2, 3]), np.float32([4, 5, 6]))
    _, after = jax.jit(functools.partial(ch5jax.batch_norm, mask=mask))(X, PARAMS, state)
    _, whole = jax.jit(ch5jax.batch_norm)(X, PARAMS, state)
    for got, old, new in zip(after, state, whole, strict=True):
        np.testing.assert_allclose(got, np.where(mask, new, old), rtol=1e-6)
        assert got[1] == old[1]


def test_momentum_and_masks_weight_a_feature_by_the_batches_that_it_was_in(x64):
    """A feature that is missing from the second of three batches has seen two."""
    xs = [jnp.asarray(np.random.default_rng(i).normal(size=(6, 2))) for i in range(3)]
    masks = [np.array([True, True]), np.array([True, False]), np.array([True, True])]
    state = ch5jax.batch_norm_init(2)[1]
    seen = jax.jit(lambda x, state, mask: ch5jax.batch_norm(x, None, state, momentum=0.8, mask=mask)[1])
    for x, mask in zip(xs, masks, strict=True):
        state = seen(x, state, mask)
    all_three = [0.2 * 0.64, 0.2 * 0.8, 0.2]
    np.testing.assert_allclose(state.weight, [sum(all_three), 0.2 * 0.8 + 0.2], rtol=1e-12)
    np.testing.assert_allclose(
        state.mean[0], np.dot(all_three, [x[:, 0].mean() for x in xs]) / sum(all_three), rtol=1e-12
    )
    np.testing.assert_allclose(state.mean[1], (0.16 * xs[0][:, 1].mean() + 0.2 * xs[2][:, 1].mean()) / 0.36, rtol=1e-12)


def test_inference_keeps_padding_out_of_gradients_too():
    mask = MASKS["rows"]
    state = ch5jax.batch_norm_state(np.float32([1, 2, 3]), np.float32([4, 5, 6]))

    def loss(x, params, state):
        return jnp.sum(ch5jax.batch_norm_inference(x, params, state, mask=mask) ** 2)

    slopes = jax.jit(jax.value_and_grad(loss, (0, 1, 2)))
    clean, dirty = slopes(X, PARAMS, state), slopes(jnp.where(mask, X, jnp.nan), PARAMS, state)
    chex.assert_trees_all_equal(dirty, clean)
    assert np.isfinite(clean[0])


@pytest.mark.parametrize("momentum", [0.9, None])
def test_nothing_is_computed_from_padding_that_jax_debug_nans_would_stop_at(momentum):
    mask = MASKS["both"]
    state = ch5jax.batch_norm_init(FEATURES)[1]

    def loss(x):
        y, after = ch5jax.batch_norm(x, PARAMS, state, momentum=momentum, mask=mask)
        return jnp.sum(y**2) + jnp.sum(ch5jax.batch_norm_inference(x, PARAMS, after, mask=mask) ** 2)

    dirty = jnp.where(mask, X, jnp.nan)
    with jax.debug_nans(True):
        assert np.isfinite(loss(dirty))
        assert np.all(np.isfinite(jax.grad(loss)(dirty)))
        ch5jax.batch_norm_merge(state, state)
