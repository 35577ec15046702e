"""Section 5.1.1: escape from a shallow basin, against the exact passage times of SGD as a Markov chain."""

import numpy as np
import pytest


def passage_steps(f, rate, deviation, start, target, cells=600):
    """Mean steps of x ← x − rate f'(x) + N(0, deviation²) from `start` until x ≤ target: (I − P) m = 1 on a grid."""
    x = np.linspace(target, 2.4, cells + 1)
    x = (x[1:] + x[:-1]) / 2
    density = np.exp(-((x[None, :] - (x - rate * f.deriv()(x))[:, None]) ** 2) / (2 * deviation**2))
    transition = density * (x[1] - x[0]) / (np.sqrt(2 * np.pi) * deviation)
    return np.interp(start, x, np.linalg.solve(np.eye(cells) - transition, np.ones(cells)))


def test_mini_batches_leave_a_basin_that_the_full_batch_stays_in(chapter):
    found = chapter("5_1_1_local_optima")
    f = np.poly1d([0.25, 0, -0.5, 0.15, 0])
    deep, top, shallow = np.sort(f.deriv().roots.real)

    # the full batch goes to the minimum of its side, from wherever it starts there
    np.testing.assert_allclose(found["full_batch_ends"], shallow, atol=1e-3)
    assert len(found["full_batch_ends"]) == 128

    # the mean of the examples' losses is f, and their gradients' standard deviation is 2.5
    np.testing.assert_allclose([found["tilts"].mean(), found["tilts"].std()], [0, 2.5], atol=1e-12)

    # the steps that it takes are those of the Markov chain: 128 exponential times have a relative error of 9 %, and
    # the more of them are cut off the larger
    sizes = found["SIZES"]
    exact = np.array([passage_steps(f, 0.05, 0.05 * 2.5 / np.sqrt(size), shallow, deep) for size in sizes])
    np.testing.assert_allclose(found["escape_steps"][:6], exact[:6], rtol=0.4)
    np.testing.assert_allclose(found["escaped"], 1 - np.exp(-4000 / exact), atol=0.13)  # 3 standard deviations

    # so all leave with small batches and none with large ones; and what leaves stays where it is better
    assert found["escaped"][0] == found["escaped"][1] == 1
    assert found["escaped"][-1] < 0.02
    assert found["ended_deep"][:3].min() > 0.75

    # and Kramers' exponential: log steps over the batch size rises by 2 Δf / (α σ²)
    assert found["predicted_slope"] == pytest.approx(2 * (f(top) - f(shallow)) / (0.05 * 2.5**2))
    assert found["slope"] == pytest.approx(found["predicted_slope"], rel=0.25)
