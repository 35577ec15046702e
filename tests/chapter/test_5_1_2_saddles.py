"""Section 5.1.2: steps to leave a saddle, against the recurrence run in NumPy and gradient descent's closed form."""

import numpy as np
import pytest


def steps_away(rate, decay, downward, near=1e-4, away=0.1):
    """Steps until y ≥ away, where the gradient is −downward · y and momentum starts from rest."""
    y, velocity, steps = near, 0.0, 0
    while y < away:
        velocity = decay * velocity + rate * downward * y
        y, steps = y + velocity, steps + 1
    return steps


def test_momentum_leaves_a_saddle_after_the_predicted_number_of_steps(chapter):
    found = chapter("5_1_2_saddles")
    rates, decays = found["rates"], found["decays"]
    assert sorted(zip(rates.round(4).tolist(), decays.round(4).tolist(), strict=True)) == [
        (rate, decay) for rate in (0.01, 0.05) for decay in (0, 0.5, 0.9, 0.99)
    ]
    for name, downward in {"steep_saddle": 2.0, "deep_linear": 1.0}.items():
        # the curvature of −λ that the prediction is made from is that of 5x² − y², and of (w₂ w₁ − 1)²/2 at 0
        assert found["curvatures"][name] == pytest.approx(-downward, rel=1e-5)
        steps = [steps_away(rate, decay, downward) for rate, decay in zip(rates, decays, strict=True)]
        measured, predicted = found["measured"][name], found["predicted"][name]
        np.testing.assert_allclose(measured, steps, atol=1)
        np.testing.assert_allclose(predicted, steps, atol=1)

        # gradient descent grows by 1 + αλ a step, and more momentum is faster at every rate
        alone = decays == 0
        np.testing.assert_allclose(measured[alone], np.log(1000) / np.log(1 + rates[alone] * downward), atol=1.01)
        for rate in np.unique(rates):
            assert (np.diff(measured[rates == rate][np.argsort(decays[rates == rate])]) < 0).all()
        assert (found["speed_up"][name] > 2.5).all()
