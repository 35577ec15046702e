"""What counts as a difficulty: every number that a verdict is measured against."""

from typing import NamedTuple

from ch5jax._types import Scalar


class Thresholds(NamedTuple):
    """The thresholds of `judge` and `diagnose`: numbers, which may be traced and mapped over like any other.

    The descent is measured from the first loss (the median of the first quarter's, if that is higher; the `baseline`,
    for a run that ends below it) down to `best`, the lowest loss known to be reachable; where none is known, down to
    the lowest that the run itself had.

    Attributes:
      vanishing: the gradient at the first layer over that at the last below which it has vanished.
      exploding: and over which it has exploded.
      flat_units: the share of a layer's units that are flat over the whole batch, over which it is saturated.
      spike: a gradient norm over the running 0.99 quantile of those before it, over which it is a cliff's.
      thrown: how far the weights then move between two probes, over what they move at the median, to count as thrown.
      saddle: λ_min < −saddle × the largest magnitude is clearly negative, λ_min > saddle × that clearly positive.
      gradient: a gradient is small if ‖G‖²/2λ, what it could gain, is below this share of the descent.
      above: the share of the descent that is left at the end, over which a run did not do what it could.
      basin: the same for one that came to rest in a basin, where nothing but another basin can be lower.
      falling: the share of the descent that as many steps again would add, over which a loss is still falling.
      slow: the fall at the end over that at half time, over which a fall has not slowed down; where no best is known.
      noise: the noise scale over the batch size, over which a step is mostly noise.
      lift: the share of what is left that the noise of the steps explains, over which noise is the cause.
      overshoot: the share of the descent that as many steps again promise to first order and a stalled loss does not
        show, over which steps overshoot.
      alternation: the share of late steps at which the loss turns, over which it bounces from wall to wall.
      errors: how many standard errors of the late probes a fall, a gradient or a promise may owe to chance.
      steep: ‖G‖² late over the largest that it was, over which a gradient has not become small.
      stable: the share of the longest step that is stable, α λ_max/2, over which steps are not too small.
      learned: where no best is known, the share of the way from the baseline (or the first loss) to a loss of 0 that a
        run has to come to count as one that learned.
      nothing: the share of that way under which a run has learned nothing: it has nothing to lose on other examples,
        and is not healthy for being the best of a sweep.
      worse: a loss at the end over the first and the baseline's, over which the steps have thrown it up.
      moved: the distance travelled, over the initial norm, under which parameters have hardly moved.
      gain: the share of what there is to learn by which a way to go on has to lower the loss, to prove something.
      idle: and over which a run is not healthy.
      overfitting: the validation loss over the training loss, as a share of the way that the training loss has come,
        over which a run has overfitted.
      unscaled: the largest root mean square of an input, over which inputs are not on the scale that initial weights
        are made for.

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
