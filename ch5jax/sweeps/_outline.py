"""A group as its results need it, without its task: what a store keeps of it, so that it opens by itself."""

from typing import Any, NamedTuple

import numpy as np

from ch5jax.diagnostics import Signals
from ch5jax.sweeps._groups import Group
from ch5jax.sweeps._history import Chunk
from ch5jax.sweeps._traced import Traced
from ch5jax.verdicts import Names, names_of


class Outline(NamedTuple):
    """A group's trials, and what their verdicts are measured by."""

    name: str
    settings: dict[str, np.ndarray]  # the hyperparameters by name, shape (trials,)
    seeds: np.ndarray  # shape (trials,), int64
    contents: dict[str, list[str]]  # the fields of a chunk that have names, and the names
    task: int  # groups with the same number have the same task
    lowest: float | None  # the task's
    baseline: float | None
    input_scale: float | None
    names: Names  # of the task's layers

    @property
    def trials(self) -> int:
        """How many there are."""
        return len(self.seeds)

    @property
    def chunk(self) -> Chunk:
        """A chunk of the group, for its structure."""
        none = np.zeros(0)
        metrics, evaluations, signals = (dict.fromkeys(names, none) for names in self.contents.values())
        return Chunk(metrics, evaluations, Signals(**signals) if signals else None, none)

    def of(self, trials: np.ndarray) -> "Outline":
        """That of some of the trials."""
        settings = {name: values[trials] for name, values in self.settings.items()}
        return self._replace(settings=settings, seeds=self.seeds[trials])

    def described(self) -> dict[str, Any]:
        """What JSON can hold of it; the arrays stand in a file of their own."""
        return {
            "settings": [*self.settings],
            "contents": self.contents,
            "task": self.task,
            "lowest": self.lowest,
            "baseline": self.baseline,
            "input_scale": self.input_scale,
            "names": self.names._asdict(),
        }

    def arrays(self) -> dict[str, Any]:
        """The rest of it."""
        return {"settings": self.settings, "seeds": self.seeds}


def outlines(groups: tuple[Group, ...], traced: list[Traced]) -> tuple[Outline, ...]:
    """What a sweep's store has to know of its groups."""
    tasks = [group.task for group in groups]
    found = []
    for group, one in zip(groups, traced, strict=True):
        metrics, evaluation, task = one.step.shapes[1], one.evaluate.shapes, group.task
        signals = one.signals._asdict() if one.signals is not None else {}
        contents = {
            "metrics": sorted(metrics),
            "evaluations": sorted(evaluation.metrics),
            "signals": [name for name, values in signals.items() if values is not None],
        }
        names = names_of(task, group.rows(np.zeros((), int))[0]) if signals else Names()
        first = next(i for i, other in enumerate(tasks) if other is task)
        numbers = task.lowest, task.baseline, task.input_scale
        lowest, baseline, scale = (None if value is None else float(value) for value in numbers)
        seeds = np.tile(group.seeds, group.settings).astype(np.int64)
        found.append(Outline(group.name, group.columns(), seeds, contents, first, lowest, baseline, scale, names))
    return tuple(found)


def reopened(name: str, described: dict[str, Any], arrays: dict[str, Any]) -> Outline:
    """An outline as `described` and `arrays` have it."""
    fields = {field: described[field] for field in ("contents", "task", "lowest", "baseline", "input_scale")}
    settings = {field: arrays["settings"][field] for field in described["settings"]}  # in their order
    names = Names(**{field: tuple(values) for field, values in described["names"].items()})
    return Outline(name, settings, arrays["seeds"], names=names, **fields)
