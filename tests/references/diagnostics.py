"""The signals of the difficulties in plain NumPy, written from their definitions."""

import numpy as np


def spikes(values, fewest=10):
    """Each value over the 0.99 quantile of the finite ones before it: of four blocks of 25, and of the one that fills.

    Of more than a hundred it is the second largest.
    """
    kept, ratios = [], []
    for value in values:
        if len(kept) < fewest:
            ratios.append(1.0)
        else:
            filling = (len(kept) - 1) % 25 + 1
            past = np.sort(kept[-(100 + filling) :])
            usual = np.quantile(past, 0.99) if len(past) <= 100 else past[-2]
            ratios.append(0.0 if value == 0 else value / usual if usual > 0 else np.inf)
        if np.isfinite(value):
            kept.append(value)
    return np.array(ratios)


def twins(kernel, tolerance=1e-5):
    """How many columns have another one within a relative distance: all pairs, one by one."""
    w = kernel.reshape(-1, kernel.shape[-1])
    found = set()
    for j in range(w.shape[1]):
        for k in range(w.shape[1]):
            limit = tolerance * max(np.linalg.norm(w[:, j]), np.linalg.norm(w[:, k]))
            if j != k and np.linalg.norm(w[:, j] - w[:, k]) <= limit:
                found.add(j)
    return len(found)


def turns(losses):
    """The share of inner points that are a strict local extremum."""
    inner = [(b > a and b > c) or (b < a and b < c) for a, b, c in zip(losses, losses[1:], losses[2:], strict=False)]
    return np.mean(inner)
