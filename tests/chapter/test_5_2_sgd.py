"""Section 5.2, stochastic gradient descent: the rate has to fall."""

import numpy as np


def rate_at(i, init, end, k):
    return init + min(i, k) * (end - init) / k


def test_linear_decay_ends_what_a_constant_rate_keeps(chapter):
    found = chapter("5_2_sgd")
    steps, k, s, eigenvalues = found["STEPS"], found["DECAYS_UNTIL"], found["NOISE"], found["EIGENVALUES"]
    ends = found["RATE"], found["END"]

    # noise: the fixed point of m = (1 - αλ)² m + α² s², and the solution of the same recursion as a sum over noises
    floor = sum(0.5 * x * 0.2**2 * s**2 / (1 - (1 - 0.2 * x) ** 2) for x in eigenvalues)
    late = found["noisy"][0, steps // 2 :]
    assert abs(late.mean() / floor - 1) < 0.02
    assert np.all(abs(late / floor - 1) < 0.12)  # it stays there: 2,000 runs have a standard error of 2 %
    for measured, end in zip(found["noisy"], ends, strict=True):
        rates = np.array([rate_at(i, found["RATE"], end, k) for i in range(steps)])
        kept = 1 - rates[:, None] * eigenvalues
        after = np.concatenate([np.cumprod(kept[::-1], axis=0)[::-1][1:], np.ones((1, 3))])  # what later steps leave
        squares = np.prod(kept, axis=0) ** 2 / 3 + np.sum((rates[:, None] * s * after) ** 2, axis=0)
        assert abs(measured[-1] / (0.5 * squares @ eigenvalues) - 1) < 0.12
    ratio = found["noisy"][0, -1] / found["noisy"][1, -1]
    assert 20 < ratio < 40
    assert ratio < ends[0] / ends[1]  # not yet at the lower rate's own floor

    # the kink: after a step of size α w / √(w² + ε²) = 2 w one is at -w
    wall = np.sqrt(0.1**2 - 0.05**2)
    constant, decaying = found["positions"]
    assert found["turning"].tolist() == [1.0, 0.0]
    np.testing.assert_allclose(abs(constant[-100:]), wall, rtol=1e-3)
    np.testing.assert_array_equal(np.sign(constant[-100:-1]), -np.sign(constant[-99:]))
    assert abs(decaying[-1]) < 1e-6
    # bouncing till the rate is 2ε, at step 300 · (0.2 - 0.1) / (0.2 - 0.002) = 151.5, on walls that come closer
    for i in range(60, 130, 10):
        expected = np.sqrt(rate_at(i, 0.2, 0.002, 300) ** 2 / 4 - 0.05**2)
        assert abs(abs(decaying[i]) / expected - 1) < 0.06
        assert decaying[i] * decaying[i + 1] < 0
    assert np.all(abs(decaying[180:]) < 0.002)
