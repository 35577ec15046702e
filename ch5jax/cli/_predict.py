"""The command `ch5jax predict`."""

from pathlib import Path
from typing import Annotated

import jax
import typer

import ch5jax
from ch5jax._extras import require
from ch5jax.cli._console import say
from ch5jax.cli._errors import errors_in_a_line
from ch5jax.cli._job import JOB_FILE, STORE, Job, counted, prepare
from ch5jax.cli._machine import keep_programs, start_devices
from ch5jax.cli._options import Cache, Traceback
from ch5jax.cli._values import parse_path


def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", parser=parse_path, help="The folder of a finished `ch5jax sweep --data`.")
    ],
    data: Annotated[
        Path,
        typer.Option(
            metavar="FILE", parser=parse_path, help="New rows: a CSV, Parquet or NPZ file with the table's columns."
        ),
    ],
    trial: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Which training. [default: the best]", show_default=False),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="The weights of the last step, not those of the best evaluation.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=parse_path,
            help="A CSV file to write. [default: predictions.csv in RUN]",
            show_default=False,
        ),
    ] = None,
    cache: Cache = True,
    traceback: Traceback = False,
) -> None:
    """Applies a training of a sweep over a table of your own to new rows.

    The new rows are prepared with the training part's means, deviations and categories. The training is done once more,
    to the last bit, for its weights.

    **Example**

    - `ch5jax sweep --data wine.csv --target quality --out runs/wine`
    - `ch5jax predict runs/wine --data new.csv`
    """
    with errors_in_a_line(traceback):
        keep_programs(cache)
        _predict(run, data, trial, "last" if last else "best", out or run / "predictions.csv")


def _predict(run: Path, data: Path, trial: int | None, keep: ch5jax.sweeps.Keep, out: Path) -> None:
    if not (run / JOB_FILE).is_file():
        raise ValueError(f"RUN must be the folder of a finished `ch5jax sweep --data`, and {run / JOB_FILE} is missing")
    job = Job.read(run / JOB_FILE)
    start_devices(None)
    prepared = prepare(job)
    if prepared.table is None:
        raise ValueError("RUN must be a sweep over a table (--data): what it learnt from the digits has no new rows")
    rows = prepared.table.encode(data)
    result = job.sweep(prepared.make, run / STORE)
    chosen = result.best(keep) if trial is None else result.trial(trial, keep)
    answers = prepared.table.answers(chosen.predict(jax.numpy.asarray(rows)))
    require("pandas", "sweep", "predict").DataFrame(answers).to_csv(out, index=False)
    group, steps = result.columns["group"][chosen.number], counted(chosen.steps, "step")
    say(f"{counted(len(rows), 'row')} by training {chosen.number} ({group}, after {steps}): {out}")
