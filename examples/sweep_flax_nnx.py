"""From arrays to a leaderboard and verdicts: a Flax NNX network with BatchNorm and dropout, swept as it is."""

import jax
from flax import nnx
from sklearn.datasets import load_digits

import ch5jax


class Net(nnx.Module):
    def __init__(self, rngs):
        self.conv, self.norm = nnx.Conv(1, 8, (3, 3), strides=2, rngs=rngs), nnx.BatchNorm(8, rngs=rngs)
        self.dropout, self.out = nnx.Dropout(0.2, rngs=rngs), nnx.Linear(128, 10, rngs=rngs)

    def __call__(self, x):
        return self.out(self.dropout(nnx.relu(self.norm(self.conv(x))).reshape(len(x), -1)))


data = load_digits()
task = ch5jax.tasks.supervised(Net, (data.images[..., None] / 16, data.target))
rates = ch5jax.grid(ch5jax.adam, learning_rate=[1e-3, 1e-2, 10.0])
result = ch5jax.sweep(task, rates, steps=200, key=jax.random.key(0), seeds=2)
means = result.table().groupby("learning_rate").agg({"test_accuracy": "mean", "verdict": set})
print(means.sort_values("test_accuracy", ascending=False), result.diagnosis(result.ranking()[-1]), sep="\n")
