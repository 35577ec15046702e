"""Section 5.4, adaptive rates: how long the steps of AdaGrad, RMSProp and Adam are."""

import numpy as np


def test_steps_have_the_lengths_that_the_rules_give(chapter):
    found = chapter("5_4_adaptive_rates")
    lengths, losses, slopes = found["lengths"], found["losses"], found["slopes"]

    # the rules in NumPy, on gradients of size 1
    r_sum, r_mean, v, r, expected = 0.0, 0.0, 0.0, 0.0, []
    for step in range(1, 1001):
        r_sum, r_mean = r_sum + 1, 0.9 * r_mean + 0.1
        v, r = 0.9 * v + 0.1, 0.999 * r + 0.001
        corrected = v / (1 - 0.9**step) / (r / (1 - 0.999**step)) ** 0.5
        expected.append([1 / r_sum**0.5, 1 / r_mean**0.5, corrected, v / r**0.5])
    for name, column in zip(("AdaGrad", "RMSProp", "Adam", "Adam, uncorrected"), np.array(expected).T, strict=True):
        for size in range(4):  # 0.1 to 100: the same lengths
            np.testing.assert_allclose(lengths[name][:, size] / 0.01, column, rtol=2e-4)
    assert set(np.unique(found["signs"])) == {-1.0, 1.0}
    np.testing.assert_allclose([slopes["AdaGrad"], slopes["RMSProp"], slopes["Adam"]], [-0.5, 0, 0], atol=1e-3)
    assert abs(lengths["Adam, uncorrected"][0, 0] / 0.01 - 10**0.5) < 1e-3  # 0.1 / √0.001
    longest = lengths["Adam, uncorrected"][:, 0].argmax() + 1
    assert longest in {11, 12, 13}  # where 0.9^t ln 0.9 (1-0.999^t) = 0.999^t ln 0.999 (1-0.9^t) / 2 in between

    # the digits: first steps six times too long are what a rate six times lower makes good
    adam, uncorrected = losses["Adam"], losses["Adam, uncorrected"]
    best = found["best"]["Adam"]
    assert found["rates"][0] < best < found["rates"][-1]
    assert found["thrown"] > 1.7 * adam.min()
    assert np.all(uncorrected[found["rates"] >= best] > 1.4 * adam[found["rates"] >= best])
    assert 2.5 < best / found["best"]["Adam, uncorrected"] < 11  # one step of the grid around 10^0.75
