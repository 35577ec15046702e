"""Section 5.1.6: what the methods do beside their bounds, against the same methods written out in NumPy."""

import numpy as np
import pytest


def chain_loss(w):
    return (w[0] ** 2 + w[-1] ** 2 + np.sum(np.diff(w) ** 2)) / 8 - w[0] / 4


def least_of_combinations(weights, steps):
    """That of f on Nesterov's chain over all w that are zero but in the first coordinates, above f*."""
    matrix = (2 * np.eye(weights) - np.eye(weights, k=1) - np.eye(weights, k=-1)) / 4
    slope = np.eye(weights)[0] / 4
    values = [chain_loss(np.append(np.linalg.solve(matrix[:t, :t], slope[:t]), np.zeros(weights - t))) for t in steps]
    return np.array(values) - chain_loss(np.linalg.solve(matrix, slope))


def online(rule, gradients):
    """The regret of w ← clip(w − rule(t, g)) in [−1, 1] on losses g_t w, against the better end."""
    w, loss = 0.0, 0.0
    for t, g in enumerate(gradients):
        loss += g * w
        w = np.clip(w - rule(t, g), -1, 1)
    return loss + abs(np.sum(gradients))


def test_a_run_stays_within_its_bounds_and_uses_a_predicted_share_of_them(chapter):
    found = chapter("5_1_6_limits_of_theory")
    bounds, predicted, measured = found["bounds"], found["predicted"], found["measured"]

    # where theory gives a value, it is that; but for Adam, which has none, all keep within the bound
    for name, value in measured.items():
        assert value == pytest.approx(predicted[name], rel=0.1 if name.startswith(("SGD", "AdaGrad, random")) else 0.01)
        assert name.startswith("Adam") or value < bounds[name]

    # quadratics: descent and the heavy ball by hand, and the bounds in terms of L = 100, D = 1 and 60 steps
    slopes = np.geomspace(1, 100, 10)
    shares = {"rate 1/L": (1 / 100, 0, 1 / 60), "best rate": (2 / 101, 0, (99 / 101) ** 120)}
    shares["momentum"] = 4 / 121, (9 / 11) ** 2, (9 / 11) ** 120 * (1 + 60 * 20 / 11) ** 2
    for name, (rate, decay, factor) in shares.items():
        w, v = np.full(10, 0.1**0.5), 0
        for _ in range(60):
            v = decay * v - rate * slopes * w
            w = w + v
        assert measured[f"quadratic, {name}"] == pytest.approx(np.sum(slopes * w**2) / 2, rel=0.01)
        assert bounds[f"quadratic, {name}"] == pytest.approx(50 * factor)
    share = measured["worst function, rate 1/L"] / bounds["worst function, rate 1/L"]
    assert share == pytest.approx(60 / 121, rel=1e-3)  # and none of a quadratic's directions is over 1/2e
    assert measured["quadratic, rate 1/L"] / bounds["quadratic, rate 1/L"] < 1 / (2 * np.e)

    # the chain: nobody is below what the coordinates reached allow; momentum and Adam come near, descent does not
    least = least_of_combinations(101, found["TIMES"])
    np.testing.assert_allclose(found["floor"], least, rtol=1e-6)
    assert 0.95 * least[-1] < found["lower"] <= least[-1]
    for course in found["best"].values():
        assert (course > least * (1 - 1e-3)).all()
    assert found["best"]["momentum"][-1] < 2 * least[-1]
    assert found["best"]["Adam"][-1] < 2.5 * least[-1]
    assert found["best"]["descent"][-1] > 5 * least[-1]

    # SGD with falling rates: 0.19 is guaranteed, and fifty times less comes
    assert bounds["SGD, falling rates"] == pytest.approx(2 * 16 * 3 * 4 / 2032)
    assert measured["SGD, falling rates"] < bounds["SGD, falling rates"] / 40

    # online: a walk of 1,000 steps comes as far as √(2000/π); Reddi's sequence, rule by rule
    name = "AdaGrad, random signs"
    assert measured[name] / bounds[name] == pytest.approx((2 / np.pi) ** 0.5 / 8**0.5, rel=0.05)
    slopes = np.tile([3.0, -1.0, -1.0], 1000)
    total = np.cumsum(slopes**2)
    adagrad = online(lambda t, g: 2**0.5 * g / total[t] ** 0.5, slopes) / 3000
    assert measured["AdaGrad, Reddi's sequence"] == pytest.approx(adagrad, rel=0.01)
    assert bounds["AdaGrad, Reddi's sequence"] == pytest.approx(8**0.5 * total[-1] ** 0.5 / 3000)
    second = [0.0]
    for g in slopes:
        second.append(0.1 * second[-1] + 0.9 * g**2)
    adam = online(lambda t, g: 0.5 / (t + 1) ** 0.5 * g / second[t + 1] ** 0.5, slopes) / 3000
    assert measured["Adam, Reddi's sequence"] == pytest.approx(adam, rel=0.01)
    assert adam > 6 * bounds["Adam, Reddi's sequence"]

    # the network: small rates go downhill; large ones stay at αL = 2, where a quadratic diverges, and learn more
    late, losses, uphill = found["late"], found["losses"], found["uphill"]
    assert late[0] < 1
    assert uphill[0] == 0
    np.testing.assert_allclose(late[2:], [2.0, 2.1], atol=0.1)
    assert late[3] > 2.02
    assert (uphill[2:] > 0.05).all()
    assert (np.diff(losses[:, -1]) < 0).all()
    assert (losses[:, -1] < losses[:, 0] / 4).all()
    assert (found["used"] < 1).all()
