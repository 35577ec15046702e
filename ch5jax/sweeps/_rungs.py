"""Steps at which a sweep's trials are ranked, and only some go on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ch5jax import _trees
from ch5jax._memory import check_memory
from ch5jax.training import Probes


@dataclass(frozen=True)
class Rungs:
    """When a sweep stops the trials that are lost, and the settings that are worst: successive halving.

    After `at[i]` steps all settings that are still there are ranked, those of all groups together, by the mean over
    their seeds of the objective; a setting with seeds that are lost ranks behind those with fewer. The share `keep` of
    them goes on, rounded up; of settings that tie, those that come first. A trial that is lost never goes on, also
    where its setting does. Those that go on are put side by side in full-width chunks with the state that they had: a
    trial that trains to the end has the bits that it has without rungs.

    Attributes:
      at: steps after which trials are ranked: increasing, from 1 to less than the sweep's; multiples of its
        `signals_every` and `record_every`.
      keep: the share that goes on at each, in (0, 1]; 1, the default, stops nothing but what is lost.

    Raises:
      ValueError: if an argument is not as above.

    Example:
      >>> import ch5jax
      >>> ch5jax.Rungs([100, 300], keep=1 / 3).at
      (100, 300)

    Source: Jamieson & Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization" (2016).
    """

    at: Sequence[int]
    keep: float = 1.0

    def __post_init__(self) -> None:
        at, keep = self.at, self.keep
        numbers = np.asarray(at)
        if numbers.ndim != 1 or not len(numbers) or numbers.dtype.kind not in "iu" or numbers[0] < 1:
            raise ValueError(f"at must be a list of steps, 1 at least, got {at!r}")
        if (np.diff(numbers) <= 0).any():
            raise ValueError(f"at must increase, got {at!r}")
        if isinstance(keep, bool) or not isinstance(keep, int | float | np.number) or not 0 < keep <= 1:
            raise ValueError(f"keep must be a share in (0, 1], got {keep!r}")
        object.__setattr__(self, "at", tuple(numbers.tolist()))
        object.__setattr__(self, "keep", float(keep))

    def check(self, steps: int, **spacings: int) -> None:
        """Refuses rungs that do not fit a sweep of so many steps.

        Args:
          steps: the sweep's.
          **spacings: what each of `at` has to be a multiple of; 0 for nothing.

        Raises:
          ValueError: as said.
        """
        if self.at[-1] >= steps:
            raise ValueError(f"rungs.at must be less than the sweep's {steps:,} steps, got {self.at}")
        for name, spacing in spacings.items():
            if wrong := [step for step in self.at if spacing and step % spacing]:
                raise ValueError(f"rungs.at must be multiples of {name}, {spacing} here, got {wrong[0]}")


def halving(steps: int, factor: float = 3.0, first: int | None = None) -> Rungs:
    """The rungs of successive halving: after each the best 1/factor go on, for `factor` times as many steps.

    Args:
      steps: the sweep's.
      factor: how many times fewer go on, > 1.
      first: steps after which trials are ranked first, from 1 to less than `steps`; by default `steps` / `factor`³.

    Returns:
      `Rungs` at `first`, `first`·`factor`, …, below `steps`, each rounded up to a step at which signals are taken by
      default; of those that fall together, one. By default there are three, and a ninth of all steps is taken.

    Raises:
      ValueError: if an argument is not as above, or no rung fits below so many steps.

    Example:
      >>> import ch5jax
      >>> ch5jax.halving(2700)
      Rungs(at=(108, 324, 918), keep=0.3333333333333333)

    Source: Jamieson & Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization" (2016); the
    factor of 3 is that of Li et al., "Hyperband" (2018).
    """
    spacing = _default_spacing(steps)
    _trees.check_positive(first=first)
    if isinstance(factor, bool) or not isinstance(factor, int | float | np.number) or not 1 < factor < math.inf:
        raise ValueError(f"factor must be a number over 1, got {factor!r}")
    if first is not None and first >= steps:
        raise ValueError(f"first must be less than the {steps:,} steps, got {first}")
    found, target = [], float(first or steps / factor**3)
    while (rung := spacing * math.ceil(target / spacing - 1e-9)) < steps:
        found.append(rung)
        target *= factor
    if not found:
        raise ValueError(f"first must leave room for a rung at a multiple of {spacing} below {steps}, got {first}")
    return Rungs(sorted({*found}), 1 / factor)


def stop_lost(steps: int) -> Rungs:
    """Rungs that stop what is lost, and nothing else: about nine, evenly over a sweep's steps.

    Args:
      steps: the sweep's.

    Returns:
      `Rungs` that keep all that is not lost.

    Raises:
      ValueError: if no rung fits below so many steps.

    Example:
      >>> import ch5jax
      >>> ch5jax.stop_lost(1000).at
      (100, 200, 300, 400, 500, 600, 700, 800, 900)
    """
    spacing = _default_spacing(steps)
    targets = (spacing * math.ceil(steps * part / 10 / spacing) for part in range(1, 10))
    return Rungs(sorted({target for target in targets if target < steps}))


def _default_spacing(steps: int) -> int:
    """That of signals: rungs come where they are taken."""
    _trees.check_positive(steps=steps)
    spacing = Probes.spaced(steps, None).every
    if spacing >= steps:
        raise ValueError(f"steps must leave room for a rung, which comes at a multiple of {spacing}, got {steps}")
    return spacing


class Bracket(NamedTuple):
    """Settings that are begun together, and how they are stopped: made by `hyperband`."""

    settings: int
    rungs: Rungs | None  # None for those that all train to the end


def hyperband(steps: int, factor: float = 3.0, first: int | None = None, times: int = 1) -> tuple[Bracket, ...]:
    r"""The brackets of Hyperband: from many settings that are stopped early to few that are not.

    With :math:`s_{max}` rungs below the last step, bracket s of :math:`s_{max}, \ldots, 0` begins with

    .. math:: n = \lceil \tfrac{s_{max} + 1}{s + 1} \, \mathrm{factor}^s \rceil

    settings and has the last s of the rungs, so that all brackets take about as many steps. It needs no guess how early
    a good setting shows, which successive halving makes.

    Args:
      steps: the sweep's.
      factor: how many times fewer go on at each rung, > 1.
      first: as for `halving`, which has the rungs of the first bracket.
      times: how many times as many settings each bracket begins with, ≥ 1.

    Returns:
      The brackets, the one with most settings first. Each is a group of a sweep, with rungs by the groups' names.

    Raises:
      ValueError: if an argument is not as above, or no rung fits below so many steps.

    Example:
      >>> import ch5jax, jax
      >>> opts, rungs = {}, {}
      >>> for i, bracket in enumerate(ch5jax.hyperband(270)):
      ...     rates = ch5jax.log(1e-4, 1.0)
      ...     opts[f"bracket {i}"] = ch5jax.sample(ch5jax.adam, bracket.settings, seed=i, learning_rate=rates)
      ...     rungs[f"bracket {i}"] = bracket.rungs
      >>> {name: len(batch.learning_rate) for name, batch in opts.items()}
      {'bracket 0': 27, 'bracket 1': 12, 'bracket 2': 6, 'bracket 3': 4}
      >>> task = ch5jax.tasks.surface(ch5jax.problems.beale())
      >>> result = ch5jax.sweep(task, opts, steps=270, key=jax.random.key(0), rungs=rungs)
      >>> len(result)
      49

    Source: Li et al., "Hyperband: a novel bandit-based approach to hyperparameter optimization" (2018), algorithm 1.
    """
    _trees.check_positive(times=times)
    whole = halving(steps, factor, first)
    most = len(whole.at)
    found = []
    for s in range(most, -1, -1):
        count = times * math.ceil((most + 1) / (s + 1) * factor**s - 1e-9)
        check_memory(8 * count, f"a bracket of {count:,} settings")
        found.append(Bracket(count, Rungs(whole.at[most - s :], whole.keep) if s else None))
    return tuple(found)


class ByGroup(NamedTuple):
    """Rungs of each group of a sweep. Groups whose rungs are the same are ranked together."""

    of: tuple[Rungs | None, ...]

    @property
    def at(self) -> tuple[int, ...]:
        """Steps after which somebody is ranked, increasing."""
        return tuple(sorted({step for rungs in self.of if rungs for step in rungs.at}))

    def described(self) -> dict[str, Any]:
        """As a manifest has them; nothing where there are none."""
        if not self.at:
            return {}
        at, keep = [list(one.at) if one else [] for one in self.of], [one.keep if one else 1.0 for one in self.of]
        return {"rungs": at[0], "keep": keep[0]} if len({*self.of}) == 1 else {"rungs": at, "keep": keep}

    @classmethod
    def read(cls, manifest: dict[str, Any]) -> "ByGroup":
        """What `described` wrote into a manifest of so many groups."""
        groups, at = len(manifest["groups"]), manifest.get("rungs", [])
        keep = manifest.get("keep", 1.0)
        if not isinstance(keep, list):
            at, keep = [at] * groups, [keep] * groups
        return cls(tuple(Rungs(one, share) if one else None for one, share in zip(at, keep, strict=True)))

    def going_on(
        self, step: int, scores: list[np.ndarray], lost: list[np.ndarray], settings: list[np.ndarray]
    ) -> list[np.ndarray]:
        """Which trials of each group go on after a step, as `survivors` has it; all, of groups with no rung there."""
        on = [np.ones(len(one), bool) for one in scores]
        for rungs in {one for one in self.of if one is not None and step in one.at}:
            ranked = [g for g, one in enumerate(self.of) if one == rungs]
            of_these = [[part[g] for g in ranked] for part in (scores, lost, settings)]
            for g, one in zip(ranked, survivors(of_these[0], of_these[1], of_these[2], rungs.keep), strict=True):
                on[g] = one
        return on

    def steps_due(self, trials: Sequence[int], rung: int, steps: int) -> int:
        """Configuration-steps of each group's trials that come to a rung, if those shares go on that should."""
        due = 0.0
        for count, rungs in zip(trials, self.of, strict=True):
            left, begin = float(count), 0
            for end in (*(step for step in (rungs.at if rungs else ()) if step >= rung), steps):
                due += left * (end - begin)
                left, begin = left * (rungs.keep if rungs else 1), end
        return round(due)


