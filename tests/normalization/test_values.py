"""Values, gradients and statistics against the NumPy derivation: shapes, axes, dtypes and masks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import ch5jax
from ch5jax import BatchNormParams
from tests.references import batch_norm as reference

pytestmark = pytest.mark.smoke


def example(shape, axis=-1, mean=0.0, seed=0):
    """x, dy in float64, scale and bias."""
    rng = np.random.default_rng(seed)
    features = reference.features_shape(np.zeros(shape), axis)
    return mean + rng.normal(size=shape), rng.normal(size=shape), rng.normal(size=features), rng.normal(size=features)


def run(x, dy, scale, bias, **options):
    """y, the new state, and the gradients with respect to x, scale and bias."""
    params = BatchNormParams(jnp.asarray(scale), jnp.asarray(bias))
    _, state = ch5jax.batch_norm_init(np.shape(scale))
    y, state, dx, slopes = pulled(jnp.asarray(x), jnp.asarray(dy), params, state, **options)
    return y, state, dx, slopes.scale, slopes.bias


@functools.partial(jax.jit, static_argnames=("axis", "momentum", "eps", "unbiased"))
def pulled(x, dy, params, state, *, mask=None, **options):
    def function(x, params):
        return ch5jax.batch_norm(x, params, state, mask=mask, **options)

    y, pull, state_after = jax.vjp(function, x, params, has_aux=True)
    return y, state_after, *pull(dy.astype(y.dtype))


SHAPES = {
    "dense": ((6, 5), -1),
    "sequence": ((3, 4, 5), -1),
    "image": ((2, 3, 4, 5), -1),
    "image, channels first": ((2, 5, 3, 4), 1),
    "video, channels first": ((2, 3, 4, 5, 2), 1),
    "features first": ((5, 7), 0),
    "two feature axes": ((3, 4, 5, 2), (1, 3)),
    "two feature axes, named from the end and in another order": ((3, 4, 5, 2), (-1, -3)),
    "long": ((48, 8, 3), -1),
    "of an odd number": ((299, 3), -1),
    "long, channels first": ((16, 3, 5, 6), 1),
    "cut along the second axis": ((3, 40, 4, 2), -1),
}


@pytest.mark.parametrize(("shape", "axis"), SHAPES.values(), ids=SHAPES)
def test_values_statistics_and_gradients_equal_numpys_in_float64(x64, shape, axis):
    x, dy, scale, bias = example(shape, axis, mean=3.0)
    y, state, *gradients = run(x, dy, scale, bias, axis=axis, momentum=0.0, eps=1e-3)
    expected, mean, var, _ = reference.forward(x, scale, bias, 1e-3, axis)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(state.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(state.var, var, rtol=1e-12)
    for got, due in zip(gradients, reference.backward(x, dy, scale, 1e-3, axis), strict=True):
        np.testing.assert_allclose(got, due, rtol=1e-11, atol=1e-11)
    assert {leaf.dtype for leaf in (y, *state, *gradients)} == {np.dtype("float64")}


@st.composite
def cases(draw):
    rank = draw(st.integers(2, 4))
    shape = tuple(draw(st.integers(1, 9)) for _ in range(rank))
    kept = draw(st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank - 1, unique=True))
    axis = tuple(draw(st.sampled_from((a, a - rank))) for a in kept)
    mask_shape = tuple(draw(st.sampled_from((1, n))) for n in shape)[draw(st.integers(0, rank)) :]
    seed = draw(st.integers(0, 2**31))
    mask = np.random.default_rng(seed).random(mask_shape) < draw(st.sampled_from((0.0, 0.5, 0.9, 1.0)))
    dtype = draw(st.sampled_from(("float64", "float32", "bfloat16", "float16")))
    return shape, axis, draw(st.sampled_from((None, mask))), dtype, seed


@pytest.mark.usefixtures("compiled_quickly")
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases())
def test_any_shape_axes_mask_and_dtype(case):
    shape, axis, mask, dtype, seed = case
    with jax.enable_x64(True):
        x, dy, scale, bias = example(shape, axis, seed=seed)
        x, dy = jnp.asarray(x, dtype), jnp.asarray(dy, dtype)
        junk = x if mask is None else jnp.where(mask, x, jnp.nan)
        computed = jnp.promote_types(dtype, jnp.float32)
        scale, bias = scale.astype(computed), bias.astype(computed)
        y, state, dx, *gradients = run(junk, dy, scale, bias, axis=axis, mask=mask, momentum=None, eps=0.1)
        assert y.dtype == dx.dtype == x.dtype
        exact = np.asarray(x, np.float64)
        expected, *statistics = reference.forward(exact, scale, bias, 0.1, axis, mask)
        tolerance = {"float64": 1e-11, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}[dtype]
        np.testing.assert_allclose(y.astype(float), expected, rtol=tolerance, atol=tolerance)
        for got, due in zip(state, statistics, strict=True):
            np.testing.assert_allclose(got, due, rtol=1e-11 if dtype == "float64" else 1e-5, atol=1e-6)
        slopes = reference.backward(exact, np.asarray(dy, np.float64), scale, 0.1, axis, mask)
        for got, due in zip((dx, *gradients), slopes, strict=True):
            np.testing.assert_allclose(got.astype(float), due, rtol=4 * tolerance, atol=4 * tolerance)


@pytest.mark.parametrize("mean", [0.0, 1e2, -1e2, 1e3, -1e3, 1e4, -1e4, 1e6])
@pytest.mark.parametrize("shape", [(256, 16), (265, 4), (1009, 3), (16, 14, 14, 8), (60, 50, 50, 2)])
def test_float32_is_within_2e_6_of_float64_wherever_the_mean_is(shape, mean):
    x, dy, scale, bias = example(shape, mean=mean)
    x, dy = x.astype(np.float32), dy.astype(np.float32)
    scale, bias = np.ones_like(scale, np.float32), np.zeros_like(bias, np.float32)
    y, state, dx, dscale, dbias = run(x, dy, scale, bias, momentum=0.0)
    exact, g = x.astype(np.float64).reshape(-1, shape[-1]), dy.astype(np.float64).reshape(-1, shape[-1])
    inverse = 1 / np.sqrt(exact.var(0) + 1e-5)
    normalized = (exact - exact.mean(0)) * inverse
    slope = inverse * (g - g.mean(0) - normalized * (g * normalized).mean(0))
    assert np.abs(np.asarray(y).reshape(-1, shape[-1]) - normalized).max() < 2e-6
    assert np.abs(np.asarray(dx).reshape(-1, shape[-1]) - slope).max() < 2e-6
    assert np.abs(dscale - (g * normalized).sum(0)).max() < 2e-6 * len(g)
    assert np.abs(dbias - g.sum(0)).max() < 2e-6 * len(g)
    np.testing.assert_allclose(state.mean, exact.mean(0), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(state.var, exact.var(0), rtol=2e-6)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, -1234.567, 1e4 + 0.3, 1e-30])
def test_a_constant_feature_gives_its_bias_and_no_nan(value):
    x = np.full((37, 2), value, np.float32)
    y, state, dx, dscale, _ = run(x, np.ones_like(x), [2.0, 3.0], [0.5, -1.0], momentum=0.0)
    np.testing.assert_allclose(y, np.broadcast_to([0.5, -1.0], (37, 2)), atol=1e-5)
    assert np.all(state.var >= 0)
    assert np.all(np.abs(state.var) <= 1e-14 * value**2)
    assert np.all(np.isfinite(dx))
    assert np.all(np.isfinite(dscale))


@pytest.mark.parametrize(
    ("dtype", "mean"), [("float32", 0.0), ("float32", 3.0), ("bfloat16", 0.0), ("float64", 0.0), ("float64", 3.0)]
)
def test_y_is_right_up_to_squares_whose_sum_is_the_largest_number_and_the_bias_beyond(dtype, mean):
    """The limit that the docstring states: a standard deviation of √(max/n) of what is summed in."""
    n, held = 64, "float64" if dtype == "float64" else "float32"
    with jax.enable_x64(dtype == "float64"):
        signs = np.where(np.arange(n) % 2, 1.0, -1.0)[:, None]
        limit = (float(jnp.finfo(held).max) / n) ** 0.5
        for share, due, var in ((0.95, 3 + 2 * signs, (0.95 * limit) ** 2), (1.05, np.full((n, 1), 3.0), 1.0)):
            x = jnp.asarray((mean + signs) * limit * share, dtype)
            y, state, dx, *_ = run(x, np.cos(np.arange(n))[:, None], np.full(1, 2.0), np.full(1, 3.0), momentum=0.0)
            np.testing.assert_allclose(y.astype(float), due, rtol=1e-2 if dtype == "bfloat16" else 1e-5)
            np.testing.assert_allclose(state.var, [var], rtol=1e-2 if dtype == "bfloat16" else 1e-5)
            assert np.isfinite(state.mean).all()
            assert np.isfinite(dx.astype(float)).all()
            assert np.all(dx == 0) or share < 1


@jax.jit
def normalized(x):
    return ch5jax.batch_norm(x, None, ch5jax.batch_norm_init(x.shape[-1])[1], momentum=0.0)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.floats(-1e6, 1e6, width=32),
    st.floats(0, 1, width=32),
    st.sampled_from((1, 2, 7, 300)),
    st.integers(0, 1000),
)
def test_a_variance_is_never_negative(mean, spread, rows, seed):
    x = (mean + spread * np.random.default_rng(seed).normal(size=(rows, 1))).astype(np.float32)
    y, state = normalized(x)
    assert state.var[0] >= 0
    assert np.all(np.isfinite(y))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_the_rounded_float32_result(dtype):
    """fp16 cannot hold the square of 300, nor a sum of a thousand numbers: statistics are float32."""
    x, dy, scale, bias = example((1000, 4), mean=300.0)
    x, dy = jnp.asarray(x, dtype), jnp.asarray(dy, dtype)
    scale, bias = np.float32(scale), np.float32(bias)
    y, state, dx, *slopes = run(x, dy, scale, bias)
    whole = run(x.astype("float32"), dy.astype("float32"), scale, bias)
    assert y.dtype == dx.dtype == dtype
    assert {leaf.dtype.name for leaf in (*state, *slopes)} == {"float32"}
    for got, due in zip((y, dx), (whole[0], whole[2]), strict=True):
        ulps = np.abs(got.astype("float32") - due) / (float(jnp.finfo(dtype).eps) * np.abs(due) + 1e-6)
        assert ulps.max() <= 0.51
    for got, due in zip((*state, *slopes), (*whole[1], *whole[3:]), strict=True):
        np.testing.assert_allclose(got, due, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_training_and_inference_agree(dtype):
    x, _, scale, bias = example((512, 8), mean=2.0)
    x, params = jnp.asarray(x, dtype), BatchNormParams(jnp.float32(scale), jnp.float32(bias))
    y, state = jax.jit(ch5jax.batch_norm)(x, params, ch5jax.batch_norm_init(8)[1])
    inferred = jax.jit(ch5jax.batch_norm_inference)(x, params, state)
    assert inferred.dtype == y.dtype == dtype
    np.testing.assert_allclose(inferred.astype(float), y.astype(float), rtol=float(jnp.finfo(dtype).eps), atol=1e-6)


def test_no_scale_and_no_bias():
    x, *_ = example((9, 4))
    _, state = ch5jax.batch_norm_init(4)
    scale, bias = jnp.linspace(1, 2, 4), jnp.linspace(-1, 1, 4)
    plain, _ = ch5jax.batch_norm(jnp.float32(x), None, state)
    for params, expected in (
        (BatchNormParams(None, None), plain),
        (BatchNormParams(scale, None), plain * scale),
        (BatchNormParams(None, bias), plain + bias),
    ):
        np.testing.assert_allclose(ch5jax.batch_norm(jnp.float32(x), params, state)[0], expected, atol=1e-6)
    np.testing.assert_allclose(
        ch5jax.batch_norm_inference(jnp.float32(x), None, state), np.float32(x) / np.sqrt(1 + 1e-5), rtol=1e-6
    )


def test_one_sample_gives_the_bias_and_a_finite_state():
    x, ones = np.array([[7.0, -8.0]], np.float32), np.ones((1, 2), np.float32)
    for unbiased in (False, True):
        for momentum in (0.9, None):
            y, after, slope, *_ = run(x, ones, [2.0, 3.0], [0.5, -1.0], momentum=momentum, unbiased=unbiased)
            np.testing.assert_array_equal(y, [[0.5, -1.0]])
            np.testing.assert_array_equal(after.mean, [7.0, -8.0])
            np.testing.assert_array_equal(after.var, [0.0, 0.0])
            np.testing.assert_array_equal(slope, [[0.0, 0.0]])
