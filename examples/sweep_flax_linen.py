"""From arrays to a leaderboard and verdicts: a Flax Linen network with BatchNorm and dropout, swept as it is."""

import flax.linen as nn
import jax
import numpy as np
from sklearn.datasets import load_digits

import ch5jax


class Net(nn.Module):
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x, train):
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(nn.Conv(8, (3, 3), strides=2)(x)))
        return nn.Dense(10)(nn.Dropout(self.dropout, deterministic=not train)(x.reshape(len(x), -1)))


data = load_digits()
task = ch5jax.tasks.supervised(Net(), (data.images[..., None] / 16, data.target), hyperparameters={"dropout": 0.0})
rates, dropouts = (grid.ravel() for grid in np.meshgrid([1e-3, 1e-2, 10.0], [0.0, 0.3]))
settings = {"optimizer": ch5jax.grid(ch5jax.adam, learning_rate=rates), "dropout": dropouts}
result = ch5jax.sweep(task, settings, steps=200, key=jax.random.key(0), seeds=2)
means = result.table().groupby(["optimizer.learning_rate", "dropout"]).agg({"test_accuracy": "mean", "verdict": set})
print(means.sort_values("test_accuracy", ascending=False), result.diagnosis(result.ranking()[-1]), sep="\n")
