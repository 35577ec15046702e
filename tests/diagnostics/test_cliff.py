"""Spikes against a running quantile, and updates against weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax.diagnostics import matrix_names, norm, spikes_init, spikes_update, update_ratio
from ch5jax.networks import mlp
from tests.references import diagnostics as reference


def ratios(values):
    return jax.jit(lambda values: jax.lax.scan(spikes_update, spikes_init(), values)[1])(jnp.asarray(values))


@pytest.mark.parametrize("course", ["alike", "falling", "rising", "equal", "mostly nothing"])
def test_spikes_are_over_numpys_quantile_of_what_came_before(x64, course):
    rng, t = np.random.default_rng(0), np.arange(400)
    values = {
        "alike": np.exp(rng.normal(size=400)),
        "falling": np.exp(-t / 50),
        "rising": np.exp(t / 20),
        "equal": np.full(400, 3.0),
        "mostly nothing": np.where(rng.uniform(size=400) < 0.02, 5.0, 0.0),
    }[course]
    values[60], values[61], values[200] = 0.0, np.inf, 300.0
    np.testing.assert_allclose(ratios(values), reference.spikes(values), rtol=1e-12)


def test_a_cliff_stands_out_and_a_slow_change_does_not():
    values = np.geomspace(1, 0.1, 400)
    values[250] *= 30
    spikes = np.asarray(ratios(values))
    assert np.flatnonzero(spikes > 10).tolist() == [250]
    assert np.delete(spikes, 250).max() <= 1


def test_nothing_is_known_of_the_first_ten_and_nan_is_not_kept():
    values = [1.0] * 9 + [50.0] + [1.0] * 10
    assert np.asarray(ratios(values))[:10].tolist() == [1.0] * 10
    spikes = np.asarray(ratios([1.0] * 15 + [np.nan, 2.0]))
    assert np.isnan(spikes[15])
    assert spikes[16] == 2
    assert np.isinf(np.asarray(ratios([0.0] * 12 + [1e-3]))[-1])


def test_ratios_of_weight_matrices_in_the_order_of_their_names(x64):
    net = mlp((3, 5, 4, 2))
    params, updates = net.init(jax.random.key(0)), net.init(jax.random.key(1))
    expected = [np.linalg.norm(u.kernel) / np.linalg.norm(w.kernel) for u, w in zip(updates, params, strict=True)]
    np.testing.assert_allclose(update_ratio(updates, params), expected, rtol=1e-12)
    assert matrix_names(params) == ("[0].kernel", "[1].kernel", "[2].kernel")
    assert matrix_names({"b": jnp.ones(3), "conv": jnp.ones((3, 3, 1, 2))}) == ("['conv']",)


def test_ratios_where_there_are_no_weights_and_no_updates():
    zeros, ones = jnp.zeros((2, 2)), jnp.ones((2, 2))
    ratios = update_ratio([zeros, ones, zeros], [zeros, zeros, ones])
    np.testing.assert_array_equal(ratios, [0, np.inf, 0])
    with pytest.raises(ValueError, match="params must hold a weight matrix"):
        update_ratio(jnp.ones(3), jnp.ones(3))
    with pytest.raises(ValueError, match=r"updates\[0\] must have shape \(2, 2\)"):
        update_ratio([jnp.ones((2, 3))], [ones])


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1000])
def test_norms_add_up_everything(x64, size):
    x = np.random.default_rng(size).normal(size=size)
    np.testing.assert_allclose(
        norm({"x": jnp.asarray(x), "z": jnp.array([3j, 4.0])}), np.hypot(*[np.linalg.norm(x), 5])
    )
    assert norm({}) == 0
    np.testing.assert_array_equal(jax.grad(norm)(jnp.zeros(3)), np.zeros(3))
