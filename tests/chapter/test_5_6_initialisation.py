"""Section 5.6, initialisation: equal units, and the start as a prior."""

import numpy as np


def test_equal_units_are_one_and_decay_to_the_start_is_its_prior(chapter):
    found = chapter("5_6_initialisation")

    courses, twins = found["courses"], found["twins"]
    assert found["apart"] < 1e-4
    assert np.all(np.asarray(twins["16 equal units"]) == 16)
    assert np.all(np.asarray(twins["16 units, broken"]) == 0)
    assert courses["one unit"][-1] < 0.9 * courses["one unit"][0]  # it does learn, what one unit can
    assert courses["16 units, broken"][-1] < 0.2 * courses["16 equal units"][-1]

    # one unit's course in NumPy, in float64
    x, target = (np.asarray(found[name], float) for name in ("x", "target"))
    w, b, a, c = (np.array(part, float) for part in found["one_unit"])
    losses = []
    for _ in range(found["STEPS"]):
        z = x @ w + b
        error = np.maximum(z, 0) @ a + c - target
        losses.append(np.mean(error**2))
        slope = 2 * error / error.size
        back = (slope @ a.T) * (z > 0)
        w, b, a, c = (
            part - 0.1 * gradient
            for part, gradient in (
                (w, x.T @ back),
                (b, back.sum(0)),
                (a, np.maximum(z, 0).T @ slope),
                (c, slope.sum(0)),
            )
        )
    np.testing.assert_allclose(courses["16 equal units"], losses, rtol=1e-3)

    # the most probable w: least squares with √(nλ) w = √(nλ) w₀ as further rows
    decays, w0 = found["DECAYS"], found["w0"]
    for decay, w in zip(decays, found["found"], strict=True):
        weight = np.sqrt(len(found["inputs"]) * decay)
        rows = np.concatenate([found["inputs"], weight * np.eye(5)])
        expected = np.linalg.lstsq(rows, np.concatenate([found["outputs"], weight * w0]), rcond=None)[0]
        np.testing.assert_allclose(w, expected, atol=2e-5)
    assert np.all(np.diff(found["moved"]) < 0)  # the narrower the prior, the nearer to its mean
    assert found["moved"][-1] < 0.15 * found["moved"][0]
    np.testing.assert_allclose(
        found["moved"], np.linalg.norm(found["found"] - w0, axis=1) / np.linalg.norm(w0), rtol=1e-4
    )
