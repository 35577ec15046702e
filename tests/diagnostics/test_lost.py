"""Since when a loss is lost: one rule for the watch in a loop, the whole curve, and a sweep's host."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax.diagnostics import diverged_at, watch_init, watch_reset, watch_update
from ch5jax.sweeps._history import History

pytestmark = pytest.mark.usefixtures("compiled_quickly")

INF, NAN = np.inf, np.nan
CASES = [
    ([INF, INF, INF], 0),
    ([NAN, 1, 1], -1),
    ([NAN, NAN, 1], -1),
    ([NAN, 1e9, 1e12], -1),  # the first finite loss is what the others are measured against
    ([INF, 2, 3e6], 2),
    ([1, NAN, 1], -1),
    ([1, 2, -INF], 2),
    ([1, 1e7, NAN, 1e7], 1),
    ([1], -1),
    ([NAN], 0),
]


def streamed(losses):
    """By the watch, one after the other."""

    def step(watch, loss):
        watch = watch_update(watch, loss, None)
        return watch, watch.lost_since

    return jax.jit(lambda losses: jax.lax.scan(step, watch_init(), losses)[1])(losses)


def on_the_host(losses, segment):
    """By a sweep's record, segment by segment."""
    trials, steps = losses.shape
    history = History.empty(trials, {"loss": losses}, {}, None)
    for begin in range(0, steps, segment):
        part = losses[:, begin : begin + segment]
        history = history.after_steps({"loss": part}, np.arange(part.shape[1]), begin, None)
    return history.after_evaluation({}, np.ones(trials, bool)).done(steps).diverged_at


@pytest.mark.parametrize(("losses", "step"), CASES, ids=str)
def test_the_three_agree_on_known_cases(losses, step):
    losses = np.array(losses, np.float32)
    assert int(diverged_at(losses)) == step
    assert int(streamed(losses)[-1]) == step
    for segment in (1, 2, 3):
        assert on_the_host(losses[None], segment)[0] == step


def test_the_three_agree_on_random_ones():
    rng = np.random.default_rng(0)
    losses = rng.choice(np.float32([1, 5, 1e5, 2e6, 1e9, -3e7, INF, -INF, NAN]), (300, 12))
    due = np.asarray(diverged_at(losses))
    np.testing.assert_array_equal(jax.vmap(streamed)(losses)[:, -1], due)
    for segment in (1, 5, 12):
        np.testing.assert_array_equal(on_the_host(losses, segment), due)
    prefixes = np.stack([np.asarray(diverged_at(losses[:, : n + 1])) for n in range(12)], axis=1)
    np.testing.assert_array_equal(jax.vmap(streamed)(losses), prefixes)  # at every step what was so far


def test_a_bad_batch_that_passes_enters_no_mean_no_first_loss_and_no_turn():
    def watched(losses):
        watch = watch_init()
        for loss in losses:
            watch = watch_update(watch, jnp.float32(loss), jnp.float32(abs(loss)))
        return watch

    good, bad = watched([4, 3, 2, 3, 2]), watched([NAN, 4, 3, INF, 2, NAN, 3, 2, -INF])
    for name in ("loss", "mean_loss", "first_loss", "alternation", "averaged", "finite"):
        assert float(getattr(bad, name)) == float(getattr(good, name)), name
    chex.assert_trees_all_equal(bad.spikes, good.spikes)
    assert (int(bad.lost_since), int(good.lost_since)) == (8, -1)
    empty = watch_update(watch_reset(good), NAN, None)
    assert np.isnan(empty.mean_loss)  # not 0, which would be the best loss of all
    assert float(watch_update(empty, 7.0, None).mean_loss) == 7
