"""Section 5.1.2: numbers of minima and saddles, against binomial ones and closed forms of Kac and Rice's integral."""

import itertools
import math

import numpy as np


def mean_index_on_a_line(edges, nodes=400):
    """By height: H = g − u with g ~ N(0, 2), points at density |H|, of which those with g < u are maxima."""
    g = np.linspace(-8, 8, nodes)
    found = []
    for low, high in itertools.pairwise(edges):
        u = np.linspace(low, high, nodes)[:, None]
        density = abs(g - u) * np.exp(-(g**2) / 4 - u**2 / 2)
        found.append(density[np.broadcast_to(g < u, density.shape)].sum() / density.sum())
    return found


def test_with_dimension_critical_points_become_more_and_the_share_of_minima_falls(chapter):
    found = chapter("5_1_2_counting")

    # Styblinski and Tang's: each coordinate is at its maximum or at one of two minima; so far as listed, as listed
    for d, counts in found["tang_counts"].items():
        assert counts.tolist() == [math.comb(d, index) * 2 ** (d - index) for index in range(d + 1)]
        assert d > 4 or counts.tolist() == found["tang_listed"][d].tolist()

    # random fields: closed forms of the density, in one and two dimensions, and of the share of minima, in three too
    counts, predicted, dimensions = found["counts"], found["predicted"], found["DIMENSIONS"]
    for d, density in ((1, 3**0.5 / np.pi), (2, 2 / (3**0.5 * np.pi))):
        np.testing.assert_allclose(predicted[d].sum(), density * 4.5**d, rtol=0.02)
    for d, share in ((1, 1 / 2), (2, 1 / 4), (3, (29 - 6 * 6**0.5) / 116)):
        np.testing.assert_allclose(predicted[d][[0, -1]] / predicted[d].sum(), share, rtol=0.04)
    for d in dimensions:
        points = counts[d].sum(axis=1)
        error = points.std() / len(points) ** 0.5
        assert abs(points.mean() - predicted[d].sum()) < 3.5 * error + 0.015 * predicted[d].sum()
        shares = counts[d].sum(axis=0) / counts[d].sum(), predicted[d] / predicted[d].sum()
        np.testing.assert_allclose(*shares, atol=3.5 * (0.25 / counts[d].sum()) ** 0.5)
        assert found["complete"][d] > 0.8

    # more points and more minima with every dimension, of which fewer and fewer are minima
    points, minima = (np.array([c[:, pick].sum(axis=1).mean() for c in counts.values()]) for pick in (slice(99), [0]))
    assert (points[1:] / points[:-1] > 2.5).all()
    assert (minima[1:] / minima[:-1] > 1.2).all()
    assert (np.diff(minima / points) < -0.03).all()

    # the mean index rises with the height, as predicted
    for d in dimensions:
        measured, due = found["index_by_height"][d]
        assert (np.diff(due) > 0).all()
        np.testing.assert_allclose(measured, due, atol=0.1 * (d + 1))
        assert measured[0] < d / 4 < 3 * d / 4 < measured[-1]
    np.testing.assert_allclose(found["index_by_height"][1][1], mean_index_on_a_line(found["EDGES"]), atol=0.03)

    # and a descent ends in one of the few minima
    assert found["share_at_minima"] > 0.97
    assert counts[4][-1, 0] < 0.12 * counts[4][-1].sum()
