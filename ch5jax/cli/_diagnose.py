"""The command `ch5jax diagnose`."""

import math
from pathlib import Path
from typing import Annotated

import jax
import typer

import ch5jax
from ch5jax.cli._console import say
from ch5jax.cli._errors import errors_in_a_line, parsed
from ch5jax.cli._job import Job, counted, prepare
from ch5jax.cli._log import check_log, judge_log
from ch5jax.cli._machine import keep_programs
from ch5jax.cli._options import Cache, Setting, Traceback, unset, with_setting
from ch5jax.cli._screen import show_diagnosis, show_treatment
from ch5jax.cli._values import parse_axes, parse_grid, parse_optimizers, parse_path
from ch5jax.optimizers import RULES

_LOG = "A log of your own"


@with_setting
def diagnose(
    setting: Setting,
    context: typer.Context,
    optimizer: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"Among {', '.join(RULES)}, and Optax's, such as optax.adamw.",
            rich_help_panel="Setting",
        ),
    ] = "adam",
    hyperparameter: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Another hyperparameter of it, such as b1=0.8; repeatable.",
            rich_help_panel="Setting",
            show_default=False,
        ),
    ] = None,
    learning_rate: Annotated[
        float, typer.Option(min=0.0, metavar="RATE", help="The learning rate.", rich_help_panel="Setting")
    ] = 0.01,
    seed: Annotated[
        int,
        typer.Option(min=0, max=2**32 - 1, metavar="SEED", help="The seed, as in a sweep.", rich_help_panel="Setting"),
    ] = 0,
    best: Annotated[
        float | None,
        typer.Option(
            metavar="LOSS",
            help="The lowest training loss known to be reachable, for a table or a log of your own (of the digits, 0 "
            "is known). Without it the course alone tells nothing of being stuck.",
            rich_help_panel="Setting",
            show_default=False,
        ),
    ] = None,
    treat: Annotated[
        bool,
        typer.Option(
            "--treat",
            help="Train it again with each remedy of what was found, over three seeds, and show which made it better, "
            "beside random search.",
            rich_help_panel="Setting",
        ),
    ] = False,
    log: Annotated[
        Path | None,
        unset(
            *(_LOG, "FILE"),
            "A CSV file with the losses of a training that is over, of any program: nothing is trained. Columns such "
            "as loss, val_loss, grad_norm and step are found by their names.",
            parser=parse_path,
        ),
    ] = None,
    loss_column: Annotated[str | None, unset(_LOG, "COLUMN", "Its training loss, if it is called otherwise.")] = None,
    validation_column: Annotated[str | None, unset(_LOG, "COLUMN", "Its validation loss.")] = None,
    norm_column: Annotated[str | None, unset(_LOG, "COLUMN", "Its gradient's norm.")] = None,
    step_column: Annotated[str | None, unset(_LOG, "COLUMN", "Its steps; without one, rows are counted.")] = None,
    cache: Cache = True,
    traceback: Traceback = False,
) -> None:
    """Trains one setting, and says which difficulty it met, how that shows, and what to try.

    It is the training that a sweep does with this setting and seed, with the curvature of the loss at its end.

    **Examples**

    - `ch5jax diagnose --optimizer sgd --learning-rate 10`
    - `ch5jax diagnose --optimizer sgd --learning-rate 1e-5 --treat`
    - `ch5jax diagnose --hidden 32,32,32,32,32,32,32,32 --activation sigmoid`
    - `ch5jax diagnose --data wine.csv --target quality --best 0.4`
    - `ch5jax diagnose --log losses.csv`
    """
    columns = {"loss": loss_column, "validation": validation_column, "gradient_norm": norm_column, "step": step_column}
    typed = {
        name for name in context.params if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }
    check_log(typed)
    job = setting.job(
        optimizers=parsed("--optimizer", lambda text: parse_optimizers([text]), optimizer),
        learning_rates=parsed("--learning-rate", parse_grid, str(learning_rate)),
        vary=parsed("--set", lambda texts: parse_axes(texts, False), hyperparameter or []),
        seeds=[seed],
        evaluate_every=setting.steps,
    )
    if best is not None and not math.isfinite(best):
        raise typer.BadParameter(f"must be finite, got {best}", param_hint="--best")
    if len(job.optimizers) != 1:
        raise typer.BadParameter(f"one at a time, got {optimizer}", param_hint="--optimizer")
    with errors_in_a_line(traceback):
        keep_programs(cache)
        if log is not None:
            judge_log(log, columns, best)
        else:
            _train_and_diagnose(job, best, treat)


def _train_and_diagnose(job: Job, best: float | None, treat: bool) -> None:
    (rule,), (rate,), (seed,) = job.optimizers, job.learning_rates.tolist(), job.listed_seeds
    prepared = prepare(job)
    space = job.space(prepared.make)
    found = [(space.task[name], one) for name, batch in space.hyperparameters.items() for one in ch5jax.unstack(batch)]
    if len(found) != 1:
        raise ValueError(f"--set must give one value to each name, got {len(found)} settings")
    ((task, setting),) = found
    for note in prepared.notes:
        say(note)
    numbers = ", ".join((f"learning rate {rate:g}", *(f"{name} {value}" for name, value in job.vary.items())))
    say(
        f"{prepared.settings['data']}; {prepared.settings['network']}; {rule}, {numbers}, seed {seed}; "
        f"{counted(job.steps, 'step')}"
    )
    key = jax.random.fold_in(jax.random.key(0), seed)
    if treat:
        show_treatment(ch5jax.treat(task, setting, steps=job.steps, key=key, best=best))
    else:
        show_diagnosis(ch5jax.diagnose(task, setting, steps=job.steps, key=key, best=best))
