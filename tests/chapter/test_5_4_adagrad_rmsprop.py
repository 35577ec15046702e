"""Section 5.4, AdaGrad and RMSProp: the rate that a parameter gets, and what becomes of it."""

import numpy as np


def rates_given(gradients, decay=None):
    """What each gradient is multiplied by, in α: 1/√cache, of AdaGrad or, with a decay, of RMSProp."""
    cache, rates = 0.0, []
    for g in gradients:
        cache = cache + g**2 if decay is None else decay * cache + (1 - decay) * g**2
        rates.append(1 / (cache**0.5 + 1e-7))
    return np.array(rates)


def test_adagrad_is_weighed_down_by_its_past_and_rmsprop_forgets(chapter):
    found = chapter("5_4_adagrad_rmsprop")
    decays = {"AdaGrad": None, "RMSProp, β = 0.9": 0.9, "RMSProp, β = 0.5": 0.5}
    steep_then_flat = [10.0] * 100 + [0.1] * 300
    for name, decay in decays.items():
        for i, size in enumerate((0.05, 0.1, 1.0, 10.0)):
            due = 0.01 * size * rates_given([size] * 1000, decay)
            np.testing.assert_allclose(found["lengths"][name][:, i], due, rtol=1e-4)
        recovering = 0.01 * 0.1 * rates_given(steep_then_flat, decay)[100:]
        np.testing.assert_allclose(found["recovering"][name], recovering, rtol=1e-4)
    assert set(np.unique(found["signs"])) == {-1.0, 1.0}
    np.testing.assert_allclose(list(found["slopes"].values()), [-0.5, 0, 0], atol=1e-3)

    # a rate above α while the sum of squares is below 1, below it after
    assert found["large_until"].tolist() == [400, 100, 1, 0]

    # RMSProp is soon back, the sooner the smaller its β; AdaGrad takes a thousandth of the step for good
    back = found["back"]
    for name, steps in back.items():
        recovering = rates_given(steep_then_flat, decays[name])[100:] * 0.1
        assert recovering[steps - 1] >= 0.5 > recovering[steps - 2]
        assert steps == found["back_predicted"][name]
    assert back["RMSProp, β = 0.5"] < back["RMSProp, β = 0.9"] / 5
    assert np.all(np.diff(found["recovering"]["AdaGrad"]) <= 0)
    assert abs(found["last"] / 1e-3 - 1) < 1e-3
