"""The list of all difficulties."""

from ch5jax.verdicts.difficulties._cliff import RULE as CLIFF
from ch5jax.verdicts.difficulties._depth import EXPLODING, VANISHING
from ch5jax.verdicts.difficulties._diverged import RULE as DIVERGED
from ch5jax.verdicts.difficulties._no_gradient import RULE as NO_GRADIENT
from ch5jax.verdicts.difficulties._noise import RULE as NOISE
from ch5jax.verdicts.difficulties._oscillating import RULE as OSCILLATING
from ch5jax.verdicts.difficulties._overfitting import RULE as OVERFITTING
from ch5jax.verdicts.difficulties._rest import LOCAL_OPTIMUM, SADDLE
from ch5jax.verdicts.difficulties._saturated import RULE as SATURATED
from ch5jax.verdicts.difficulties._slow import RULE as SLOW
from ch5jax.verdicts.difficulties._symmetry import RULE as SYMMETRY
from ch5jax.verdicts.difficulties._unscaled import RULE as UNSCALED

RULES = {
    rule.difficulty: rule
    for rule in (
        UNSCALED,
        DIVERGED,
        SYMMETRY,
        SATURATED,
        VANISHING,
        EXPLODING,
        CLIFF,
        NO_GRADIENT,
        SADDLE,
        LOCAL_OPTIMUM,
        OSCILLATING,
        NOISE,
        OVERFITTING,
        SLOW,
    )
}
