"""A log of a training that is over: which options it takes, and what is said of it."""

from pathlib import Path

import typer

from ch5jax.cli._console import say
from ch5jax.cli._job import counted
from ch5jax.cli._screen import show_diagnosis
from ch5jax.verdicts import judge_history, read_log

WITH_A_LOG = {"log", "loss_column", "validation_column", "norm_column", "step_column", "best", "cache", "traceback"}


def check_log(typed: set[str]) -> None:
    """Refuses options of a training beside a log, and options of a log without one."""
    with_a_log = "log" in typed
    other = typed - WITH_A_LOG if with_a_log else {name for name in typed if name.endswith("_column")}
    if other:
        options = ", ".join("--" + name.replace("_", "-") for name in sorted(other))
        raise typer.BadParameter(
            f"{options} cannot be given with --log FILE: nothing is trained"
            if with_a_log
            else f"{options} needs --log FILE"
        )


def judge_log(path: Path, columns: dict[str, str | None], best: float | None) -> None:
    """Prints which columns are used, and the verdict."""
    log = read_log(path, **columns)
    found = judge_history(log, best=best)
    used = ", ".join(f"{name} as {argument.replace('_', ' ')}" for argument, name in log.columns.items())
    unused = f"; not used: {', '.join(log.unused)}" if log.unused else ""
    say(f"{path}: {counted(len(log.losses), 'row')}; {used}{unused}")
    missing = sum(loss is None for loss in log.losses)
    if missing:
        say(f"{counted(missing, 'row')} without a loss, left out (one that was not finite is written nan or inf)")
    show_diagnosis(found)
