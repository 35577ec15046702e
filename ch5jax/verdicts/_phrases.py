"""Numbers and names in a sentence."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ch5jax.verdicts._diagnosis import Diagnosis


def named(names: tuple[str, ...], which: int) -> str:
    """One of some names; nothing where there are none."""
    return names[which] if names and which < len(names) else ""


def hidden(of: "Diagnosis", which: int) -> str:
    """A layer with an activation."""
    name = named(of.names.activations, which)
    return f"layer {name}" if name else f"hidden layer {which + 1}"


def left(of: "Diagnosis") -> str:
    """How much of the descent is left."""
    return f"{share(of.summary.left)} of the descent left" if of.summary.has_best else "no better loss known"


def n(value: Any) -> str:
    """A number with three digits."""
    return f"{float(value) + 0.0:.3g}"


def share(value: Any) -> str:
    """A share in per cent."""
    percent = 100 * max(float(value), 0.0)
    if percent > 1e4:
        return "more than 10,000 %"
    return "less than 0.01 %" if 0 < percent < 0.01 else f"{percent:.2g} %" if percent < 1 else f"{percent:.0f} %"
