"""How far a command is: a bar on a terminal, now and then a line elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress as Bar, SpinnerColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from ch5jax.cli._console import console, say
from ch5jax.cli._job import counted
from ch5jax.sweeps import Progress

SECONDS_BETWEEN_LINES = 10.0  # of progress, where there is no terminal to draw a bar on


class Reporter:
    """Draws a sweep's progress on standard error: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, folder: Path, continued: bool):
        self.folder, self.continued = folder, continued
        self.found = -1  # trainings that the store held already
        self.steps = 0
        self.started = self.last_line = time.monotonic()
        self._warm: tuple[float, int] | None = (
            None  # when the first program was compiled and had run, and the steps then
        )
        screen = console(stderr=True)
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.fields[group]}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[trials]} trainings"),
            _Speed(),
            TimeRemainingColumn(compact=True),
            console=screen,
            transient=True,
            disable=not screen.is_terminal,
        )
        self._task: TaskID | None = None

    def __call__(self, progress: Progress) -> None:
        """Takes in how far the sweep is."""
        trials = f"{progress.trials_done:,}/{progress.trials:,}"
        if self.found < 0:
            self._begin(progress)
        if self._warm is None and progress.steps_done > self.steps:
            self._warm = (time.monotonic(), progress.steps_done)
        self.steps = progress.steps_done
        if self._task is None:
            self._task = self._bar.add_task(
                "", total=progress.steps, completed=progress.steps_done, group=progress.group, trials=trials
            )
        self._bar.update(self._task, completed=progress.steps_done, group=progress.group, trials=trials)
        now = time.monotonic()
        if self._bar.disable and now - self.last_line > SECONDS_BETWEEN_LINES:
            self.last_line = now
            speed = self._speed()
            left = f", {_rate(speed)}, {(progress.steps - self.steps) / speed:.0f} s left" if speed else ""
            say(f"{progress.group}: {trials} trainings{left}", stderr=True)

    def _begin(self, progress: Progress) -> None:
        self.found, self.steps = progress.trials_done, progress.steps_done
        if self.continued:
            say(
                f"continuing {self.folder} ({self.found:,} of {counted(progress.trials, 'training')} done)", stderr=True
            )

    def _speed(self) -> float:
        """Steps a second since the first program was compiled; 0 while that is not known."""
        since, steps = self._warm or (self.started, self.steps)
        return (self.steps - steps) / (time.monotonic() - since)

    @contextmanager
    def drawn(self) -> Iterator["Reporter"]:
        """Shows the bar inside, and removes it in the end."""
        with self._bar:
            yield self

    def summary(self, trials: int) -> str:
        """What was trained, in a sentence."""
        seconds = time.monotonic() - self.started
        done = trials - max(self.found, 0)
        if not done:
            return f"{counted(trials, 'training')}, all found in {self.folder}"
        speed = f", {_rate(self._speed())} once compiled" if self._speed() else ""
        before = f"; {self.found:,} were done before" if self.found > 0 else ""
        return f"{counted(done, 'training')} in {seconds:.1f} s{speed}{before}"


class _Speed(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text(_rate(task.speed) if task.speed else "compiling")


def _rate(steps_a_second: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if steps_a_second >= size:
            return f"{steps_a_second / size:.3g}{unit} steps/s"
    return f"{steps_a_second:.3g} steps/s"


@contextmanager
def counting(total: int, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of how many are done, on standard error, on a terminal; now and then a line elsewhere."""
    screen = console(stderr=True)
    columns = TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}s"), BarColumn(bar_width=None)
    last_line = time.monotonic()
    with Bar(
        *columns, TimeRemainingColumn(compact=True), console=screen, transient=True, disable=not screen.is_terminal
    ) as bar:
        task = bar.add_task("", total=total, unit=unit)

        def progress(done: int, count: int) -> None:
            nonlocal last_line
            bar.update(task, completed=done)
            if bar.disable and time.monotonic() - last_line > SECONDS_BETWEEN_LINES:
                last_line = time.monotonic()
                say(f"{done:,} of {counted(count, unit)}", stderr=True)

        yield progress
