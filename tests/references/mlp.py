"""A multilayer perceptron, its backward pass and its training by SGD as plain float64 NumPy.

A layer is a pair (kernel, bias); examples are rows.
"""

import numpy as np

SLOPES = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
}


def forward(layers, x, activation):
    """The outputs, and each layer's input and pre-activation."""
    phi, _ = SLOPES[activation]
    inputs, pre_activations = [], []
    for depth, (kernel, bias) in enumerate(layers):
        inputs.append(x)
        z = np.einsum("ni,io->no", x, kernel) + bias[None]
        pre_activations.append(z)
        x = phi(z) if depth < len(layers) - 1 else z
    return x, inputs, pre_activations


def backward(layers, inputs, pre_activations, output_gradient, activation):
    """The gradients of every layer's kernel, bias and pre-activation, first layer first."""
    _, slope = SLOPES[activation]
    kernels, biases, layer_gradients = [], [], []
    gradient = output_gradient
    for depth in reversed(range(len(layers))):
        kernels.insert(0, inputs[depth].T @ gradient)
        biases.insert(0, gradient.sum(axis=0))
        layer_gradients.insert(0, gradient)
        if depth:
            gradient = (gradient @ layers[depth][0].T) * slope(pre_activations[depth - 1])
    return kernels, biases, layer_gradients


def cross_entropy(logits, one_hot):
    """The mean cross-entropy in nats, and its gradient."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return -np.log(shares[one_hot > 0]).mean(), (shares - one_hot) / len(logits)


def squared_error(outputs, targets):
    """The mean squared error, and its gradient."""
    return ((outputs - targets) ** 2).mean(), 2 * (outputs - targets) / outputs.size


def train(layers, batches, learning_rate, score, activation):
    """The layers after one step of SGD a batch (inputs, targets), and the loss before each step."""
    layers = [(np.array(kernel, float), np.array(bias, float)) for kernel, bias in layers]
    losses = []
    for x, y in batches:
        outputs, inputs, pre_activations = forward(layers, x, activation)
        loss, gradient = score(outputs, y)
        kernels, biases, _ = backward(layers, inputs, pre_activations, gradient, activation)
        layers = [
            (kernel - learning_rate * d_kernel, bias - learning_rate * d_bias)
            for (kernel, bias), d_kernel, d_bias in zip(layers, kernels, biases, strict=True)
        ]
        losses.append(loss)
    return layers, losses
