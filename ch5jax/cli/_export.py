"""The command `ch5jax export`."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ch5jax import exports
from ch5jax.cli._console import say
from ch5jax.cli._errors import errors_in_a_line
from ch5jax.cli._job import counted
from ch5jax.cli._options import Traceback
from ch5jax.cli._progress import counting
from ch5jax.cli._report import open_run
from ch5jax.cli._values import cut, parse_path


class Tool(StrEnum):
    """Where a sweep can be exported to."""

    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"
    WANDB = "wandb"


_SHOWN = 5  # names that are called otherwise


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", parser=parse_path, help="The folder of a sweep, finished or not.")
    ],
    to: Annotated[Tool, typer.Option(help="The tool; each is an extra, as in ch5jax[mlflow].", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            parser=parse_path,
            help="Of TensorBoard's or W&B's files. [default: RUN/tensorboard; RUN, in which W&B makes wandb]",
            show_default=False,
        ),
    ] = None,
    project: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="MLflow's experiment, or W&B's project. [default: ch5jax]", show_default=False
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The sweep's in MLflow or W&B. [default: the folder's]", show_default=False),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="MLflow's store, such as sqlite:///mlflow.db or a server's address. [default: MLflow's own]",
            show_default=False,
        ),
    ] = None,
    online: Annotated[bool, typer.Option("--online", help="Upload to W&B as you are logged in.")] = False,
    top: Annotated[
        int, typer.Option(min=1, metavar="N", help="Of more trainings than so many, the best alone.")
    ] = exports.LIMIT,
    signals: Annotated[bool, typer.Option(help="Export the signals of the difficulties too.")] = True,
    replace: Annotated[bool, typer.Option("--replace", help="In the place of an earlier export.")] = False,
    traceback: Traceback = False,
) -> None:
    """Exports a sweep to TensorBoard, MLflow or Weights & Biases: a run for each training.

    **Examples**

    - `ch5jax export runs/digits-1a2b3c4d --to tensorboard`
    - `ch5jax export runs/digits-1a2b3c4d --to mlflow --tracking-uri sqlite:///mlflow.db --project digits`
    - `ch5jax export runs/digits-1a2b3c4d --to wandb --project digits`
    """
    _check(to, {"--out": out, "--project": project, "--name": name, "--tracking-uri": tracking_uri, "--online": online})
    with errors_in_a_line(traceback):
        opened = open_run(run)
        result = opened.result
        trials = sorted(int(trial) for trial in result.ranking()[:top])
        called, within = name or run.resolve().name, project or "ch5jax"
        with counting(len(trials), "run") as progress:
            if to is Tool.TENSORBOARD:
                folder = out or run / "tensorboard"
                found = exports.to_tensorboard(
                    result, folder, trials=trials, signals=signals, replace=replace, progress=progress
                )
                next_to_type = f"tensorboard --logdir {shlex.quote(str(folder))}"
            elif to is Tool.MLFLOW:
                found = exports.to_mlflow(
                    result,
                    experiment=within,
                    name=called,
                    tracking_uri=tracking_uri,
                    trials=trials,
                    signals=signals,
                    replace=replace,
                    progress=progress,
                )
                is_file = found.place.startswith("sqlite:")
                next_to_type = f"mlflow ui --backend-store-uri {shlex.quote(found.place)}" if is_file else ""
            else:
                found = exports.to_wandb(
                    result,
                    project=within,
                    name=called,
                    folder=out or run,
                    mode="online" if online else "offline",
                    trials=trials,
                    signals=signals,
                    replace=replace,
                    progress=progress,
                )
                next_to_type = "" if online else f"wandb sync {shlex.quote(found.place)}/wandb/offline-run-*"
        for warning in opened.warnings:
            say(f"warning: {warning}", "yellow")
        if len(trials) < len(result):
            say(f"The best {len(trials):,} of {counted(len(result), 'training')}; --top {len(result)} exports all.")
        if found.renamed:
            shown = [f"{cut(old)} is {cut(new)}" for old, new in found.renamed.items()]
            more = f", and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
            say(f"Names that {to} does not take: {'; '.join(shown[:_SHOWN])}{more}.")
        say(f"{counted(found.runs, 'run')}: {found.place}")
        if next_to_type:
            say(f"{'to upload' if to is Tool.WANDB else 'to look'}: {next_to_type}")


def _check(to: Tool, given: dict[str, object]) -> None:
    """Refuses what a tool knows nothing of."""
    takes = {
        Tool.TENSORBOARD: ("--out",),
        Tool.MLFLOW: ("--project", "--name", "--tracking-uri"),
        Tool.WANDB: ("--out", "--project", "--name", "--online"),
    }
    for option, value in given.items():
        if value and option not in takes[to]:
            raise typer.BadParameter(f"is nothing of {to}'s", param_hint=option)
