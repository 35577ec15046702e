"""What the course of a validation loss shows beside that of the training loss: where it was lowest, and overfitting."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax.verdicts._summary import FEWEST_PROBES
from ch5jax.verdicts._thresholds import Thresholds


class ValidationCourse(NamedTuple):
    """A validation loss's course, each of shape (); made by `judge_history`."""

    lowest: jax.Array  # the lowest finite one; NaN where none is
    lowest_at: jax.Array  # int32, its step
    end: jax.Array  # the last one
    end_at: jax.Array  # int32, its step
    scatter: jax.Array  # the standard deviation of one about its course; NaN for fewer than three
    overfits: (
        jax.Array
    )  # bool: above the lowest by more than the scatter explains, while the training loss kept falling


def validation_course(
    losses: jax.Array, steps: jax.Array, training: jax.Array, probed_at: jax.Array, limits: Thresholds
) -> ValidationCourse:
    r"""Compares both losses' ends with what they were when the validation loss was lowest: pure, and jits.

    Of the means v over an eighth of the losses, the last is compared with the lowest; the scatter σ of one loss is told
    by second differences, which a smooth course leaves alone:

    .. math:: v_\text{end} - \min v > 3 \sigma \sqrt{2 / m}, \qquad
       \sigma = 1.48 \operatorname{median} |L_{t-1} - 2 L_t + L_{t+1}| / \sqrt 6

    with m losses in a mean, and `errors` of the thresholds for the 3. The same holds for the training loss, which has
    to have fallen so far since then. Both need eight losses.

    Args:
      losses: the finite validation losses, shape (n,), n ≥ 1.
      steps: theirs, int32, shape (n,).
      training: the mean training loss of each interval, shape (probes,).
      probed_at: the steps that end these, shape (probes,).
      limits: the thresholds.
    """
    lowest = jnp.argmin(losses)
    scatter = _scatter(losses)
    risen = fallen = jnp.array(False)
    if len(losses) >= FEWEST_PROBES and len(training) >= FEWEST_PROBES:
        means, tolerance = _means(losses, limits)
        risen = means[-1] - jnp.min(means) > tolerance
        means, tolerance = _means(training, limits)
        size = len(training) // len(means)
        probe = jnp.searchsorted(probed_at, steps[lowest]) - (len(training) - size * len(means))
        then = jnp.clip(probe // size, 0, len(means) - 1)
        fallen = means[then] - means[-1] > tolerance
    return ValidationCourse(
        lowest=losses[lowest],
        lowest_at=steps[lowest],
        end=losses[-1],
        end_at=steps[-1],
        scatter=scatter,
        overfits=risen & fallen,
    )


def _means(losses: jax.Array, limits: Thresholds) -> tuple[jax.Array, jax.Array]:
    """Of every eighth, and by how much two of them may differ by chance."""
    size = max(1, len(losses) // 8)
    means = jnp.mean(losses[len(losses) % size :].reshape(-1, size), axis=1)
    return means, limits.errors * _scatter(losses) * (2 / size) ** 0.5


def _scatter(losses: jax.Array) -> jax.Array:
    if len(losses) < 3:
        return jnp.full((), jnp.nan, losses.dtype)
    return 1.4826 * jnp.median(jnp.abs(losses[:-2] - 2 * losses[1:-1] + losses[2:])) / 6**0.5


def say_validation(course: ValidationCourse) -> str:
    """The same in a sentence that accuses nobody."""
    lowest, end = (f"{float(value):.3g}" for value in (course.lowest, course.end))
    if np.isnan(course.lowest):
        return "Validation loss: it was never finite."
    at, end_at = f"{int(course.lowest_at):,}", f"{int(course.end_at):,}"
    if at == end_at:
        return f"Validation loss: lowest at the end, {lowest} (step {end_at})."
    end = end if np.isfinite(course.end) else "not finite"
    said = f"Validation loss: lowest {lowest} at step {at}, {end} at the end (step {end_at})"
    if not course.overfits:
        return f"{said}."
    return (
        f"{said}, above the lowest by more than its scatter while the training loss kept falling: it overfits since "
        f"step {at}."
    )
