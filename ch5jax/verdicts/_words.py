"""From numbers to sentences: what was seen, where, how strongly, and what the chapter would try."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._finding import Finding
from ch5jax.verdicts._landscape import small_gradient
from ch5jax.verdicts._structure import hindered
from ch5jax.verdicts._summary import FEWEST_PROBES

if TYPE_CHECKING:
    from ch5jax.verdicts._diagnosis import Diagnosis

REMEDIES = {
    Difficulty.VANISHING: "Try BatchNorm, ReLUs, larger or orthogonal initial weights, or layerwise pretraining.",
    Difficulty.EXPLODING: "Try smaller initial weights, a clipped gradient, or BatchNorm.",
    Difficulty.SATURATED: "Try a smaller learning rate, smaller initial weights, or BatchNorm before the activation.",
    Difficulty.CLIFF: "Try to clip the gradient's norm, or a smaller learning rate.",
    Difficulty.SADDLE: "Try momentum, an adaptive rate, smaller mini-batches, or another start.",
    Difficulty.LOCAL_OPTIMUM: "Try other starts, smaller mini-batches, or a larger rate at first.",
    Difficulty.NOISE: "Try a rate that decays, or larger mini-batches.",
    Difficulty.SYMMETRY: "Try random initial weights, such as He's or Glorot's.",
    Difficulty.OSCILLATING: "Try a smaller learning rate, or one that decays.",
    Difficulty.SLOW: "Try a larger learning rate, momentum or an adaptive rate, or more steps.",
    Difficulty.DIVERGED: "Try a learning rate a tenth as large, or a clipped gradient.",
}


def say(difficulty: Difficulty, found: Finding, of: "Diagnosis") -> str:
    """A finding in a sentence or two, and what to try."""
    strength, where, step = float(found.strength), int(found.where), int(found.step)
    limits, summary = of.thresholds, of.summary
    left = f"{_share(summary.left)} of the descent left" if summary.has_best else "no better loss known"
    matrix = _name(of.names.matrices, where) if where >= 0 else ""
    first, last = (f", {name}," if name else "" for name in (_name(of.names.layers, 0), _name(of.names.layers, -1)))
    seen = {
        Difficulty.VANISHING: lambda: (
            f"the signal at the first layer{first} was {strength:.2g} of that at the last{last[:-1]} (under "
            f"{_n(limits.vanishing)}), first seen at step {step:,}."
        ),
        Difficulty.EXPLODING: lambda: (
            f"the signal at the first layer{first} was {strength:.2g} times that at the last{last[:-1]} (over "
            f"{_n(limits.exploding)}), first seen at step {step:,}."
        ),
        Difficulty.SATURATED: lambda: (
            f"{_share(strength)} of the units of {_hidden(of, where)} were flat over whole mini-batches at the end "
            f"(over {_share(limits.flat_units)}), more than that for the first time at step {step:,}."
        ),
        Difficulty.CLIFF: lambda: (
            f"a gradient {strength:.3g} times the usual (over {_n(limits.spike)}) threw the weights away, in the "
            f"{of.signals_every:,} steps up to step {step:,}."
        ),
        Difficulty.SADDLE: lambda: (
            f"at step {step:,} it rested, with {left}, where the loss curves down: the smallest eigenvalue is "
            f"{strength:.2g} times the largest magnitude (under -{_n(limits.saddle)}), and the gradient is small."
        ),
        Difficulty.LOCAL_OPTIMUM: lambda: (
            f"at step {step:,} it rested in a basin: a small gradient, a loss that curves up in all directions, and "
            f"{_share(strength)} of the descent left (over {_share(limits.basin)})."
        ),
        Difficulty.NOISE: lambda: (
            f"the loss stalled with {left}; a mini-batch's gradient was {_times(strength)} (over {_n(limits.noise)} "
            f"times, within its error), which explains {_share(_explained(of))} of that."
        ),
        Difficulty.SYMMETRY: lambda: (
            f"{strength:.0f} units of the weight matrix {matrix or 'that there is'} had a twin with the same incoming "
            f"weights, first seen at step {step:,}."
        ),
        Difficulty.OSCILLATING: lambda: (
            f"the loss stalled with {left} although the steps promised, to first order, to lower it by "
            f"{_share(strength)} of the descent in as many steps again (over {_share(limits.overshoot)}): they "
            "overshoot."
            if strength > limits.overshoot
            else f"the loss stalled with {left}, and turned at over {_share(limits.alternation)} of the late steps: "
            "they jump from wall to wall."
        ),
        Difficulty.SLOW: lambda: (
            f"when it ended at step {step:,} the loss still fell"
            + (f", {strength:.2g} times as fast as at half time" if np.isfinite(strength) else "")
            + f", with {left}."
            if summary.falling
            else f"it ended at step {step:,} with {left}; late on, the loss fell by no more than chance, "
            "and the gradient was not small."
        ),
        Difficulty.DIVERGED: lambda: f"from step {step:,} on the loss was not finite, or beyond all bounds.",
    }[difficulty]()
    return f"{seen} {REMEDIES[difficulty]}"


def without_difficulty(of: "Diagnosis") -> str:
    """What is said where no difficulty was found."""
    summary = of.summary
    if of.findings.found[Difficulty.HEALTHY]:
        return "HEALTHY: none of the difficulties was seen."
    if not summary.known:
        return (
            f"UNKNOWN: to tell how it went takes a loss and {FEWEST_PROBES} probes, and there were {len(of.probed_at)}."
        )
    return f"UNKNOWN: {_share(summary.left)} of the descent is left, and no test tells why."


def describe(of: "Diagnosis") -> Iterator[str]:
    """Facts about the run's course, where it ended and how far that is from its start."""
    summary, signals, limits = of.summary, of.signals, of.thresholds
    if summary.known:
        best = (
            "lower than the best known"
            if summary.has_best and summary.left < -0.005
            else f"{_share(summary.left)} of the descent to the best known is left"
            if summary.has_best
            else "what could be reached is not known, so that nothing is said of being stuck (pass `best`)"
        )
        yield f"Loss: {_n(summary.first)} at first, {_n(summary.end)} at the end; {best}."
    if signals.spike is not None and not of.findings.found[Difficulty.CLIFF]:
        probe = int(np.argmax(np.nan_to_num(signals.spike, posinf=0)))
        if signals.spike[probe] > limits.spike:
            yield (
                f"Cliff passed: a gradient {signals.spike[probe]:.3g} times the usual, in the {of.signals_every:,} "
                f"steps up to step {of.probed_at[probe]:,}, did not throw the weights far."
            )
    if signals.flat_units is not None and not of.findings.found[Difficulty.SATURATED]:
        flat = of.findings.of(Difficulty.SATURATED)
        if flat.strength > limits.flat_units and not hindered(summary, limits):
            yield (
                f"Flat units: {_share(flat.strength)} of {_hidden(of, int(flat.where))} at the end; the run "
                "got where it could all the same."
            )
    if signals.distance is not None and np.isfinite(signals.distance[-1]):
        yield f"Start: the parameters travelled {_n(signals.distance[-1])} of their initial norm."
    if of.curvature is None:
        yield "Curvature at the end: not available."
    elif np.isfinite(of.curvature.smallest) and not of.findings.found[Difficulty.DIVERGED]:
        yield _curvature(of)