def by_group(rungs: Rungs | Mapping[str, Rungs | None] | None, names: Sequence[str]) -> ByGroup:
    """What a user gives, for groups of these names.

    Raises:
      ValueError: if it is neither rungs nor a dict of them by the groups' names.
    """
    given = dict.fromkeys(names, rungs) if rungs is None or isinstance(rungs, Rungs) else rungs
    if not isinstance(given, Mapping) or not all(one is None or isinstance(one, Rungs) for one in given.values()):
        raise ValueError(
            f"rungs must be ch5jax.Rungs, such as ch5jax.halving(steps), or a dict of them by group, got {rungs!r}"
        )
    if unknown := [name for name in given if name not in names]:
        raise ValueError(f"rungs must have the names of groups, {', '.join(map(repr, names))}; got {unknown[0]!r}")
    return ByGroup(tuple(given.get(name) for name in names))


def survivors(
    scores: Sequence[np.ndarray], lost: Sequence[np.ndarray], settings: Sequence[np.ndarray], keep: float
) -> list[np.ndarray]:
    """Which trials of each group go on.

    Args:
      scores: by group, each trial's, the larger the better, shape (trials,).
      lost: whether it is lost, likewise.
      settings: the number of its setting within the group, likewise.
      keep: the share of all settings that goes on.

    Returns:
      By group: whether each goes on, shape (trials,).
    """
    group = np.repeat(np.arange(len(scores)), [len(one) for one in scores])
    score, gone = np.concatenate(scores), np.concatenate(lost)
    _, setting = np.unique(np.stack([group, np.concatenate(settings)]), axis=1, return_inverse=True)
    setting = setting.ravel()
    alive = np.bincount(setting, ~gone)
    mean = np.bincount(setting, np.where(gone, 0, score)) / np.maximum(alive, 1)
    order = np.lexsort((-mean, np.bincount(setting, gone), alive == 0))
    good = np.zeros(len(order), bool)
    good[order[: math.ceil(keep * len(order) - 1e-9)]] = True
    on = good[setting] & ~gone
    return np.split(on, np.cumsum([len(one) for one in scores])[:-1])
