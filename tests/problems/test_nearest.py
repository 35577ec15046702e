"""The critical point that is nearest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax import problems
from tests.problems.registry import in_the_box


@pytest.mark.parametrize("kind", [None, "minimum", "saddle", "maximum"])
def test_the_nearest_is_the_one_of_least_distance_of_its_kind(kind):
    problem = problems.himmelblau()
    points = in_the_box(problem, 50)
    index, distance = jax.vmap(lambda x: problems.nearest(problem, x, kind))(points)
    places = [i for i, critical in enumerate(problem.critical_points) if kind in (None, critical.kind)]
    for point, i, d in zip(points, index, distance, strict=True):
        distances = {p: np.linalg.norm(problem.critical_points[p].point - point) for p in places}
        assert int(i) == min(distances, key=distances.get)
        np.testing.assert_allclose(d, distances[int(i)], rtol=1e-5)


def test_of_two_that_are_equally_near_it_is_the_first():
    problem = problems.quadratic()._replace(
        critical_points=tuple(
            problems.saddle().critical_points[0]._replace(point=np.array(p)) for p in ([1, 0], [-1, 0])
        )
    )
    assert int(problems.nearest(problem, [0.0, 0.5]).index) == 0


def test_the_slope_is_the_direction_away_from_it_and_zero_there():
    problem = problems.beale()
    slope = jax.grad(lambda x: problems.nearest(problem, x).distance)
    np.testing.assert_allclose(slope(jnp.array([3.3, 0.9])), [0.6, 0.8], rtol=1e-5)
    np.testing.assert_array_equal(slope(jnp.array([3.0, 0.5])), [0, 0])
    assert float(problems.nearest(problem, [3, 0]).distance) == 0.5


def test_dtypes_are_the_points_and_nothing_is_promoted(x64):
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        for dtype in (jnp.bfloat16, jnp.float32, jnp.float64):
            found = jax.eval_shape(lambda x: problems.nearest(problems.beale(), x), jax.ShapeDtypeStruct((2,), dtype))
            assert (found.index.dtype, found.distance.dtype) == (jnp.int32, dtype)


def test_what_cannot_be_looked_for_is_refused():
    with pytest.raises(ValueError, match="saddle has no known critical point of kind 'minimum'"):
        problems.nearest(problems.saddle(), [0.0, 0.0], kind="minimum")
    with pytest.raises(ValueError, match=r"reddi has no known critical point$"):
        problems.nearest(problems.reddi(), [0.0])
    with pytest.raises(ValueError, match="kind must be one of minimum, maximum, saddle, degenerate, got 'valley'"):
        problems.nearest(problems.beale(), [0.0, 0.0], kind="valley")
    with pytest.raises(ValueError, match=r"point must have shape \(2,\), got \(3,\)"):
        problems.nearest(problems.beale(), jnp.zeros(3))
