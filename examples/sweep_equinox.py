"""From arrays to a leaderboard and verdicts: an Equinox network with BatchNorm and dropout, swept as it is."""

import equinox as eqx
import jax
from sklearn.datasets import load_digits

import ch5jax


class Net(eqx.Module):
    conv: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm
    out: eqx.nn.Linear

    def __init__(self, key):
        self.conv, self.out = eqx.nn.Conv2d(1, 8, 3, stride=2, key=key), eqx.nn.Linear(72, 10, key=key)
        self.norm = eqx.nn.BatchNorm(8, "batch", mode="batch")

    def __call__(self, x, state, key=None):  # of one example; a key in training
        x, state = self.norm(self.conv(x), state)
        return self.out(eqx.nn.Dropout(0.2, inference=key is None)(jax.nn.relu(x.ravel()), key=key)), state


def make(key):
    return eqx.nn.make_with_state(Net)(key)


data = load_digits()
task = ch5jax.tasks.supervised(make, (data.images[:, None] / 16, data.target))
rates = ch5jax.grid(ch5jax.adam, learning_rate=[1e-3, 1e-2, 10.0])
result = ch5jax.sweep(task, rates, steps=200, key=jax.random.key(0), seeds=2)
means = result.table().groupby("learning_rate").agg({"test_accuracy": "mean", "verdict": set})
print(means.sort_values("test_accuracy", ascending=False), result.diagnosis(result.ranking()[-1]), sep="\n")
