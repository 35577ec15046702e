"""From a file or a data frame to parts for training, validation and test."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ch5jax._types import TableLike
from ch5jax.tasks._examples import Examples, Parts, part_rows
from ch5jax.tasks.tables._columns import fit
from ch5jax.tasks.tables._csv import Reading
from ch5jax.tasks.tables._files import read_frame, where
from ch5jax.tasks.tables._kinds import As, as_told
from ch5jax.tasks.tables._split import in_order, lacking, stratified
from ch5jax.tasks.tables._table import Table
from ch5jax.tasks.tables._target import Kind, class_codes, class_name, target_values
from ch5jax.tasks.tables._words import listed, tidy

_MANY_LOST = 0.03  # of the rows: a warning


def read_table(
    data: TableLike,
    target: str,
    kind: Kind | None = None,
    split_key: jax.Array | None = None,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    missing: Sequence[str] = (),
    decimal: str | None = None,
    thousands: str | None = None,
    order: str | None = None,
    columns: Mapping[str, As] | None = None,
) -> Table:
    """Reads a table and prepares it for training; everything is fitted to the training part alone.

    - Rows without a target are left out. The rest is divided at random, 60 % for training, 20 % each for validation and
      test; of each class so, with a row in every part if it has three.
    - Numbers and truth values are standardised; a missing or infinite one becomes the training part's mean. Dates
      become days, year, month, weekday and hour. Text is one-hot encoded, with an empty cell as a value of its own; of
      more than 100 values the rarest become one. Sentences become 30 numbers at most, by their letters.
    - Text counts as numbers (1,5 and $3 and 5 % and −4 too) or dates where nine in ten values are such, or the rest
      is a mark such as "?" or "NA", or one word that comes again and again. A label is a label, whatever it says.
    - Left out are columns that are empty or do not vary in the training part, names of rows, and other text with more
      than half as many different values as rows. Codes (`zip`, 007) are text.

    `docs/tables.md` has more.

    Args:
      data: the path of a text file with names in its first line (.csv, .tsv or .txt, also packed with .gz, .bz2 or
        .xz), a Parquet file, or an NPZ file of arrays with a row an example (the columns of a 2-D array `x` are called
        x[0], x[1], …); or a pandas DataFrame, whose index is not used. Nothing is unpickled.
      target: the name of the column to predict.
      kind: "classification" or "regression". By default it is classification if the target holds text, truth values,
        categories, two different whole numbers or up to 20 of which each comes five times on average; and else
        regression.
      split_key: the key of the division into parts, `jax.random.key(0)` by default.
      separator: one character between a text file's fields; by default what fits the first line and those below, of
        comma, semicolon, tab and |.
      encoding: a text file's; by default UTF-8, or UTF-16 if it begins so, or else Windows-1252.
      missing: words that count as missing everywhere, beside the empty cell.
      decimal: the sign before fractions, "." or ",", where numbers such as 1,234 can be read in two ways.
      thousands: the sign between groups of digits, "." or ",": the same said from the other side.
      order: a column of numbers or dates; the parts are then the first 60 % of the rows by it, the next 20 and the
        last 20.
      columns: what columns are, where that is not what their values say: "number", "date", "category", "text" or
        "out".

    Returns:
      A `Table`, for `table`; its `notes` say in sentences what was done.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: without pandas (`ch5jax[sweep]`).
      ValueError: if the file cannot be read or would take more than half of the memory; two columns have one name;
        there is no such target, it has no two different values in the training part or, as classes, fewer than two
        rows a class or more than 1,000 classes; fewer than 5 rows have a target; numbers can be read in two ways; no
        column is left to predict from, or text has more than 10,000 different values; or an argument is out of range.

    Example:
      >>> import ch5jax, pandas
      >>> flowers = pandas.DataFrame({"petal": [1.4, 4.7, None, 5.1] * 10, "species": ["setosa", "versicolor"] * 20})
      >>> prepared = ch5jax.tasks.read_table(flowers, "species")
      >>> prepared.kind, prepared.classes, len(prepared.parts.train.inputs)
      ('classification', ('setosa', 'versicolor'), 24)
    """
    if kind not in (None, "classification", "regression"):
        raise ValueError(f"kind must be 'classification' or 'regression', got {kind!r}")
    reading = _reading(separator, encoding, missing, decimal, thousands)
    notes: list[str] = []
    frame, point = read_frame(data, notes, reading, label=str(target))
    source = where(data)
    target = _known("target", str(target), list(frame.columns), source)
    told = as_told(columns or {}, frame, target, source)
    kind, values = target_values(frame[target], kind, reading.missing, point, source, notes)
    present = ~np.isnan(values) if values.dtype == np.float64 else np.array([value is not None for value in values])
    kept, warnings = np.flatnonzero(present), []
    if lost := len(frame) - len(kept):
        notes.append(f"{lost} of {len(frame)} rows without a target were left out.")
        warnings += notes[-1:] if lost > _MANY_LOST * len(frame) else []
        frame, values = frame.iloc[kept].reset_index(drop=True), values[kept]
    if len(frame) < 5:
        raise ValueError(f"{source} must have 5 rows at least with a value of {target!r}, got {len(frame)}")
    key = jax.random.key(0) if split_key is None else split_key
    labels = f"target {target!r} of {source}"
    classes, codes = class_codes(values, labels, notes) if kind == "classification" else ((), None)
    if order is not None:
        rows = in_order(frame[_known("order", str(order), list(frame.columns), source)], reading.missing, point, source)
    else:
        rows = part_rows(len(frame), key) if codes is None else stratified(codes, key)
    train, mean, std = rows[0], 0.0, 1.0
    if (values[train] == values[train][0]).all():
        raise ValueError(
            f"the {labels} must have two different values at least among the {len(train)} rows drawn for training, "
            f"got only {class_name(values[train][0])}: there is nothing to learn"
        )
    if codes is None:
        mean, std = float(values[train].mean()), float(values[train].std())
        if std <= 1e-13 * abs(mean):
            raise ValueError(
                f"the {labels} must vary by more than rounding errors among the {len(train)} rows drawn for training, "
                f"got mean {mean:.6g} and standard deviation {std:.3g}"
            )
        notes.append(f"The target was standardised with the training part's mean {mean:.6g} and deviation {std:.6g}.")
    else:
        warnings += lacking(rows, codes, classes)
        notes += [warning for warning in warnings if warning not in notes]
    encoder, read = fit(frame.drop(columns=target), train, told, reading.missing, point, source, notes)
    if not encoder.blocks:
        raise ValueError(f"{source} has no column to predict {target!r} from. {' '.join(notes)}")

    places = np.empty(len(frame), int)
    places[np.concatenate(rows)] = np.arange(len(frame))
    inputs, targets = encoder.inputs(read, places), np.empty((len(places), len(classes) or 1), np.float32)
    targets[places] = (values[:, None] - mean) / std if codes is None else np.eye(len(classes))[codes]
    one, two = len(train), len(train) + len(rows[1])
    slices = (slice(0, one), slice(one, two), slice(two, len(frame)))
    parts = Parts(*(Examples(inputs[own], targets[own]) for own in slices))
    sizes = [len(own) for own in rows]
    drawn = f", in the order of {order!r}" if order is not None else ""
    notes.append(f"{sizes[0]} rows are for training, {sizes[1]} for validation, {sizes[2]} for the test{drawn}.")
    rows = (kept[rows[0]], kept[rows[1]], kept[rows[2]])
    return Table(
        parts, kind, target, encoder.names, classes, mean, std, tuple(notes), tuple(warnings), rows, encoder,
        reading._replace(decimal="," if point == "," else reading.decimal),
    )  # fmt: skip


def _reading(separator: Any, encoding: Any, missing: Any, decimal: Any, thousands: Any) -> Reading:
    """How a file is to be read, checked."""
    if separator is not None and (not isinstance(separator, str) or len(separator) != 1):
        raise ValueError(f"separator must be one character, got {separator!r}")
    if isinstance(missing, str) or not all(isinstance(word, str) for word in missing):
        raise ValueError(f"missing must be a list of words, got {missing!r}")
    for name, value in (("decimal", decimal), ("thousands", thousands)):
        if value not in (None, ".", ","):
            raise ValueError(f"{name} must be '.' or ',', got {value!r}")
    if thousands is not None and thousands == decimal:
        raise ValueError(f"decimal and thousands must differ, got {decimal!r} for both")
    return Reading(separator, encoding, tuple(map(tidy, missing)), decimal or {",": ".", ".": ","}.get(thousands))


def _known(what: str, name: str, columns: list[str], source: str) -> str:
    """A column's name, if there is such a column."""
    if tidy(name) in columns:
        return tidy(name)
    close = difflib.get_close_matches(name, columns, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    if not close and (
        len(columns) == 1 or all(name.replace(".", "").replace("-", "").isdigit() for name in columns[:-1])
    ):
        hint = "; the first line must hold the columns' names"
    raise ValueError(f"{what} must be a column of {source}, which has {listed(columns, 20)}, got {name!r}{hint}")
