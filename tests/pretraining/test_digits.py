"""Five hidden layers of logistic units and a hundred labels: a start that goes nowhere, and one that does."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_digits

import ch5jax
from ch5jax.networks import mlp
from ch5jax.pretraining import pretrain_layerwise

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")

KEY = jax.random.key(1)
RATES = jnp.array([0.03, 0.1, 0.3, 1.0])
NETWORK = mlp((64, *[32] * 5, 10), jax.nn.sigmoid)
UNLABELLED, LABELLED, TEST = slice(0, 1079), slice(0, 100), slice(1079, None)


@pytest.fixture(scope="module")
def digits():
    data, order = load_digits(), np.asarray(jax.random.permutation(jax.random.key(0), 1797))
    return jnp.float32(data.data[order] / 16), jnp.asarray(data.target[order])


@pytest.fixture(scope="module")
def accuracies(digits):
    """The test accuracy after 400 steps of momentum from some parameters, for each of the learning rates."""
    images, labels = digits

    def accuracy(params, rate):
        opt = ch5jax.momentum(rate, 0.9)

        def loss(params, rows):
            logits = NETWORK.apply(params, images[LABELLED][rows])
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels[LABELLED][rows]).mean()

        def step(carry, key):
            params, state = carry
            updates, state = opt.update(jax.grad(loss)(params, jax.random.randint(key, (32,), 0, 100)), state)
            return (optax.apply_updates(params, updates), state), None

        (params, _), _ = jax.lax.scan(step, (params, opt.init(params)), jax.random.split(KEY, 400))
        return jnp.mean(jnp.argmax(NETWORK.apply(params, images[TEST]), 1) == labels[TEST], dtype=jnp.float32)

    return jax.jit(jax.vmap(accuracy, (None, 0)))


def test_a_deep_network_learns_from_pretrained_layers_and_not_from_random_ones(digits, accuracies):
    random = NETWORK.init(KEY)
    start = pretrain_layerwise(random, digits[0][UNLABELLED], ch5jax.adam(0.01), KEY, 300, activation=jax.nn.sigmoid)
    assert accuracies(random, RATES).max() < 0.15
    assert accuracies(start.params, RATES).max() > 0.8
    assert (start.error_after < 0.25 * start.error_before).all()
