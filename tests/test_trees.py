"""What every part needs of trees: dtypes, and checks that name the place."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from ch5jax import _trees

SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
TREES = st.recursive(
    st.builds(np.zeros, SHAPES, st.sampled_from(["float32", "complex64"])) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("dtype", "accumulator", "real"),
    [
        ("bfloat16", "float32", "float32"),
        ("float16", "float32", "float32"),
        ("float8_e4m3fn", "float32", "float32"),
        ("float32", "float32", "float32"),
        ("float64", "float64", "float64"),
        ("complex64", "complex64", "float32"),
        ("complex128", "complex128", "float64"),
    ],
)
def test_accumulators_are_float32_at_least(dtype, accumulator, real):
    for promotion in ("standard", "strict"):
        with jax.numpy_dtype_promotion(promotion):
            assert _trees.accumulator_dtype(jnp.dtype(dtype)) == jnp.dtype(accumulator)
    assert _trees.real_dtype(accumulator) == jnp.dtype(real)


def test_the_default_float():
    for x64, dtype in ((False, jnp.float32), (True, jnp.float64)):
        with jax.enable_x64(x64):
            assert _trees.default_float() == dtype


def test_abs_sq_is_real_and_differentiable_at_zero():
    np.testing.assert_array_equal(_trees.abs_sq(jnp.array([3 + 4j, 0, -2j])), [25, 0, 4])
    np.testing.assert_array_equal(_trees.abs_sq(jnp.array([-3.0, 0.0])), [9, 0])
    assert _trees.abs_sq(jnp.ones(1, jnp.complex64)).dtype == jnp.float32
    assert jax.grad(lambda x: _trees.abs_sq(x + 0j))(0.0) == 0


@settings(derandomize=True, deadline=None, max_examples=200)
@given(tree=TREES)
def test_a_tree_matches_itself(tree):
    _trees.check_match(tree, jax.tree.map(np.ones_like, tree), "updates", "params")
    _trees.check_inexact(tree, "params")


@settings(derandomize=True, deadline=None, max_examples=200)
@given(tree=TREES, other=TREES)
def test_two_trees_match_if_structure_and_shapes_do(tree, other):
    alike = jax.tree.structure(tree) == jax.tree.structure(other)
    pairs = list(zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=False))
    if alike and all(a.shape == b.shape and (np.isrealobj(a) or np.iscomplexobj(b)) for a, b in pairs):
        _trees.check_match(tree, other, "updates", "params")
    else:
        with pytest.raises(ValueError, match=r"updates.*params.*(got|expected)"):
            _trees.check_match(tree, other, "updates", "params")


def test_magnitudes_are_real_for_complex_leaves_too():
    tree, magnitudes = {"w": np.ones(2, complex)}, {"w": np.ones(2)}
    _trees.check_match(tree, magnitudes, "updates", "nu", magnitudes=True)
    with pytest.raises(ValueError, match=r"updates\['w'\] must be real like nu, got dtype complex"):
        _trees.check_match(tree, magnitudes, "updates", "nu")


def test_messages_name_a_few_places_of_many():
    many = {f"layer{i}": np.ones(1) for i in range(8)}
    with pytest.raises(ValueError, match=r"got a leaf at \['more'\].*\['layer4'\] and 3 more"):
        _trees.check_match({**many, "more": np.ones(1)}, many, "updates", "params")
    with pytest.raises(ValueError, match="expected a leaf at the root, got only no leaves"):
        _trees.check_match({}, np.ones(1), "updates", "params")


def test_the_leading_axis():
    assert _trees.leading_axis({"a": np.ones((3, 2)), "b": jnp.ones(3)}, "batch") == 3
    with pytest.raises(ValueError, match=r"batch\['b'\] must have the batch as its leading axis, got a scalar"):
        _trees.leading_axis({"a": np.ones(3), "b": 1.0}, "batch")
    with pytest.raises(ValueError, match=r"got 3 at \['a'\], 2 at \['b'\]"):
        _trees.leading_axis({"a": np.ones(3), "b": np.ones(2)}, "batch")
    chex.assert_equal(_trees.leading_axis(np.ones(4), "batch"), 4)
