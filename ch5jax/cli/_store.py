"""The command `ch5jax store`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ch5jax.cli._console import console, say
from ch5jax.cli._errors import errors_in_a_line
from ch5jax.cli._job import STORE, counted
from ch5jax.cli._options import Traceback
from ch5jax.cli._values import parse_path
from ch5jax.sweeps import Contents, look


def store(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", parser=parse_path, help="The folder of a sweep, finished or not.")
    ],
    traceback: Traceback = False,
) -> None:
    """Says what a sweep's folder holds: what is done, what is missing or damaged, and who works there.

    Every file is read, and its hash compared; nothing is changed. It ends with status 1 if a file is damaged.

    **Example**

    - `ch5jax store runs/digits-1a2b3c4d`
    """
    with errors_in_a_line(traceback):
        folder = run / STORE if (run / STORE).is_dir() else run
        found = look(folder)
        _show(folder, found)
    if found.damaged:
        raise typer.Exit(1)


def _show(folder: Path, found: Contents) -> None:
    manifest = found.manifest
    versions, width = manifest["versions"], manifest["width"]
    assert isinstance(versions, dict)
    assert isinstance(width, int)
    say(
        f"{folder}: format {manifest['format']}, JAX {versions['jax']}, {manifest['device']}; "
        f"{counted(width, 'training')} side by side, {found.bytes / 1e6:,.1f} MB"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("group", "up to step", "trainings", "done", "half-way", "missing"):
        table.add_column(name, no_wrap=True, justify="left" if name == "group" else "right")
    for part in found.parts:
        missing = part.trials - part.done - part.half_way
        half_way = f"{part.half_way:,} (at {part.at:,})" if part.half_way else "0"
        cells = part.group, f"{part.steps:,}", f"{part.trials:,}", f"{part.done:,}", half_way, f"{missing:,}"
        table.add_row(*map(Text, cells))
    console().print(table)
    due = sum(part.trials - part.done for part in found.parts)
    if due and found.rungs_ahead:
        say(f"{counted(due, 'training')} to go up to the next rung; who goes on is not known yet.")
    else:
        say(f"{counted(due, 'training')} to go: the same sweep goes on there." if due else "It is finished.")
    if found.held_by:
        say(f"{found.held_by} works there.")
    for said in found.damaged.values():
        say(f"damaged: {said}", "red")
