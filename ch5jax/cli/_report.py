"""The command `ch5jax report`."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from ch5jax import report as reports
from ch5jax.cli._errors import errors_in_a_line
from ch5jax.cli._job import JOB_FILE, STORE, Job, counted, prepare
from ch5jax.cli._options import Traceback
from ch5jax.cli._screen import say
from ch5jax.cli._values import parse_path
from ch5jax.sweeps import SweepResult, look, open_sweep


class Opened(NamedTuple):
    """A run's sweep, and what a page says of it."""

    result: SweepResult
    title: str
    settings: dict[str, str]
    units: dict[str, str]
    notes: list[str]
    warnings: list[str]


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", parser=parse_path, help="Folders of sweeps; several are compared."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=parse_path,
            help="The page. [default: report.html in the run's folder; of several, comparison.html here]",
            show_default=False,
        ),
    ] = None,
    traceback: Traceback = False,
) -> None:
    """Makes the page of a sweep, finished or not, or one page of several to compare them.

    A run is the folder that `ch5jax sweep` wrote, or the store of `ch5jax.sweep(store=...)`; it may be at work.

    **Examples**

    - `ch5jax report runs/digits-1a2b3c4d`
    - `ch5jax report runs/narrow runs/wide --out widths.html`
    """
    with errors_in_a_line(traceback):
        opened = {name: open_run(run) for name, run in _named(runs).items()}
        result = reports.together({name: one.result for name, one in opened.items()})
        alone = len(opened) == 1
        merged: dict[str, Any] = {"settings": {}, "units": {}, "notes": [], "warnings": []}
        for name, one in opened.items():
            of = "" if alone else f"{name}: "
            merged["settings"] |= {f"{of}{key}": value for key, value in one.settings.items()}
            merged["units"] |= one.units
            merged["notes"] += [f"{of}{note}" for note in one.notes]
            merged["warnings"] += [f"{of}{warning}" for warning in one.warnings]
        title = next(iter(opened.values())).title if alone else f"{', '.join(opened)} compared"
        path = out or (runs[0] / "report.html" if alone else Path("comparison.html"))
        path.parent.mkdir(parents=True, exist_ok=True)
        reports.write_page(result, path, title=title, **merged)
        for warning in merged["warnings"]:
            say(f"warning: {warning}", "yellow")
        say(f"{counted(len(result), 'training')}: {path}")


def _named(runs: list[Path]) -> dict[str, Path]:
    """The runs by the last part of their paths that tells them apart.

    Raises:
      ValueError: if one is given twice.
    """
    whole = [run.resolve() for run in runs]
    if len(set(whole)) < len(whole):
        raise ValueError(f"RUN must be different folders, got {', '.join(map(str, runs))}")
    for parts in range(1, max(len(run.parts) for run in whole) + 1):
        names = ["/".join(run.parts[-parts:]) for run in whole]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, runs, strict=True))


def open_run(run: Path) -> Opened:
    """Opens a run as far as it is, and what its command said of it, where that can be had."""
    store = run / STORE if (run / STORE).is_dir() else run
    result = open_sweep(store, unfinished=True)
    found = look(store)
    missing = sum(part.trials - part.done for part in found.parts)
    warnings = [f"not finished: {missing:,} more trainings are under way or to come"] if missing else []
    title, settings, units, notes = run.resolve().name, {"folder": str(run)}, {}, []
    if (run / JOB_FILE).exists():
        try:
            prepared = prepare(Job.read(run / JOB_FILE))
            title, units, notes = prepared.title, prepared.units, [*prepared.notes]
            settings = prepared.settings
            warnings += prepared.table.warnings if prepared.table else []
        except (ValueError, OSError) as error:
            notes = [f"What was run is not known: {error}"]
    return Opened(result, title, settings, units, notes, warnings)
