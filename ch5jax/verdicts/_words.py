"""From numbers to sentences: what was seen, where, how strongly, and what the chapter would try."""

from collections.abc import Iterator

import numpy as np

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._landscape import small_gradient
from ch5jax.verdicts._record import Record

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


def say(difficulty: Difficulty, strength: float, where: int, step: int, of: Record) -> str:
    """A finding in a sentence or two, and what to try."""
    limits, went = of.thresholds, of.course
    left = f"{_share(went.left)} of the descent left" if went.has_best else "no better loss known"
    seen = {
        Difficulty.VANISHING: lambda: (
            f"the signal at the first layer was {strength:.2g} of that at the last (under {_n(limits.vanishing)}), "
            f"first seen at step {step:,}."
        ),
        Difficulty.EXPLODING: lambda: (
            f"the signal at the first layer was {strength:.2g} times that at the last (over {_n(limits.exploding)}), "
            f"first seen at step {step:,}."
        ),
        Difficulty.SATURATED: lambda: (
            f"{_share(strength)} of the units of hidden layer {where + 1} were flat over whole mini-batches at the end "
            f"(over {_share(limits.flat_units)}), more than that for the first time at step {step:,}."
        ),
        Difficulty.CLIFF: lambda: (
            f"a gradient {strength:.3g} times the usual (over {_n(limits.spike)}) threw the weights away, in the "
            f"{of.signals_every:,} steps up to step {step:,}."
        ),
        Difficulty.SADDLE: lambda: (
            f"at step {step:,} it rested, with {left}, where the loss curves down: the smallest eigenvalue is "
            f"{strength:.2g} times the largest magnitude (under −{_n(limits.saddle)}), and the gradient is small."
        ),
        Difficulty.LOCAL_OPTIMUM: lambda: (
            f"at step {step:,} it rested in a basin: small gradient, no negative curvature, and {_share(strength)} of "
            f"the descent left (over {_share(limits.basin)})."
        ),
        Difficulty.NOISE: lambda: (
            f"the loss stalled with {left} while a mini-batch's gradient was {_times(strength)} noise than signal "
            f"(over {_n(limits.noise)} times, within its error), which explains {_share(_explained(of))} of that."
        ),
        Difficulty.SYMMETRY: lambda: (
            f"{strength:.0f} units of {of.matrices[where] if where < len(of.matrices) else f'matrix {where}'} had a "
            f"twin with the same incoming weights, first seen at step {step:,}."
        ),
        Difficulty.OSCILLATING: lambda: (
            f"the loss stalled with {left} while every step promised, to first order, that it falls; of late it turned "
            f"at {_share(strength)} of the steps (noise alone: 67 %)."
        ),
        Difficulty.SLOW: lambda: (
            f"when it ended at step {step:,} the loss fell {strength:.2g} times as fast as at half time (over "
            f"{_n(limits.slow)}), with {left}."
            if strength > limits.slow
            else f"it ended at step {step:,} with {left} although the gradient was as steep as before."
        ),
        Difficulty.DIVERGED: lambda: f"from step {step:,} on the loss was not finite, or beyond all bounds.",
    }[difficulty]()
    return f"{seen} {REMEDIES[difficulty]}"


def describe(of: Record) -> Iterator[str]:
    """Facts about the run's course, where it ended and how far that is from its start."""
    went, signals, limits = of.course, of.signals, of.thresholds
    if went.known:
        best = (
            f"{_share(went.left)} of the way to the best known is left"
            if went.has_best
            else "what could be reached is not known, so that nothing is said of being stuck (pass `best`)"
        )
        yield f"Loss: {_n(went.first)} at first, {_n(went.end)} at the end; {best}."
    if signals.spike is not None and not of.verdict.found[Difficulty.CLIFF]:
        look = int(np.argmax(np.nan_to_num(signals.spike, posinf=0)))
        if signals.spike[look] > limits.spike:
            yield (
                f"Cliff passed: a gradient {signals.spike[look]:.3g} times the usual, in the {of.signals_every:,} "
                f"steps up to step {of.looked_at[look]:,}, did not throw the weights far."
            )
    if signals.flat_units is not None and not of.verdict.found[Difficulty.SATURATED]:
        share, layer = of.verdict.strength[Difficulty.SATURATED], of.verdict.where[Difficulty.SATURATED]
        if share > limits.flat_units:
            yield (
                f"Flat units: {_share(share)} of hidden layer {int(layer) + 1} at the end; the run got where it could "
                "all the same."
            )
    if signals.distance is not None and np.isfinite(signals.distance[-1]):
        yield f"Start: the parameters travelled {_n(signals.distance[-1])} of their initial norm."
    if of.curvature is None:
        yield "Curvature at the end: not available."
    elif np.isfinite(of.curvature.smallest):
        yield _curvature(of)


def _curvature(of: Record) -> str:
    went, found = of.course, of.curvature
    assert found is not None
    smallest, largest = float(found.smallest), float(found.largest)
    steepest = max(abs(smallest), abs(largest))
    reach = float(went.rate) * steepest
    said = f"Curvature at the end: eigenvalues from {smallest:.2g} to {largest:.2g}"
    if np.isnan(reach):
        return f"{said}; no step moved the parameters."
    if not went.known:
        return f"{said}."
    if reach * of.steps < 1 and abs(float(went.promised)) < of.thresholds.falling:
        return f"{said}: a plateau, on which these steps feel neither slope nor curvature."
    stable = f"the steps, {_n(went.rate)} times the gradient, are {_share(reach / 2)} of the longest that are stable"
    if smallest < -of.thresholds.saddle * steepest:
        ways = "one direction" if found.negative == 1 else f"{int(found.negative)} directions"
        return f"{said}: it curves down in {ways} at least; {stable}."
    if went.falling or not small_gradient(went, np.float32(steepest), of.thresholds):
        return f"{said}; {stable}."
    kind = "a sharp minimum" if reach > 1 else "a flat basin" if reach < 0.1 else "a minimum"
    return f"{said}: {kind}; {stable}."


def _explained(of: Record) -> float:
    return min(float(of.course.lift) / max(float(of.course.above_best), 1e-30), 1.0)


def _times(ratio: float) -> str:
    return "all noise rather" if not np.isfinite(ratio) else f"{ratio:.2g} times more"


def _n(value: object) -> str:
    return f"{float(value):.3g}"  # type: ignore[arg-type]


def _share(value: object) -> str:
    share = 100 * float(value)  # type: ignore[arg-type]
    return "less than 0.01 %" if 0 < share < 0.01 else f"{share:.2g} %" if share < 1 else f"{share:.0f} %"
