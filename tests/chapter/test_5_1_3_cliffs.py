"""Section 5.1.3: the gradient at the wall against finite differences of the network in NumPy, and where steps lead."""

import numpy as np


def loss(w, b, steps=50):
    x = 0.5
    for _ in range(steps):
        x = w / (1 + np.exp(-x)) + b
    return (1 / (1 + np.exp(-x)) - 0.7) ** 2


def test_a_step_at_the_wall_is_thrown_far_unless_it_is_clipped(chapter):
    found = chapter("5_1_3_cliffs")
    rates, (points, losses, gradients, lengths) = found["RATES"], found["free"]
    clipped_points, clipped_losses, clipped_gradients, clipped_lengths = found["clipped"]
    at = np.arange(len(rates)), np.array(found["walls"])

    # the slope of the wall is that of products of Jacobians, and of differences of the loss
    w, b = points[at].T
    differences = (loss(w, b + 1e-8) - loss(w, b - 1e-8)) / 2e-8
    np.testing.assert_allclose(found["predicted_slopes"], differences, rtol=1e-3)
    np.testing.assert_allclose(gradients[at][:, 1], differences, rtol=1e-2)

    # unclipped, the step there is hundreds of usual ones long, and as a rule longer than the way to it
    thrown = lengths[at]
    assert (thrown > 100 * np.array([np.median(row[:wall]) for row, wall in zip(lengths, at[1], strict=True)])).all()
    assert np.median(thrown / found["before"]) > 1.5
    np.testing.assert_allclose(thrown, rates * (1 - at[1] / 1000 * 0.999) * np.linalg.norm(gradients[at], axis=1), 1e-3)

    # clipped, it is at most rate × norm long, although the gradient there is as large
    rate_then = rates[:, None] * (1 - np.arange(1000) / 1000 * 0.999)
    assert (clipped_lengths <= rate_then * 0.1 * (1 + 1e-3)).all()
    assert (np.linalg.norm(clipped_gradients, axis=2).max(axis=1) > 100).all()

    # one ends in the valley of the wall, where it came to it; the other far away, or on the plain without a slope
    np.testing.assert_allclose(clipped_points[:, -1], np.broadcast_to([4.82, -2.5], (len(rates), 2)), atol=0.05)
    assert (clipped_losses[:, -100:].mean(axis=1) < 0.004).all()
    assert np.median(losses[:, -100:].mean(axis=1)) > 0.05
    assert np.isfinite(clipped_points).all()
