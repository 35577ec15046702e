"""A Flax model that does not learn: what is wrong with it, and which remedy was seen to work."""

import flax.linen as nn
import jax
from sklearn.datasets import load_breast_cancer

import ch5jax


class Classifier(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.relu(nn.Dense(32)(x)))


cells = load_breast_cancer()  # thirty measurements, from thousandths to thousands
task = ch5jax.tasks.supervised(Classifier(), (cells.data.astype("float32"), cells.target))
found = ch5jax.treat(task, ch5jax.sgd(0.1), steps=300, key=jax.random.key(0))
print(found)

chosen = found.chosen  # its task and hyperparameters are what to go on with
run = ch5jax.train(chosen.task, chosen.hyperparameters, jax.random.key(1), steps=300)
print(f"test accuracy {float(run.evaluations['test_accuracy'][-1]):.1%}")
