"""A run in numbers: what was measured of the loss, the steps and the noise, late in the run."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax.diagnostics import Signals, loss_slope, noise_scale
from ch5jax.verdicts._finding import late
from ch5jax.verdicts._thresholds import Thresholds

FEWEST_PROBES = 8  # a second and a last quarter of two probes each


class RunSummary(NamedTuple):
    """A run's course in numbers, each of shape (); NaN where a signal is not to be had, so that no comparison holds."""

    known: jax.Array  # whether there is a course: probes enough, and a loss that is finite late in the run
    has_best: jax.Array  # whether a best loss was given; else it is the lowest that the run had
    learned: jax.Array  # whether it got near the best; where no best is known, whether it came half of the way to 0
    holds: jax.Array  # where no best is known: whether the validation loss says so too, and the loss is not below 0
    measured: jax.Array  # whether a best or a baseline is known: the first loss alone may be anything
    worse: jax.Array  # whether it ended far above the first loss and the baseline
    still: jax.Array  # whether the gradient is exactly zero at every late probe
    falling: jax.Array  # whether the loss still falls at the end, and not by chance
    mostly_noise: jax.Array  # whether the noise scale is over the threshold, within its error
    first: jax.Array  # the loss of the first step
    end: jax.Array  # its mean over the last eighth of the probes
    above_best: jax.Array  # by how much that is above the best
    reach: jax.Array  # from the baseline or the first loss, or the end's if that is higher, to the best, or to 0
    descent: jax.Array  # from the baseline to the best; from the first loss, for a run that has not come so far
    left: jax.Array  # above_best over what there was to learn; above 1 if the run got worse than the baseline
    middle_slope: (
        jax.Array
    )  # how fast the loss fell in the second quarter: its fall over a whole run at that pace, over the descent
    late_slope: jax.Array  # the same for the last quarter
    promised: jax.Array  # −G·u of as many steps again, over the descent: a lower bound, up to chance
    noise: jax.Array  # the noise scale in units of the batch
    lift: jax.Array  # by how much the noise of the steps lifts the loss
    squared_norm: jax.Array  # ‖G‖²: an upper bound, up to chance
    steep: jax.Array  # whether ‖G‖² is still a share of its largest value, beyond chance
    rate: jax.Array  # ‖u‖/‖g‖ late in the run, or over all of it if nothing moved late
    largest_rate: jax.Array  # the largest ‖u‖/‖g‖ of all probes
    moved: jax.Array  # the distance travelled, over the initial norm
    validation: jax.Array  # the validation loss at the end
    lowest_validation: jax.Array  # the lowest validation loss on the way
    lowest_at: jax.Array  # its step; the last where there is one alone, or none
    lost_share: jax.Array  # validation loss minus training loss at the end, over the fall of the training loss
    input_scale: jax.Array  # the largest root mean square of an input
    steps: jax.Array  # how many there were


def summarise(
    signals: Signals,
    probed_at: jax.Array,
    best: jax.typing.ArrayLike | None,
    baseline: jax.typing.ArrayLike | None,
    gradient_norm: jax.typing.ArrayLike | None,
    validation: jax.typing.ArrayLike | None,
    limits: Thresholds,
    input_scale: jax.typing.ArrayLike | None = None,
    validated_at: jax.typing.ArrayLike | None = None,
) -> RunSummary:
    """Measures a run's course, as far as its signals go; `validation` is the last one, or those after some steps."""
    no, nan = jnp.array(False), jnp.full((), jnp.nan, _trees.default_float())
    summary = RunSummary(**dict.fromkeys(RunSummary._fields, nan))
    unknown = dict.fromkeys(
        ("known", "has_best", "learned", "holds", "measured", "worse", "still", "falling", "mostly_noise", "steep"), no
    )
    summary = summary._replace(**unknown, steps=probed_at[-1], lowest_at=probed_at[-1])
    if validation is not None and jnp.ndim(validation):
        summary, validation = _of_the_validation(summary, jnp.asarray(validation), validated_at), validation[-1]
    if input_scale is not None:
        summary = summary._replace(input_scale=jnp.asarray(input_scale, nan.dtype))
    if signals.mean_loss is not None and signals.first_loss is not None and len(probed_at) >= FEWEST_PROBES:
        summary = _of_the_loss(summary, signals.mean_loss, signals.first_loss[-1], best, baseline, validation, limits)
    if signals.distance is not None:
        summary = summary._replace(moved=signals.distance[-1])
    if signals.gradient_norm is not None:
        summary = summary._replace(still=jnp.all(late(signals.gradient_norm) == 0))
    if signals.update_norm is not None and signals.gradient_norm is not None:
        moves = (signals.gradient_norm > 0) & (signals.update_norm > 0)
        rates = jnp.where(moves, signals.update_norm / signals.gradient_norm, jnp.nan)
        of_late = jnp.nanmedian(late(rates))  # NaN where late steps are lost in rounding
        rate = jnp.where(jnp.isnan(of_late), jnp.nanmedian(rates), of_late)
        summary = summary._replace(rate=rate, largest_rate=jnp.nanmax(rates))
    if signals.noise is not None and signals.squared_norm is not None and signals.predicted_decrease is not None:
        summary = _of_the_noise(summary, late(signals.noise), signals.squared_norm, limits)
        descent = jnp.where(summary.descent > 0, summary.descent, 1)
        summary = summary._replace(
            promised=_bound(late(signals.predicted_decrease), -limits.errors) * summary.steps / descent
        )
    if gradient_norm is not None:
        known = jnp.square(jnp.asarray(gradient_norm, summary.squared_norm.dtype))
        summary = summary._replace(squared_norm=jnp.fmin(summary.squared_norm, known))
    return summary


