"""When a run counts as diverged, and what is kept of its metrics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax.sweeps._history import History, from_host, to_host
from ch5jax.sweeps._plan import Schedule
from ch5jax.training import Probes

pytestmark = pytest.mark.smoke

INF, NAN = np.inf, np.nan


def trained(losses, segment, record_every=1, evaluation=None, finite=True):
    """What is kept of trials with such losses, shape (trials, steps), taken in by segments of some length."""
    (trials, steps), evaluation = losses.shape, evaluation or {}
    schedule = Schedule(steps, record_every, steps, Probes(0, steps), trials)
    history = History.empty(trials, {"loss": losses}, evaluation, None)
    for begin in range(0, steps, segment):
        end = min(begin + segment, steps)
        history = history.after_steps({"loss": losses[:, begin:end]}, schedule.recorded(begin, end), begin, None)
    return history.after_evaluation(evaluation, np.full(trials, finite)).done(steps)


def diverged_at(losses, segment, finite=True):
    """The verdict on one trial's losses."""
    chunk = trained(np.array([losses], np.float32), segment, 1, {"validation_loss": np.zeros(1)}, finite)
    return int(chunk.diverged_at[0])


@pytest.mark.parametrize("segment", [1, 2, 3, 7])
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
def test_the_step_at_which_a_loss_left_for_good(losses, step, segment):
    assert diverged_at(losses, segment) == step


def test_parameters_that_the_last_step_ruined_count():
    assert diverged_at([2, 1, 1], 3, finite=False) == 2


@pytest.mark.parametrize(("steps", "record_every"), [(10, 1), (10, 3), (10, 10), (7, 20)])
def test_records_come_at_every_so_many_steps_and_at_the_last(steps, record_every):
    kept = trained(np.arange(steps)[None].repeat(2, 0).astype(float), 4, record_every).metrics["loss"]
    expected = sorted({*range(record_every, steps + 1, record_every), steps})
    assert (kept[0] + 1).tolist() == expected
    assert (kept[:, -1] == steps - 1).all()


def test_a_state_of_keys_and_half_precision_goes_to_the_host_and_back():
    state = {"key": jax.random.split(jax.random.key(3), 2), "half": jnp.ones(2, jnp.bfloat16), "n": jnp.arange(2)}
    arrays = to_host(state)
    assert all(array.dtype.isbuiltin for array in arrays)
    again = from_host(arrays, state)
    assert (jax.random.key_data(again["key"]) == jax.random.key_data(state["key"])).all()
    assert again["half"].dtype == jnp.bfloat16
    assert (again["half"] == 1).all()
    assert (again["n"] == state["n"]).all()
