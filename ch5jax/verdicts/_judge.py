"""From signals to a verdict, inside the program: codes with evidence."""

import jax
import jax.numpy as jnp

from ch5jax.diagnostics import Curvature, Difficulty, Signals, nan_is_data
from ch5jax.verdicts._continuations import Continuations
from ch5jax.verdicts._finding import Finding, finding
from ch5jax.verdicts._summary import summarise
from ch5jax.verdicts._thresholds import Thresholds
from ch5jax.verdicts.difficulties._rule import Evidence
from ch5jax.verdicts.difficulties._rules import RULES

DEFAULT = Thresholds()


@nan_is_data()
def judge(
    signals: Signals,
    probed_at: jax.typing.ArrayLike,
    *,
    best: jax.typing.ArrayLike | None = None,
    baseline: jax.typing.ArrayLike | None = None,
    curvature: Curvature | None = None,
    gradient_norm: jax.typing.ArrayLike | None = None,
    validation: jax.typing.ArrayLike | None = None,
    input_scale: jax.typing.ArrayLike | None = None,
    continuations: Continuations | None = None,
    thresholds: Thresholds = DEFAULT,
) -> Finding:
    r"""Which difficulties a run met, by its signals: a pure function that jits and vmaps.

    What each is told by, with the thresholds' names. The descent goes from the first loss (or the `baseline`, for a
    run that ends below it) to the `best`. With over `above` of it left, a run did not get where it could; one that ends
    above the baseline has all of it left. Where no best is known, a run got where it could if it came `learned` of the
    way from the baseline (without one, from the first loss) to a loss of 0.

    - DIVERGED: the last loss is not finite, or 10⁶ times the first.
    - NO_GRADIENT: the gradient is exactly zero at every late probe, where the loss does not curve either.
    - CLIFF: a gradient over `spike` times its running 0.99 quantile, while the weights moved over `thrown` times as far
      as they do between two probes as a rule.

    - OVERFITTING: the validation loss is over the training loss by more than `overfitting` of what that fell by.
    - OSCILLATING: the loss ends over `worse` times the first and the baseline.

    Of a run that got where it could, no more than that is said. Of others:

    - UNSCALED: an input's root mean square is over `unscaled`, of a run that has not learned or is lost.
    - SYMMETRY: units with a twin in a weight matrix at every probe of the last quarter.
    - SATURATED: over `flat_units` of a layer flat over whole mini-batches, on average over the last quarter.
    - VANISHING, EXPLODING: ‖∂L/∂z₁‖ / ‖∂L/∂z_L‖ below `vanishing`, above `exploding`, at more than half of the probes,
      of a loss that was not thrown up.

    Of a loss that has stalled (as many steps again would not lower it by `falling` of the descent) above a `best`:

    - SADDLE, LOCAL_OPTIMUM: ‖G‖²/2λ below `gradient` of the descent; and λ_min under −`saddle` · max|λ|, or over
      +`saddle` · max|λ| and over `basin` of the descent left. They need `curvature`. At a gradient of exactly zero a
      negative λ_min proves a saddle without a best.
    - NOISE: a noise scale over `noise` batches (within the error of its estimate), and a lift of α tr Σ/4B,
      α = ‖u‖/‖g‖, that explains over `lift` of what is left.
    - OSCILLATING: no NOISE, and the steps promise, by −G·u, over `overshoot` of the descent in as many steps again, or
      the loss turns at over `alternation` of the late steps.

    And only where nothing else was found:

    - SLOW, in one of three cases, unless curvature is known and α λ_max/2 is over `stable`:

        - the loss still falls, with over `above` left (where no best is known, over `slow` times as fast as in the
          second quarter);
        - it has stalled above a `best`, ‖G‖² is over `steep` of its largest value, and as many steps again do not
          promise what is left;
        - no best is known, and the parameters moved by under `moved` of their initial norm, or all steps together
          were too short for the steepest direction (α λ_max T < 1).

    And where nothing was found yet, by what lowers the loss, with over `gain` of what there is to learn, from the last
    state on (`continuations`):

    - SADDLE: a step down the most negative curvature, which the gradient does not explain.
    - OSCILLATING: a tenth of the rate, where neither as many steps as before nor larger batches do.
    - NOISE: larger batches, where steps as before do not.
    - SLOW: steps as before, at ten times the rate, or of Adam; or, of a run that has not learned, ten times the rate
      lowers it over three times as much as before.
    - UNKNOWN: over `above` is left of the descent (where no best is known, it has not learned), or there is no course:
      no loss, or fewer than eight probes; or the loss is below 0 and no best known, so that nothing says what can be
      reached; or a way to go on lowers it by over `idle` of what there is to learn.

    Args:
      signals: of one run, each with the probes as leading axis, as `train` gives them; a difficulty whose signals are
        None is not found. For many runs, map over it.
      probed_at: steps taken at each probe, shape (probes,), evenly spaced but for the last: `recorded_steps(steps,
        signals_every)`. What is told by the course of the loss needs eight probes or more.
      best: the lowest loss that is known to be reachable: a problem's minimum, or the best run's of a group.
      baseline: the loss without any learning, such as that of the best constant prediction.
      curvature: of the loss at the end, as of `diagnostics.curvature`.
      gradient_norm: ‖G‖ at the end, where it is known better than from the late probes.
      validation: the same loss of other examples, at the end.
      input_scale: the largest root mean square of an input, as the first layer sees it.
      continuations: what lowered the loss from the last state on, as `diagnose` tries it.
      thresholds: `Thresholds`.

    Returns:
      A `Finding` whose fields have shape (16,), one for each `Difficulty` by its number; its `code` is the verdict.

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
    summary = summarise(signals, probed_at, best, baseline, gradient_norm, validation, thresholds, input_scale)
    return findings_of(Evidence(signals, probed_at, summary, curvature, thresholds, continuations))


def findings_of(evidence: Evidence) -> Finding:
    """`judge`, of a run whose course is known."""
    probed_at, summary, thresholds = evidence.probed_at, evidence.summary, evidence.limits
    of = {difficulty: rule.test(evidence) for difficulty, rule in RULES.items()}
    others = jnp.any(
        jnp.stack([of[rule.difficulty].found for rule in RULES.values() if not (rule.alone or rule.of_the_data)])
    )
    for difficulty, rule in RULES.items():
        if rule.alone:
            of[difficulty] = finding(of[difficulty].found & ~others, of[difficulty].strength, -1, probed_at[-1])
    none = ~jnp.any(jnp.stack([found.found for found in of.values()]))
    if evidence.continuations is not None:
        for difficulty, rule in RULES.items():
            if rule.proof is not None:
                proof = none & rule.proof(evidence)
                strength = jnp.nanmax(evidence.continuations.gain[jnp.array(rule.ways)]) / summary.reach
                shown = finding(proof, strength, -1, summary.steps)
                of[difficulty] = jax.tree.map(lambda a, b, proof=proof: jnp.where(proof, b, a), of[difficulty], shown)
    none = ~jnp.any(jnp.stack([found.found for found in of.values()]))
    # without a best, its own lowest loss is the yardstick, and a run that has not learned is healthy by that alone
    unknown = ~summary.known | (summary.left > thresholds.above) | ~summary.learned | ~summary.holds
    unknown |= jnp.any(evidence.lower(thresholds.idle))
    of[Difficulty.UNKNOWN] = finding(none & unknown, summary.left, -1, probed_at[-1])
    of[Difficulty.HEALTHY] = finding(none & ~unknown, summary.left, -1, probed_at[-1])
    return Finding(*(jnp.stack(column) for column in zip(*(of[d] for d in Difficulty), strict=True)))
