"""Weights & Biases: a run for each trial, in one group."""

import hashlib
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from ch5jax._extras import require
from ch5jax.exports._environment import environment
from ch5jax.exports._names import cut
from ch5jax.exports._runs import Exported, Progress, Run, runs_of
from ch5jax.report import visible
from ch5jax.sweeps import SweepResult

_LONGEST = 128  # signs of a group's name, or a project's


def to_wandb(
    result: SweepResult,
    *,
    project: str,
    name: str,
    folder: str | os.PathLike[str] = ".",
    entity: str | None = None,
    mode: Literal["offline", "online"] = "offline",
    trials: Sequence[int] | None = None,
    signals: bool = True,
    replace: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Writes a sweep for Weights & Biases: a run for each trial, all in a group of the sweep's name.

    A run's config has group, hyperparameters and seed, its history the curves by step, its summary the scores, verdict,
    difficulties and remedy, and its notes what it met, in words; it has failed where it diverged. Offline, nothing is
    sent to anybody: runs lie in `folder/wandb`, for `wandb sync`. The machine that exports is not the one that trained:
    its load, code and packages are left out. Where no run of yours is under way, W&B's process ends with the export.

    Args:
      result: the sweep.
      project: the project's name.
      name: the sweep's name there.
      folder: where W&B keeps its files; made if there is none.
      entity: whose project it is; by default W&B's own setting.
      mode: "offline" writes files alone, "online" uploads as you are logged in.
      trials: their numbers; by default all, of a sweep of at most `exports.LIMIT`.
      signals: whether the signals of the difficulties are written too, as `signals/noise`.
      replace: whether runs of an earlier export under this name are written anew: offline, their folders are removed
        first; online, W&B overwrites those of the same trials.
      progress: called with how many trials are written, and of how many.

    Returns:
      `Exported`: how many, where, and which names W&B does not take as they are.

    Raises:
      ImportError: without W&B (`ch5jax[wandb]`).
      ValueError: if the folder has a sweep of this name in this project, a name is empty, the mode is none of the two,
        trials are none of the sweep's, or there are more than `exports.LIMIT` and none are named.
      OSError: if W&B refuses, cannot be reached, or the folder cannot be written.

    Example:
      >>> import ch5jax, ch5jax.exports, jax, tempfile
      >>> task, opts = ch5jax.tasks.digits(hidden=()), ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 1.0])
      >>> result = ch5jax.sweep(task, opts, steps=10, key=jax.random.key(0))
      >>> ch5jax.exports.to_wandb(result, project="digits", name="two rates", folder=tempfile.mkdtemp()).runs
      2
    """
    if mode not in ("offline", "online"):
        raise ValueError(f"mode must be 'offline' or 'online', got {mode!r}")
    for what, text in (("project", project), ("name", name)):
        if not text.strip():
            raise ValueError(f"{what} must be a name, got {text!r}")
    runs, folder = runs_of(result, trials, signals, _clean), Path(folder)
    project, name = re.sub(r"[/\\#?%:]", "-", cut(project, _LONGEST)), cut(name, _LONGEST)
    with environment(**{"WANDB_ERROR_REPORTING": "false"} if mode == "offline" else {}):
        wandb = require("wandb", "wandb", "to_wandb")
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):  # else W&B writes elsewhere
            raise OSError(f"{folder} cannot be written")
        ours = hashlib.sha256(f"{entity}/{project}/{name}".encode()).hexdigest()[:16]
        earlier = [*folder.glob(f"*wandb/offline-run-*-{ours}-*")]
        if earlier and not replace and mode == "offline":
            raise ValueError(
                f"{folder} has a sweep {name!r} of {project!r} already: take another name, or replace=True, which "
                "removes it"
            )
        for left in earlier if mode == "offline" else ():
            shutil.rmtree(left)
        with _of_its_own(wandb):
            for done, run in enumerate(runs, 1):
                started = wandb.init(
                    project=project,
                    entity=entity,
                    group=name,
                    id=f"{ours}-{run.number}",
                    name=run.name,
                    notes="\n".join(map(visible, run.diagnosis.splitlines())) or None,
                    config=run.settings,
                    dir=str(folder),
                    mode=mode,
                    resume=None if replace or mode == "offline" else "never",
                    reinit="create_new",
                    settings=_settings(wandb),
                )
                _log(started, run)
                if progress is not None:
                    progress(done, len(runs.trials))
    return Exported(len(runs.trials), str(folder) if mode == "offline" else project, runs.renamed)


def _log(started: Any, run: Run) -> None:
    at_step: dict[int, dict[str, float]] = defaultdict(dict)
    for name, course in run.courses.items():
        for step, value in zip(course.steps.tolist(), course.values.tolist(), strict=True):
            at_step[step][name] = value
    status = 1
    try:
        for step in sorted(at_step):
            started.log(at_step[step], step=step)
        started.summary.update(run.scores | run.words)
        status = int(run.diverged)
    finally:
        started.finish(exit_code=status)


def _settings(wandb: Any) -> Any:
    """Nothing of how the machine that exports is, which is not the one that trained."""
    return wandb.Settings(
        console="off",
        silent=True,
        disable_git=True,
        disable_code=True,
        save_code=False,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )


@contextmanager
def _of_its_own(wandb: Any) -> Iterator[None]:
    """W&B's own process ends in the end, unless a run of the user's needs it; what it refuses is an error of a file."""
    alone = wandb.run is None
    try:
        yield
    except wandb.Error as error:
        raise OSError(f"W&B: {error}") from error
    finally:
        if alone:
            wandb.teardown()


def _clean(name: str) -> str:
    """ASCII letters, digits and _ . - space / alone; a letter first, since names from `_` on are W&B's own."""
    name = re.sub(r"[^A-Za-z0-9_./ -]", "_", name)
    return name if name[:1].isalpha() else f"named_{name.lstrip('_')}"
