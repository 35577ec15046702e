"""What initialisers draw: the distributions, in every dtype, and the same however they are called."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from ch5jax.initializers import constant, gaussian, sparse, uniform

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(1)
ALL = {"uniform": uniform(0.3), "gaussian": gaussian(0.3), "sparse": sparse(7, 0.3), "constant": constant(-0.3)}
HALVES = (jnp.float16, jnp.bfloat16)


def distance(values, distribution):
    """Kolmogorov and Smirnov's √n · max |F − Fₙ|; above 1.95 once in a thousand samples of the distribution."""
    expected = distribution(np.sort(np.ravel(values).astype(float)))
    steps = np.arange(len(expected) + 1) / len(expected)
    return np.sqrt(len(expected)) * max(np.max(steps[1:] - expected), np.max(expected - steps[:-1]))


def errors_from_symmetry(values):
    """The means of w, w³ and sin w in their standard errors."""
    values = np.ravel(values).astype(float)
    odd = np.stack([values, values**3, np.sin(values)])
    return np.abs(odd.mean(1)) / odd.std(1) * np.sqrt(values.size)


@pytest.mark.parametrize("dtype", [jnp.float32, *HALVES])
def test_uniform_fills_its_interval_evenly(dtype):
    values = uniform(0.25)(KEY, (300, 300), dtype).astype(jnp.float32)
    assert distance(values, lambda x: (x + 0.25) / 0.5) < (2 if dtype == jnp.float32 else 3)  # bfloat16 is a comb
    assert np.abs(values).max() <= 0.25
    assert values.min() < -0.2499
    assert values.max() > 0.2499
    np.testing.assert_allclose(np.std(values), 0.25 / np.sqrt(3), rtol=5e-3)
    assert errors_from_symmetry(values).max() < 3


@pytest.mark.parametrize("dtype", [jnp.float32, *HALVES])
def test_gaussian_is_gaussian(dtype):
    values = gaussian(2.0)(KEY, (300, 300), dtype).astype(jnp.float32)
    assert distance(values, lambda x: special.ndtr(x / 2)) < (2 if dtype == jnp.float32 else 3)
    np.testing.assert_allclose(np.std(values), 2, rtol=0.01)
    np.testing.assert_allclose(np.mean(values**4), 3 * 2**4, rtol=0.04)
    assert np.abs(values).max() > 8  # four deviations: a draw in bfloat16 ends at 2.7
    assert errors_from_symmetry(values).max() < 3


def test_complex_draws_are_alike_in_all_directions():
    values = np.asarray(gaussian(2.0)(KEY, (300, 300), jnp.complex64))
    for part in (values.real, values.imag):
        assert distance(part, lambda x: special.ndtr(x / np.sqrt(2))) < 2
    np.testing.assert_allclose(np.mean(np.abs(values) ** 2), 4, rtol=0.02)
    np.testing.assert_allclose(np.mean(values**2), 0, atol=0.06)

    values = np.asarray(uniform(2.0)(KEY, (300, 300), jnp.complex64))
    assert distance(np.abs(values) ** 2, lambda square: square / 4) < 2
    assert distance(np.angle(values), lambda angle: (angle + np.pi) / (2 * np.pi)) < 2
    np.testing.assert_allclose(np.std(values), 2 / np.sqrt(2), rtol=0.01)

    np.testing.assert_array_equal(constant(0.5)(KEY, (3,), jnp.complex64), [0.5 + 0j] * 3)


def test_constant_is_the_value_everywhere():
    for shape in ((), (3,), (2, 0), (2, 3, 4)):
        np.testing.assert_array_equal(constant(0.1)(KEY, shape), np.full(shape, 0.1, np.float32))
    np.testing.assert_array_equal(constant(0.1)(KEY, (2,)), constant(0.1)(jax.random.key(4), (2,)))


def test_a_scale_of_zero_is_allowed():
    np.testing.assert_array_equal(uniform(0)(KEY, (20, 10)), np.zeros((20, 10)))
    np.testing.assert_array_equal(gaussian(0.0)(KEY, (20, 10)), np.zeros((20, 10)))


@pytest.mark.parametrize("name", ["uniform", "gaussian", "sparse"])
def test_keys_and_elements_draw_on_their_own(name):
    first, again, other = (ALL[name](key, (20, 10)) for key in (KEY, KEY, jax.random.key(4)))
    np.testing.assert_array_equal(first, again)
    both = (first != 0) & (other != 0)
    assert not np.any(both & (first == other))
    drawn = np.asarray(first)[np.asarray(first) != 0]
    assert len(np.unique(drawn)) == len(drawn)


@pytest.mark.parametrize("name", ALL)
def test_halves_are_the_singles_rounded_once(name):
    single = ALL[name](KEY, (20, 10))
    for dtype in HALVES:
        np.testing.assert_array_equal(ALL[name](KEY, (20, 10), dtype), single.astype(dtype))


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_the_dtype_is_the_one_asked_for_whatever_the_numbers_are(name, x64):
    default = jnp.float64 if x64 else jnp.float32
    with jax.enable_x64(x64), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        numbers = (np.float64(0.3), np.float16(0.3), jnp.float32(0.3), jnp.bfloat16(0.3), jnp.asarray(0.3))
        scale = {"uniform": "limit", "constant": "value"}.get(name, "std")
        for init in (ALL[name], *(ALL[name].replace(**{scale: number}) for number in numbers)):
            for dtype, due in {
                None: default,
                float: default,
                jnp.float32: jnp.float32,
                "bfloat16": jnp.bfloat16,
                np.float16: jnp.float16,
                jnp.complex64: jnp.complex64,
                jnp.float8_e5m2: jnp.float8_e5m2,
            }.items():
                values = jax.eval_shape(lambda key: init(key, (20, 10), dtype), KEY)
                assert (values.shape, values.dtype, values.weak_type) == ((20, 10), due, False)


def test_doubles_have_all_their_digits(x64):
    values = np.asarray(gaussian(0.1)(KEY, (20, 10)))
    assert np.any(values != values.astype(np.float32))
    np.testing.assert_array_equal(constant(0.1)(KEY, ()), 0.1)
    assert gaussian(0.1)(KEY, (2,), jnp.complex128).dtype == jnp.complex128


@pytest.mark.parametrize("name", ALL)
def test_one_program_serves_all_numbers_and_gives_the_same_draws(name):
    init = ALL[name]
    call = jax.jit(lambda init, key: init(key, (20, 10)))
    for other in (init, jax.tree.map(lambda leaf: leaf + 1.0, init)):
        np.testing.assert_allclose(call(other, KEY), other(KEY, (20, 10)), rtol=2e-6)
    assert call._cache_size() == 1

    batch = jax.tree.map(lambda leaf: leaf + jnp.arange(2.0), init)
    keys = jax.random.split(KEY, 2)
    mapped = jax.vmap(call)(batch, keys)
    for i in range(2):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], batch)
        chex.assert_trees_all_close(mapped[i], one(keys[i], (20, 10)), rtol=2e-6)
