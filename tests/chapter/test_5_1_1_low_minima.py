"""Section 5.1.1: high minima, against gradients written out in NumPy and the loss on drawn inputs."""

import numpy as np
import pytest


def slope_of(flat, teacher, student):
    """Brutzkus and Globerson's: a pair of units pulls at w_i by (‖v‖ sin θ w_i/‖w_i‖ + (π − θ) v)/2π."""
    w = flat.reshape(student, teacher)
    slopes = w / 2
    for sign, others in ((1, w), (-1, np.eye(teacher))):
        for i, unit in enumerate(w):
            for j, other in enumerate(others):
                lengths = np.linalg.norm(unit), np.linalg.norm(other)
                angle = np.arccos(np.clip(unit @ other / np.prod(lengths), -1, 1))
                pull = lengths[1] * np.sin(angle) * unit / lengths[0] + (np.pi - angle) * other
                slopes[i] += sign * (sign < 0 or i != j) * pull / (2 * np.pi)
    return slopes.ravel()


def drawn_loss(flat, teacher, student, inputs):
    relu = np.maximum
    errors = relu(inputs @ flat.reshape(student, teacher).T, 0).sum(axis=1) - relu(inputs, 0).sum(axis=1)
    return np.mean(errors**2) / 2


def test_high_minima_are_common_at_the_teachers_width_and_rare_with_units_to_spare(chapter):
    found = chapter("5_1_1_low_minima")
    points, losses, slopes, least = (found[name] for name in ("points", "losses", "slopes", "least"))
    share = {size: np.mean(ends > 1e-3) for size, ends in losses.items()}

    # nearly all have arrived; at a high end the slope is nothing, by hand, and every eigenvalue of its differences is
    # positive: a minimum; its loss is that on drawn inputs
    assert all(np.mean(norms < 1e-6) > 0.9 for norms in slopes.values())
    assert all((eigenvalues > 1e-4).all() and len(eigenvalues) >= 2 for eigenvalues in least.values())
    inputs = np.random.default_rng(0).normal(size=(200_000, 10))
    high = np.flatnonzero((losses[10, 10] > 1e-3) & (slopes[10, 10] < 1e-6))
    for place, end in enumerate(high[:1]):
        w = points[10, 10][end]
        assert np.linalg.norm(slope_of(w, 10, 10)) < 1e-5
        bends = [slope_of(w + 1e-5 * e, 10, 10) - slope_of(w - 1e-5 * e, 10, 10) for e in np.eye(100)]
        smallest = np.linalg.eigvalsh(np.array(bends) / 2e-5)[0]
        assert smallest == pytest.approx(least[10, 10][place], rel=0.02)
        assert losses[10, 10][end] == pytest.approx(drawn_loss(w, 10, 10, inputs), rel=0.03)

    # with the teacher's width more and more of the starts end high, as the teacher grows; one unit more makes it rare,
    # two rule it out
    assert share[6, 6] < 0.1 < share[10, 10] < 0.55 < share[14, 14] < 0.9
    assert share[10, 11] < 0.05
    assert share[14, 15] < 0.5 * share[14, 14]
    assert share[14, 16] == 0
    assert all((ends > -1e-12).all() for ends in losses.values())

    # the digits: units without weights stay without, and with width the ends are lower and closer together
    training, test = found["training"], found["test"]
    np.testing.assert_array_equal(found["weights"], np.broadcast_to(found["WIDTHS"][:, None] * 75 + 10, test.shape))
    for ends in (training, test):
        assert (np.diff(ends.mean(axis=1)) < 0).all()
        assert (ends.max(axis=1)[1:] < ends.min(axis=1)[:-1]).all()
        assert (ends.std(axis=1)[2:] < ends.std(axis=1)[:2] / 1.8).all()
