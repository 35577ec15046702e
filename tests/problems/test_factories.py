"""What the factories' arguments do, and what their docstrings claim beyond the facts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax import problems
from tests.problems.registry import look_at_critical_points
from tests.references.problems import deep_spectrum


def only(problem):
    (critical,) = problem.critical_points
    return critical


def kinds(problem):
    return [critical.kind for critical in problem.critical_points]


def test_a_quadratics_eigenvalues_are_spread_evenly_on_a_log_scale():
    spectrum = only(problems.quadratic(1e4, 5)).eigenvalues
    np.testing.assert_allclose(spectrum, [1, 10, 100, 1e3, 1e4], rtol=1e-13)
    np.testing.assert_allclose(only(problems.quadratic()).eigenvalues, [1, 100], rtol=1e-13)
    np.testing.assert_array_equal(only(problems.quadratic(1, 3)).eigenvalues, [1, 1, 1])


def test_a_turned_quadratic_is_the_same_one_along_other_axes(x64):
    keys = [jax.random.key(0), jax.random.key(1)]
    plain, one, other = (problems.quadratic(50.0, 4, rotation_key=key) for key in (None, *keys))
    hessians = [np.asarray(jax.jit(jax.vmap(jax.grad(p.function)))(np.eye(4))) for p in (plain, one, other)]
    np.testing.assert_allclose(hessians[0], np.diag(np.geomspace(1, 50, 4)), rtol=1e-12)
    assert np.abs(hessians[1] - np.diag(np.diag(hessians[1]))).max() > 1
    assert np.abs(hessians[1] - hessians[2]).max() > 1
    for problem, hessian in zip((plain, one, other), hessians, strict=True):
        x = np.array([0.3, -1.0, 0.5, 2.0])
        np.testing.assert_allclose(problem.function(x), x @ hessian @ x / 2, rtol=1e-12)
        # the start has an equal share in every direction of curvature, so that the course is the same
        np.testing.assert_allclose(np.linalg.norm(problem.start), 1, rtol=1e-12)
        _, axes = np.linalg.eigh(hessian)
        np.testing.assert_allclose(np.abs(problem.start @ axes), 0.5, rtol=1e-9)
    again = problems.quadratic(50.0, 4, rotation_key=keys[0])
    np.testing.assert_array_equal(again.start, one.start)


def test_given_eigenvalues_replace_the_condition():
    problem = problems.quadratic(eigenvalues=np.array([3, -1, 0]))
    assert (only(problem).kind, only(problem).eigenvalues.tolist()) == ("saddle", [-1, 0, 3])
    assert problem.lowest is None
    assert problems.quadratic(eigenvalues=(2.0,)).lowest == 0
    assert kinds(problems.quadratic(eigenvalues=[0.0, 1.0])) == ["degenerate"]
    assert kinds(problems.quadratic(eigenvalues=[-2.0, -1.0])) == ["maximum"]


@pytest.mark.parametrize("condition", [25.0, 400.0])
def test_the_best_rates_of_the_docstring_are_those_of_the_quadratic(condition):
    """Descent, and descent with momentum, as matrices: the size of the largest eigenvalue is the share that is left."""
    curvatures = only(problems.quadratic(condition, 30)).eigenvalues
    descent = np.abs(1 - 2 / (condition + 1) * curvatures).max()
    np.testing.assert_allclose(descent, (condition - 1) / (condition + 1), rtol=1e-12)
    root = np.sqrt(condition)
    rate, decay = 4 / (root + 1) ** 2, ((root - 1) / (root + 1)) ** 2
    worst = max(
        np.abs(np.linalg.eigvals([[decay, -rate * h], [decay, 1 - rate * h]])).max() for h in curvatures.tolist()
    )
    np.testing.assert_allclose(worst, (root - 1) / (root + 1), rtol=1e-6)


def test_saddles_are_as_steep_as_asked_for():
    np.testing.assert_array_equal(only(problems.saddle(3)).eigenvalues, [-2, 6])
    np.testing.assert_array_equal(only(problems.saddle(0.25)).eigenvalues, [-2, 0.5])
    np.testing.assert_array_equal(only(problems.steep_saddle()).eigenvalues, [-2, 10])


def test_rosenbrocks_function_has_a_second_minimum_from_four_dimensions_on():
    assert kinds(problems.rosenbrock(2)) == kinds(problems.rosenbrock(3)) == ["minimum"]
    for dimensions in (4, 5, 6, 7, 12, 40):
        problem = problems.rosenbrock(dimensions)
        best, local, saddle = problem.critical_points
        assert kinds(problem) == ["minimum", "minimum", "saddle"]
        np.testing.assert_array_equal(best.point, np.ones(dimensions))
        assert local.point[0] < -0.7
        assert 3.70 < local.value < 3.99
        assert (saddle.eigenvalues < 0).sum() == 1
        np.testing.assert_array_equal(problem.start, [-1.2, 1.0] * (dimensions // 2) + [-1.2] * (dimensions % 2))
    condition = np.divide(*only(problems.rosenbrock()).eigenvalues[::-1])
    np.testing.assert_allclose(condition, 2508, rtol=1e-3)


def test_beales_points_are_all_roots_of_what_remains_without_x():
    """By hand: 2y − 1, y − 1, 7y² + 13y + 17 without a real root, and a cubic with one."""
    assert 13**2 - 4 * 7 * 17 < 0
    cubic = np.roots([3, 11, 10, 5])
    (real,) = cubic[np.abs(cubic.imag) < 1e-9].real
    stated = sorted(critical.point[1] for critical in problems.beale().critical_points)
    np.testing.assert_allclose(stated, [real, 0.5, 1], rtol=1e-12)


def test_beales_valley_without_end_falls_to_what_the_docstring_says(x64):
    function = problems.beale().function
    x = -np.array([3.0, 10.0, 1e2, 1e4, 1e6])
    share = (1.5 + 2 * 2.25 + 3 * 2.625) / 14  # y = 1 − s/x: the three residuals go to c_i − i s
    values = np.asarray(jax.vmap(lambda x: function(jnp.stack([x, 1 - share / x])))(x))
    assert (np.diff(values) < 0).all()
    np.testing.assert_allclose(values[-1], 0.4521, atol=1e-4)


def test_himmelblaus_points_are_as_described():
    points = problems.himmelblau().critical_points
    assert kinds(problems.himmelblau()) == ["minimum"] * 4 + ["saddle"] * 4 + ["maximum"]
    assert [round(point.value) for point in points] == [0, 0, 0, 0, 13, 68, 104, 178, 182]
    assert all((point.eigenvalues < 0).sum() == 1 for point in points[4:8])


def test_branins_points_alternate():
    points = problems.branin().critical_points
    assert kinds(problems.branin()) == ["minimum", "saddle"] * 2 + ["minimum"]
    expected = [[-np.pi, 12.275], [0, 6], [np.pi, 2.275], [2 * np.pi, 1.1], [3 * np.pi, 2.475]]
    np.testing.assert_allclose([point.point for point in points], expected, atol=1e-12)
    np.testing.assert_allclose([point.value for point in points[:2]], [0.397887, 19.602113], atol=1e-6)


def test_styblinski_and_tangs_points_are_products_of_one_coordinates():
    """Below 5 dimensions all of them; beyond, the extremes and the lowest saddle."""
    low, top, high = np.sort(np.roots([2, 0, -16, 2.5]))
    for dimensions in (1, 2, 3, 4):
        points = problems.styblinski_tang(dimensions).critical_points
        counts = {kind: sum(point.kind == kind for point in points) for kind in ("minimum", "maximum", "saddle")}
        assert counts == {"minimum": 2**dimensions, "maximum": 1, "saddle": 3**dimensions - 2**dimensions - 1}
        assert np.diff([point.value for point in points]).min() >= 0
    for dimensions in (5, 30):
        points = problems.styblinski_tang(dimensions).critical_points
        assert [point.kind for point in points] == ["minimum", "saddle", "minimum", "maximum"]
        for point, (first, last) in zip(points, [(low, low), (low, top), (high, high), (top, top)], strict=True):
            np.testing.assert_allclose(point.point[[0, -1]], [first, last], rtol=1e-12)
        assert (points[1].eigenvalues < 0).sum() == 1
    best = problems.styblinski_tang(2).critical_points[0]
    np.testing.assert_allclose(best.point, -2.903534, rtol=1e-6)
    np.testing.assert_allclose(best.value, -78.33233, rtol=1e-6)
    np.testing.assert_array_equal(problems.styblinski_tang(3).start, [-1, 1, -1])


def test_where_a_deep_linear_network_has_learnt_nothing_is_a_saddle_only_for_two_layers():
    for targets in (0.7, (2.0, 0.5)):
        origin = problems.deep_linear(2, targets).critical_points[0]
        t = np.atleast_1d(targets)
        expected = np.sort(np.repeat([*t, *-t], len(t)))
        np.testing.assert_allclose(origin.eigenvalues, expected, rtol=1e-12)
        for depth in (3, 5):
            origin = problems.deep_linear(depth, targets).critical_points[0]
            assert origin.kind == "degenerate"
            np.testing.assert_array_equal(origin.eigenvalues, np.zeros(depth * len(t) ** 2))
            np.testing.assert_allclose(origin.value, np.sum(t**2) / 2, rtol=1e-12)


def test_saddles_of_a_deep_linear_network_show_only_if_the_larger_target_is_missing():
    assert kinds(problems.deep_linear(3, (2.0, 1.0))) == ["degenerate", "degenerate", "degenerate"]
    assert kinds(problems.deep_linear(3, (1.0, 2.0))) == ["degenerate", "saddle", "degenerate"]
    assert kinds(problems.deep_linear(2, (2.0, 1.0))) == ["saddle", "saddle", "degenerate"]
    assert problems.deep_linear(3, np.array([1.0, 2.0])).start.shape == (12,)
    assert np.abs(problems.deep_linear(2, (9.0, 1.0)).bounds).max() == 6


def test_the_cliffs_valley_is_narrow_in_the_wall_and_the_narrower_the_more_steps_there_are():
    curvature = {
        steps: [p.eigenvalues[-1] for p in problems.rnn_cliff(steps).critical_points] for steps in (1, 50, 100)
    }
    np.testing.assert_allclose(curvature[50], [0.131418, 1.0618e7], rtol=1e-4)
    assert curvature[1][1] < 1 < curvature[50][1] < 1e-5 * curvature[100][1]
    at_rest, in_the_wall = problems.rnn_cliff().critical_points
    np.testing.assert_allclose(at_rest.point, [0, np.log(7 / 3)], rtol=1e-15)
    np.testing.assert_allclose(in_the_wall.point, [5, 0.5 - 5 / (1 + np.exp(-0.5))], rtol=1e-4)


def test_the_deep_quadratic_is_deepobss():
    """Entries of Q as DeepOBS 1.1 computes them."""
    expected = {(0, 0): 6.221429443252536, (0, 1): 1.1270198982225974, (99, 98): 1.0229455930442186}
    problem = problems.quadratic_deep()
    hessian = look_at_critical_points("quadratic_deep")[1].hessians[0]
    for (row, column), value in expected.items():
        np.testing.assert_allclose(hessian[row, column], value, rtol=1e-12)
    eigenvalues = np.array(deep_spectrum()[0])
    np.testing.assert_allclose(only(problem).eigenvalues, np.sort(eigenvalues), rtol=1e-14)
    np.testing.assert_allclose(problem.lowest, 0.18 * eigenvalues.sum(), rtol=1e-12)
    np.testing.assert_allclose(problem.lowest, 85.970, atol=5e-4)
    np.testing.assert_array_equal(problem.start, np.ones(100))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: problems.quadratic(0.5), r"condition must be ≥ 1, got 0\.5"),
        (lambda: problems.quadratic(jnp.float32(0.5)), r"condition must be ≥ 1, got 0\.5"),
        (lambda: problems.quadratic(jnp.ones(2)), "condition must be one number, known when the problem is made"),
        (lambda: problems.quadratic("a"), "condition must be a number, ≥ 1, got 'a'"),
        (lambda: problems.quadratic(dimensions=1), "dimensions must be 2 at least, got 1"),
        (lambda: problems.quadratic(dimensions=2.0), r"dimensions must be a positive integer, got 2\.0"),
        (lambda: problems.quadratic(eigenvalues=[]), r"eigenvalues must be finite numbers of shape \(d,\), got \[\]"),
        (lambda: problems.quadratic(eigenvalues=[[1.0]]), "eigenvalues must be finite numbers"),
        (lambda: problems.quadratic(eigenvalues=[np.inf]), "eigenvalues must be finite numbers"),
        (lambda: problems.quadratic(eigenvalues=["1"]), "eigenvalues must be finite numbers"),
        (lambda: jax.jit(lambda k: problems.quadratic(k).start)(2.0), "condition must be one number, known when"),
        (
            lambda: jax.jit(lambda e: problems.quadratic(eigenvalues=e).start)(jnp.ones(2)),
            "eigenvalues must be known when the problem is made",
        ),
        (
            lambda: jax.jit(lambda k: problems.quadratic(rotation_key=k).start)(jax.random.key(0)),
            "rotation_key must be known when the problem is made",
        ),
        (lambda: problems.saddle(0), r"steepness must be > 0, got 0\.0"),
        (lambda: problems.saddle(np.nan), "steepness must be > 0, got nan"),
        (lambda: problems.rosenbrock(1), "dimensions must be 2 at least, got 1"),
        (lambda: problems.rosenbrock(True), "dimensions must be a positive integer, got True"),
        (lambda: problems.styblinski_tang(0), "dimensions must be a positive integer, got 0"),
        (lambda: problems.deep_linear(1), "depth must be 2 at least, got 1"),
        (lambda: problems.deep_linear("2"), "depth must be a positive integer, got '2'"),
        (lambda: problems.deep_linear(2, ()), "targets must be positive numbers, one at least, got none"),
        (lambda: problems.deep_linear(2, (1.0, -1.0)), r"targets must be > 0, got -1\.0"),
        (lambda: problems.deep_linear(2, 0.0), r"targets must be > 0, got 0\.0"),
        (lambda: problems.rnn_cliff(0), "steps must be a positive integer, got 0"),
        (lambda: problems.rnn_cliff(101), "steps must be 100 at most, got 101"),
        (lambda: problems.reddi(2.0), r"slope must be > 2, got 2\.0"),
    ],
)
def test_arguments_that_make_no_problem_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
