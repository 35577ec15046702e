"""Sweeps to export: a small one that was trained, and one by hand whose every name is hostile."""

import jax
import numpy as np

import ch5jax
from ch5jax.sweeps import Curves, SweepResult
from tests.report.hostile import HOSTILE


def trained(store=None):
    """Six trials of two groups: two diverge, and rungs stop some before the end."""
    opts = {
        "a/b": ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 1e30]),
        "adam": ch5jax.grid(ch5jax.adam, learning_rate=[0.1]),
    }
    return ch5jax.sweep(
        ch5jax.tasks.digits(hidden=(8,)),
        opts,
        steps=64,
        key=jax.random.key(0),
        seeds=2,
        evaluate_every=8,
        rungs=ch5jax.halving(64, 8),
        store=store,
    )


# metrics that tools have themselves, that become one when they are cleaned, and that are no names
METRICS = ("a?b", "a*b", "_step", "step", "", "..", "/", "../../etc/passwd", "m" * 300, "m" * 299 + "!", *HOSTILE)
SETTINGS = ("learning rate", "learning?rate", "learning*rate", "_wandb", "x" * 9_000, "flag", "kind", *HOSTILE)


def hostile():
    """Three trials whose groups, hyperparameters and metrics have names that no tool wishes for; none is finite."""
    groups = [HOSTILE[-1], "../../up", "𠀀" * 9_000]
    values = np.array([[1.5, np.nan], [np.inf, -np.inf], [1.0, 2.0]], np.float32)
    names = {name: f"hyperparameter {name}" for name in HOSTILE}
    given = {names.get(name, name): np.array([0.5, np.inf, 1.5]) for name in SETTINGS}
    given |= {"flag": np.array([True, False, True]), "kind": np.array(["<b>a</b>", "b" * 9_000, "\ud800"], object)}
    ends = dict.fromkeys(METRICS, values[:, -1])
    columns = {
        "trial": np.arange(3),
        "group": np.array(groups, object),
        **given,
        "seed": np.zeros(3, int),
        "diverged_at": np.array([-1, 1, -1]),
        **ends,
        "best_": np.array([1.5, np.nan, 1.0]),
        "best_step": np.array([5, 5, 5]),
    }
    steps = np.array([5, 10])
    curves = {
        group: Curves(steps, {name: values[i : i + 1] for name in METRICS if name}, steps, {"": values[i : i + 1]})
        for i, group in enumerate(groups)
    }
    return SweepResult(columns, curves, {group: tuple(given) for group in groups}, "", False, 10, 8, (), None)
