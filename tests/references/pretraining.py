"""Greedy pretraining with denoising autoencoders, derived by hand, as plain float64 NumPy.

A layer is a pair (kernel, bias); examples are rows. What is drawn at random comes from outside.
"""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


ACTIVATIONS = {  # φ, and its slope as a function of φ
    "sigmoid": (sigmoid, lambda h: h * (1 - h)),
    "tanh": (np.tanh, lambda h: 1 - h**2),
}


def cross_entropy(z, x):
    """Nats an example, in the mean; its gradient; and the reconstruction."""
    output = sigmoid(z)
    nats = -(x * np.log(output) + (1 - x) * np.log(1 - output))
    return nats.sum(1).mean(), (output - x) / len(x), output


def squared_error(z, x):
    """The squared distance from each example, in the mean; its gradient; and the reconstruction."""
    return ((z - x) ** 2).sum(1).mean(), 2 * (z - x) / len(x), z


LOSSES = {"cross_entropy": cross_entropy, "squared_error": squared_error}


def train_layer(layer, x, batches, hidden, loss, activation, tied, learning_rate, decay):
    """Momentum on one layer's autoencoder.

    Args:
      layer: the kernel and the bias it starts from.
      x: its inputs.
      batches: the rows of each step's batch.
      hidden: for each step, whether a number of the batch is hidden from the encoder.
      loss: a name in `LOSSES`.
      activation: a name in `ACTIVATIONS`.
      tied: whether the decoder's kernel is the encoder's transpose.
      learning_rate: α.
      decay: β.

    Returns:
      The layer, each step's loss, and the mean squared error of reconstructing x before and after.
    """
    (phi, slope), score = ACTIVATIONS[activation], LOSSES[loss]
    kernel, bias = (np.array(part, float) for part in layer)
    back, back_bias = kernel.T.copy(), np.zeros(len(kernel))
    velocities = [0, 0, 0, 0]

    def error():
        return ((score(phi(x @ kernel + bias) @ back + back_bias, x)[2] - x) ** 2).mean()

    losses, before = [], error()
    for rows, mask in zip(batches, hidden, strict=True):
        target = x[rows]
        seen = np.where(mask, 0, target)
        h = phi(seen @ kernel + bias)
        value, d_z, _ = score(h @ back + back_bias, target)
        d_a = (d_z @ back.T) * slope(h)
        slopes = [seen.T @ d_a, d_a.sum(0), h.T @ d_z, d_z.sum(0)]
        if tied:
            slopes[0] = slopes[0] + slopes[2].T
        velocities = [decay * v - learning_rate * g for v, g in zip(velocities, slopes, strict=True)]
        kernel, bias, back_bias = kernel + velocities[0], bias + velocities[1], back_bias + velocities[3]
        back = kernel.T if tied else back + velocities[2]
        losses.append(value)
    return (kernel, bias), losses, before, error()


def pretrain(layers, x, batches, hidden, loss, activation, tied, learning_rate, decay):
    """All layers but the last, one after the other; `batches` and `hidden` have a list for each of them."""
    phi, trained, reports = ACTIVATIONS[activation][0], [], []
    for layer, rows, masks in zip(layers[:-1], batches, hidden, strict=True):
        (kernel, bias), *report = train_layer(layer, x, rows, masks, loss, activation, tied, learning_rate, decay)
        trained.append((kernel, bias))
        reports.append(report)
        x = phi(x @ kernel + bias)
    return [*trained, layers[-1]], *map(np.array, zip(*reports, strict=True))
