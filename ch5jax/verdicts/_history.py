"""The verdict on a training that is over, by what it wrote down: losses, gradient norms, validation losses."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax._types import PyTree, Scalar
from ch5jax.diagnostics import Difficulty, RecorderState, Signals, masked, nan_is_data
from ch5jax.verdicts._diagnosis import Diagnosis
from ch5jax.verdicts._finding import Finding
from ch5jax.verdicts._intervals import Intervals, intervals, signals_of
from ch5jax.verdicts._judge import DEFAULT, findings_of
from ch5jax.verdicts._log import CALLED, Log, columns_of, log_of
from ch5jax.verdicts._names import NO_NAMES
from ch5jax.verdicts._recorded import recorder_states, signals_of_states
from ch5jax.verdicts._series import check_number, check_same_length, check_steps, series
from ch5jax.verdicts._summary import RunSummary, summarise
from ch5jax.verdicts._thresholds import Thresholds
from ch5jax.verdicts._validation import ValidationCourse, say_validation, validation_course
from ch5jax.verdicts.difficulties._rule import Evidence

Column: TypeAlias = chex.Array | Sequence[float | None]  # numbers in a row


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class HistoryDiagnosis(Diagnosis):
    """The diagnosis of a history; made by `judge_history`.

    Attributes:
      at: steps taken at each row of `signals`, as the history counts them.
      validation: the course of the validation loss, or None.
    """

    at: jax.Array
    validation: ValidationCourse | None

    @property
    def probed_at(self) -> np.ndarray:
        """Steps taken at each row of `signals`."""
        return np.asarray(self.at)

    @property
    def descriptions(self) -> tuple[str, ...]:
        """Where the run ended and how far it came, in sentences; with the validation loss."""
        said = super().descriptions
        return said if self.validation is None else (*said, say_validation(self.validation))


@nan_is_data()
def judge_history(
    losses: Column | Mapping[str, Column] | Log | PyTree,
    gradient_norms: Column | None = None,
    validation: Column | tuple[Column, Column] | None = None,
    steps: Column | None = None,
    best: Scalar | None = None,
    baseline: Scalar | None = None,
    thresholds: Thresholds = DEFAULT,
) -> Diagnosis:
    r"""Which difficulties a training met, by its losses: of any training loop, in PyTorch, Keras, Flax or by hand.

    The history is divided in some fifty intervals, and the watch that `train` keeps (`diagnostics.watch_update`) runs
    over it: the mean loss of each interval, the share of late records at which the loss turned, the spikes of the
    gradient's norm, and since when the loss is lost. Those go through `judge`. So DIVERGED, OSCILLATING, SLOW and
    HEALTHY can be told and, with gradient norms, CLIFF; what lies inside the network cannot.

    Args:
      losses: the training loss of every step or record, n numbers in a list or array; NaN and inf are data, None was
        not recorded. Or a dict of columns, such as Keras' `history.history`, or a `Log` of `read_log`, in which the
        other columns are found. Or the state of a `diagnostics.recorder`, or many in time, in a list or stacked by
        `scan`.
      gradient_norms: the norm of each step's gradient, as many, ≥ 0.
      validation: validation losses, as many (None where there was none), or a pair (steps, losses).
      steps: steps taken at each record, increasing whole numbers, evenly spaced or not; by default 1, …, n.
      best: the lowest loss known to be reachable; without it nothing is said of being stuck.
      baseline: the loss without any learning, such as that of the best constant prediction.
      thresholds: what the verdict is measured against.

    Returns:
      A `Diagnosis`, without curvature and metrics. Its `signals` have a row for each interval; intervals that hold no
      record, of records unevenly spaced, are interpolated. What is told by the course needs eight records. A `step` is
      one of `steps`; `signals.lost_since` counts records from 0. Of the validation loss, `descriptions` say where it
      was lowest, and since when the training overfits. One state of a recorder knows no course, only what was lost
      and the largest spike.

    Raises:
      ValueError: if an argument is not as above.

    Example:
      >>> import ch5jax, numpy as np
      >>> losses = 0.1 + 2 * np.exp(-np.arange(100) / 10)
      >>> print(ch5jax.verdicts.judge_history(losses, steps=np.arange(10, 1010, 10), best=0.1))
      HEALTHY: none of the difficulties was seen.
      Loss: 2.1 at first, 0.1 at the end; less than 0.01 % of the descent to the best known is left.
      Curvature at the end: not available.
      >>> bad = ch5jax.verdicts.judge_history({"loss": [3.0, 1.0, 9.0, float("inf"), float("nan")]})
      >>> bad.sentences[bad.main]  # doctest: +ELLIPSIS
      'from step 4 on the loss was not finite, ...

    Source: see `judge`.
    """
    if not isinstance(thresholds, Thresholds):
        raise ValueError(f"thresholds must be a ch5jax.verdicts.Thresholds, got {thresholds!r}")
    known = _floats(np.array([check_number(best, "best"), check_number(baseline, "baseline"), np.nan]))
    states = None if isinstance(losses, Log) else recorder_states(losses)
    if states is not None:
        return _of_states(states, known, thresholds, given=(gradient_norms, validation, steps))
    log = losses if isinstance(losses, Log) else _of_dict(losses) if isinstance(losses, Mapping) else None
    label = {argument: argument for argument in CALLED}
    if log is not None:
        given = {"gradient_norms": gradient_norms, "validation": validation, "steps": steps}
        label |= {name: log.label(name) for name in log.columns if given.get(name) is None}
        losses = log.losses
        gradient_norms, validation, steps = (getattr(log, name) if v is None else v for name, v in given.items())

    values, recorded = series(losses, label["losses"])
    count, rows = len(values), np.flatnonzero(recorded)
    at, dated = np.arange(1.0, count + 1), np.ones(count, bool)
    if steps is not None:
        at, dated = series(steps, label["steps"])
        check_same_length(at, values, label["steps"], label["losses"])
    norms = measured = None
    if gradient_norms is not None:
        norms, measured = series(gradient_norms, label["gradient_norms"])
        check_same_length(norms, values, label["gradient_norms"], label["losses"])
        if np.any(norms < 0):
            first = int(np.argmax(norms < 0))
            raise ValueError(f"{label['gradient_norms']} must not be negative, got {norms[first]:g} at index {first}")
        norms, measured = norms[rows], measured[rows]
    taken = check_steps(at, dated, rows, label["steps"])
    divided = intervals(taken)
    held = None if validation is None else _validation(validation, values, at, dated, label)
    if held is not None:
        known = known.at[2].set(held[0][-1])
    signals, summary, findings = _program(
        _floats(values[rows]), None if norms is None else _floats(norms), measured, divided, known, thresholds
    )
    since = taken[max(int(signals.lost_since[-1]), 0)]
    course = None if held is None else _course(held, signals.mean_loss, divided.probed_at, thresholds)
    findings = _since(findings, Difficulty.DIVERGED, since)
    if course is not None:
        lowest = {"lowest_validation": course.lowest, "lowest_at": course.lowest_at}
        summary, findings = summary._replace(**lowest), _since(findings, Difficulty.OVERFITTING, int(course.lowest_at))
    judged = signals, summary, findings
    return _diagnosis(*judged, thresholds, divided.probed_at, divided.length, course)


def _diagnosis(
    signals: Signals,
    summary: RunSummary,
    findings: Finding,
    limits: Thresholds,
    at: np.ndarray,
    every: int,
    validation: ValidationCourse | None,
) -> HistoryDiagnosis:
    return HistoryDiagnosis(
        findings=findings,
        masked=masked((summary, None)),
        signals=signals,
        curvature=None,
        thresholds=limits,
        metrics={},
        steps=int(at[-1]),
        signals_every=every,
        names=NO_NAMES,
        at=jnp.asarray(at, jnp.int32),
        validation=validation,
    )


def _of_intervals(
    losses: jax.Array,
    norms: jax.Array | None,
    measured: jax.Array | None,
    divided: Intervals,
    known: jax.Array,
    limits: Thresholds,
) -> tuple[Signals, RunSummary, Finding]:
    return _of_signals(signals_of(losses, norms, measured, divided), divided.probed_at, known, limits)


def _of_signals(
    signals: Signals, probed_at: jax.Array, known: jax.Array, limits: Thresholds
) -> tuple[Signals, RunSummary, Finding]:
    best, baseline, held = known
    summary = summarise(signals, probed_at, best, baseline, gradient_norm=None, validation=held, limits=limits)
    return signals, summary, findings_of(Evidence(signals, probed_at, summary, None, limits))


_program, _judged, _compared = jax.jit(_of_intervals), jax.jit(_of_signals), jax.jit(validation_course)


def _since(findings: Finding, difficulty: Difficulty, step: int) -> Finding:
    """Findings of which one has the history's own step."""
    since = jnp.where(findings.found[difficulty], jnp.int32(step), -1)
    return findings._replace(step=findings.step.at[difficulty].set(since))


