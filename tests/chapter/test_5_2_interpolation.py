"""Section 5.2, interpolation: SGD's mean squares, against their exact recursion in NumPy."""

import numpy as np


def mean_squares(x, y, best, rate, steps):
    """E‖w − best‖² before every step from w = 0, by the second moments of (w − best, 1), which a step maps linearly."""
    e, d = y - x @ best, len(best)
    one = np.tile(np.eye(d + 1), (len(x), 1, 1))
    one[:, :d, :d] -= rate * x[:, :, None] * x[:, None, :]
    one[:, :d, d] = rate * e[:, None] * x
    moments, squares = np.outer(np.append(-best, 1), np.append(-best, 1)), []
    for _ in range(steps):
        squares.append(np.trace(moments[:d, :d]))
        moments = np.mean(one @ moments @ one.transpose(0, 2, 1), axis=0)
    return np.array(squares)


def test_a_constant_rate_converges_where_the_samples_agree_at_the_optimum(chapter):
    found = chapter("5_2_interpolation")
    rates, steps = found["RATES"], found["STEPS"]
    exact = {
        name: np.array([mean_squares(x, y, np.linalg.pinv(x) @ y, rate, steps) for rate in rates])
        for name, (x, y) in found["cases"].items()
    }

    # what is measured is what single samples drawn at random do in the mean of all draws
    for name, courses in found["courses"].items():
        due = exact[name]
        seen = due > 1e-6 * due[:, :1]
        assert np.median(abs(courses / due - 1)[seen]) < 0.1
        np.testing.assert_allclose(np.log(courses[seen] / due[seen]), 0, atol=0.8)  # few runs make up so small a mean

    # the closed form of rows of rotations is exact, with or without noise; elsewhere it is a bound
    for name in ("all fitted", "noisy targets"):
        np.testing.assert_allclose(found["predicted"][name], exact[name], rtol=1e-6, atol=1e-18)
    wide = "noise, more weights"
    assert np.all(exact[wide] <= found["predicted"][wide] * (1 + 1e-9))
    assert np.all(found["courses"][wide] <= found["predicted"][wide] * 1.1)

    # so what is fitted converges at a linear rate, random targets or not; what is not stays at its floor
    np.testing.assert_allclose(found["factors"]["all fitted"], 1 - rates * (2 - rates) / 16, rtol=2e-3)
    assert np.all(found["factors"][wide] < found["factors_predicted"][wide])
    lasts, floor = found["lasts"], rates * 16 * found["errors"]["noisy targets"] / (2 - rates)
    np.testing.assert_allclose(lasts["noisy targets"], floor, rtol=0.05)
    assert found["errors"]["noisy targets"] > 5e-3
    for name in ("all fitted", wide):
        assert found["errors"][name] < 1e-25
        assert np.all(lasts[name][1:] < 1e-5 * floor[1:])
