"""Section 5.7, batch normalization: what it makes invariant, and the rates that it lets work."""

import numpy as np


def test_batch_norm_keeps_what_it_promises(chapter):
    found = chapter("5_7_batch_normalization")
    scale, shift = (np.asarray(part, float) for part in found["norm"])
    population = np.asarray(found["population"], float)

    # outputs, and the formula in NumPy on the shifted and resized input
    for outputs, moved, size in zip(found["outputs"], found["shifts"], found["sizes"], strict=True):
        x = moved + size * population
        expected = scale * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) + shift
        np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-3 if size < 1 else 2e-4)  # x itself is float32
        np.testing.assert_allclose(outputs.mean(0), shift, atol=2e-6)
        np.testing.assert_allclose(outputs.var(0), scale**2, rtol=2e-3 if size < 1 else 2e-5)
    assert found["off_mean"] < 2e-6
    assert found["off_var"] < 1e-4

    # the scale of the weights before it
    losses, norms, factors = found["losses"], found["gradient_norms"], found["factors"]
    assert np.ptp(losses) < 1e-5
    np.testing.assert_allclose(norms * factors / norms[2], factors[2], rtol=1e-4)
    assert norms[2] > 1e-3
    assert np.all(abs(found["cosines"]) < 1e-5)

    # one batch: the nine stages backward against the closed form in float64
    x, dout = (np.asarray(found[name], float) for name in ("x", "dout"))
    hat = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    slope = scale / np.sqrt(x.var(0) + 1e-5) * (dout - dout.mean(0) - hat * np.mean(dout * hat, axis=0))
    np.testing.assert_allclose(found["back"].dx, slope, atol=1e-5)
    np.testing.assert_allclose(found["back"].dgamma, np.sum(dout * hat, axis=0), atol=1e-4)
    np.testing.assert_allclose(found["back"].dbeta, np.sum(dout, axis=0), atol=1e-4)
    assert len(found["stages"]) == 9
    assert max(found["off_forward"], found["off_closed"], found["off_autodiff"]) < 1e-5

    # running statistics: all samples alike, or the last batches the most
    np.testing.assert_allclose(found["exact"].mean, population.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found["exact"].var, population.var(0), rtol=1e-4)
    weights = 0.9 ** np.arange(9, -1, -1)
    batches = population.reshape(10, 64, 3)
    expected = np.average(batches.var(1), axis=0, weights=weights)
    np.testing.assert_allclose(found["recent"].var, expected, rtol=1e-4)
    inferred = scale * (batches[0] - population.mean(0)) / np.sqrt(population.var(0) + 1e-5) + shift
    np.testing.assert_allclose(found["inferred"], inferred, atol=1e-4)
    assert found["in_training"] < 1e-6
    assert found["in_inference"] > 0.01

    # the rates that work
    plain, normalized = found["accuracy"]["plain"], found["accuracy"]["BatchNorm"]
    assert normalized.max() > plain.max()
    assert len(found["work"]["BatchNorm"]) >= len(found["work"]["plain"]) + 2
    assert found["work"]["BatchNorm"].max() >= 3 * found["work"]["plain"].max()
    largest = found["rates"] > 1
    assert plain[largest].max() < 0.2  # chance
    assert normalized[largest].max() > 0.9
