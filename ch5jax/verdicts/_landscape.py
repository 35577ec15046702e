"""Difficulties of the landscape, told by the Hessian where a run rests: a saddle, a basin that is not the best."""

import jax
import jax.numpy as jnp

from ch5jax.diagnostics import Curvature
from ch5jax.verdicts._finding import Finding, finding, nothing
from ch5jax.verdicts._summary import RunSummary
from ch5jax.verdicts._thresholds import Thresholds


def saddle_and_local_optimum(
    curvature: Curvature | None, summary: RunSummary, limits: Thresholds
) -> tuple[Finding, Finding]:
    """At rest: a small gradient and a loss that does not fall. Which of the two it is, the smallest eigenvalue says.

    About zero it says neither: a valley that is flat along its floor, as of logistic regression, is no basin.
    """
    if curvature is None:
        return nothing(), nothing()
    steepest = jnp.maximum(jnp.abs(curvature.smallest), jnp.abs(curvature.largest))
    lowest = curvature.smallest / jnp.where(steepest > 0, steepest, 1)
    felt = ~(summary.largest_rate * steepest * summary.steps < 1)  # else the steps are too small to tell anything of it
    rests = summary.known & ~summary.falling & felt & small_gradient(summary, steepest, limits)
    down, up = lowest < -limits.saddle, lowest > limits.saddle
    return (
        finding(rests & down & summary.has_best & (summary.left > limits.above), lowest, -1, summary.steps),
        finding(rests & up & summary.has_best & (summary.left > limits.basin), summary.left, -1, summary.steps),
    )


def small_gradient(summary: RunSummary, steepest: jax.Array, limits: Thresholds) -> jax.Array:
    """Whether following the gradient down, against a curvature of that size, would gain next to nothing."""
    return jnp.maximum(summary.squared_norm, 0) / 2 < limits.gradient * summary.descent * steepest
