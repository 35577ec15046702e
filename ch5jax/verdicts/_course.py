"""How a run went: what it measured of the loss, the steps and the noise, late in the run."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax.diagnostics import Signals, fall as fall_of, noise_scale
from ch5jax.verdicts._finding import late
from ch5jax.verdicts._thresholds import Thresholds

FEWEST_LOOKS = 8  # a second and a last quarter of two looks each


class Course(NamedTuple):
    """A run's course in numbers, each of shape (); NaN where a signal is not to be had, so that no comparison holds."""

    known: jax.Array  # whether there is a course: looks enough, and a loss that is finite late in the run
    has_best: jax.Array  # whether a best loss was given; else it is the lowest that the run had
    falling: jax.Array  # whether the loss still falls at the end, and not by chance
    mostly_noise: jax.Array  # whether the noise scale is over the threshold, within its error
    first: jax.Array  # the loss of the first step
    end: jax.Array  # its mean over the last eighth of the looks
    above_best: jax.Array  # by how much that is above the best
    descent: jax.Array  # from the baseline to the best; from the first loss, for a run that has not come so far
    left: jax.Array  # above_best as a share of what there was to learn: over 1 for a run that has learned nothing
    middle: jax.Array  # what a whole run would fall as fast as this one around half time, as a share of the descent
    fall: jax.Array  # and as fast as at the end
    promised: jax.Array  # −G·u of as many steps again, as a share of the descent; so much at least, but for chance
    noise: jax.Array  # the noise scale in units of the batch
    lift: jax.Array  # by how much the noise of the steps lifts the loss
    signal: jax.Array  # ‖G‖²; so much at most, but for chance
    steep: jax.Array  # whether ‖G‖² is, but for chance, still a share of the largest that it was
    rate: jax.Array  # ‖u‖/‖g‖ late in the run, or over all of it if nothing moved late
    largest_rate: jax.Array  # and at the look at which it was largest
    steps: jax.Array  # how many there were


def course(
    signals: Signals,
    looked_at: jax.Array,
    best: jax.typing.ArrayLike | None,
    baseline: jax.typing.ArrayLike | None,
    gradient_norm: jax.typing.ArrayLike | None,
    limits: Thresholds,
) -> Course:
    """Measures a run's course, as far as its signals go."""
    no, nan = jnp.array(False), jnp.full((), jnp.nan, _trees.default_float())
    went = Course(**dict.fromkeys(Course._fields, nan))
    went = went._replace(known=no, has_best=no, falling=no, mostly_noise=no, steep=no, steps=looked_at[-1])
    if signals.mean_loss is not None and signals.first_loss is not None and len(looked_at) >= FEWEST_LOOKS:
        went = _of_the_loss(went, signals.mean_loss, signals.first_loss[-1], best, baseline, limits)
    if signals.update_norm is not None and signals.gradient_norm is not None:
        moves = (signals.gradient_norm > 0) & (signals.update_norm > 0)
        rates = jnp.where(moves, signals.update_norm / signals.gradient_norm, jnp.nan)
        of_late = jnp.nanmedian(late(rates))  # NaN where late steps are lost in rounding
        rate = jnp.where(jnp.isnan(of_late), jnp.nanmedian(rates), of_late)
        went = went._replace(rate=rate, largest_rate=jnp.nanmax(rates))
    if signals.noise is not None and signals.signal is not None and signals.predicted_decrease is not None:
        went = _of_the_noise(went, late(signals.noise), signals.signal, limits)
        descent = jnp.where(went.descent > 0, went.descent, 1)
        went = went._replace(promised=_bound(late(signals.predicted_decrease), -limits.errors) * went.steps / descent)
    if gradient_norm is not None:
        went = went._replace(signal=jnp.fmin(went.signal, jnp.square(jnp.asarray(gradient_norm, went.signal.dtype))))
    return went


def _of_the_loss(
    went: Course,
    loss: jax.Array,
    first: jax.Array,
    best: jax.typing.ArrayLike | None,
    baseline: jax.typing.ArrayLike | None,
    limits: Thresholds,
) -> Course:
    # one mini-batch's loss scatters, that of one example may be anything; but the first steps may have exploded
    begun = jnp.maximum(first, jnp.median(loss[: len(loss) // 4]))
    given = jnp.asarray(jnp.nan if best is None else best, loss.dtype)
    floor = jnp.where(jnp.isnan(given), jnp.min(jnp.where(jnp.isfinite(loss), loss, jnp.inf)), given)
    end = jnp.mean(loss[-max(1, len(loss) // 8) :])
    learnable = jnp.maximum((begun if baseline is None else jnp.fmin(begun, baseline)) - floor, 0)
    # who has not come as far as the baseline has all of that left, and is on the way from the first loss
    descent = jnp.where(end - floor > learnable, jnp.maximum(begun - floor, 0), learnable)
    whole = jnp.where(descent > 0, descent, 1)
    middle, _ = fall_of(loss[len(loss) // 4 : len(loss) // 2])
    fall, error = fall_of(late(loss))
    return went._replace(
        known=jnp.all(jnp.isfinite(late(loss))) & jnp.isfinite(first),
        has_best=~jnp.isnan(given),
        falling=(fall * len(loss) > limits.falling * descent) & (fall > limits.errors * error),
        first=first,
        end=end,
        above_best=end - floor,
        descent=descent,
        left=jnp.where(
            learnable > 0,
            (end - floor) / jnp.where(learnable > 0, learnable, 1),
            jnp.where(end > floor, jnp.inf, 0),
        ),
        middle=middle * len(loss) / whole,
        fall=fall * len(loss) / whole,
    )


def _of_the_noise(went: Course, noise: jax.Array, signal: jax.Array, limits: Thresholds) -> Course:
    """The noise, and by how much it lifts the loss.

    That is α tr Σ/4B above the basin's floor: ½ λ E[w²] of w ← w − α(λw + ξ) as α → 0, whatever λ is, in each
    direction. The product of two gradients scatters by more than it is large, the more so in few dimensions: so that
    a threshold counts as passed where it is within the error.
    """
    size, strongest = jnp.mean(noise), jnp.max(jnp.where(jnp.isfinite(signal), signal, 0))
    signal = late(signal)
    return went._replace(
        mostly_noise=size > limits.noise * jnp.maximum(_bound(signal, -limits.errors), 0),
        noise=noise_scale(size, jnp.mean(signal)),
        lift=went.rate * size / 4,
        signal=_bound(signal, limits.errors),
        steep=_bound(signal, -limits.errors) > limits.steep * strongest,
    )


def _bound(values: jax.Array, errors: jax.typing.ArrayLike) -> jax.Array:
    """Their mean, and so many of its standard errors."""
    return jnp.mean(values) + errors * jnp.std(values) / max(len(values) - 1, 1) ** 0.5
