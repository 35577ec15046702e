"""Difficulties of the landscape, told by the Hessian where a run rests: a saddle, a basin that is not the best."""

import jax
import jax.numpy as jnp

from ch5jax.diagnostics import Curvature
from ch5jax.verdicts._course import Course
from ch5jax.verdicts._finding import Finding, finding, nothing
from ch5jax.verdicts._thresholds import Thresholds


def saddle_and_local_optimum(curvature: Curvature | None, went: Course, limits: Thresholds) -> tuple[Finding, Finding]:
    """At rest: a small gradient and a loss that does not fall. Which of the two it is, the smallest eigenvalue says.

    About zero it says neither: a valley that is flat along its floor, as of logistic regression, is no basin.
    """
    if curvature is None:
        return nothing(), nothing()
    steepest = jnp.maximum(jnp.abs(curvature.smallest), jnp.abs(curvature.largest))
    lowest = curvature.smallest / jnp.where(steepest > 0, steepest, 1)
    felt = ~(went.largest_rate * steepest * went.steps < 1)  # else the steps are too small to tell anything of it
    rests = went.known & ~went.falling & felt & small_gradient(went, steepest, limits)
    down, up = lowest < -limits.saddle, lowest > limits.saddle
    return (
        finding(rests & down & went.has_best & (went.left > limits.above), lowest, -1, went.steps),
        finding(rests & up & went.has_best & (went.left > limits.basin), went.left, -1, went.steps),
    )


def small_gradient(went: Course, steepest: jax.Array, limits: Thresholds) -> jax.Array:
    """Whether following the gradient down, against a curvature of that size, would gain next to nothing."""
    return jnp.maximum(went.signal, 0) / 2 < limits.gradient * went.descent * steepest
