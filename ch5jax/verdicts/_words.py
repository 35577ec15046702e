"""From numbers to sentences: what was seen, and how the run went."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._continuations import AS_BEFORE, DOWNHILL, WAYS
from ch5jax.verdicts._finding import Finding
from ch5jax.verdicts._phrases import hidden, n, share
from ch5jax.verdicts._summary import FEWEST_PROBES, gradient_is_small
from ch5jax.verdicts.difficulties._rule import Evidence
from ch5jax.verdicts.difficulties._rules import RULES

if TYPE_CHECKING:
    from ch5jax.verdicts._diagnosis import Diagnosis


def say(difficulty: Difficulty, found: Finding, of: "Diagnosis") -> str:
    """A finding in a sentence or two, and what to try."""
    rule = RULES[difficulty]
    # the ways to go on are asked only where no other test told anything
    proof = of.continuations is not None and rule.ways and not rule.test(_evidence(of)).found
    return f"{_proof(rule.ways, of) if proof else rule.say(found, of)} {rule.remedies}"


def _evidence(of: "Diagnosis") -> Evidence:
    return Evidence(of.signals, jnp.asarray(of.probed_at), of.summary, of.curvature, of.thresholds, of.continuations)


def _proof(ways: Iterable[int], of: "Diagnosis") -> str:
    """That going on in one of these ways lowers the loss, the most of them."""
    assert of.continuations is not None
    gain, _, steps = of.continuations
    way = max(ways, key=lambda way: np.nan_to_num(gain[way], nan=-np.inf))
    how = "a step in the direction of least curvature" if way == DOWNHILL else f"{int(steps):,} steps more {WAYS[way]}"
    shares = [share(value / of.summary.reach) for value in gain]
    rest = "" if way == AS_BEFORE else f" (as before, {int(steps):,} steps by {shares[AS_BEFORE]})"
    return f"from where it ended, {how} lowered the loss by {shares[way]} of what there is to learn{rest}."


def without_difficulty(of: "Diagnosis") -> str:
    """What is said where no difficulty was found."""
    summary = of.summary
    if of.findings.found[Difficulty.HEALTHY]:
        return "HEALTHY: none of the difficulties was seen."
    if not summary.known:
        return (
            f"UNKNOWN: to tell how it went takes a loss and {FEWEST_PROBES} probes, and there were {len(of.probed_at)}."
        )
    if not summary.has_best and summary.end < 0:
        return "UNKNOWN: the loss is below 0, so that nothing tells what could be reached (pass `best`)."
    if not summary.has_best and not summary.learned:
        return f"UNKNOWN: it ended at {n(summary.end)} without having learned, and no test tells why."
    lower = np.flatnonzero(_evidence(of).lower(of.thresholds.idle))
    if len(lower):
        return f"UNKNOWN: {_proof(lower, of)} It got far, but not as far as it could."
    return f"UNKNOWN: {share(summary.left)} of the descent is left, and no test tells why."


def describe(of: "Diagnosis") -> Iterator[str]:
    """Facts about the run's course, where it ended and how far that is from its start."""
    summary, signals, limits = of.summary, of.signals, of.thresholds
    unsaid = "" if of.continuations is not None else ", so that nothing is said of being stuck"
    if summary.known:
        best = (
            "lower than the best known"
            if summary.has_best and summary.left < -0.005
            else f"{share(summary.left)} of the descent to the best known is left"
            if summary.has_best
            else f"what could be reached is not known{unsaid} (pass `best`)"
        )
        yield f"Loss: {n(summary.first)} at first, {n(summary.end)} at the end; {best}."
    if signals.spike is not None and not of.findings.found[Difficulty.CLIFF]:
        probe = int(np.argmax(np.nan_to_num(signals.spike, posinf=0)))
        if signals.spike[probe] > limits.spike:
            yield (
                f"Cliff passed: a gradient {signals.spike[probe]:.3g} times the usual, in the {of.signals_every:,} "
                f"steps up to step {of.probed_at[probe]:,}, did not throw the weights far."
            )
    if signals.flat_units is not None and not of.findings.found[Difficulty.SATURATED]:
        flat = of.findings.of(Difficulty.SATURATED)
        if flat.strength > limits.flat_units and summary.known & summary.learned:
            yield (
                f"Flat units: {share(flat.strength)} of {hidden(of, int(flat.where))} at the end; the run "
                "got where it could all the same."
            )
    if signals.distance is not None and np.isfinite(signals.distance[-1]):
        yield f"Start: the parameters travelled {n(signals.distance[-1])} of their initial norm."
    if of.continuations is not None and np.isfinite(of.continuations.gain[AS_BEFORE]):
        gain, _, steps = of.continuations
        ways = ", ".join(f"{n(value)} {way}" for way, value in zip(WAYS, gain, strict=True) if not np.isnan(value))
        yield f"Going on for {int(steps):,} steps lowers the loss by {ways}."
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
        f"the late steps, {n(summary.rate)} times the gradient, are {share(reach / 2)} of the longest that are "
        "stable in plain descent"
    )
    if smallest < -of.thresholds.saddle * steepest:
        ways = "one direction" if found.negative == 1 else f"{int(found.negative)} directions"
        return f"{said}: it curves down in {ways} at least; {stable}."
    if summary.falling or not gradient_is_small(summary, np.float32(steepest), of.thresholds):
        return f"{said}; {stable}."
    kind = "a sharp minimum" if reach > 1 else "a flat basin" if reach < 0.1 else "a minimum"
    return f"{said}: {kind}; {stable}."
