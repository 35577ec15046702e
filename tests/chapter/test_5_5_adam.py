"""Section 5.5, Adam: the chapter's procedure in NumPy, its limits, and the rates that work."""

import numpy as np


def updates_of_adam(gradients, b1=0.9, b2=0.999, eps=1e-7, correct=True):
    """The procedure of no. 2 in float64, for α = 0.01."""
    v = r = np.zeros_like(gradients[0])
    updates = []
    for t, g in enumerate(gradients, 1):  # counted before it is used
        v, r = b1 * v + (1 - b1) * g, b2 * r + (1 - b2) * g**2
        vb, rb = (v / (1 - b1**t), r / (1 - b2**t)) if correct else (v, r)
        updates.append(-0.01 * vb / (np.sqrt(rb) + eps))
    return np.array(updates)


def test_adam_corrects_its_start_and_contains_the_others_as_limits(chapter):
    found = chapter("5_5_adam")

    # the first step is the learning rate against the gradient's sign, whatever its size; uncorrected √10 of it
    np.testing.assert_allclose(found["corrected"], np.broadcast_to([1.0, -1, -1, -1], (5000, 4)), rtol=1e-4)
    np.testing.assert_allclose(found["uncorrected"][0], 10**0.5 * np.array([1, -1, -1, -1]), rtol=1e-4)
    due = -updates_of_adam(np.ones((5000, 1)), correct=False)[:, 0] / 0.01
    np.testing.assert_allclose(found["ratio"], due, rtol=1e-4)
    assert found["longest"] == due.argmax() + 1 == round(found["longest_predicted"])
    assert abs(found["ratio"].max() - 6.569) < 1e-3
    assert due[found["settled"] + 9] < 1.01 < due[found["settled"] - 11]
    assert abs(found["settled"] - found["settled_predicted"]) < 10

    # β₁ = 0: RMSProp, to the last bit
    g = found["g"]
    np.testing.assert_array_equal(found["as_rmsprop"], found["rmsprop"])
    np.testing.assert_allclose(found["as_rmsprop"], updates_of_adam(g, b1=0, correct=False), rtol=2e-5)
    np.testing.assert_allclose(found["corrected_rmsprop"], updates_of_adam(g, b1=0), rtol=2e-5)
    assert found["off_corrected"] < 2e-5

    # β₂ = 0: momentum, corrected, over the present gradient's size; its steps have no bound
    due = updates_of_adam(g, b2=0)
    np.testing.assert_allclose(found["present_only"], due, atol=1e-5 * abs(due).max())
    np.testing.assert_allclose(found["normalised"], due, atol=1e-5 * abs(due).max())
    assert abs(found["present_only"]).max() > 0.5  # 50 α
    assert abs(found["usual"]).max() < 0.02

    # a large δ: momentum, the closer the larger it is
    for eps, short, predicted in zip((1e2, 1e3, 1e4), found["short"], found["short_predicted"], strict=True):
        due = 1 - updates_of_adam(g, eps=eps, correct=False) * eps / found["momentum"]
        np.testing.assert_allclose([short, predicted], due.max(), rtol=0.02)
    assert found["short"][2] < 0.01

    # digits: a loss times 100 moves the rates of SGD and momentum by that, and nobody else's
    accuracy, works = (dict(zip(found["names"], found[name], strict=True)) for name in ("accuracy", "works"))
    for name, stable in (("sgd", 3), ("momentum", 1)):
        times_100 = accuracy[name][4 : 4 + stable, 0]
        np.testing.assert_allclose(accuracy[name][:stable, 1], times_100, atol=0.05)
        assert not works[name].all(1).any()
    for name in ("adagrad", "rmsprop", "adam"):
        np.testing.assert_allclose(accuracy[name][:4, 0], accuracy[name][:4, 1], atol=0.03)  # rates up to 0.01
        assert works[name].all(1).sum() >= 3

    # Adam works with two decades of rates, about as many as RMSProp; 1e-3 is at their lower end, of no use to AdaGrad
    counts = {name: good.sum(0) for name, good in works.items()}
    assert counts["adam"].min() >= 4
    assert np.all(counts["adam"] > counts["sgd"])
    assert np.all(abs(counts["adam"] - counts["rmsprop"]) <= 1)
    np.testing.assert_allclose(found["rates"][:2], [10**-3.5, 1e-3])
    assert accuracy["adam"][1].min() > 0.9
    assert accuracy["adam"][0].max() < 0.88
    assert accuracy["adagrad"][1].max() < 0.6
    assert np.ptp([found.max() for found in accuracy.values()]) < 0.025  # each with its own best rate: none is better
