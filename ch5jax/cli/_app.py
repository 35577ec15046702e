"""The commands."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar

import jax
import typer

import ch5jax
from ch5jax import report
from ch5jax.cli._job import OPTIMIZERS, Activation, Job, Kind, counted, prepare, start_devices
from ch5jax.cli._screen import Reporter, keep_printing, say, show_files, show_leaderboard
from ch5jax.cli._values import parse_grid, parse_names, parse_seeds, parse_widths

Value = TypeVar("Value")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        say(f"ch5jax {version('ch5jax')} (JAX {jax.__version__})")
        raise typer.Exit


@app.callback()
def ch5jax_command(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The optimization chapter as a workbench: a thousand trainings as one program."""
    del show_version
    keep_printing()


@app.command()
def sweep(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A table of your own, a CSV, Parquet or NPZ file, instead of the scanned digits.",
            rich_help_panel="What to learn",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Its column to predict.", rich_help_panel="What to learn", show_default=False
        ),
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(
            help="What that column holds; by default its values decide.",
            rich_help_panel="What to learn",
            show_default=False,
        ),
    ] = None,
    hidden: Annotated[
        str,
        typer.Option(
            metavar="WIDTHS", help='Hidden layers\' widths, such as 128,128, or "none".', rich_help_panel="Network"
        ),
    ] = "32",
    activation: Annotated[
        Activation, typer.Option(help="The hidden units' nonlinearity.", rich_help_panel="Network")
    ] = Activation.RELU,
    initial_scale: Annotated[
        float,
        typer.Option(
            min=0.0, metavar="FACTOR", help="Multiplies the He-normal initial weights.", rich_help_panel="Network"
        ),
    ] = 1.0,
    batch_norm: Annotated[
        bool, typer.Option("--batch-norm", help="Put BatchNorm into the hidden layers.", rich_help_panel="Network")
    ] = False,
    optimizer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help=f"Among {', '.join(OPTIMIZERS)}; several with commas or repeated. [default: all]",
            rich_help_panel="Search",
            show_default=False,
        ),
    ] = None,
    learning_rate: Annotated[
        str,
        typer.Option(
            metavar="VALUES",
            help="LOW:HIGH:log:COUNT or LOW:HIGH:linear:COUNT, or values such as 0.1,0.3,1.",
            rich_help_panel="Search",
        ),
    ] = "1e-4:10:log:48",
    seeds: Annotated[
        str, typer.Option(metavar="SEEDS", help="How many seeds, or which, such as 3,4,5.", rich_help_panel="Search")
    ] = "4",
    steps: Annotated[
        int, typer.Option(min=1, metavar="N", help="Steps of every training.", rich_help_panel="Training")
    ] = 1000,
    batch_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Examples in a mini-batch.", rich_help_panel="Training")
    ] = 64,
    evaluate_every: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Evaluate every so many steps. [default: a tenth of them]",
            rich_help_panel="Training",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder for results. [default: one in runs/, named after the data and the settings]",
            rich_help_panel="Run",
            show_default=False,
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Trainings side by side on a device. [default: what suits the machine]",
            rich_help_panel="Run",
            show_default=False,
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="CPU devices to use. [default: one for each processor]",
            rich_help_panel="Run",
            show_default=False,
        ),
    ] = None,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where an error comes from.", rich_help_panel="Run")
    ] = False,
) -> None:
    """Trains every optimizer with every learning rate and seed, and reports which does best.

    Without options: five optimizers, 48 learning rates and 4 seeds, 960 trainings of a small network on scanned
    digits. Results are kept as they come: press Ctrl-C when you like, and the same command goes on.

    **Examples**

    - `ch5jax sweep`
    - `ch5jax sweep --data wine.csv --target quality --hidden 64,64`
    - `ch5jax sweep --optimizer adam,sgd --learning-rate 1e-3:1:log:16 --seeds 8`
    """
    if (data is None) != (target is None):
        raise typer.BadParameter(f"{'--target needs --data FILE' if data is None else '--data needs --target COLUMN'}")
    if data is None and kind is not None:
        raise typer.BadParameter("--kind needs --data FILE")
    job = Job(
        data=data,
        target=target,
        kind=kind,
        optimizers=_parsed("--optimizer", lambda texts: parse_names(texts, [*OPTIMIZERS]), optimizer or []),
        learning_rates=_parsed("--learning-rate", parse_grid, learning_rate),
        seeds=_parsed("--seeds", parse_seeds, seeds),
        steps=steps,
        evaluate_every=evaluate_every or max(1, steps // 10),
        hidden=_parsed("--hidden", parse_widths, hidden),
        batch_size=batch_size,
        activation=activation,
        initial_scale=initial_scale,
        width=width,
        batch_norm=batch_norm,
    )
    with _errors_in_a_line(traceback):
        _run_sweep(job, out, devices)


def _parsed(option: str, parse: Callable[[Any], Value], text: str | Sequence[str]) -> Value:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


@contextmanager
def _errors_in_a_line(traceback: bool) -> Iterator[None]:
    """What a user can do something about ends in a line, not in a traceback."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (ValueError, ImportError, OSError) as error:
        if traceback:
            raise
        said = str(error)
        if isinstance(error, OSError) and error.strerror:
            said = error.strerror + (f": {error.filename}" if error.filename else "")
        say(f"error: {said}", "red", stderr=True)
        raise typer.Exit(1) from None


def _run_sweep(job: Job, out: Path | None, devices: int | None) -> None:
    start_devices(devices)
    folder = out
    try:
        folder = out or job.folder()
        _train_and_report(job, folder)
    except (KeyboardInterrupt, Exception) as error:
        if not _interrupted(error):
            raise
        kept = f" What is finished is safe in {folder}, and the same command goes on from there." if folder else ""
        say(f"Stopped.{kept}", "yellow", stderr=True)
        sys.stdout.flush()
        os._exit(130)  # an orderly exit would wait for the program that compiles beside; files are whole at any moment


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C lies behind an error: cleaning up after it may fail too, and an unfinished ZIP file does."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _train_and_report(job: Job, folder: Path) -> None:
    prepared = prepare(job)
    for note in prepared.notes:
        say(note)
    store = folder / "store"
    with Reporter(folder, continued=(store / "manifest.json").exists()).drawn() as reporter:
        result = ch5jax.sweep(
            prepared.task,
            job.grids(),
            steps=job.steps,
            key=jax.random.key(0),
            seeds=job.seeds,
            store=store,
            evaluate_every=job.evaluate_every,
            width=job.width,
            progress=reporter,
        )
    say(reporter.summary(len(result)))
    rows = report.leaderboard(result)
    say("")
    show_leaderboard(result, rows, job.seed_count)
    say("")
    warnings = [warning for row in rows for warning in row.warnings]
    for warning in warnings:
        say(f"warning: {warning}", "yellow")
    if warnings:
        say("")
    machine = jax.local_devices()
    settings = prepared.settings | {
        "run": f"{counted(len(machine), 'device')} ({machine[0].device_kind}), {result.width} trainings side by side "
        f"on each; ch5jax {version('ch5jax')}, JAX {jax.__version__}"
    }
    files = report.write_files(
        result, folder, title=prepared.title, notes=prepared.notes, settings=settings, units=prepared.units
    )
    show_files(files)
