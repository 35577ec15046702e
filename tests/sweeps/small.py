"""A sweep small enough to run many times, on real data."""

import jax
import numpy as np

import ch5jax

KEY = jax.random.key(7)
TASK = ch5jax.tasks.digits(hidden=(8,), batch_size=8)
RATES = np.logspace(-3, 0, 7)


def batches():
    """Two groups of different structure; 7 settings, so that the last chunk of three or four is padded."""
    return {
        "sgd": ch5jax.grid(ch5jax.sgd, learning_rate=RATES),
        "adam": ch5jax.grid(ch5jax.adam, learning_rate=RATES / 10),
    }


def run(hyperparameters=None, **changes):
    """The small sweep, with some arguments changed."""
    arguments = {"steps": 30, "key": KEY, "seeds": 2, "record_every": 4, "evaluate_every": 10, "width": 4, **changes}
    task = arguments.pop("task", TASK)
    return ch5jax.sweep(task, batches() if hyperparameters is None else hyperparameters, **arguments)


def assert_same_bits(one, other):
    """Every column and every curve, NaN equal to NaN."""
    assert one.columns.keys() == other.columns.keys()
    for name in one.columns:
        np.testing.assert_array_equal(one.columns[name], other.columns[name], err_msg=name)
    for group in one.groups:
        for kind in ("metrics", "evaluations"):
            mine, theirs = getattr(one.curves[group], kind), getattr(other.curves[group], kind)
            assert mine.keys() == theirs.keys()
            for name in mine:
                np.testing.assert_array_equal(mine[name], theirs[name], err_msg=f"{group} {name}")
