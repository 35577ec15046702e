"""Lanczos and Hutchinson against spectra that are known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax.diagnostics import curvature, hessian_trace
from ch5jax.diagnostics._curvature import lanczos
from tests.diagnostics.spectra import quadratic, rotated

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(3)
SPECTRA = {
    "positive": np.linspace(0.5, 7, 12),
    "indefinite": np.array([-5.0, -2, -0.5, 0.1, 1, 2, 3, 4, 5, 6, 7, 20]),
    "negative": -np.geomspace(0.1, 10, 12),
    "repeated": np.array([-1.0] * 5 + [2.0] * 7),
    "singular": np.array([0.0] * 9 + [1, 2, 3]),
}


@functools.partial(jax.jit, static_argnums=1)
def _exact(matrix, iterations, key):
    return curvature(lambda w: w @ matrix @ w / 2, jnp.ones(12, matrix.dtype), key, iterations)


@pytest.mark.smoke
@pytest.mark.parametrize("name", SPECTRA)
def test_as_many_iterations_as_dimensions_give_the_ends_and_the_index_exactly(x64, name):
    spectrum = SPECTRA[name]
    found = _exact(jnp.asarray(rotated(spectrum)), 12, KEY)
    np.testing.assert_allclose(found.smallest, spectrum.min(), atol=1e-9)
    np.testing.assert_allclose(found.largest, spectrum.max(), atol=1e-9)
    assert int(found.negative) == (spectrum < 0).sum()


@pytest.mark.parametrize("name", SPECTRA)
def test_the_whole_spectrum_stands_in_the_tridiagonal_matrix(x64, name):
    """Repeated eigenvalues too: where the vectors span an invariant subspace, it goes on from a new one."""
    spectrum = SPECTRA[name]
    matrix = jnp.asarray(rotated(spectrum))
    diagonal, beside, _ = lanczos(lambda v: matrix @ v, jnp.zeros(12), KEY, 12)
    dense = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    np.testing.assert_allclose(np.linalg.eigvalsh(dense), np.sort(spectrum), atol=1e-8)


def test_fewer_iterations_bound_the_spectrum_from_inside_and_tighten(x64):
    spectrum = np.concatenate([[-8.0, -3.0], np.linspace(-0.2, 1, 96), [5.0, 20.0]])
    matrix = jnp.asarray(rotated(spectrum))
    few, more = (curvature(quadratic(matrix), jnp.ones(100), KEY, iterations=k) for k in (5, 15))
    assert spectrum.min() - 1e-9 <= more.smallest <= few.smallest
    assert few.largest <= more.largest <= spectrum.max() + 1e-9
    np.testing.assert_allclose([more.smallest, more.largest], [-8, 20], rtol=1e-4)
    assert 2 <= int(more.negative) <= (spectrum < 0).sum()


def styblinski_tang(w):
    return jnp.sum(w**4 - 16 * w**2 + 5 * w) / 2


def test_a_thousand_dimensional_styblinski_tang_at_a_saddle(x64):
    """Its Hessian is diagonal, 6w² − 16: three kinds of stationary coordinate give three eigenvalues."""
    roots = np.sort(np.roots([4, 0, -32, 5]).real)  # the zeros of twice the derivative
    values = 6 * roots**2 - 16
    w = jnp.asarray(np.repeat(roots, [400, 250, 350]))
    np.testing.assert_allclose(jax.grad(styblinski_tang)(w), 0, atol=1e-10)
    found = curvature(styblinski_tang, w, KEY, iterations=10)
    np.testing.assert_allclose([found.smallest, found.largest], [values.min(), values.max()], rtol=1e-9)
    assert 1 <= int(found.negative) <= 250
    trace = (values * [400, 250, 350]).sum()
    assert abs(found.trace - trace) < 5 * found.trace_error
    exact = hessian_trace(styblinski_tang, w, KEY, samples=2)
    np.testing.assert_allclose(exact.mean, trace, rtol=1e-12)  # a diagonal Hessian: the probes' signs cancel
    np.testing.assert_allclose(exact.standard_error, 0, atol=1e-9)


@pytest.mark.parametrize("loss", [lambda w: 3.0 + 0 * jnp.sum(w), jnp.sum])
def test_a_zero_hessian_gives_zeros_not_nan(loss):
    found = curvature(loss, jnp.ones(7), KEY, iterations=5)
    np.testing.assert_array_equal([*found], np.zeros(5))


def test_one_parameter_and_more_iterations_than_parameters():
    found = curvature(lambda w: -2 * w**2, jnp.float32(0.5), KEY, iterations=20)
    np.testing.assert_allclose([*found], [-4, -4, 1, -4, 0], atol=1e-6)


def test_a_tree_of_several_dtypes_and_complex_numbers(x64):
    """Half precision is looked at in float32; a complex parameter counts as two real ones."""
    params = {
        "half": jnp.ones(3, jnp.bfloat16),
        "single": jnp.ones((2, 2), jnp.float32),
        "double": jnp.ones((), jnp.float64),
        "complex": jnp.ones(2, jnp.complex64),
    }

    def loss(p):
        assert p["half"].dtype == jnp.float32
        assert p["single"].dtype == jnp.float32
        parts = [
            jnp.sum(p["half"] ** 2) * 1.5,
            -jnp.sum(p["single"] ** 2),
            p["double"] ** 2 * 5,
            jnp.sum(jnp.abs(p["complex"]) ** 2),
        ]
        return sum(part.astype(jnp.float64) for part in parts)

    found = curvature(loss, params, KEY, iterations=12)
    np.testing.assert_allclose([found.smallest, found.largest], [-2, 10], rtol=1e-5)
    assert int(found.negative) == 4  # twelve real parameters, as many iterations: the index is exact
    trace = hessian_trace(loss, params, KEY, samples=3)
    np.testing.assert_allclose(trace.mean, 3 * 3 - 2 * 4 + 10 + 2 * 4, rtol=1e-6)


def test_single_precision_stays_so_where_double_is_enabled(x64):
    found = curvature(lambda w: jnp.sum(w**3), jnp.ones(3, jnp.float32), KEY)
    assert {leaf.dtype.name for leaf in found} == {"float32", "int32"}
    np.testing.assert_allclose(found.largest, 6, rtol=1e-5)


def test_rounding_of_a_singular_float32_hessian_is_no_negative_curvature():
    spectrum = np.concatenate([np.zeros(40), np.geomspace(1e-3, 100, 20)])
    found = curvature(quadratic(rotated(spectrum)), jnp.ones(60), KEY, iterations=30)
    assert int(found.negative) == 0
    strict = curvature(quadratic(rotated(spectrum)), jnp.ones(60), KEY, iterations=30, tolerance=0.0)
    assert strict.smallest > -1e-4 * 100


def test_a_large_basis_stays_orthogonal_in_float32():
    """Without reorthogonalising, copies of the largest eigenvalue come back and would be counted again."""
    spectrum = np.concatenate([[-1000.0], np.linspace(0.01, 1, 150), [1000.0]])
    found = curvature(quadratic(rotated(spectrum)), jnp.ones(152), KEY, iterations=60, tolerance=1e-6)
    assert int(found.negative) == 1


def test_a_loss_that_is_not_finite_says_so():
    found = curvature(lambda w: jnp.sum(w**2) * jnp.nan, jnp.ones(3), KEY)
    assert np.isnan(found.smallest)
    assert np.isnan(found.largest)


def test_the_trace_and_its_error_are_those_of_many_draws(x64):
    matrix = jnp.asarray(rotated(SPECTRA["indefinite"]))
    keys = jax.random.split(KEY, 4000)
    draws = jax.vmap(lambda key: curvature(quadratic(matrix), jnp.ones(12), key, 1))(keys)
    mean, std = np.mean(draws.trace), np.std(draws.trace)
    np.testing.assert_allclose(mean, SPECTRA["indefinite"].sum(), atol=5 * std / 4000**0.5)
    square = (SPECTRA["indefinite"] ** 2).sum()
    expected = np.sqrt(2 * (12 * square - SPECTRA["indefinite"].sum() ** 2) / 14)
    np.testing.assert_allclose(std, expected, rtol=0.05)
    np.testing.assert_allclose(np.sqrt(np.mean(draws.trace_error**2)), expected, rtol=0.05)


def test_hutchinsons_error_covers_what_it_misses(x64):
    matrix = jnp.asarray(rotated(SPECTRA["indefinite"]))
    keys = jax.random.split(KEY, 300)
    found = jax.vmap(lambda key: hessian_trace(quadratic(matrix), jnp.ones(12), key, 16))(keys)
    off = (found.mean - SPECTRA["indefinite"].sum()) / found.standard_error
    assert 0.9 < np.mean(np.abs(off) < 2) < 0.98  # about a t distribution's 0.94 of 15 degrees
    off_diagonal = rotated(SPECTRA["indefinite"])[~np.eye(12, dtype=bool)]
    np.testing.assert_allclose(np.std(found.mean), np.sqrt(2 * (off_diagonal**2).sum() / 16), rtol=0.15)


def test_vmap_over_models_equals_the_loop(x64):
    w = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4)))
    keys = jax.random.split(KEY, 3)
    together = jax.vmap(lambda w, key: curvature(styblinski_tang, w, key, 4))(w, keys)
    for i in range(3):
        one = curvature(styblinski_tang, w[i], keys[i], 4)
        np.testing.assert_allclose([*one], [field[i] for field in together], rtol=1e-9)


@pytest.mark.parametrize("function", [curvature, hessian_trace])
def test_what_has_no_hessian_is_refused(function):
    with pytest.raises(ValueError, match="loss must return a real scalar"):
        function(lambda w: w, jnp.ones(3), KEY)
    with pytest.raises(ValueError, match=r"params\['n'\] must be floating or complex"):
        function(lambda w: jnp.sum(w["x"]), {"x": jnp.ones(3), "n": jnp.arange(3)}, KEY)
    with pytest.raises(ValueError, match="params must hold an array"):
        function(lambda w: jnp.zeros(()), {}, KEY)


def test_counts_that_are_none_are_refused():
    with pytest.raises(ValueError, match="iterations must be a positive integer, got 0"):
        curvature(jnp.sum, jnp.ones(3), KEY, iterations=0)
    with pytest.raises(ValueError, match="samples must be 2 or more"):
        hessian_trace(jnp.sum, jnp.ones(3), KEY, samples=1)
