"""Section 5.1.4: the factor a layer, against random sigmoid networks in NumPy; and who learns."""

import numpy as np


def factor_a_layer(rng, batch_norm, width=512, depth=16, batch=64):
    """That of the norm of a random gradient, sent back through a network of random weights with variance 2/width."""

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    x, layers = rng.normal(size=(batch, width)), []
    for _ in range(depth):
        w = rng.normal(size=(width, width)) * np.sqrt(2 / width)
        z = x @ w
        deviation = z.std(axis=0) if batch_norm else 1.0
        normal = (z - z.mean(axis=0)) / deviation if batch_norm else z
        x = sigmoid(normal)
        layers.append((w, normal, deviation, x * (1 - x)))
    gradient, norms = rng.normal(size=x.shape), []
    for w, normal, deviation, slope in reversed(layers):
        gradient = gradient * slope
        if batch_norm:
            gradient = (gradient - gradient.mean(axis=0) - normal * (gradient * normal).mean(axis=0)) / deviation
        norms.append(np.linalg.norm(gradient))
        gradient = gradient @ w.T
    return np.exp(np.polyfit(np.arange(depth - 3), np.log(norms[:-3]), 1)[0])  # without the layers next to the inputs


def test_the_gradient_vanishes_in_a_sigmoid_network_and_not_under_batch_norm(chapter):
    found = chapter("5_1_4_vanishing_gradients")
    factors, predicted, rng = found["factors"], found["predicted"], np.random.default_rng(0)
    plain, normalized = factor_a_layer(rng, False), factor_a_layer(rng, True)
    np.testing.assert_allclose(predicted["plain"], plain, rtol=0.03)
    np.testing.assert_allclose(predicted["BatchNorm"], normalized, rtol=0.04)
    np.testing.assert_allclose(factors["plain"].mean(), predicted["plain"], rtol=0.06)
    np.testing.assert_allclose(factors["BatchNorm"].mean(), predicted["BatchNorm"], rtol=0.08)

    # below σ' ≤ 1/4 times the weights' gain of √2 in every network; with BatchNorm 1 or more, up to its scatter
    assert factors["plain"].max() < 0.25 * np.sqrt(2) + 0.02
    assert factors["BatchNorm"].min() > 0.95
    assert found["ratios"]["plain"].max() < 1e-3
    assert found["ratios"]["BatchNorm"].min() > 0.1

    # of ten classes the plain network knows one, at either rate
    assert found["accuracies"]["plain"].max() < 0.2
    assert found["accuracies"]["BatchNorm"].min() > 0.7
