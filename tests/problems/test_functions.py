"""The functions: their values against plain Python's, their dtypes, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax import problems
from tests.problems.registry import FACTORIES, REFERENCES, in_the_box, look

COMPARED = [name for name in FACTORIES if REFERENCES[name] is not None]


@pytest.mark.parametrize("name", COMPARED)
def test_values_equal_plain_pythons(name):
    problem, seen = look(name)
    points = in_the_box(problem, 20, seed=1)
    expected = [REFERENCES[name](point.tolist()) for point in points]
    np.testing.assert_allclose(seen(points).values, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", problems.ALL)
def test_values_in_float32_are_as_exact_as_float32(name):
    problem = problems.ALL[name]()
    points = in_the_box(problem, 20, seed=1).astype(np.float32)
    expected = [REFERENCES[name](point.astype(float).tolist()) for point in points]
    got = jax.vmap(problem.function)(points)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-6 * np.max(np.abs(expected)))


@pytest.mark.parametrize("name", FACTORIES)
def test_the_dtype_is_the_points_and_nothing_is_promoted(x64, name):
    problem = FACTORIES[name]()
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        for dtype in (jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64):
            point = jax.ShapeDtypeStruct(problem.start.shape, dtype)
            for function in (problem.function, *problem.parts):
                value, gradient = jax.eval_shape(jax.value_and_grad(function), point)
                assert value.shape == ()
                assert not value.weak_type
                assert value.dtype == gradient.dtype == dtype


def test_points_are_lists_and_whole_numbers_too():
    function = problems.himmelblau().function
    assert float(function([3, 2])) == float(function((3.0, 2.0))) == float(function(np.array([3, 2]))) == 0
    assert float(function([0, 0])) == 170
    turned = problems.quadratic(rotation_key=jax.random.key(0)).function
    np.testing.assert_allclose(turned([1, 0]), turned([1.0, 0.0]), rtol=1e-7)
    assert function([0, 0]).dtype == jnp.float32


def test_points_of_another_shape_or_kind_are_refused():
    function = problems.beale().function
    with pytest.raises(ValueError, match=r"point must have shape \(2,\), got \(3,\); map over many with jax.vmap"):
        function(jnp.zeros(3))
    with pytest.raises(ValueError, match=r"point must have shape \(2,\), got \(5, 2\)"):
        jax.jit(function)(jnp.zeros((5, 2)))
    with pytest.raises(ValueError, match="point must be floating, got dtype complex64"):
        function(jnp.zeros(2, jnp.complex64))
    with pytest.raises(ValueError, match="point must be floating, got dtype bool"):
        function(jnp.zeros(2, bool))
    part = problems.reddi().parts[0]
    with pytest.raises(ValueError, match=r"point must have shape \(1,\), got \(\)"):
        part(1.0)


@pytest.mark.parametrize("slope", [3.0, 20.0])
def test_reddis_parts_are_those_of_the_sequence_and_have_the_function_as_their_mean(slope):
    problem = problems.reddi(slope)
    values = [[float(part(jnp.array([x]))) for part in problem.parts] for x in (-1.0, 0.5)]
    np.testing.assert_allclose(values, [[-slope, 1, 1], [slope / 2, -0.5, -0.5]], rtol=1e-6)
    np.testing.assert_allclose(problem.function(jnp.array([0.5])), np.mean(values[1]), rtol=1e-6)
    assert problem.critical_points == ()
    np.testing.assert_allclose(problem.lowest, np.mean(values[0]), rtol=1e-12)
