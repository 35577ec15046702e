"""Section 5.6, the start: who ends where, against gradient flow that SciPy integrates."""

import numpy as np
from scipy.integrate import solve_ivp


def himmelblau_flow(_, point):
    x, y = point
    a, b = x**2 + y - 11, x + y**2 - 7
    return -np.array([4 * x * a + 2 * b, 2 * a + 4 * y * b])


def rosenbrock_flow(_, point):
    x, y, *_ = point
    slope = np.array([-400 * x * (y - x**2) - 2 * (1 - x), 200 * (y - x**2)])
    return np.array([*-slope, np.linalg.norm(slope)])  # and the length of the path


def hill_flow(_, point):
    x, y = point
    well = 2 * (x + 3) * np.exp(-((x + 3) ** 2) / 2)
    return -np.array([-2 * x * np.exp(-(x**2)) + well - (1 + x**2) ** -1.5 / 2, y])


def test_the_start_decides_where_a_descent_ends(chapter):
    found = chapter("5_6_start")
    draw = np.random.default_rng(0)
    assert not found["uphill"].any()
    assert not found["tang_uphill"].any()
    assert not found["valley_uphill"].any()
    assert not found["hill_uphill"].any()

    # the basins are those of gradient flow, up to starts next to a boundary; each of the four minima has its share
    picked = draw.choice(len(found["starts"]), 40, replace=False)
    flow = [solve_ivp(himmelblau_flow, (0, 3), start, "LSODA", rtol=1e-8).y[:, -1] for start in found["starts"][picked]]
    assert np.mean(np.linalg.norm(found["ends"][picked] - np.array(flow), axis=1) < 0.05) >= 0.9
    assert (found["basins"] >= 0).mean() > 0.98
    assert 0.2 < found["shares"].min() < found["shares"].max() < 0.3

    # coordinates of Styblinski and Tang's do not know of each other: those left of the maximum 0.1567 go to −2.9
    at = found["tang_starts"]
    np.testing.assert_allclose(found["tang_ends"], np.where(at < 0.1567, -2.9035, 2.7468), atol=1e-3)
    assert abs(found["lowest_share"] - found["predicted_share"]) < 0.02

    # on the way along the parabola a descent is as long as the flow's path
    picked = draw.choice(len(found["valley_starts"]), 8, replace=False)
    lengths = [
        solve_ivp(rosenbrock_flow, (0, 8), [*start, 0], "LSODA", rtol=1e-8).y[2, -1]
        for start in found["valley_starts"][picked]
    ]
    np.testing.assert_allclose(found["valley_paths"][picked], lengths, rtol=0.05)
    assert (found["detours"] > 0.99).all()
    assert found["detours"].max() > 2

    # nobody crosses the hill, and what is beyond it goes on for ever
    np.testing.assert_array_equal(found["lost"], found["wrong_side"])
    picked = np.append(draw.choice(len(found["lost"]), 10, replace=False), np.flatnonzero(found["lost"])[:2])
    flow = [
        solve_ivp(hill_flow, (0, 0.05 * 4000), start, "LSODA", rtol=1e-8).y[:, -1]
        for start in found["hill_starts"][picked]
    ]
    np.testing.assert_allclose(found["hill_ends"][picked], flow, atol=0.05)
    assert 0.4 < found["lost"].mean() < 0.6
