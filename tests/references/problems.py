"""The test functions as plain float64 Python, one number at a time; a point is a sequence of floats."""

import functools
import math

import numpy as np


def quadratic(x):
    """Of condition 100 in two dimensions, not turned."""
    return 0.5 * (1.0 * x[0] ** 2 + 100.0 * x[1] ** 2)


def quadratic_deep(x):
    eigenvalues, axes = deep_spectrum()
    total = 0.0
    for eigenvalue, axis in zip(eigenvalues, axes, strict=True):
        total += eigenvalue * (sum(a * b for a, b in zip(axis, x, strict=True)) ** 2 + 0.6**2)
    return total / 2


@functools.cache
def deep_spectrum():
    """The eigenvalues, and a list of the axes that belong to them.

    A rotation of n dimensions from one of n − 1: put a dimension in front, then reflect its axis e into a random unit
    vector v. The reflection is I − 2 m m' with m along e − v.
    """
    random = np.random.RandomState(42)
    eigenvalues = [*random.uniform(0, 1, 90), *random.uniform(30, 60, 10)]
    t = random.uniform() * 2 * math.pi
    rotation = np.array([[math.cos(t), math.sin(t)], [-math.sin(t), math.cos(t)]])
    for n in range(3, 101):
        v = random.normal(size=n)
        m = np.eye(n)[0] - v / math.sqrt(v @ v)
        m /= math.sqrt(m @ m)
        rotation = (np.eye(n) - 2 * np.outer(m, m)) @ np.block(
            [[np.ones((1, 1)), np.zeros((1, n - 1))], [np.zeros((n - 1, 1)), rotation]]
        )
    return eigenvalues, list(-rotation)


def saddle(x):
    return x[0] * x[0] - x[1] * x[1]


def steep_saddle(x):
    return 5 * x[0] * x[0] - x[1] * x[1]


def monkey_saddle(x):
    """The real part of (x + iy)³."""
    return (complex(x[0], x[1]) ** 3).real


def rosenbrock(x):
    total = 0.0
    for i in range(len(x) - 1):
        total += 100 * (x[i + 1] - x[i] * x[i]) ** 2 + (x[i] - 1) ** 2
    return total


def beale(x):
    a, b = x
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b * b) ** 2 + (2.625 - a + a * b * b * b) ** 2


def himmelblau(x):
    a, b = x
    return (a * a + b - 11) ** 2 + (a + b * b - 7) ** 2


def branin(x):
    a, b = x
    parabola = b - 5.1 / (4 * math.pi * math.pi) * a * a + 5 / math.pi * a - 6
    return parabola * parabola + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10


def styblinski_tang(x):
    return sum(a**4 - 16 * a**2 + 5 * a for a in x) / 2


def deep_linear(x, depth=3, targets=(1.0,)):
    width = len(targets)
    product = np.eye(width)
    for layer in range(depth):
        matrix = np.array(
            [[x[(layer * width + row) * width + column] for column in range(width)] for row in range(width)]
        )
        product = matrix @ product
    return sum((product[i, j] - targets[i] * (i == j)) ** 2 for i in range(width) for j in range(width)) / 2


def rnn_cliff(x, steps=50):
    w, b = x
    state = 0.5
    for _ in range(steps):
        state = w / (1 + math.exp(-state)) + b
    return (1 / (1 + math.exp(-state)) - 0.7) ** 2


def reddi(x):
    """The mean over a period of the sequence 3x, −x, −x."""
    return (3 * x[0] - x[0] - x[0]) / 3
