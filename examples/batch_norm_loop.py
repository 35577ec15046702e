"""A convolutional network with BatchNorm on the scanned digits, in plain JAX and Optax: no framework.

BatchNorm is two values: parameters, which the optimizer gets, and running statistics, which a step hands on. Training
uses the batch's own statistics, evaluation the running ones; for use, they fold into the convolutions before them.
"""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

import ch5jax

CHANNELS, STRIDES = (1, 16, 32, 32), (1, 2, 2)
images, labels = load_digits(return_X_y=True)
images, labels = jnp.asarray(images.reshape(-1, 8, 8, 1) / 16, jnp.float32), jnp.asarray(labels)
order = jax.random.permutation(jax.random.key(0), len(images))
train, test = order[360:], order[:360]


class Block(NamedTuple):
    kernel: jax.Array  # (3, 3, inputs, outputs)
    norm: ch5jax.BatchNormParams


class Params(NamedTuple):
    blocks: tuple[Block, ...]
    head: jax.Array  # (channels, classes)


def init(key):
    he_normal = jax.nn.initializers.he_normal()
    keys, norms = jax.random.split(key, 4), [ch5jax.batch_norm_init(n) for n in CHANNELS[1:]]
    shapes = [(3, 3, *pair) for pair in itertools.pairwise(CHANNELS)]
    kernels = [he_normal(k, shape) for k, shape in zip(keys[:3], shapes, strict=True)]
    blocks = tuple(Block(kernel, norm) for kernel, (norm, _) in zip(kernels, norms, strict=True))
    return Params(blocks, he_normal(keys[3], (CHANNELS[-1], 10))), tuple(state for _, state in norms)


def convolved(x, kernel, stride):
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def apply(params, state, x, training):
    after = []
    for block, stats, stride in zip(params.blocks, state, STRIDES, strict=True):
        x = convolved(x, block.kernel, stride)
        if training:
            x, seen = ch5jax.batch_norm(x, block.norm, stats)
            after.append(seen)
        else:
            x = ch5jax.batch_norm_inference(x, block.norm, stats)
        x = jax.nn.relu(x)
    return x.mean((1, 2)) @ params.head, tuple(after)


opt = optax.chain(optax.clip_by_global_norm(1.0), ch5jax.adam(learning_rate=3e-3))


@jax.jit
def step(params, state, opt_state, key):
    rows = jax.random.choice(key, train, (64,))

    def loss(params):
        logits, after = apply(params, state, images[rows], training=True)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[rows]).mean(), after

    (value, state_after), slope = jax.value_and_grad(loss, has_aux=True)(params)
    updates, opt_state = opt.update(slope, opt_state, params)
    return optax.apply_updates(params, updates), state_after, opt_state, value


params, state = init(jax.random.key(1))
opt_state = opt.init(params)
for i in range(200):
    params, state, opt_state, loss = step(params, state, opt_state, jax.random.key(i))
    if i % 50 == 49:
        print(f"step {i + 1}: loss {loss:.3f} nats")

logits, _ = jax.jit(apply, static_argnames="training")(params, state, images[test], training=False)
accuracy = float(jnp.mean(jnp.argmax(logits, 1) == labels[test]))
print(f"test accuracy with running statistics: {accuracy:.1%}")
assert accuracy > 0.95

x = images[test]
for block, stats, stride in zip(params.blocks, state, STRIDES, strict=True):
    kernel, bias = ch5jax.batch_norm_fold(block.norm, stats, block.kernel)
    x = jax.nn.relu(convolved(x, kernel, stride) + bias)
np.testing.assert_allclose(x.mean((1, 2)) @ params.head, logits, rtol=1e-3, atol=1e-4)
print("folded into the convolutions: the same logits, and no BatchNorm left to compute")
