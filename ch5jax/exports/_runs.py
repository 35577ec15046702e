"""A sweep's trials as runs: what each was given, its course, its scores, and what it met."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ch5jax.exports._names import cut, fitted
from ch5jax.report import visible
from ch5jax.sweeps import SweepResult

LIMIT = 1_000  # trials that are exported without having been named: a tool's page holds no more, and it takes minutes

Value: TypeAlias = bool | int | float | str
Progress: TypeAlias = Callable[[int, int], None]

_WORDS = ("verdict", "difficulties", "remedy")
_NO_SCORES = ("trial", "group", "seed", *_WORDS)


class Course(NamedTuple):
    """A metric's values over the steps of a training."""

    steps: np.ndarray  # shape (points,): steps taken
    values: np.ndarray  # shape (points,)


class Run(NamedTuple):
    """One trial, under the names that the tool takes."""

    number: int
    name: str  # such as "0012 adam", no two alike
    settings: dict[str, Value]  # group, hyperparameters and seed
    courses: dict[str, Course]
    scores: dict[str, float]  # what the table has of it and no course ends with
    words: dict[str, str]  # verdict, difficulties, remedy
    diagnosis: str  # in sentences; nothing where no signals were taken
    diverged: bool


class Exported(NamedTuple):
    """What was written.

    Attributes:
      runs: how many trials.
      place: the folder, or the address of the tracking store.
      renamed: names that the tool does not take, and what they are called there.
    """

    runs: int
    place: str
    renamed: dict[str, str]


@dataclass(frozen=True)
class Runs:
    """The trials of a sweep that are exported, one after the other."""

    result: SweepResult
    trials: tuple[int, ...]
    signals: bool
    settings: dict[str, str]  # names of a run's settings, and as the tool takes them
    metrics: dict[str, str]  # likewise

    @property
    def renamed(self) -> dict[str, str]:
        """What is called otherwise there."""
        return {name: new for name, new in (self.settings | self.metrics).items() if name != new}

    @property
    def objective(self) -> str:
        """What the objective is called there."""
        return self.metrics[self.result.objective]

    def given(self, number: int) -> dict[str, Value]:
        """What a trial was given: its group, hyperparameters and seed."""
        row = self._row(number)
        names = ("group", *self.result.hyperparameters[str(row["group"])], "seed")
        return {self.settings[name]: _plain(row[name]) for name in names}

    def met(self, number: int) -> dict[str, str]:
        """Its verdict, difficulties and remedy, where they are known."""
        row = self._row(number)
        return {name: visible(str(row[name])) for name in _WORDS if name in row}

    def score(self, number: int) -> float:
        """Its objective."""
        return float(self._row(number)[self.result.objective])

    def _row(self, number: int) -> dict[str, Any]:
        """A trial's row of the table; in a sweep that is not finished it is not at the place of its number."""
        columns = self.result.columns
        place = int(np.searchsorted(columns["trial"], number))
        return {name: values[place] for name, values in columns.items()}

    def __iter__(self) -> Iterator[Run]:
        result, digits = self.result, len(str(int(self.result.columns["trial"][-1])))
        columns = result.columns
        numbers = {group: columns["trial"][columns["group"] == group] for group in result.groups}
        courses = {group: _courses(result, group, self.signals) for group in result.groups}
        told = {int(one) for of, _ in result._diagnoses for one in of}  # of several sweeps, those with signals
        for number in self.trials:
            row = self._row(number)
            group = str(row["group"])
            place, last = int(np.searchsorted(numbers[group], number)), int(row.get("steps_trained", result.steps))
            own = {
                self.metrics[name]: Course(steps[steps <= last], values[place][steps <= last])
                for name, (steps, values) in courses[group].items()
            }
            yield Run(
                number=number,
                name=f"{number:0{max(4, digits)}d} {cut(group, 80)}",
                settings=self.given(number),
                courses={name: course for name, course in own.items() if len(course.steps)},
                scores=_scores(row, self.metrics, own),
                words=self.met(number),
                diagnosis=str(result.diagnosis(number)) if number in told else "",
                diverged=bool(row["diverged_at"] >= 0),
            )


def runs_of(result: SweepResult, trials: Sequence[int] | None, signals: bool, clean: Callable[[str], str]) -> Runs:
    """What of a sweep is exported.

    Raises:
      ValueError: if trials are none of the sweep's, or it has more than `LIMIT` and none are named.
    """
    metrics = dict.fromkeys(name for group in result.groups for name in _courses(result, group, signals))
    given = dict.fromkeys(name for names in result.hyperparameters.values() for name in names)
    others = {*_NO_SCORES, *given}
    metrics |= {name: None for name, of in result.columns.items() if name not in others and of.dtype.kind in "iuf"}
    # words stand beside settings in one tool and beside metrics in another
    in_one = fitted(dict.fromkeys([*_WORDS, *metrics]), clean)
    return Runs(
        result,
        _checked(result, trials),
        signals,
        fitted([*_WORDS, "group", *given, "seed"], clean),
        {name: in_one[name] for name in metrics},
    )


def _checked(result: SweepResult, trials: Sequence[int] | None) -> tuple[int, ...]:
    count = len(result)
    if trials is None:
        if count > LIMIT:
            raise ValueError(
                f"trials must be named where a sweep has more than {LIMIT:,}, and this one has {count:,}: "
                f"result.ranking()[:{LIMIT}] are the best, result.ranking() all"
            )
        return tuple(result.columns["trial"].tolist())
    numbers = [result._checked(number) for number in trials]
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"trials must be different numbers of trials, at least one, got {cut(str(list(trials)), 200)}")
    return tuple(numbers)


def _courses(result: SweepResult, group: str, signals: bool) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """All that was taken of a group on the way: steps, and values of shape (trials, points)."""
    curves = result.curves[group]
    found = {name: (curves.steps, values) for name, values in curves.metrics.items()}
    found |= {name: (curves.evaluated_at, values) for name, values in curves.evaluations.items()}
    if signals:
        for column, values in curves.signal_columns().items():
            # such as signals/noise, and signals/update_ratio/0.kernel of signals.update_ratio[0].kernel
            _, name, *path = re.findall(r"[^\[\]'.]+", column)
            new = "/".join(["signals", name, *([".".join(path)] if path else [])])
            while new in found:
                new += "_"
            found[new] = curves.probed_at, values
    return found


def _scores(row: Mapping[str, Any], names: dict[str, str], courses: Collection[str]) -> dict[str, float]:
    found = {}
    for name, new in names.items():
        if new not in courses and name in row:
            value = float(row[name])
            if not np.isnan(value) and not (name == "diverged_at" and value < 0):
                found[new] = value
    return found


def _plain(value: object) -> Value:
    """A column's value as Python has it; a float of few bits as the shortest decimal that means it."""
    if isinstance(value, np.bool_ | bool):
        return bool(value)
    if isinstance(value, np.integer | int):
        return int(value)
    if isinstance(value, np.floating | float):
        return float(str(value))
    return visible(str(value))
