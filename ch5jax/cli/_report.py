"""The command `ch5jax report`."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

import ch5jax
from ch5jax import report as reports
from ch5jax.cli._console import say
from ch5jax.cli._errors import errors_in_a_line, parsed
from ch5jax.cli._job import JOB_FILE, STORE, Job, counted, prepare
from ch5jax.cli._machine import keep_programs, start_devices
from ch5jax.cli._options import Cache, Traceback
from ch5jax.cli._values import cut, parse_path
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
    diagnose: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="Trainings of a finished `ch5jax sweep` to train once more, for the curvature at their ends.",
            show_default=False,
        ),
    ] = None,
    treat: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="Likewise, to try remedies on.", show_default=False)
    ] = None,
    cache: Cache = True,
    traceback: Traceback = False,
) -> None:
    """Makes the page of a sweep, finished or not, or one page of several to compare them.

    A run is the folder that `ch5jax sweep` wrote, or the store of `ch5jax.sweep(store=...)`; it may be at work.

    **Examples**

    - `ch5jax report runs/digits-1a2b3c4d`
    - `ch5jax report runs/digits-1a2b3c4d --diagnose 602 --treat 17,40`
    - `ch5jax report runs/narrow runs/wide --out widths.html`
    """
    to_diagnose = [] if diagnose is None else parsed("--diagnose", _numbers, diagnose)
    to_treat = [] if treat is None else parsed("--treat", _numbers, treat)
    with errors_in_a_line(traceback):
        looked_at = _looked_at(runs, to_diagnose, to_treat, cache)
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
        reports.write_page(result, path, title=title, **merged, **looked_at)
        for warning in merged["warnings"]:
            say(f"warning: {warning}", "yellow")
        say(f"{counted(len(result), 'training')}: {path}")


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"must be numbers of trainings, such as 17,40, got {cut(text)!r}") from None


def _looked_at(runs: list[Path], to_diagnose: list[int], to_treat: list[int], cache: bool) -> dict[str, Any]:
    """What some trainings show when they are trained once more.

    Raises:
      ValueError: if they are of several runs, or of none of `ch5jax sweep`'s, or there are none of these numbers.
    """
    if not to_diagnose and not to_treat:
        return {}
    if len(runs) > 1 or not (runs[0] / JOB_FILE).is_file():
        raise ValueError(
            "--diagnose and --treat need the folder of one finished `ch5jax sweep`, got "
            + (f"{len(runs)} folders" if len(runs) > 1 else f"{runs[0]}, which has no {JOB_FILE}")
        )
    keep_programs(cache)
    open_sweep(runs[0] / STORE)  # which is refused where the sweep is not finished: nothing is trained for it here
    start_devices(None)
    job = Job.read(runs[0] / JOB_FILE)
    result = job.sweep(prepare(job).make, runs[0] / STORE)
    trials = {number: result.trial(number) for number in [*to_diagnose, *to_treat]}  # all are looked up first
    found: dict[str, Any] = {"diagnoses": {}, "treatments": {}}
    for number in to_diagnose:
        say(f"training {number} once more", stderr=True)
        found["diagnoses"][number] = result.diagnose(number)
    for number in to_treat:
        say(f"trying remedies on training {number}", stderr=True)
        found["treatments"][number] = ch5jax.treat(trials[number])
    return found


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
