"""Section 5.6, pretraining: what it does for a deep network's start."""

import numpy as np


def logistic(z):
    return 1 / (1 + np.exp(-z))


def test_pretraining_takes_a_deep_network_off_chance(chapter):
    found = chapter("5_6_pretraining")
    losses, accuracy = found["losses"], found["accuracy"]
    random, pretrained = 0, 1

    assert np.all(accuracy[:, :, random] < 0.2)  # at every rate and seed
    assert np.all(losses[:, :, random].mean(-1) > 2.2)
    assert np.all(losses[:, :, random, -1] > 2.15)  # ln 10 = 2.30, 2.2 for knowing how many there are of each
    assert accuracy[:, :, pretrained].mean(1).max() > 0.72
    assert np.all(accuracy[:, :, pretrained].max(0) > 0.65)
    assert losses[found["best"][pretrained], :, pretrained, -1].max() < 0.2

    # the reconstruction errors at the start, layer by layer, with what the trained layers below make of the images
    before, after = np.asarray(found["before"]), np.asarray(found["after"])
    assert before.shape == after.shape == (2, 7)
    for seed in range(2):
        x = np.asarray(found["images"])[np.asarray(found["order"])[seed, 400:]].astype(float)
        for i in range(7):
            kernel, bias = (np.asarray(part)[seed].astype(float) for part in found["starts"][i])
            hidden = logistic(x @ kernel[random] + bias[random])
            restored = logistic(hidden @ kernel[random].T)
            np.testing.assert_allclose(before[seed, i], np.sqrt(np.mean((restored - x) ** 2)), rtol=1e-3)
            # no bias in place of the layer, the mean of each of its inputs, would restore them so well
            assert after[seed, i] < min(before[seed, i] / 2, np.sqrt(np.mean((x - x.mean(0)) ** 2)))
            x = logistic(x @ kernel[pretrained] + bias[pretrained])
