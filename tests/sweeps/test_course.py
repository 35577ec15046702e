"""When a run counts as diverged, and what is kept of its metrics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax.sweeps._course import Course, from_host, to_host

pytestmark = pytest.mark.smoke

INF, NAN = np.inf, np.nan


def diverged_at(losses, stretch, finite=True):
    """The verdict on one trial's losses, taken in by stretches of some length."""
    losses = np.array([losses], np.float32)
    steps = losses.shape[1]
    course = Course(steps, 1)
    for start in range(0, steps, stretch):
        stop = min(start + stretch, steps)
        course.add_metrics({"loss": losses[:, start:stop]}, start, stop)
    course.add_evaluation({"validation_loss": np.zeros(1)}, np.array([finite]))
    return int(course.finished()["diverged_at"][0])


@pytest.mark.parametrize("stretch", [1, 2, 3, 7])
@pytest.mark.parametrize(
    ("losses", "step"),
    [
        ([2, 1, 1, 1, 1, 1, 1], -1),
        ([2, 1, NAN, NAN, NAN, NAN, NAN], 2),
        ([NAN, NAN, NAN, NAN, NAN, NAN, NAN], 0),
        ([2, 1, INF, 1, 1, 1, 1], -1),  # one bad batch, recovered from
        ([2, INF, 1, 1, 1, INF, NAN], 5),
        ([2, 1, 1, 1, 1, 1, -INF], 6),
        ([2, 1.9e6, 1, 1, 1.9e6, 1, 1.9e6], -1),  # under a million times the first
        ([2, 1, 2.1e6, 1, 1, 2.1e6, 3e6], 5),
        ([1e-9, 1, 0.9e6, 1, 1, 1, 0.9e6], -1),  # a small first loss makes nothing strict
        ([1e9, 1, 1e12, 1, 1, 1, 1e14], -1),
        ([1e9, 1, 1e12, 1, 1, 1, 1e16], 6),
    ],
)
def test_the_step_at_which_a_loss_left_for_good(losses, step, stretch):
    assert diverged_at(losses, stretch) == step


def test_parameters_that_the_last_step_ruined_count():
    assert diverged_at([2, 1, 1], 3, finite=False) == 2


@pytest.mark.parametrize(("steps", "every"), [(10, 1), (10, 3), (10, 10), (7, 20)])
def test_records_come_at_every_so_many_steps_and_at_the_last(steps, every):
    course = Course(steps, every)
    values = np.arange(steps)[None].repeat(2, 0).astype(float)
    for start in range(0, steps, 4):
        stop = min(start + 4, steps)
        course.add_metrics({"loss": values[:, start:stop]}, start, stop)
    course.add_evaluation({}, np.ones(2, bool))
    kept = course.finished()
    expected = sorted({*range(every, steps + 1, every), steps})
    assert (kept["metrics/loss"][0] + 1).tolist() == expected
    assert (kept["last/loss"] == steps - 1).all()


def test_a_state_of_keys_and_half_precision_goes_to_the_host_and_back():
    state = {"key": jax.random.split(jax.random.key(3), 2), "half": jnp.ones(2, jnp.bfloat16), "n": jnp.arange(2)}
    arrays = to_host(state)
    assert all(array.dtype.isbuiltin for array in arrays)
    again = from_host(arrays, state)
    assert (jax.random.key_data(again["key"]) == jax.random.key_data(state["key"])).all()
    assert again["half"].dtype == jnp.bfloat16
    assert (again["half"] == 1).all()
    assert (again["n"] == state["n"]).all()
