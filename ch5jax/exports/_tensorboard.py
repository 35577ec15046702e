"""TensorBoard: a run of scalars for each trial, and the table of the HParams tab."""

import math
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ch5jax._extras import require
from ch5jax.exports._names import as_markdown
from ch5jax.exports._runs import Exported, Progress, Run, Runs, Value, runs_of
from ch5jax.report import visible
from ch5jax.sweeps import SweepResult

_OURS = ".ch5jax"  # how the files that this writes end
_FEW = 12  # values of a column that are offered one by one


def to_tensorboard(
    result: SweepResult,
    folder: str | os.PathLike[str],
    *,
    trials: Sequence[int] | None = None,
    signals: bool = True,
    replace: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Writes a sweep for TensorBoard: `tensorboard --logdir folder`.

    Every trial is a run with its curves as scalars, and a row of the HParams tab: group, hyperparameters, seed and
    verdict to filter by; what the table has of it to sort by; its status is failure where it diverged. What it met, in
    words, is in the Text tab. Scalars are float32, as TensorBoard has them.

    Args:
      result: the sweep.
      folder: where to, a folder of this sweep's own; made if there is none.
      trials: their numbers; by default all, of a sweep of at most `exports.LIMIT`.
      signals: whether the signals of the difficulties are written too, as `signals/noise`.
      replace: whether an earlier export there is removed first; files that this did not write stay.
      progress: called with how many trials are written, and of how many.

    Returns:
      `Exported`: how many, where, and which names TensorBoard does not show as they are.

    Raises:
      ImportError: without TensorBoard (`ch5jax[tensorboard]`).
      ValueError: if the folder has an earlier export, trials are none of the sweep's, or there are more than
        `exports.LIMIT` and none are named.
      OSError: if a file cannot be written.

    Example:
      >>> import ch5jax, ch5jax.exports, jax, tempfile
      >>> task, opts = ch5jax.tasks.digits(hidden=()), ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 1.0])
      >>> result = ch5jax.sweep(task, opts, steps=10, key=jax.random.key(0))
      >>> ch5jax.exports.to_tensorboard(result, tempfile.mkdtemp()).runs
      2
    """
    require("tensorboard", "tensorboard", "to_tensorboard")
    runs, folder = runs_of(result, trials, signals, visible), Path(folder)
    earlier = [*folder.glob(f"*tfevents*{_OURS}"), *folder.glob(f"*/*tfevents*{_OURS}")]
    if earlier and not replace:
        raise ValueError(
            f"{folder} has an export of a sweep already: another folder, or replace=True, which removes it"
        )
    for file in earlier:
        file.unlink()
        if file.parent != folder and not any(file.parent.iterdir()):
            file.parent.rmdir()
    rows = _rows(runs)
    _write(folder, [_experiment(runs, rows)])
    for done, run in enumerate(runs, 1):
        _write(folder / re.sub(r"[^\w.+-]+", "-", run.name)[:60], _events(run, rows[run.number]))
        if progress is not None:
            progress(done, len(runs.trials))
    return Exported(len(runs.trials), str(folder), runs.renamed)


def _rows(runs: Runs) -> dict[int, dict[str, Value]]:
    """What each trial's row can be filtered by. A column is of one kind; of words where a number is not finite.

    TensorBoard leaves such numbers out.
    """
    rows: dict[int, dict[str, Value]] = {number: {**runs.given(number), **runs.met(number)} for number in runs.trials}
    kinds = defaultdict(set)
    for row in rows.values():
        for name, value in row.items():
            number = not isinstance(value, str | bool) and math.isfinite(value)
            kinds[name].add("number" if number else type(value))
    words = {name for name, found in kinds.items() if len(found) > 1 or float in found}
    return {
        number: {name: str(value) if name in words else value for name, value in row.items()}
        for number, row in rows.items()
    }


def _experiment(runs: Runs, rows: dict[int, dict[str, Value]]) -> Any:
    """The columns of the HParams tab, and the metrics beside them."""
    hparams = require("tensorboard.plugins.hparams.summary_v2", "tensorboard", "to_tensorboard")
    columns = defaultdict(set)
    for row in rows.values():
        for name, value in row.items():
            columns[name].add(value)
    domains = []
    for name, values in columns.items():
        numbers = not isinstance(next(iter(values)), str | bool)
        if numbers and len(values) > _FEW:
            domain = hparams.RealInterval(float(min(values)), float(max(values)))
        else:
            domain = hparams.Discrete([float(value) for value in sorted(values)] if numbers else sorted(values))
        domains.append(hparams.HParam(name, domain))
    first = [runs.objective, *(name for name in runs.metrics.values() if name != runs.objective)]
    metrics = [hparams.Metric(name) for name in first if not name.startswith("signals/")]
    return _event(0, hparams.hparams_config_pb(domains, metrics))


def _events(run: Run, row: dict[str, Value]) -> Iterator[Any]:
    """A trial's start with its row, its scalars step by step, what it met in words, and its end."""
    proto, hparams, plugin, metadata, text = (
        require(f"tensorboard.{name}", "tensorboard", "to_tensorboard")
        for name in (
            "compat.proto.summary_pb2",
            "plugins.hparams.summary_v2",
            "plugins.hparams.plugin_data_pb2",
            "plugins.hparams.metadata",
            "plugins.text.summary_v2",
        )
    )
    yield _event(0, hparams.hparams_pb(row, trial_id=run.name))
    at_step = defaultdict(list)
    for name, course in run.courses.items():
        for step, value in zip(course.steps.tolist(), course.values.tolist(), strict=True):
            at_step[step].append(proto.Summary.Value(tag=name, simple_value=value))
    last = max(at_step, default=0)
    for name, value in run.scores.items():
        at_step[last].append(proto.Summary.Value(tag=name, simple_value=value))
    for step in sorted(at_step):
        yield _event(step, proto.Summary(value=at_step[step]))
    if run.diagnosis:
        yield _event(last, text.text_pb("diagnosis", as_markdown(run.diagnosis)))
    status = require("tensorboard.plugins.hparams.api_pb2", "tensorboard", "to_tensorboard")
    end = plugin.SessionEndInfo(
        status=status.STATUS_FAILURE if run.diverged else status.STATUS_SUCCESS, end_time_secs=time.time()
    )
    about = metadata.create_summary_metadata(plugin.HParamsPluginData(session_end_info=end))
    value = proto.Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=about, tensor=metadata.NULL_TENSOR)
    yield _event(last, proto.Summary(value=[value]))


def _event(step: int, summary: Any) -> Any:
    events = require("tensorboard.compat.proto.event_pb2", "tensorboard", "to_tensorboard")
    return events.Event(wall_time=time.time(), step=step, summary=summary)


def _write(folder: Path, events: Iterable[Any]) -> None:
    """Writes a file of events."""
    writers = require("tensorboard.summary.writer.event_file_writer", "tensorboard", "to_tensorboard")
    writer = writers.EventFileWriter(str(folder), max_queue_size=10_000, filename_suffix=_OURS)
    try:
        for event in events:
            writer.add_event(event)
    finally:
        writer.close()
