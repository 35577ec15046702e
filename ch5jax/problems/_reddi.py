"""The sequence on which Adam goes the wrong way."""

import functools

import jax

from ch5jax._hyperparameters import Range
from ch5jax.problems._problem import Problem, known_number, make


def reddi(slope: float = 3.0) -> Problem:
    r"""Reddi's sequence: a rare large gradient, and two small ones against it.

    .. math:: f_t(x) = \begin{cases} C x & t \bmod 3 = 0\\ -x & \text{else}\end{cases}, \qquad x \in [-1, 1]

    Of three steps together the slope is C − 2 > 0, so that −1 is best. Gradient descent goes there. Adam with b1 = 0
    and b2 = 1/(1 + C²) has forgotten the large gradient after two steps: it divides it by its own size and the small
    ones by theirs, and goes to +1, the worst point.

    Args:
      slope: C > 2.

    Returns:
      A `Problem` in one dimension, in the interval [−1, 1], which is part of the problem: outside it, f falls without
      end. `function` is the mean (C − 2) x / 3, and `parts` are the three of the sequence; steps are counted from 0.
      There is no critical point; `lowest` is −(C − 2)/3, at −1. The start is 0.

    Raises:
      ValueError: if the slope is not a number above 2.

    Example:
      >>> import ch5jax, jax
      >>> problem = ch5jax.problems.reddi()
      >>> [float(jax.grad(part)(problem.start)[0]) for part in problem.parts]
      [3.0, -1.0, -1.0]
      >>> task = ch5jax.tasks.surface(problem, project=True)
      >>> for opt in (ch5jax.sgd(0.01), ch5jax.adam(0.01, b1=0.0, b2=0.1)):
      ...     run = ch5jax.train(task, opt, jax.random.key(0), steps=600)
      ...     print(round(float(run.state.params[0]), 1))
      -1.0
      1.0

    Source: Reddi, Kale and Kumar, *On the convergence of Adam and beyond* (2018), section 3; their step 1 is our step
    0.
    """
    slope = known_number("slope", slope, Range(2.0, low_allowed=False))

    def line(x: jax.Array, rise: float) -> jax.Array:
        return rise * x[0]

    return make(
        "reddi",
        functools.partial(line, rise=(slope - 2) / 3),
        start=(0.0,),
        bounds=(-1.0, 1.0),
        critical_points=(),
        lowest=-(slope - 2) / 3,
        parts=[functools.partial(line, rise=rise) for rise in (slope, -1.0, -1.0)],
    )
