"""What counts as a difficulty: every number that a verdict is measured against."""

from typing import NamedTuple

from ch5jax._types import Scalar


class Thresholds(NamedTuple):
    """The thresholds of `judge` and `diagnose`: numbers, which may be traced and mapped over like any other.

    The descent is measured from the first loss (the median of the first quarter's, if that is higher; the `baseline`,
    for a run that ends below it) down to `best`, the lowest loss known to be reachable; where none is known, down to
    the lowest that the run itself had.

    Attributes:
      vanishing: a gradient has vanished if ‖∂L/∂z₁‖ / ‖∂L/∂z_L‖, first layer over last, is below this.
      exploding: it has exploded if that ratio is above this.
      flat_units: a layer is saturated if more than this share of its units is flat over the whole batch.
      spike: a gradient is a cliff's if its norm is above this many times the running 0.99 quantile.
      thrown: the weights were thrown if they moved this many times as far between two probes as they do at the median.
      saddle: λ_min is clearly negative below −saddle × the largest magnitude, clearly positive above saddle × that.
      gradient: a gradient is small if what it could gain, ‖G‖²/2λ, is below this share of the descent.
      above: a run did not get where it could if more than this share of the descent is left at the end.
      basin: the same for a run that came to rest in a basin.
      falling: a loss still falls if as many steps again would lower it by more than this share of the descent.
      slow: a fall has not slowed down if it is above this many times that in the second quarter; where no best is
        known.
      noise: a step is mostly noise if the noise scale is above this many batches.
      lift: noise is the cause if it explains more than this share of what is left.
      overshoot: steps overshoot if the loss has stalled, while as many steps again promise, to first order, more than
        this share of the descent.
      alternation: a loss bounces from wall to wall if it turns at more than this share of the late steps.
      errors: a difference counts if it is above this many standard errors of the late probes.
      steep: a gradient has not become small if ‖G‖² late is above this share of its largest value.
      stable: steps are not too small if α λ_max/2, their share of the longest stable step, is above this.
      learned: where no best is known, a run has learned if it came this share of the way from the baseline, or the
        first loss, to 0.
      nothing: a run has learned nothing if it came less than this share of that way. Then it is not called overfitted,
        and not healthy for being the best of a sweep.
      worse: the steps have thrown the loss up if it ends above this many times both the first loss and the baseline.
      moved: parameters have hardly moved if the distance over the initial norm is below this.
      gain: a continuation proves something if it lowers the loss by more than this share of what there is to learn.
      idle: a run is not healthy if a continuation lowers the loss by more than this share.
      overfitting: a run has overfitted if more than this share of what it learned is lost on the validation part:
        (validation loss − training loss) / fall of the training loss.
      unscaled: inputs are too large if the root mean square of one of them is above this.

    Example:
      >>> import ch5jax
      >>> ch5jax.verdicts.Thresholds(flat_units=0.8).flat_units
      0.8

    Source: the values were chosen on seeds 0 to 7 of the battery of labelled runs (`benchmarks/battery.py`), the last
    seven before `unscaled` on half of the public ones (`benchmarks/public/`), and are reported on the others;
    `unscaled` after the scales of all public runs had been seen.
    """

    vanishing: Scalar = 1e-3
    exploding: Scalar = 1e3
    flat_units: Scalar = 0.5
    spike: Scalar = 10.0
    thrown: Scalar = 5.0
    saddle: Scalar = 0.01
    gradient: Scalar = 3e-3
    above: Scalar = 0.1
    basin: Scalar = 0.03
    falling: Scalar = 0.1
    slow: Scalar = 0.5
    noise: Scalar = 10.0
    lift: Scalar = 0.15
    overshoot: Scalar = 1.0
    alternation: Scalar = 0.9
    errors: Scalar = 3.0
    steep: Scalar = 0.01
    stable: Scalar = 0.9
    learned: Scalar = 0.5
    nothing: Scalar = 0.25
    worse: Scalar = 2.0
    moved: Scalar = 0.02
    gain: Scalar = 0.1
    idle: Scalar = 0.025
    overfitting: Scalar = 0.5
    unscaled: Scalar = 30.0
