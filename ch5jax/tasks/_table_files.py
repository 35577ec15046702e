"""From what a user has, a file or a data frame, to a data frame with a name of its own for every column."""

import collections
import csv
import os
import warnings
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ch5jax._extras import require
from ch5jax._types import DataFrame, TableLike


def read_frame(data: TableLike, notes: list[str], text: Collection[str] = ()) -> DataFrame:
    """Reads a CSV, Parquet or NPZ file, or takes a data frame; what it leaves out goes into `notes`.

    In a CSV file the columns of `text` stay text, whatever they hold.

    Nothing is unpickled, and nothing is fetched from a network.
    """
    pd = require("pandas", "sweep", "tasks.table")
    if isinstance(data, pd.DataFrame):
        where, frame = "the data frame", data
    elif isinstance(data, (str, os.PathLike)):
        path = Path(data)
        where = str(path)
        readers = {".csv": _csv, ".parquet": _parquet, ".npz": _npz}
        if path.suffix.lower() not in readers:
            raise ValueError(f"a file of data must end in .csv, .parquet or .npz, got {where}")
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {where}")
        options = {"text": text} if path.suffix.lower() == ".csv" else {}
        frame = readers[path.suffix.lower()](pd, path, notes, **options)
    else:
        raise ValueError(
            "data must be the path of a .csv, .parquet or .npz file, a pandas DataFrame or (for table) a Table, "
            f"got {type(data).__name__}"
        )
    _refuse_repeated(map(str, frame.columns), where)
    if not len(frame):
        raise ValueError(f"{where} has no rows")
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1).reset_index(drop=True)
    for name in frame.columns:  # what pandas' to_csv and read_csv make of an index
        numbers = pd.api.types.is_integer_dtype(frame[name])
        if name.startswith("Unnamed: ") and numbers and (frame[name].diff().iloc[1:] == 1).all():
            notes.append("A column without a name that numbers the rows was left out.")
            frame = frame.drop(columns=name)
    return frame


def _refuse_repeated(names: Any, where: str) -> None:
    repeated = [f"{name!r} {count} times" for name, count in collections.Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"every column of {where} must have a name of its own, got {', '.join(repeated[:5])}")


def _csv(pd: Any, path: Path, notes: list[str], text: Collection[str] = ()) -> DataFrame:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next((line for line in file if line.strip()), "")
        separator = next((mark for mark in ",;\t|" if mark in header), ",")
        # pandas would rename a repeated column without a word
        names = next(csv.reader([header], delimiter=separator, skipinitialspace=True), [])
        _refuse_repeated((name for name in names if name), f"the first line of {path}")
        with warnings.catch_warnings():
            # without index_col=False the first of too many fields becomes an index, with it the last ones get lost
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                sep=separator,
                skipinitialspace=True,
                index_col=False,
                low_memory=False,
                encoding="utf-8-sig",
                dtype=dict.fromkeys(text, str),  # "01" is no 1 where the column is text
            )
    except pd.errors.EmptyDataError:
        raise ValueError(f"{path} is empty; a CSV file holds the columns' names in its first line") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no CSV file in UTF-8: {error}") from None
    except pd.errors.ParserWarning:
        raise ValueError(
            f"the lines of {path} must have as many fields as its first, which holds the columns' names: got more"
        ) from None
    except (pd.errors.ParserError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a CSV file: {error}") from None
    if separator != ",":
        notes.append(f"The file is separated by {separator!r}.")
    return frame


def _parquet(pd: Any, path: Path, notes: list[str]) -> DataFrame:
    del notes
    require("pyarrow", "sweep", "tasks.table of a Parquet file")
    try:
        return pd.read_parquet(path, engine="pyarrow")
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a Parquet file: {error}") from None


def _npz(pd: Any, path: Path, notes: list[str]) -> DataFrame:
    del notes
    try:
        file = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read as an NPZ file: {error}") from None
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ValueError(f"{path} must be an NPZ file of arrays with names, got a single array without one")
    columns: dict[str, np.ndarray] = {}
    lengths: dict[int, str] = {}
    with file:
        for name in file.files:
            try:
                array = file[name]
            except (ValueError, zipfile.BadZipFile, zlib.error) as error:
                raise ValueError(f"array {name!r} of {path} cannot be read without unpickling it: {error}") from None
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufUM" or array.ndim not in (1, 2):
                got = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else "no array"
                raise ValueError(
                    f"array {name!r} of {path} must have one or two axes, (rows,) or (rows, columns), of numbers, "
                    f"truth values, text or dates, got {got}"
                )
            lengths.setdefault(len(array), name)
            array = array.astype(np.float64 if array.dtype.kind == "f" else array.dtype.newbyteorder("="))
            if array.ndim == 1 or array.shape[1] == 1:
                columns[name] = array.reshape(len(array))
            else:
                columns |= {f"{name}[{i}]": array[:, i] for i in range(array.shape[1])}
    if len(lengths) > 1:
        found = ", ".join(f"{rows} in {name!r}" for rows, name in lengths.items())
        raise ValueError(f"the arrays of {path} must have the same number of rows, got {found}")
    return pd.DataFrame(columns)
