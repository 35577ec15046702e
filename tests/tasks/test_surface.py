"""Descending test functions: the steps against NumPy's, the noise, the parts of a sequence, what is swept."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax import _keys, problems
from ch5jax.tasks import surface
from tests.references import problems as references

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(7)
train = functools.partial(ch5jax.train, signals_every=0)


def rosenbrock_slope(x):
    """By hand, for two dimensions."""
    rise = x[1] - x[0] ** 2
    return np.array([-400 * x[0] * rise - 2 * (1 - x[0]), 200 * rise])


def test_steps_equal_numpys(x64):
    """Momentum with noise from a start that is drawn: every number that a training reports."""
    task = surface(problems.rosenbrock(), start=(-0.5, 0.5))
    setting = {"optimizer": ch5jax.momentum(1e-3, 0.9), "noise": 0.3, "start_spread": 0.2}
    run = train(task, setting, KEY, 5)
    last = run.last()

    x = np.array([-0.5, 0.5]) + 0.2 * np.asarray(jax.random.normal(jax.random.fold_in(KEY, _keys.INIT), (2,)))
    velocity, losses, norms = np.zeros(2), [], []
    for t in range(5):
        key_noise, _ = jax.random.split(jax.random.fold_in(KEY, t))
        noise = 0.3 * np.asarray(jax.random.normal(key_noise, (2,)))
        slope = rosenbrock_slope(x) + noise
        losses.append(references.rosenbrock(x) + noise @ x)
        norms.append(np.sqrt(slope @ slope))
        velocity = 0.9 * velocity - 1e-3 * slope
        x = x + velocity
    assert set(run.metrics) == {"loss", "gradient_norm"}
    assert set(run.evaluations) == {"validation_loss", "distance_to_minimum"}
    np.testing.assert_allclose(run.metrics["loss"], losses, rtol=1e-12)
    np.testing.assert_allclose(run.metrics["gradient_norm"], norms, rtol=1e-12)
    np.testing.assert_allclose(task.params(run.state), x, rtol=1e-12)
    np.testing.assert_allclose(last["validation_loss"], references.rosenbrock(x), rtol=1e-12)
    np.testing.assert_allclose(last["distance_to_minimum"], np.linalg.norm(x - 1), rtol=1e-12)
    assert (task.objective, task.maximize) == ("validation_loss", False)


def test_descent_from_a_saddle_takes_the_course_that_is_known():
    """Along x by a factor of 1 − 2α a step, along y by 1 + 2α; a saddle has no minimum to be near to."""
    run = train(surface(problems.saddle()), ch5jax.sgd(0.1), KEY, 40)
    steps = np.arange(40)
    x, y = 0.8**steps, 1e-3 * 1.2**steps
    np.testing.assert_allclose(run.metrics["loss"], x**2 - y**2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(run.metrics["gradient_norm"], 2 * np.hypot(x, y), rtol=1e-4)
    assert set(run.evaluations) == {"validation_loss"}


def test_the_distance_is_that_to_a_minimum_however_near_a_saddle_is():
    task = surface(problems.beale(), start=(0.0, 1.0), noise=1.0)
    opt = ch5jax.sgd(0.1)
    metrics = task.evaluate(opt, task.init(KEY, opt))
    np.testing.assert_allclose(metrics["distance_to_minimum"], np.hypot(3, 0.5), rtol=1e-6)
    np.testing.assert_allclose(metrics["validation_loss"], references.beale([0.0, 1.0]), rtol=1e-6)


def test_noise_has_the_deviation_asked_for_and_no_mean():
    task = surface(problems.quadratic(4.0, 3), noise=0.5)
    keys = jax.random.split(KEY, 20000)
    point = jnp.array([1.0, -1.0, 0.5])
    slopes = jax.jit(jax.vmap(jax.grad(task.loss, argnums=3), in_axes=(0, None, None, None)))(
        keys, ch5jax.sgd(0.1), None, point
    )
    np.testing.assert_allclose(slopes.mean(0), [1, -2, 2], atol=0.015)
    np.testing.assert_allclose(np.cov(slopes.T), 0.25 * np.eye(3), atol=0.01)


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_the_loss_is_that_of_the_step_with_the_same_key(noise):
    task, opt, point = surface(problems.beale(), noise=noise), ch5jax.sgd(1.0), jnp.array([0.5, -0.5])

    @jax.jit
    def both(key):
        state = task.init(key, opt)._replace(params=point)
        after, metrics = task.step(key, jnp.int32(3), opt, state)
        return after.params, metrics, jax.value_and_grad(task.loss, argnums=3)(key, opt, None, point)

    moved, metrics, (value, slope) = both(KEY)
    np.testing.assert_allclose(value, metrics["loss"], rtol=1e-6)
    np.testing.assert_allclose(slope, point - moved, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(slope), metrics["gradient_norm"], rtol=1e-6)
    assert (abs(value - references.beale([0.5, -0.5])) > 0.1) == (noise > 0)


def test_optimizer_noise_and_start_are_swept_together():
    task = surface(problems.himmelblau())
    settings = {
        "optimizer": ch5jax.grid(ch5jax.sgd, learning_rate=[0.01, 0.02, 0.005]),
        "noise": jnp.array([0.0, 1.0, 2.0]),
        "start": jnp.array([[0.0, 0.0], [1.0, 2.0], [-3.0, 0.5]]),
        "start_spread": jnp.array([0.0, 0.0, 0.5]),
    }
    three_steps = jax.jit(lambda h: train(task, h, KEY, 3))
    many = jax.vmap(three_steps)(settings)
    for i, opt in enumerate(ch5jax.unstack(settings["optimizer"])):
        one = three_steps(
            {**{name: leaf[i] for name, leaf in settings.items() if name != "optimizer"}, "optimizer": opt}
        )
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, i=i: leaf[i], many), one, rtol=1e-5)
    first = [references.himmelblau(x) for x in ([0.0, 0.0], [1.0, 2.0])]
    np.testing.assert_allclose(many.metrics["loss"][0, 0], first[0], rtol=1e-6)
    assert abs(many.metrics["loss"][1, 0] - first[1]) > 0.1
    # noise that is known to be 0 is not drawn, and changes nothing
    quiet = train(task, ch5jax.sgd(0.01), KEY, 3)
    for kind in ("metrics", "evaluations"):
        chex.assert_trees_all_equal(jax.tree.map(lambda leaf: leaf[0], getattr(many, kind)), getattr(quiet, kind))


def test_settings_of_the_task_are_the_defaults_of_its_hyperparameters():
    task = surface(problems.beale(), start=np.array([2, 1]), start_spread=jnp.float32(0.5))
    opt = ch5jax.sgd(0.1)
    drawn = jax.random.normal(KEY, (2,))
    for hyperparameters, expected in (
        (opt, np.array([2, 1]) + 0.5 * drawn),
        ({"optimizer": opt}, np.array([2, 1]) + 0.5 * drawn),
        ({"optimizer": opt, "start_spread": 0.0}, np.array([2, 1])),
        ({"optimizer": opt, "start": [0.5, 0.5], "start_spread": 2.0}, 0.5 + 2 * drawn),
    ):
        np.testing.assert_allclose(task.init(KEY, hyperparameters).params, expected, rtol=1e-6)
    np.testing.assert_array_equal(surface(problems.beale()).init(KEY, opt).params, [1, 1])


def test_a_state_may_be_donated_and_leaves_the_start_alone():
    task, setting = surface(problems.beale()), {"optimizer": ch5jax.sgd(0.01), "start": jnp.array([2.0, 1.0])}
    for _ in range(2):
        train(task, setting, KEY, 3, state=task.init(KEY, setting))
    np.testing.assert_array_equal(setting["start"], [2, 1])


def test_a_sequence_goes_through_its_parts_in_order_and_stays_in_the_box():
    problem = problems.reddi()
    inside, outside = surface(problem, project=True), surface(problem)
    run = train(inside, ch5jax.sgd(0.25), KEY, 9)
    x, losses = 0.0, []
    for t in range(9):
        slope = 3.0 if t % 3 == 0 else -1.0
        losses.append(slope * x)
        x = min(max(x - 0.25 * slope, -1.0), 1.0)
    np.testing.assert_allclose(run.metrics["loss"], losses, atol=1e-6)
    np.testing.assert_array_equal(run.metrics["gradient_norm"], [3, 1, 1] * 3)
    np.testing.assert_allclose(run.evaluations["validation_loss"], [x / 3], atol=1e-6)
    state = train(outside, ch5jax.sgd(0.25), KEY, 30).state
    np.testing.assert_allclose(state.params, [-2.5], rtol=1e-6)


def test_on_reddis_sequence_descent_goes_to_the_best_point_and_adam_to_the_worst():
    """With the rate that falls as 1/√t of the theorem, which is no accident of a constant one."""
    task = surface(problems.reddi(), project=True)
    adam = ch5jax.adam(lambda count: 0.5 / jnp.sqrt(count + 1.0), b1=0.0, b2=1 / (1 + 3.0**2), bias_correction=False)
    ends = [train(task, opt, KEY, 3000, record_every=3000).state.params for opt in (ch5jax.sgd(0.01), adam)]
    assert ends[0] < -0.95
    assert ends[1] > 0.95


def test_the_loss_of_a_sequence_is_that_of_a_random_part():
    task = surface(problems.reddi())
    keys = jax.random.split(KEY, 3000)
    values = jax.jit(jax.vmap(task.loss, in_axes=(0, None, None, None)))(keys, ch5jax.sgd(0.1), None, jnp.array([2.0]))
    share = np.mean(np.asarray(values) == 6)
    np.testing.assert_array_equal(np.unique(values), [-2, 6])
    assert abs(share - 1 / 3) < 0.03


def test_the_optimizer_is_told_the_loss():
    def update(updates, state, params=None, *, value, **_):
        return jax.tree.map(jnp.zeros_like, updates), value

    recorder = optax.GradientTransformationExtraArgs(lambda params: jnp.zeros(()), update)
    task = surface(problems.beale(), noise=1.0)
    state = task.init(KEY, recorder)
    state, metrics = task.step(KEY, jnp.int32(0), recorder, state)
    assert state.opt_state == metrics["loss"]


def test_hypergradients_are_finite_at_a_minimum_where_the_gradient_is_zero():
    task = surface(problems.beale(), start=(3.0, 0.5))

    def final(opt, noise):
        run = train(task, {"optimizer": opt, "noise": noise}, KEY, 2)
        last = run.last()
        return last["validation_loss"] + run.metrics["gradient_norm"][0] + last["distance_to_minimum"]

    slope = jax.grad(final, argnums=(0, 1))(ch5jax.sgd(0.01), 0.0)
    chex.assert_tree_all_finite(slope)


def test_descends_where_jax_refuses_all_promotion(x64):
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        for problem in (problems.rosenbrock(4), problems.reddi(), problems.quadratic(rotation_key=KEY)):
            task = surface(problem, noise=np.float32(0.1), start_spread=1, project=True)
            swept = {"optimizer": ch5jax.adam(0.01), "noise": jnp.float32(0.5)}
            for setting in (ch5jax.sgd(0.1), swept):
                run = jax.eval_shape(lambda h, task=task: train(task, h, KEY, 4), setting)
                assert run.metrics["loss"].dtype == run.metrics["gradient_norm"].dtype == jnp.float64
                assert run.state.params.dtype == run.evaluations["validation_loss"].dtype == jnp.float64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise": -1.0}, r"noise must be ≥ 0, got -1\.0"),
        ({"noise": "a"}, "noise must be a number, ≥ 0, got 'a'"),
        ({"noise": np.ones(2)}, r"noise must be a scalar, got shape \(2,\)"),
        ({"start_spread": -0.5}, r"start_spread must be ≥ 0, got -0\.5"),
        ({"start": (1.0, 2.0, 3.0)}, r"start must have shape \(2,\), as beale's has, got \(3,\)"),
        ({"start": (1j, 2.0)}, "start must be real numbers, got dtype complex64"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        surface(problems.beale(), **settings)
    with pytest.raises(ValueError, match=message):
        surface(problems.beale()).init(KEY, {"optimizer": ch5jax.sgd(0.1), **settings})


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        (0.1, "must be an optimizer, or a dict with optimizer, noise, start and start_spread, got 0.1"),
        ({"optimizer": 0.1}, "must be an optimizer, or a dict"),
        ({"noise": 0.1}, "must hold an optimizer, got only noise"),
        ({}, "must hold an optimizer, got only nothing"),
        ({"optimizer": ch5jax.sgd(0.1), "sd": 1.0}, "hold optimizer, noise, start and start_spread, got sd"),
    ],
)
def test_hyperparameters_without_an_optimizer_are_refused(hyperparameters, message):
    with pytest.raises(ValueError, match=message):
        surface(problems.beale()).init(KEY, hyperparameters)


def test_descent_is_thrown_off_the_cliff():
    """It comes to the wall, where the gradient is a hundred times what it was, and ends worse than it began."""
    opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.03, 0.1])
    task = surface(problems.rnn_cliff())
    run = jax.vmap(lambda opt: train(task, opt, KEY, 300))(opts)
    norms = run.metrics["gradient_norm"]
    assert (norms.max(axis=1) > 100 * norms[:, 0]).all()
    assert (run.evaluations["validation_loss"][:, -1] > 1.5 * run.metrics["loss"][:, 0]).all()


def test_a_deep_linear_network_learns_one_target_after_the_other():
    problem = problems.deep_linear(3, (2.0, 0.5))
    metrics = train(surface(problem), ch5jax.sgd(0.05), KEY, 400, record_every=50).metrics
    plateau = problem.critical_points[1].value
    np.testing.assert_allclose(metrics["loss"][2:5], plateau, rtol=0.1)
    assert metrics["gradient_norm"][2:5].max() < 0.1 * metrics["gradient_norm"][1]
    assert metrics["loss"][-1] < 0.01 * plateau


def test_a_problem_of_ones_own_needs_no_more_than_its_five_fields():
    def bowl(x):
        return jnp.sum((x - 3.0) ** 2)

    bottom = problems.CriticalPoint([3.0, 3.0, 3.0], 0.0, "minimum", [2.0, 2.0, 2.0])
    own = problems.Problem("bowl", bowl, [0.0, 0.0, 0.0], [[-1.0] * 3, [1.0] * 3], (bottom,))
    task = surface(own, project=True)
    state = task.init(KEY, ch5jax.sgd(0.25))
    state, metrics = task.step(KEY, jnp.int32(0), ch5jax.sgd(0.25), state)
    np.testing.assert_array_equal(state.params, [1, 1, 1])
    assert metrics["loss"] == 27
    np.testing.assert_allclose(task.evaluate(None, state)["distance_to_minimum"], np.sqrt(12), rtol=1e-6)


def test_a_factory_is_no_problem():
    with pytest.raises(
        ValueError, match=r"problem must be a Problem, such as ch5jax.problems.beale\(\), got <function"
    ):
        surface(problems.beale)
