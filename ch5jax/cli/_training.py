"""What `ch5jax sweep` does: trains, says what came out, and writes it into a folder."""

from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np

from ch5jax import report
from ch5jax._command import say_at_the_end
from ch5jax.cli._console import listening, say
from ch5jax.cli._found import keep_said
from ch5jax.cli._job import JOB_FILE, STORE, Job, Prepared, counted, prepare
from ch5jax.cli._progress import Reporter
from ch5jax.cli._screen import show_beside, show_difficulties, show_files, show_leaderboard
from ch5jax.cli._watch import serve_on, watching
from ch5jax.sweeps import Ray, SweepResult

LANDSCAPE = "landscape.html"


def train_and_report(job: Job, folder: Path, programs: str, landscape: bool, watch: bool, cluster: Ray | None) -> None:
    """Trains a job in a folder, says and draws what came out, and keeps what was said."""
    say_at_the_end(f"Stopped. What is finished is safe in {folder}, and the same command goes on from there.")
    prepared = prepare(job)
    with listening() as noted:
        for note in prepared.notes:
            say(note)
    store = folder / STORE
    with (
        watching(folder, prepared) if watch else nullcontext(),
        Reporter(folder, continued=(store / "manifest.json").exists()).drawn() as reporter,
    ):
        result = job.sweep(prepared.make, store, reporter, cluster)
    job.write(folder / JOB_FILE)
    say(reporter.summary(len(result)))
    with listening() as reported:
        _report(job, folder, prepared, result)
        if landscape:
            _draw_around(report.leaderboard(result)[0].trials, result, folder)
    keep_said(job, folder, len(result), "".join(screen.export_text(styles=True) for screen in (noted, reported)))
    if programs:
        say(programs, stderr=True)
    if watch:
        serve_on(folder)


def train_part(job: Job, folder: Path, shard: tuple[int, int], programs: str) -> None:
    """Trains one of several parts of a job in a folder that all share."""
    say_at_the_end(f"Stopped. What is finished is safe in {folder}, and the same command goes on from there.")
    prepared = prepare(job)
    store = folder / STORE
    with Reporter(folder, continued=(store / "manifest.json").exists()).drawn() as reporter:
        missing = job.train_shard(shard, prepared.make, store, reporter)
    left = f"{counted(missing, 'chunk')} of other parts to come" if missing else "nothing is missing any more"
    say(f"Part {shard[0]} of {shard[1]} is in {folder}; {left}. The same command without --shard says what came out.")
    if programs:
        say(programs, stderr=True)


def _draw_around(best: tuple[int, ...], result: SweepResult, folder: Path) -> None:
    """The loss around the first of the best trainings; nothing where all failed."""
    for trial in best[:1]:
        found = report.landscape(result.trial(int(trial)))
        page = report.write_landscape(found, folder / LANDSCAPE, title=f"The loss around training {trial}")
        say(f"{'around':8}{page}")


def _report(job: Job, folder: Path, prepared: Prepared, result: SweepResult) -> None:
    """Says what came out, and writes it into the folder."""
    rows = report.leaderboard(result)
    say("")
    show_leaderboard(result, rows, job.seed_count)
    say("")
    compared = report.beside(prepared.table, rows) if prepared.table else ()
    if compared:
        show_beside(compared)
        say("")
    if show_difficulties(result):
        say("")
    data_warnings = prepared.table.warnings if prepared.table else ()
    warnings = [*data_warnings, *(warning for row in rows for warning in row.warnings)]
    for warning in warnings:
        say(f"warning: {warning}", "yellow")
    if warnings:
        say("")
    stopped = _stopped_early(result)
    if stopped:
        say(f"Stopped early: {stopped}.")
        say("")
    machine = jax.local_devices()
    settings = prepared.settings | {
        "run": f"{counted(len(machine), 'device')} ({machine[0].device_kind}), {result.width} trainings side by side "
        f"on each; ch5jax {version('ch5jax')}, JAX {jax.__version__}",
        **({"stopped early": stopped} if stopped else {}),
    }
    files = report.write_files(
        result,
        folder,
        title=prepared.title,
        notes=prepared.notes,
        settings=settings,
        units=prepared.units,
        warnings=data_warnings,
        compared=compared,
    )
    show_files(files)


def _stopped_early(result: SweepResult) -> str:
    """How many trainings a rung stopped, and after how many steps; empty where none did."""
    steps, counts = np.unique(result.steps_trained[result.steps_trained < result.steps], return_counts=True)
    if not len(steps):
        return ""
    at = ", ".join(f"{count:,} after {step:,} steps" for step, count in zip(steps, counts, strict=True))
    return f"{counts.sum():,} of {len(result):,} trainings: {at}"
