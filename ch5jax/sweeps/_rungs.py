"""Steps at which a sweep's trials are ranked, and only some go on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ch5jax import _trees
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
