"""What a training can run into."""

from enum import IntEnum


class Difficulty(IntEnum):
    """The difficulties of optimization by name; `ch5jax.diagnose` says which of them a training met.

    The numbers are stored in files: they never change, and new ones are added at the end.

    HEALTHY and UNKNOWN are no difficulties: they are verdicts, and in no set of difficulties.

    Example:
      >>> import ch5jax
      >>> ch5jax.diagnostics.Difficulty.SADDLE.name, int(ch5jax.diagnostics.Difficulty.SADDLE)
      ('SADDLE', 5)

    Source: the chapter, section 5.1, with 5.2 no. 6 for the rates and 5.6 no. 2 for symmetry; Goodfellow, Bengio and
    Courville, *Deep Learning* (2016), section 8.2.
    """

    HEALTHY = 0  # none of the following
    VANISHING = 1  # the layer gradient ∂L/∂z dies out on its way back through the layers
    EXPLODING = 2  # or grows
    SATURATED = 3  # most units of a layer are flat over the whole batch, dead ReLUs among them
    CLIFF = 4  # one gradient far above all before it threw the parameters away
    SADDLE = 5  # it came to rest where the loss still falls in some direction
    LOCAL_OPTIMUM = 6  # it came to rest in a basin, above what can be reached
    NOISE = 7  # the noise of mini-batches holds the loss up
    SYMMETRY = 8  # units with equal incoming weights
    OSCILLATING = 9  # steps overshoot: the rate is too large
    SLOW = 10  # it was on its way when it ended: the rate is too small, or the steps too few
    DIVERGED = 11  # the loss or the parameters are lost for good
    UNKNOWN = 12  # none of these was seen, but it did not get where it could, or there were too few probes to tell
    NO_GRADIENT = 13  # the gradient is exactly zero where nothing was learned: the outputs do not fit their loss
    OVERFITTING = 14  # much of what was learned does not hold on the validation part
    UNSCALED = 15  # the inputs are far larger than initial weights are made for, and the run failed