def _of_the_validation(summary: RunSummary, losses: jax.Array, at: jax.typing.ArrayLike | None) -> RunSummary:
    finite = jnp.isfinite(losses)
    lowest = jnp.argmin(jnp.where(finite, losses, jnp.inf))
    return summary._replace(
        lowest_validation=losses[lowest],
        lowest_at=jnp.where(jnp.any(finite), jnp.asarray(at, jnp.int32)[lowest], summary.lowest_at),
    )


def _of_the_loss(
    summary: RunSummary,
    loss: jax.Array,
    first: jax.Array,
    best: jax.typing.ArrayLike | None,
    baseline: jax.typing.ArrayLike | None,
    validation: jax.typing.ArrayLike | None,
    limits: Thresholds,
) -> RunSummary:
    # one mini-batch's loss scatters, that of one example may be anything; but the first steps may have exploded
    initial = jnp.maximum(first, jnp.median(loss[: len(loss) // 4]))
    given = jnp.asarray(jnp.nan if best is None else best, loss.dtype)
    floor = jnp.where(jnp.isnan(given), jnp.min(jnp.where(jnp.isfinite(loss), loss, jnp.inf)), given)
    end = jnp.mean(loss[-max(1, len(loss) // 8) :])
    learnable = jnp.maximum((initial if baseline is None else jnp.fmin(initial, baseline)) - floor, 0)
    # who has not come as far as the baseline has all of that left, and is on the way from the first loss
    descent = jnp.where(end - floor > learnable, jnp.maximum(initial - floor, 0), learnable)
    whole = jnp.where(descent > 0, descent, 1)
    middle, _ = loss_slope(loss[len(loss) // 4 : len(loss) // 2])
    slope, error = loss_slope(late(loss))
    left = jnp.where(
        learnable > 0, (end - floor) / jnp.where(learnable > 0, learnable, 1), jnp.where(end > floor, jnp.inf, 0)
    )
    start = initial if baseline is None else jnp.where(jnp.isnan(baseline), initial, baseline)
    halfway = (1 - limits.learned) * start  # of a loss that is no less than 0
    held = jnp.asarray(jnp.nan if validation is None else validation, loss.dtype)
    before = jnp.maximum(first, loss[0] if baseline is None else jnp.where(jnp.isnan(baseline), loss[0], baseline))
    fallen = start - end
    return summary._replace(
        learned=jnp.where(jnp.isnan(given), ~(end > halfway), left <= limits.above),
        holds=jnp.isnan(given) & ~(held > halfway) & ~(end < 0) | ~jnp.isnan(given),
        measured=~jnp.isnan(given) | ~jnp.isnan(jnp.asarray(jnp.nan if baseline is None else baseline, loss.dtype)),
        reach=jnp.maximum(jnp.maximum(start, end) - jnp.where(jnp.isnan(given), 0, given), 0),
        worse=jnp.isfinite(end) & (end > limits.worse * before) & (before > 0),
        validation=held,
        lost_share=jnp.where(
            fallen > limits.nothing * jnp.abs(start), (held - end) / jnp.where(fallen > 0, fallen, 1), jnp.nan
        ),
        known=jnp.all(jnp.isfinite(late(loss))) & jnp.isfinite(first),
        has_best=~jnp.isnan(given),
        falling=(slope * len(loss) > limits.falling * descent) & (slope > limits.errors * error),
        first=first,
        end=end,
        above_best=end - floor,
        descent=descent,
        left=left,
        middle_slope=middle * len(loss) / whole,
        late_slope=slope * len(loss) / whole,
    )


def _of_the_noise(summary: RunSummary, noise: jax.Array, squared_norm: jax.Array, limits: Thresholds) -> RunSummary:
    """The noise, and by how much it lifts the loss.

    That is α tr Σ/4B above the basin's floor: ½ λ E[w²] of w ← w − α(λw + ξ) as α → 0, whatever λ is, in each
    direction. The product of two gradients scatters by more than it is large, the more so in few dimensions: so that
    a threshold counts as passed where it is within the error.
    """
    size, strongest = jnp.mean(noise), jnp.max(jnp.where(jnp.isfinite(squared_norm), squared_norm, 0))
    squared_norm = late(squared_norm)
    return summary._replace(
        mostly_noise=size > limits.noise * jnp.maximum(_bound(squared_norm, -limits.errors), 0),
        noise=noise_scale(size, jnp.mean(squared_norm)),
        lift=summary.rate * size / 4,
        squared_norm=_bound(squared_norm, limits.errors),
        steep=_bound(squared_norm, -limits.errors) > limits.steep * strongest,
    )


def _bound(values: jax.Array, errors: jax.typing.ArrayLike) -> jax.Array:
    """Their mean plus a number of its standard errors."""
    return jnp.mean(values) + errors * jnp.std(values) / max(len(values) - 1, 1) ** 0.5


def gradient_is_small(summary: RunSummary, steepest: jax.typing.ArrayLike, limits: Thresholds) -> jax.Array:
    """Whether following the gradient down, against a curvature of that size, would gain next to nothing."""
    return jnp.maximum(summary.squared_norm, 0) / 2 < limits.gradient * summary.descent * steepest
