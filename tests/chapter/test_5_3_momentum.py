"""Section 5.3, momentum: its terminal velocity, and √κ steps in place of κ."""

import numpy as np


def test_momentum_gathers_velocity_and_needs_the_root_of_the_steps(chapter):
    found = chapter("5_3_momentum")

    for decay, lengths in zip(found["DECAYS"], found["lengths"], strict=True):
        summed = 0.1 * 5 * np.cumsum(decay ** np.arange(100))  # a geometric series, term by term
        np.testing.assert_allclose(lengths, summed, rtol=1e-5)
    assert np.all(abs(found["lengths"][:2, -1] / [1.0, 5.0] - 1) < 1e-4)  # α‖g‖/(1-β) for 0.5 and 0.9
    assert found["lengths"][2, -1] < 0.96 * 0.5 / 0.03  # 0.97 is still under way

    conditions = found["CONDITIONS"]
    needed, factors = found["needed"], found["factors"]
    for i, condition in enumerate(conditions):
        root = np.sqrt(condition)
        best = 2 / (condition + 1), 4 / (root + 1) ** 2
        for j, decay in enumerate((0.0, ((root - 1) / (root + 1)) ** 2)):
            w, v, steps = np.full(2, 0.5**0.5), np.zeros(2), 0
            while np.linalg.norm(w) >= 1e-6:
                v = decay * v - best[j] * np.array([1.0, condition]) * w
                w, steps = w + v, steps + 1
            assert abs(needed[j, i] - steps) <= 1 + steps / 500, (condition, j)
    assert np.all(abs(needed - found["needed_predicted"]) <= 1 + needed / 500)
    plain, momentum = (conditions - 1) / (conditions + 1), (conditions**0.5 - 1) / (conditions**0.5 + 1)
    np.testing.assert_allclose(factors[0], plain, rtol=1e-4)
    # the double root's factor t still grows from n/2 to n: by 2 over n/2 steps at most
    assert np.all(factors[1] > momentum)
    assert np.all(factors[1] < momentum * 2 ** (2 / (needed[1] - 1)) + 1e-5)
    slopes = np.diff(np.log(needed[:, -3:])) / np.diff(np.log(conditions[-3:]))
    np.testing.assert_allclose(slopes[0], 1, atol=0.02)
    np.testing.assert_allclose(slopes[1], 0.5, atol=0.06)
