"""One difficulty, one file: its test on the evidence, its sentence and its remedies. This is the list of them."""

from ch5jax.verdicts.difficulties import (
    _cliff,
    _depth,
    _diverged,
    _no_gradient,
    _noise,
    _oscillating,
    _overfitting,
    _rest,
    _saturated,
    _slow,
    _symmetry,
)
from ch5jax.verdicts.difficulties._rule import Evidence as Evidence, Rule as Rule, hindered as hindered

RULES = {
    rule.difficulty: rule
    for rule in (
        _diverged.RULE,
        _no_gradient.RULE,
        _symmetry.RULE,
        _saturated.RULE,
        _depth.VANISHING,
        _depth.EXPLODING,
        _cliff.RULE,
        _rest.SADDLE,
        _rest.LOCAL_OPTIMUM,
        _oscillating.RULE,
        _noise.RULE,
        _overfitting.RULE,
        _slow.RULE,
    )
}
