"""The problems that the tests go through: all at their defaults, and some with other arguments."""

import functools
from typing import NamedTuple

import jax
import numpy as np

from ch5jax import problems
from ch5jax.problems import Problem
from tests.references import problems as references

VARIANTS = {
    "quadratic, turned": lambda: problems.quadratic(1e4, 5, rotation_key=jax.random.key(3)),
    "quadratic, saddle": lambda: problems.quadratic(eigenvalues=[2, -3.0, 0.5, 0], rotation_key=jax.random.key(4)),
    "quadratic, maximum": lambda: problems.quadratic(eigenvalues=[-2.0, -0.5]),
    "quadratic, bowl with a flat floor": lambda: problems.quadratic(eigenvalues=[1.0, 0.0]),
    "saddle, flat": lambda: problems.saddle(0.25),
    "rosenbrock, 3": lambda: problems.rosenbrock(3),
    "rosenbrock, 4": lambda: problems.rosenbrock(4),
    "rosenbrock, 5": lambda: problems.rosenbrock(5),
    "rosenbrock, 9": lambda: problems.rosenbrock(9),
    "styblinski_tang, 1": lambda: problems.styblinski_tang(1),
    "styblinski_tang, 6": lambda: problems.styblinski_tang(6),
    "deep_linear, two layers": lambda: problems.deep_linear(2, 0.5),
    "deep_linear, two layers of two": lambda: problems.deep_linear(2, (2.0, 0.5)),
    "deep_linear, the large one first": lambda: problems.deep_linear(3, (2.0, 0.5)),
    "deep_linear, the small one first": lambda: problems.deep_linear(3, (0.5, 2.0)),
    "deep_linear, two alike": lambda: problems.deep_linear(4, (16.0, 16.0)),
    "rnn_cliff, ten steps": lambda: problems.rnn_cliff(10),
    "rnn_cliff, a hundred steps": lambda: problems.rnn_cliff(100),
    "reddi, steep": lambda: problems.reddi(20.0),
}
FACTORIES = {**problems.ALL, **VARIANTS}

REFERENCES = {
    **{name: getattr(references, name) for name in problems.ALL},
    "saddle, flat": lambda x: x[0] ** 2 / 4 - x[1] ** 2,
    "quadratic, saddle": None,  # turned: tests of their own
    "quadratic, turned": None,
    "quadratic, maximum": lambda x: -(x[0] ** 2) - 0.25 * x[1] ** 2,
    "quadratic, bowl with a flat floor": lambda x: x[0] ** 2 / 2,
    "deep_linear, two layers": functools.partial(references.deep_linear, depth=2, targets=(0.5,)),
    "deep_linear, two layers of two": functools.partial(references.deep_linear, depth=2, targets=(2.0, 0.5)),
    "deep_linear, the large one first": functools.partial(references.deep_linear, depth=3, targets=(2.0, 0.5)),
    "deep_linear, the small one first": functools.partial(references.deep_linear, depth=3, targets=(0.5, 2.0)),
    "deep_linear, two alike": functools.partial(references.deep_linear, depth=4, targets=(16.0, 16.0)),
    "rnn_cliff, ten steps": functools.partial(references.rnn_cliff, steps=10),
    "rnn_cliff, a hundred steps": functools.partial(references.rnn_cliff, steps=100),
    "reddi, steep": lambda x: 6 * x[0],
    **{name: references.rosenbrock for name in VARIANTS if name.startswith("rosenbrock")},
    **{name: references.styblinski_tang for name in VARIANTS if name.startswith("styblinski_tang")},
}


def in_the_box(problem, count, seed=0):
    """Random points of a problem's box, shape (count, d)."""
    lower, upper = problem.bounds
    return np.random.default_rng(seed).uniform(lower, upper, (count, len(lower)))


class Seen(NamedTuple):
    """A function and its derivatives at points, in float64; Hessians are symmetrised."""

    values: np.ndarray
    gradients: np.ndarray
    hessians: np.ndarray


@functools.cache
def look(name):
    """A problem, and a function that looks at it at any number of points: compiled once for each problem."""
    problem = FACTORIES[name]()
    dimensions = len(problem.start)
    batch = 1000 if dimensions < 20 else 100
    with jax.enable_x64(True):
        shape = jax.ShapeDtypeStruct((batch, dimensions), np.float64)
        at = jax.vmap(lambda x: (*jax.value_and_grad(problem.function)(x), jax.hessian(problem.function)(x)))
        compiled = jax.jit(at).lower(shape).compile()

    def seen(points):
        chunks = []
        for first in range(0, len(points), batch):
            chunk = np.asarray(points[first : first + batch])
            with jax.enable_x64(True):
                out = compiled(np.pad(chunk, ((0, batch - len(chunk)), (0, 0)), mode="edge"))
            chunks.append([np.asarray(part)[: len(chunk)] for part in out])
        values, gradients, hessians = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
        return Seen(values, gradients, (hessians + hessians.swapaxes(1, 2)) / 2)

    return problem, seen


@functools.cache
def look_at_critical_points(name) -> tuple[Problem, Seen, np.ndarray, float]:
    """The problem, what is seen at its critical points, the eigenvalues, and the largest curvature, 1 at least."""
    problem, seen = look(name)
    there = seen(np.array([critical.point for critical in problem.critical_points]))
    spectra = np.linalg.eigvalsh(there.hessians)
    return problem, there, spectra, max(1.0, np.abs(spectra).max())
