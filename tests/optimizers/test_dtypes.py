"""Accumulators are float32 at least, updates have the gradient's dtype, and nothing promotes anything."""

import chex
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.optimizers.registry import CASES, for_every_optimizer, params_like, run

DTYPES = ["bfloat16", "float16", "float32", "float64", "complex64", "complex128"]
DOUBLE = {"float64", "complex128"}
for_every_dtype = pytest.mark.parametrize("dtype", DTYPES)
MAGNITUDES = {"nu", "sum_of_squares"}
WIDENED = {"bfloat16": "float32", "float16": "float32"}


def kinds(tree):
    """Structure, shapes, dtypes and weak types."""
    return jax.tree.map(lambda leaf: (jnp.shape(leaf), leaf.dtype.name, leaf.weak_type), tree)


def widened(opt, kind):
    """The optimizer with every hyperparameter as an array of some dtype, or as it is."""
    return opt if kind == "python" else jax.tree.map(lambda value: jnp.asarray(value, kind), opt)


@for_every_optimizer
@for_every_dtype
@pytest.mark.parametrize("x64", [False, True], ids=["x32", "x64"])
def test_state_and_updates_have_their_dtypes_from_the_first_step_on(case, dtype, x64):
    x64 = x64 or dtype in DOUBLE  # there is no float64 without
    promotion = "standard" if "complex" in dtype else "strict"  # which has no product of real and complex
    with jax.enable_x64(x64), jax.numpy_dtype_promotion(promotion), jax.numpy_rank_promotion("raise"):
        params = params_like(dtype)
        for kind in ["python", "float32", "bfloat16", *(["float64"] if x64 else [])]:
            opt = widened(case.make(), kind)
            state = opt.init(params)
            first = kinds(state)
            updates, state = jax.eval_shape(opt.update, params, state, params)
            chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)
            assert kinds(state) == first
            assert not any(leaf.weak_type for leaf in jax.tree.leaves((updates, state)))
            for name, field in state._asdict().items():
                if isinstance(field, dict):
                    wide = jnp.dtype(WIDENED.get(dtype, dtype))
                    expected = jnp.finfo(wide).dtype if name in MAGNITUDES else wide
                    assert {leaf.dtype for leaf in jax.tree.leaves(field)} == {jnp.dtype(expected)}
            assert state.count.dtype == jnp.int32


@for_every_optimizer
@for_every_dtype
def test_updates_equal_float64_to_the_dtype_s_precision(case, dtype):
    with jax.enable_x64(True):
        start = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params_like(dtype))])
        gradients = np.stack([start, -start / 2, 0 * start, start / 3]).astype(dtype)
        updates, _ = jax.jit(run)(case.make(), gradients)
        exact = complex if "complex" in dtype else float
        values = {name: np.full(4, value) for name, value in case.numbers.items()}
        expected, _ = case.reference(gradients.astype(exact), **values, **case.flags)
        precision = 4 * float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(np.asarray(updates).astype(exact), expected, rtol=precision, atol=1e-2 * precision)


@for_every_optimizer
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_without_a_gradient_stands_still(case, dtype):
    params = jnp.zeros(3, dtype)
    plain = case.factory(0.1, **case.flags)  # the default ε, which float16 cannot hold
    for opt in (plain, case.make(**({"eps": 0.0} if "eps" in case.numbers else {}))):
        updates, _ = run(opt, jnp.zeros((3, 3), dtype), params)
        assert updates.dtype == dtype
        assert np.all(np.asarray(updates, np.float32) == 0)


@pytest.mark.parametrize("key", ["adagrad", "rmsprop", "adam"])
def test_float16_gradients_whose_squares_underflow_still_count(key):
    opt = CASES[key].factory(1.0)
    gradient = jnp.full(2, 1e-4, jnp.float16)  # squared 1e-8, below float16's smallest
    update, _ = opt.update(gradient, opt.init(gradient))
    size = {"adagrad": 1, "rmsprop": 0.1**-0.5, "adam": 1}[key]
    np.testing.assert_allclose(np.asarray(update, np.float32), -size, rtol=5e-3)


@for_every_optimizer
def test_leaves_of_several_dtypes_keep_theirs(case, x64):
    params = {name: jnp.array([1.0, -2.0], name) for name in DTYPES}
    updates, state = jax.jit(lambda opt: run(opt, jax.tree.map(lambda p: jnp.stack([p, -p / 2]), params)))(case.make())
    assert {name: update.dtype.name for name, update in updates.items()} == {name: name for name in DTYPES}
    for field in state:
        if isinstance(field, dict):
            assert field["bfloat16"].dtype == field["float32"].dtype == jnp.float32
            assert field["float64"].dtype == jnp.float64


@for_every_optimizer
def test_numpy_gradients_and_hyperparameters_do(case):
    opt = case.make(learning_rate=np.float64(0.1))
    params = {"w": np.ones(3, np.float32)}
    updates, state = opt.update(params, opt.init(params), params)
    assert updates["w"].dtype == jnp.float32
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(state))
    half = case.make(learning_rate=ml_dtypes.bfloat16(0.125))
    updates, _ = half.update(params, half.init(params), params)
    assert updates["w"].dtype == jnp.float32


@for_every_optimizer
def test_complex_parameters_are_pairs_of_reals_with_a_common_magnitude(case):
    gradients = jnp.array([3 + 4j, -3 - 4j, 0, 1j]).astype(jnp.complex64)[:, None]
    updates, _ = run(case.make(), gradients)
    turned, _ = run(case.make(), gradients * 1j)  # a turn of the plane turns the updates
    chex.assert_trees_all_close(turned, updates * 1j, rtol=1e-5, atol=1e-7)
    line, _ = run(case.make(), jnp.array([5.0, -5.0])[:, None])
    chex.assert_trees_all_close(updates[:2], line * (0.6 + 0.8j), rtol=1e-5)


SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
LEAVES = st.builds(jnp.ones, SHAPES, st.sampled_from(DTYPES[:3] + DTYPES[4:5]))
TREES = st.recursive(
    LEAVES | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)


@settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(params=TREES, key=st.sampled_from(sorted(CASES)))
def test_any_tree_of_parameters_does(params, key):
    opt = CASES[key].make()
    state = opt.init(params)
    updates, after = jax.eval_shape(opt.update, params, state, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)
    assert kinds(after) == kinds(state)
