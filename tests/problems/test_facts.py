"""Every stated fact of every problem, against JAX's derivatives in float64."""

import itertools

import numpy as np
import pytest

from ch5jax import problems
from ch5jax.problems import CriticalPoint
from tests.problems.registry import FACTORIES, in_the_box, look, look_at_critical_points

pytestmark = pytest.mark.usefixtures("compiled_quickly")

with_points = pytest.mark.parametrize("name", [name for name in FACTORIES if not name.startswith("reddi")])


@with_points
def test_the_gradient_is_zero_at_every_critical_point(name):
    problem, there, _, scale = look_at_critical_points(name)
    for critical, gradient in zip(problem.critical_points, there.gradients, strict=True):
        assert np.abs(gradient).max() <= 1e-12 * scale, critical


@with_points
def test_the_value_is_the_functions(name):
    problem, there, *_ = look_at_critical_points(name)
    stated = [critical.value for critical in problem.critical_points]
    np.testing.assert_allclose(stated, there.values, rtol=1e-12, atol=1e-12)


@with_points
def test_the_eigenvalues_are_the_hessians(name):
    problem, _, spectra, scale = look_at_critical_points(name)
    stated = np.array([critical.eigenvalues for critical in problem.critical_points])
    np.testing.assert_array_equal(stated, np.sort(stated, axis=1))
    np.testing.assert_allclose(stated, spectra, rtol=1e-8, atol=1e-8 * scale)


@with_points
def test_the_kind_is_what_the_hessian_says(name):
    problem, _, spectra, scale = look_at_critical_points(name)
    for critical, spectrum in zip(problem.critical_points, spectra, strict=True):
        below, above = spectrum < -1e-8 * scale, spectrum > 1e-8 * scale
        if below.any() and above.any():
            kind = "saddle"
        elif (below | above).all():
            kind = "maximum" if below.all() else "minimum"
        else:
            kind = "degenerate"
        assert critical.kind == kind


@pytest.mark.parametrize("name", FACTORIES)
def test_facts_are_plain_arrays_of_one_shape_inside_the_box(name):
    problem = FACTORIES[name]()
    lower, upper = problem.bounds
    assert problem.bounds.dtype == problem.start.dtype == np.float64
    assert problem.bounds.shape == (2, *problem.start.shape)
    assert problem.name == name.split(",")[0]
    assert (lower < upper).all()
    assert ((lower <= problem.start) & (problem.start <= upper)).all()
    for critical in problem.critical_points:
        assert isinstance(critical, CriticalPoint)
        assert isinstance(critical.value, float)
        assert critical.point.shape == critical.eigenvalues.shape == problem.start.shape
        assert critical.point.dtype == critical.eigenvalues.dtype == np.float64
        assert ((lower <= critical.point) & (critical.point <= upper)).all()
    for a, b in itertools.combinations(problem.critical_points, 2):
        assert np.abs(a.point - b.point).max() > 1e-3


@pytest.mark.parametrize("name", FACTORIES)
def test_nothing_in_the_box_is_lower_than_the_lowest(name):
    problem, seen = look(name)
    points = in_the_box(problem, 3000)
    if len(problem.start) <= 2:  # a grid with the corners in it
        sides = [np.linspace(low, high, 101) for low, high in problem.bounds.T]
        points = np.concatenate([points, np.stack(np.meshgrid(*sides), -1).reshape(-1, len(sides))])
    values = seen(points).values
    if problem.lowest is None:
        assert values.min() < 0  # only what falls without end has no lowest value
        return
    assert values.min() >= problem.lowest - 1e-12
    attained = min([values.min(), *(critical.value for critical in problem.critical_points)])
    np.testing.assert_allclose(attained, problem.lowest, rtol=1e-12, atol=1e-12)
    minima = [critical.value for critical in problem.critical_points if critical.kind == "minimum"]
    if minima:
        assert min(minima) == problem.lowest


COMPLETE = ("beale", "himmelblau", "branin", "styblinski_tang", "rosenbrock", "rosenbrock, 3", "rosenbrock, 4")


@pytest.mark.parametrize("name", COMPLETE)
def test_newtons_method_finds_all_critical_points_and_no_other(name):
    """From everywhere in the box, with steps that are cut to a tenth of it."""
    problem, seen = look(name)
    lower, upper = problem.bounds
    points = in_the_box(problem, 1000)
    for _ in range(100):
        _, gradients, hessians = seen(points)
        moves = np.linalg.solve(hessians, gradients[..., None])[..., 0]
        longest = np.abs(moves / (upper - lower)).max(1, keepdims=True)
        points = np.clip(points - moves * np.minimum(1, 0.1 / np.maximum(longest, 1e-9)), 2 * lower, 2 * upper)
    settled = np.abs(seen(points).gradients).max(1) < 1e-8
    settled &= ((points >= lower) & (points <= upper)).all(1)
    known = np.array([critical.point for critical in problem.critical_points])
    distances = np.abs(points[settled][:, None] - known).max(2)
    assert settled.sum() > 300
    assert distances.min(1).max() < 1e-6
    assert distances.min(0).max() < 1e-6


def test_all_holds_every_factory_by_name():
    factories = {
        name
        for name, value in vars(problems).items()
        if callable(value) and not isinstance(value, type) and name != "nearest"
    }
    assert set(problems.ALL) == factories
    for name, factory in problems.ALL.items():
        assert factory is getattr(problems, name)
        assert factory().name == name
    with pytest.raises(TypeError):
        problems.ALL["other"] = problems.beale
