"""A recurrent network, backpropagation through time and its training by SGD as plain float64 NumPy loops.

Parameters are ((W, U, b), (V, c)): h_t = φ(x_t W + h_{t−1} U + b), y = h_T V + c. Inputs have shape (examples, time,
features); what belongs to a step is listed with time first.
"""

import numpy as np

SLOPES = {
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "linear": (lambda z: z, np.ones_like),
}


def forward(params, x, activation, start=None):
    """The outputs, the pre-activations z_1 … z_T and the states h_0 … h_T; h_0 is `start`, or zeros."""
    (kernel, recurrent, bias), (output_kernel, output_bias) = params
    phi, _ = SLOPES[activation]
    states, pre_activations = [np.zeros((len(x), len(recurrent))) if start is None else start], []
    for t in range(x.shape[1]):
        z = np.einsum("ni,ih->nh", x[:, t], kernel) + np.einsum("ng,gh->nh", states[t], recurrent) + bias[None]
        pre_activations.append(z)
        states.append(phi(z))
    outputs = np.einsum("nh,ho->no", states[-1], output_kernel) + output_bias[None]
    return outputs, np.array(pre_activations), np.array(states)


def backward(params, x, output_gradient, activation):
    """The gradients like `params`, and ∂L/∂z_t and ∂L/∂h_t for t = 1 … T, each of shape (time, examples, hidden)."""
    (kernel, recurrent, bias), (output_kernel, _) = params
    _, slope = SLOPES[activation]
    _, pre_activations, states = forward(params, x, activation)
    d_kernel, d_recurrent, d_bias = np.zeros_like(kernel), np.zeros_like(recurrent), np.zeros_like(bias)
    before, after = np.zeros_like(pre_activations), np.zeros_like(pre_activations)
    gradient = output_gradient @ output_kernel.T
    for t in reversed(range(x.shape[1])):
        after[t] = gradient
        before[t] = gradient * slope(pre_activations[t])
        for n in range(len(x)):
            d_kernel += np.outer(x[n, t], before[t, n])
            d_recurrent += np.outer(states[t, n], before[t, n])
            d_bias += before[t, n]
        gradient = before[t] @ recurrent.T
    last = (states[-1].T @ output_gradient, output_gradient.sum(axis=0))
    return ((d_kernel, d_recurrent, d_bias), last), before, after


def jacobian_through_time(params, x, activation, since=0):
    """∂h_T/∂h_s for s = `since`, of each example: the product of diag φ'(z_t) Uᵀ over t = T, T − 1, …, s + 1.

    Of shape (examples, hidden, hidden); the element (i, j) is the derivative of unit i after the last step with respect
    to unit j after step s. A gradient goes back as the row vector ∂L/∂h_s = ∂L/∂h_T · ∂h_T/∂h_s.
    """
    (_, recurrent, _), _ = params
    _, slope = SLOPES[activation]
    _, pre_activations, _ = forward(params, x, activation)
    products = []
    for n in range(len(x)):
        product = np.eye(len(recurrent))
        for z in pre_activations[since:, n]:
            product = np.diag(slope(z)) @ recurrent.T @ product
        products.append(product)
    return np.array(products)


def squared_error(outputs, targets):
    """The mean squared error, and its gradient."""
    return ((outputs - targets) ** 2).mean(), 2 * (outputs - targets) / outputs.size


def train(params, batches, learning_rate, activation):
    """The parameters after a step of SGD a batch (x, targets); before each step, the loss and the gradient's norm."""
    losses, norms = [], []
    for x, targets in batches:
        loss, output_gradient = squared_error(forward(params, x, activation)[0], targets)
        gradients, _, _ = backward(params, x, output_gradient, activation)
        losses.append(loss)
        norms.append(np.sqrt(sum((array**2).sum() for layer in gradients for array in layer)))
        params = tuple(
            tuple(array - learning_rate * slope for array, slope in zip(layer, slopes, strict=True))
            for layer, slopes in zip(params, gradients, strict=True)
        )
    return params, losses, norms
