"""All that a sweep leaves to look at, in one folder."""

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ch5jax._extras import require
from ch5jax.report._beside import Beside
from ch5jax.report._page import write_page
from ch5jax.report._whole import whole
from ch5jax.sweeps import Curves, SweepResult

_ROWS = 1_000_000  # of the curves at a time, which bounds the memory that writing takes


class Files(NamedTuple):
    """What `write_files` wrote."""

    table_csv: Path
    table_parquet: Path
    curves: Path
    report: Path


def write_files(
    result: SweepResult,
    folder: str | os.PathLike[str],
    *,
    title: str,
    notes: Sequence[str] = (),
    settings: Mapping[str, object] | None = None,
    units: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
    compared: Sequence[Beside] = (),
) -> Files:
    """Writes a sweep's table, curves and report into a folder, each file whole or not at all.

    - `table.csv` and `table.parquet`: a row a trial, the columns of `SweepResult.columns`.
    - `curves.parquet`: a row a trial and record, with the columns `trial`, `group`, `step` and one for each metric,
      empty at steps at which it was not taken: `curves[curves.trial == 7].plot("step", "loss")`. The signals of the
      difficulties are among them, as `signals.noise` or `signals.update_ratio[0]`.
    - `report.html`: see `write_page`.

    Args:
      result: the sweep.
      folder: where to; made if there is none.
      title: the report's title.
      notes: sentences for the report, such as `Table.notes`.
      settings: what was run, as names and values, for the report.
      units: the units of metrics, such as {"loss": "nats"}.
      warnings: sentences for the top of the report, such as `Table.warnings`.
      compared: scores for the report to show below the leaderboard, of `beside`.

    Returns:
      The files' paths.

    Raises:
      ImportError: without pandas, PyArrow, Jinja2 and Plotly (`ch5jax[sweep]`).
      OSError: if a file cannot be written.

    Example:
      >>> import ch5jax, ch5jax.report, jax, pandas, tempfile
      >>> opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 1.0])
      >>> result = ch5jax.sweep(ch5jax.tasks.digits(hidden=()), opts, steps=10, key=jax.random.key(0))
      >>> files = ch5jax.report.write_files(result, tempfile.mkdtemp(), title="Two rates")
      >>> len(pandas.read_csv(files.table_csv)), len(pandas.read_parquet(files.curves))
      (2, 20)
    """
    require("pyarrow", "sweep", "write_files")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(*(folder / name for name in ("table.csv", "table.parquet", "curves.parquet", "report.html")))
    table = result.table()
    with whole(files.table_csv) as path:
        table.to_csv(path, index=False)
    with whole(files.table_parquet) as path:
        table.to_parquet(path, index=False)
    _write_curves(result, files.curves)
    write_page(
        result,
        files.report,
        title=title,
        notes=notes,
        settings=settings,
        units=units,
        warnings=warnings,
        compared=compared,
    )
    return files


def _write_curves(result: SweepResult, path: Path) -> None:
    arrow, parquet = (require(module, "sweep", "write_files") for module in ("pyarrow", "pyarrow.parquet"))
    metrics: dict[str, Any] = {}
    for curves in result.curves.values():
        for name, values in (curves.metrics | curves.evaluations | curves.signal_columns()).items():
            metrics[name] = np.promote_types(metrics.get(name, values.dtype), values.dtype)
    types = {"trial": arrow.int32(), "group": arrow.dictionary(arrow.int32(), arrow.string()), "step": arrow.int32()}
    types |= {name: arrow.from_numpy_dtype(dtype) for name, dtype in metrics.items()}
    schema = arrow.schema(list(types.items()))
    with (
        whole(path) as beside,
        parquet.ParquetWriter(
            beside,
            schema,
            compression="zstd",
            use_dictionary=["trial", "group", "step"],
            use_byte_stream_split=[name for name, dtype in metrics.items() if dtype.kind == "f"],
        ) as writer,
    ):
        for group, curves in result.curves.items():
            trials = result.columns["trial"][result.columns["group"] == group]
            for columns in _in_parts(trials, curves):
                count = len(columns["trial"])
                columns["group"] = arrow.DictionaryArray.from_arrays(np.zeros(count, np.int32), [group])
                arrays = [
                    columns[name]
                    if name == "group"
                    else arrow.array(columns[name], types[name])
                    if name in columns
                    else arrow.nulls(count, types[name])
                    for name in schema.names
                ]
                writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def _in_parts(trials: np.ndarray, curves: Curves) -> Iterator[dict[str, Any]]:
    """The curves in long form, some trials at a time."""
    kinds = (
        (curves.steps, curves.metrics),
        (curves.evaluated_at, curves.evaluations),
        (curves.probed_at, curves.signal_columns()),
    )
    steps = functools.reduce(np.union1d, (taken_at for taken_at, _ in kinds))
    at_once = max(1, _ROWS // len(steps))
    for first in range(0, len(trials), at_once):
        part = slice(first, first + at_once)
        count = len(trials[part])
        columns: dict[str, Any] = {"trial": np.repeat(trials[part], len(steps)), "step": np.tile(steps, count)}
        for taken_at, metrics in kinds:
            where = np.searchsorted(steps, taken_at)
            for name, values in metrics.items():
                spread = np.ma.masked_all((count, len(steps)), values.dtype)
                spread[:, where] = values[part]
                columns[name] = spread.reshape(-1)
        yield columns
