"""Section 5.1.5: SGD's stationary loss, against the exact covariance of its weights in NumPy."""

import numpy as np
import pytest


def stationary_loss(inputs, errors, rate, size):
    """½ tr(H S), where S is the covariance that one step of SGD on batches drawn with replacement leaves as it is."""
    examples, d = inputs.shape
    one = np.eye(d) - rate * inputs[:, :, None] * inputs[:, None, :]  # what a step of one example does to w − w*
    mean, hessian = one.mean(axis=0), inputs.T @ inputs / examples
    sigma = (inputs * errors[:, None] ** 2).T @ inputs / examples
    pairs = np.einsum("nij,nkl->ikjl", one, one).reshape(d * d, d * d) / examples
    map_once = (1 - 1 / size) * np.kron(mean, mean) + pairs / size
    covariance = np.linalg.solve(np.eye(d * d) - map_once, rate**2 / size * sigma.ravel())
    return np.trace(hessian @ covariance.reshape(d, d)) / 2


def test_mislabelled_samples_throw_single_sample_descent_and_mini_batches_less_by_their_size(chapter):
    found = chapter("5_1_5_noisy_gradients")
    inputs, sizes = found["inputs"], found["SIZES"]
    exact = np.array([[stationary_loss(inputs, errors, 0.01, size) for size in sizes] for errors in found["errors"].T])
    assert np.mean(found["wrong"] != found["clean"]) == pytest.approx(0.02, abs=0.002)

    # the excess loss is that of the exact covariance, and about α tr Σ/4B; so it falls as 1/B
    np.testing.assert_allclose(found["late"], exact, rtol=0.15)
    np.testing.assert_allclose(found["predicted"], exact, rtol=0.2)
    np.testing.assert_allclose(found["slopes"], -1, atol=0.1)

    # the variance of the mini-batch gradient is tr Σ/B, by gradients of pairs of batches
    np.testing.assert_allclose(found["noise_ratio"], 1, atol=0.06)

    # a step of one wrong sample is about as long as the weights; the excess loss stays at a tenth or so of what not
    # knowing anything costs; 64 samples a step divide both
    length = np.linalg.norm(found["best"][0])
    assert found["largest"][1, 0] > 0.4 * length
    assert found["largest"][1, 0] > 50 * found["largest"][0, 0]
    assert found["largest"][1, 3] < length / 10
    assert found["late"][1, 0] > 0.06 * found["whole"]
    assert found["late"][1, 3] < 0.005 * found["whole"]