def _of_dict(columns: Mapping[str, Any]) -> Log:
    """The log that a dict of columns is."""
    header = [name for name in columns if isinstance(name, str)]
    found = columns_of(header, {}, "losses, a dict,")
    return log_of({name: columns[column] for name, column in found.items()}, found, header, "losses, a dict,")


def _validation(
    given: Any, losses: np.ndarray, at: np.ndarray, dated: np.ndarray, label: dict[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """Validation losses and their steps, without those that are missing."""
    what = label["validation"]
    if isinstance(given, tuple) and len(given) == 2 and all(np.ndim(one) or isinstance(one, str) for one in given):
        at, dated = series(given[0], f"the steps of {what}")
        values, recorded = series(given[1], what)
        check_same_length(values, at, what, f"the steps of {what}")
    else:
        values, recorded = series(given, what)
        check_same_length(values, losses, f"{what}, unless it is a pair (steps, losses),", label["losses"])
    rows = np.flatnonzero(recorded)
    return values[rows], check_steps(at, dated, rows, f"the steps of {what}")


def _course(
    held: tuple[np.ndarray, np.ndarray], training: jax.Array, probed_at: np.ndarray, limits: Thresholds
) -> ValidationCourse:
    losses, at = held
    finite = np.isfinite(losses)
    nan, end_at = jnp.full((), jnp.nan, _trees.default_float()), jnp.int32(at[-1])
    if not finite.any():
        return ValidationCourse(nan, end_at, nan, end_at, nan, jnp.array(False))
    course = _compared(
        _floats(losses[finite]), jnp.asarray(at[finite], jnp.int32), training, jnp.asarray(probed_at), limits
    )
    return course if finite[-1] else course._replace(end=nan, end_at=end_at, overfits=jnp.array(False))


def _floats(values: np.ndarray) -> jax.Array:
    """In the floats that JAX computes in; what is too large for them is infinite."""
    with np.errstate(over="ignore"):
        return jnp.asarray(values.astype(_trees.default_float()))


def _of_states(states: RecorderState, known: jax.Array, limits: Thresholds, given: tuple[Any, ...]) -> Diagnosis:
    if any(one is not None for one in given):
        raise ValueError(
            "losses, the state of a recorder, must come alone: gradient_norms, validation and steps are its"
        )
    signals, at = signals_of_states(states)
    signals, summary, findings = _judged(signals, jnp.asarray(at, jnp.int32), known, limits)
    judged = signals, summary, _since(findings, Difficulty.DIVERGED, int(signals.lost_since[-1]) + 1)
    return _diagnosis(*judged, limits, at, int(at[-1] - at[-2]) if len(at) > 1 else int(at[0]), None)
