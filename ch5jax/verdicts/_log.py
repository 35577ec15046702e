"""The log of a training: which of its columns are which, in a dict or in a CSV file."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# what each is called in the logs of others, in lower case with _ between words; the first that is there counts
CALLED = {
    "losses": ("loss", "train_loss", "training_loss"),
    "validation": ("val_loss", "validation_loss", "valid_loss", "eval_loss"),
    "gradient_norms": ("grad_norm", "gradient_norm"),
    "steps": ("step", "steps", "global_step", "iteration", "epoch"),
}
OPTIONS = {"losses": "loss", "validation": "validation", "gradient_norms": "gradient_norm", "steps": "step"}
SEPARATORS = ",;\t"


class Log(NamedTuple):
    """A training's log, which `judge_history` takes; made by `read_log`."""

    losses: Sequence[float | None]  # None where nothing was recorded
    gradient_norms: Sequence[float | None] | None
    validation: Sequence[float | None] | None
    steps: Sequence[float | None] | None
    columns: dict[str, str]  # the column of each of these that is there
    unused: tuple[str, ...]  # the other columns
    source: str  # the file, or "losses" for a dict

    def label(self, argument: str) -> str:
        """What to call a column in an error.

        Args:
          argument: the column, by the name of the argument that it became.

        Returns:
          Its words.
        """
        return f"column {self.columns[argument]!r} of {self.source}"


def read_log(
    path: str | Path,
    *,
    loss: str | None = None,
    validation: str | None = None,
    gradient_norm: str | None = None,
    step: str | None = None,
) -> Log:
    r"""Reads a training's log from a CSV file, for `judge_history`.

    Columns are found by what they are called, in capitals or not: "loss" or "train_loss"; "val_loss" or
    "validation_loss"; "grad_norm" or "gradient_norm"; "step", or "epoch" if it rises from row to row. An empty cell was
    not recorded; nan and inf are data.

    Args:
      path: the file, with the columns' names in its first line, separated by commas, semicolons or tabs.
      loss: the column of the training loss, if it is called otherwise.
      validation: that of the validation loss.
      gradient_norm: that of the gradient's norm.
      step: that of the steps; without one, rows are counted from 1.

    Returns:
      A `Log`, whose `columns` say what was found, and `unused` what was not used.

    Raises:
      ValueError: if there is no such file or column, or a cell holds no number.

    Example:
      >>> import ch5jax, pathlib, tempfile
      >>> path = pathlib.Path(tempfile.mkdtemp(), "log.csv")
      >>> _ = path.write_text("epoch,Train Loss,accuracy\n1,0.7,0.5\n2,0.6,0.6\n3,nan,0.1\n")
      >>> log = ch5jax.verdicts.read_log(path)
      >>> log.columns, log.unused
      ({'losses': 'Train Loss', 'steps': 'epoch'}, ('accuracy',))
      >>> ch5jax.verdicts.judge_history(log).main.name
      'DIVERGED'

    Source: none needed.
    """
    told = {"losses": loss, "validation": validation, "gradient_norms": gradient_norm, "steps": step}
    header, rows, lines = _rows(Path(path))
    found = columns_of(header, {name: column for name, column in told.items() if column is not None}, str(path))
    read = {argument: _numbers(header.index(name), name, rows, lines, str(path)) for argument, name in found.items()}
    return log_of(read, found, header, str(path), told=step is not None)


def log_of(
    read: Mapping[str, Sequence[Any]], found: dict[str, str], header: Sequence[str], source: str, told: bool = False
) -> Log:
    """A log of columns; epochs that several records share are no steps, if nobody says that they are."""
    if not told and _plain(found.get("steps", "")) == "epoch" and not _count_up(read["steps"], read["losses"]):
        found = {argument: name for argument, name in found.items() if argument != "steps"}
    unused = tuple(name for name in header if name not in found.values())
    values: dict[str, Any] = {argument: read[argument] if argument in found else None for argument in CALLED}
    return Log(**values, columns=found, unused=unused, source=source)


def _count_up(steps: Sequence[Any], losses: Sequence[Any]) -> bool:
    """Whether they are whole and increase, where there is a loss."""
    try:
        at = np.array(
            [
                np.nan if step is None else float(step)
                for step, loss in zip(steps, losses, strict=False)
                if loss is not None
            ]
        )
    except (TypeError, ValueError):
        return True  # what is wrong with them is said where they are used
    return bool(np.all(at == np.floor(at)) and np.all(np.diff(at) > 0))


def _plain(name: str) -> str:
    """In lower case, with _ between words."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def columns_of(header: Sequence[str], told: Mapping[str, str], source: str) -> dict[str, str]:
    """The column of each argument of `judge_history` that there is.

    Raises:
      ValueError: if a column that was told is not there, or none holds a loss.
    """
    has = f"it has {', '.join(map(repr, header)) or 'none'}"
    for argument, name in told.items():
        if name not in header:
            raise ValueError(f"{OPTIONS[argument]} must be a column of {source}, got {name!r}; {has}")
    plain: dict[str, str] = {}
    for name in header:
        plain.setdefault(_plain(name), name)
    found = {}
    for argument, names in CALLED.items():
        at_hand = (plain[name] for name in names if name in plain and plain[name] not in told.values())
        column = told.get(argument) or next(at_hand, None)
        if column is not None:
            found[argument] = column
    if "losses" not in found:
        raise ValueError(f"{source} must have a column loss or train_loss, or it has to be told which one it is; {has}")
    return found


def _rows(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """The names, the rows, and the line of each; a decimal comma becomes a point."""
    if not path.is_file():
        raise ValueError(f"a log must be a CSV file, and there is no file {path}")
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        first = next((line for line in file if line.strip()), "")
        file.seek(0)
        separator = max(SEPARATORS, key=first.count)
        reader = csv.reader(file, delimiter=separator)
        try:
            filled = [(row, reader.line_num) for row in reader if any(cell.strip() for cell in row)]
        except csv.Error as error:
            raise ValueError(f"{path} cannot be read as a CSV file, line {reader.line_num}: {error}") from None
    if len(filled) < 2:
        raise ValueError(f"{path} must hold the columns' names and a row for each record, got {len(filled)} lines")
    (header, _), *below = filled
    rows = [row if separator == "," else [cell.replace(",", ".") for cell in row] for row, _ in below]
    return [name.strip() for name in header], rows, [line for _, line in below]


def _numbers(index: int, name: str, rows: list[list[str]], lines: list[int], path: str) -> list[float | None]:
    """A column; where a cell is empty, None."""
    values: list[float | None] = []
    for row, line in zip(rows, lines, strict=True):
        cell = row[index].strip() if index < len(row) else ""
        try:
            values.append(float(cell) if cell else None)
        except ValueError:
            raise ValueError(f"column {name!r} of {path} must hold numbers, got {cell!r} in line {line}") from None
    return values