def _curvature(of: "Diagnosis") -> str:
    summary, found = of.summary, of.curvature
    assert found is not None
    smallest, largest = float(found.smallest), float(found.largest)
    steepest = max(abs(smallest), abs(largest))
    reach = float(summary.rate) * steepest
    said = f"Curvature at the end: eigenvalues from {smallest + 0.0:.2g} to {largest + 0.0:.2g}"
    if np.isnan(reach):
        return f"{said}; no step moved the parameters."
    if not summary.known:
        return f"{said}."
    felt = float(summary.largest_rate) * steepest * of.steps
    if felt < 1 and abs(float(summary.promised)) < of.thresholds.falling:
        return f"{said}: a plateau, on which these steps feel neither slope nor curvature."
    stable = (
        f"the late steps, {_n(summary.rate)} times the gradient, are {_share(reach / 2)} of the longest that are "
        "stable in plain descent"
    )
    if smallest < -of.thresholds.saddle * steepest:
        ways = "one direction" if found.negative == 1 else f"{int(found.negative)} directions"
        return f"{said}: it curves down in {ways} at least; {stable}."
    if summary.falling or not small_gradient(summary, np.float32(steepest), of.thresholds):
        return f"{said}; {stable}."
    kind = "a sharp minimum" if reach > 1 else "a flat basin" if reach < 0.1 else "a minimum"
    return f"{said}: {kind}; {stable}."


def _name(names: tuple[str, ...], which: int) -> str:
    return names[which] if names and which < len(names) else ""


def _hidden(of: "Diagnosis", which: int) -> str:
    """A layer with an activation."""
    name = _name(of.names.activations, which)
    return f"layer {name}" if name else f"hidden layer {which + 1}"


def _explained(of: "Diagnosis") -> float:
    return min(float(of.summary.lift) / max(float(of.summary.above_best), 1e-30), 1.0)


def _times(ratio: float) -> str:
    return f"{ratio:.2g} times more noise than signal" if np.isfinite(ratio) else "all noise"


def _n(value: Any) -> str:
    return f"{float(value) + 0.0:.3g}"


def _share(value: Any) -> str:
    share = 100 * max(float(value), 0.0)
    if share > 1e4:
        return "more than 10,000 %"
    return "less than 0.01 %" if 0 < share < 0.01 else f"{share:.2g} %" if share < 1 else f"{share:.0f} %"
