"""From signals to a verdict, inside the program: codes with evidence."""

import jax
import jax.numpy as jnp

from ch5jax.diagnostics import Curvature, Difficulty, Signals
from ch5jax.verdicts._finding import Finding, finding
from ch5jax.verdicts._landscape import saddle_and_local_optimum
from ch5jax.verdicts._steps import cliff, diverged, noisy, oscillating, slow
from ch5jax.verdicts._structure import saturated, symmetry, vanishing_and_exploding
from ch5jax.verdicts._summary import RunSummary, summarise
from ch5jax.verdicts._thresholds import Thresholds

DEFAULT = Thresholds()


def judge(
    signals: Signals,
    probed_at: jax.typing.ArrayLike,
    *,
    best: jax.typing.ArrayLike | None = None,
    baseline: jax.typing.ArrayLike | None = None,
    curvature: Curvature | None = None,
    gradient_norm: jax.typing.ArrayLike | None = None,
    thresholds: Thresholds = DEFAULT,
) -> Finding:
    r"""Which difficulties a run met, by its signals: a pure function that jits and vmaps.

    What each is told by, with the thresholds' names. The descent goes from the first loss (or the `baseline`, for a
    run that ends below it) to the `best`. With over `above` of it left, a run did not get where it could; one that ends
    above the baseline has all of it left.

    - DIVERGED: the last loss is not finite, or 10⁶ times the first.
    - CLIFF: a gradient over `spike` times its running 0.99 quantile, while the weights moved over `thrown` times as far
      as they do between two probes as a rule.

    Of a run that got where it could, no more than that is said. Of others, and where `best` is not known:

    - SYMMETRY: units with a twin in a weight matrix at every probe of the last quarter.
    - SATURATED: over `flat_units` of a layer flat over whole mini-batches, on average over the last quarter.
    - VANISHING, EXPLODING: ‖∂L/∂z₁‖ / ‖∂L/∂z_L‖ below `vanishing`, above `exploding`, at more than half of the probes.

    Of a loss that has stalled (as many steps again would not lower it by `falling` of the descent) above a `best`:

    - SADDLE, LOCAL_OPTIMUM: ‖G‖²/2λ below `gradient` of the descent; and λ_min under −`saddle` · max|λ|, or over
      +`saddle` · max|λ| and over `basin` of the descent left. They need `curvature`.
    - NOISE: a noise scale over `noise` batches (within the error of its estimate), and a lift of α tr Σ/4B,
      α = ‖u‖/‖g‖, that explains over `lift` of what is left.
    - OSCILLATING: no NOISE, and the steps promise, by −G·u, over `overshoot` of the descent in as many steps again, or
      the loss turns at over `alternation` of the late steps.

    And only where nothing else was found:

    - SLOW: the loss still falls, with over `above` left, or over `slow` times as fast as at half time where no best is
      known; or it has stalled above a `best`, ‖G‖² is over `steep` of the largest that it was, and as many steps again
      do not promise what is left; unless α λ_max/2, where curvature is known, is over `stable`.
    - UNKNOWN: over `above` is left of the descent (to the lowest loss that the run itself had, where no best is known),
      or there is no course: no loss, or fewer than eight probes.

    Args:
      signals: of one run, each with the probes as leading axis, as `train` gives them; a difficulty whose signals are
        None is not found. For many runs, map over it.
      probed_at: steps taken at each probe, shape (probes,), evenly spaced but for the last: `recorded_steps(steps,
        signals_every)`. What is told by the course of the loss needs eight probes or more.
      best: the lowest loss that is known to be reachable: a problem's minimum, or the best run's of a group.
      baseline: the loss of who has learned nothing, such as the best constant prediction.
      curvature: of the loss at the end, as of `diagnostics.curvature`.
      gradient_norm: ‖G‖ at the end, where it is known better than from the late probes.
      thresholds: `Thresholds`.

    Returns:
      A `Finding` whose fields have shape (13,), one for each `Difficulty` by its number; its `code` is the verdict.

    Raises:
      ValueError: if `probed_at` has another length than the signals.

    Example:
      >>> import ch5jax, jax
      >>> from ch5jax.diagnostics import Difficulty
      >>> task, opts = ch5jax.tasks.digits(), ch5jax.grid(ch5jax.sgd, learning_rate=[1e-4, 0.3, 20.0])
      >>> def run(opt):
      ...     signals = ch5jax.train(task, opt, jax.random.key(0), steps=300).signals
      ...     return ch5jax.verdicts.judge(signals, ch5jax.recorded_steps(300, 25), best=0.0).code
      >>> [Difficulty(int(code)).name for code in jax.vmap(run)(opts)]
      ['SLOW', 'HEALTHY', 'SATURATED']

    Source: the signals are those of the chapter's difficulties, section 5.1, each with its own source in
    `ch5jax.diagnostics`; the lift of a loss by noise, Mandt, Hoffman and Blei, *Stochastic gradient descent as
    approximate Bayesian inference* (2017), section 4; how they are put together is ours.
    """
    shapes = {name: jnp.shape(value) for name, value in signals._asdict().items() if value is not None}
    wrong = {name: shape for name, shape in shapes.items() if shape[:1] != jnp.shape(probed_at)}
    if wrong or jnp.ndim(probed_at) != 1:
        raise ValueError(
            f"probed_at must have shape (probes,), one for each row of the signals, got {jnp.shape(probed_at)} and "
            f"signals of shape {wrong or shapes}; map over many runs with jax.vmap"
        )
    probed_at = jnp.asarray(probed_at, jnp.int32)
    summary = summarise(signals, probed_at, best, baseline, gradient_norm, thresholds)
    return findings_of(signals, probed_at, summary, curvature, thresholds)


def findings_of(
    signals: Signals, probed_at: jax.Array, summary: RunSummary, curvature: Curvature | None, thresholds: Thresholds
) -> Finding:
    """`judge`, of a run whose course is known."""
    vanishing, exploding = vanishing_and_exploding(signals, probed_at, summary, thresholds)
    saddle, local_optimum = saddle_and_local_optimum(curvature, summary, thresholds)
    of = {
        Difficulty.VANISHING: vanishing,
        Difficulty.EXPLODING: exploding,
        Difficulty.SATURATED: saturated(signals, probed_at, summary, thresholds),
        Difficulty.CLIFF: cliff(signals, probed_at, summary, thresholds),
        Difficulty.SADDLE: saddle,
        Difficulty.LOCAL_OPTIMUM: local_optimum,
        Difficulty.NOISE: noisy(summary, thresholds),
        Difficulty.SYMMETRY: symmetry(signals, probed_at, summary, thresholds),
        Difficulty.OSCILLATING: oscillating(signals, summary, thresholds),
        Difficulty.SLOW: slow(curvature, summary, thresholds),
        Difficulty.DIVERGED: diverged(signals),
    }
    # small steps are blamed only where nothing else is to blame
    others = jnp.any(jnp.stack([one.found for d, one in of.items() if d is not Difficulty.SLOW]))
    of[Difficulty.SLOW] = finding(of[Difficulty.SLOW].found & ~others, of[Difficulty.SLOW].strength, -1, probed_at[-1])
    none = ~others & ~of[Difficulty.SLOW].found
    unknown = ~summary.known | (summary.left > thresholds.above)
    of[Difficulty.UNKNOWN] = finding(none & unknown, summary.left, -1, probed_at[-1])
    of[Difficulty.HEALTHY] = finding(none & ~unknown, summary.left, -1, probed_at[-1])
    return Finding(*(jnp.stack(column) for column in zip(*(of[d] for d in Difficulty), strict=True)))
