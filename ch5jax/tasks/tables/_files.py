"""From what a user has, a file or a data frame, to a data frame with a name of its own for every column."""

import os
import re
from collections.abc import Collection
from pathlib import Path

from ch5jax._extras import require
from ch5jax._memory import check_memory
from ch5jax._types import DataFrame, TableLike
from ch5jax.tasks.tables._csv import PACKED, Reading, read_csv, refuse_repeated
from ch5jax.tasks.tables._npz import read_npz
from ch5jax.tasks.tables._words import tidy

_TEXT = (".csv", ".tsv", ".txt")
_ENDINGS = ".csv, .tsv, .txt (or one of these with .gz, .bz2 or .xz), .parquet or .npz"


def read_frame(
    data: TableLike, notes: list[str], options: Reading, text: Collection[str] = (), label: str = ""
) -> tuple[DataFrame, str | None]:
    """Reads a file or takes a data frame; what is done to it goes into `notes`.

    Nothing is unpickled, and nothing is fetched from a network.

    Args:
      data: the path or the data frame.
      notes: takes sentences.
      options: how a text file is to be read.
      text: columns of it that stay text.
      label: the column to predict, whose cells may be labels.

    Returns:
      The data frame, and the sign before fractions, where it is known.
    """
    pd = require("pandas", "sweep", "tasks.table")
    decimal = options.decimal
    if isinstance(data, pd.DataFrame):
        frame = data
    elif isinstance(data, (str, os.PathLike)):
        path = Path(data)
        suffix = Path(path.stem).suffix.lower() if path.suffix.lower() in PACKED else path.suffix.lower()
        if suffix not in (*_TEXT, ".parquet", ".npz") or (suffix not in _TEXT and suffix != path.suffix.lower()):
            raise ValueError(f"a file of data must end in {_ENDINGS}, got {path}")
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        if suffix == ".npz":
            frame = read_npz(path)
        elif suffix == ".parquet":
            frame = _parquet(path)
        else:
            frame, decimal = read_csv(path, options, text, tidy(label), notes)
    else:
        raise ValueError(
            f"data must be the path of a file that ends in {_ENDINGS}, a pandas DataFrame or (for table) a Table, "
            f"got {type(data).__name__}"
        )
    names = [tidy(name) for name in frame.columns]
    refuse_repeated(names, where(data))
    if not len(frame):
        raise ValueError(f"{where(data)} has no rows")
    frame = frame.set_axis(names, axis=1).set_axis(range(len(frame)), axis=0)
    if numbers := [float(word) for word in options.missing if re.fullmatch(r"[+-]?\d+(\.\d*)?", word)]:
        for name in names:
            types = pd.api.types
            if types.is_numeric_dtype(frame[name]) and not types.is_bool_dtype(frame[name]):
                frame[name] = frame[name].mask(frame[name].isin(numbers))
    return frame, decimal


def where(data: TableLike) -> str:
    """What messages call it."""
    return os.fspath(data) if isinstance(data, (str, os.PathLike)) else "the data frame"


def _parquet(path: Path) -> DataFrame:
    pd = require("pandas", "sweep", "tasks.table")
    parquet = require("pyarrow.parquet", "sweep", "tasks.table of a Parquet file")
    try:
        about = parquet.read_metadata(path)
        check_memory(sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups)), str(path))
        return pd.read_parquet(path, engine="pyarrow")
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a Parquet file: {error}") from None
