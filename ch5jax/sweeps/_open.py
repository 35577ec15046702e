"""A sweep's folder without its task: opened when it is finished, looked into at any time."""

import contextlib
import os
from typing import NamedTuple

from ch5jax.diagnostics import nan_is_data
from ch5jax.sweeps._folder import MANIFEST, Folder
from ch5jax.sweeps._layout import read_layout
from ch5jax.sweeps._lock import holder
from ch5jax.sweeps._manifest import FORMAT, SCHEDULED, StoreError, sweep_hash
from ch5jax.sweeps._plan import Schedule, chunk_name, group_name, state_name
from ch5jax.sweeps._race import Race
from ch5jax.sweeps._result import SweepResult
from ch5jax.sweeps._rungs import ByGroup
from ch5jax.training import Probes


def open_sweep(store: str | os.PathLike[str], *, unfinished: bool = False) -> SweepResult:
    """Opens the folder of a sweep without its task: table, curves, verdicts and their words.

    Args:
      store: the folder that `sweep` was given.
      unfinished: whether a sweep that is not finished is opened too, also while it trains: with the trials that are
        done, under the numbers that they keep; with rungs, each as the last rung has it that all have passed.

    Returns:
      A `SweepResult`. To train a trial once more (`rerun`, `trial`, `best`, `predict`) it takes the task: call `sweep`
      with the same arguments, which trains nothing that is in the store.

    Raises:
      ValueError: if the folder holds no sweep, a damaged file, or a sweep that is not finished; with `unfinished`, one
        of which nothing is done yet.

    Example:
      >>> import ch5jax, jax, tempfile
      >>> folder = tempfile.mkdtemp()
      >>> opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 1.0])
      >>> task = ch5jax.tasks.surface(ch5jax.problems.beale())
      >>> result = ch5jax.sweep(task, opts, steps=20, key=jax.random.key(0), store=folder)
      >>> ch5jax.open(folder).columns["learning_rate"].tolist()
      [0.1, 1.0]
    """
    folder, race = _opened(store)
    with nan_is_data():
        while race.go_on():
            pass
        if (missing := race.stages[-1].missing(folder)) and unfinished:
            last = race.stages[-1].held(folder)
            if last.trials:
                race.stages[-1] = last
            elif len(race.stages) > 1:
                race.stages.pop()
            else:
                raise StoreError(f"{store} must hold a training that is done, and its sweep has only begun")
        elif missing:
            due = sum(len(layout.chunks) for stage in race.stages for layout in stage.layouts)
            raise StoreError(
                f"{store} must hold a finished sweep, and {len(missing)} of its {due} chunks are missing: the same "
                "sweep goes on there"
            )
        return race.result()


class Part(NamedTuple):
    """A group of a sweep in its store, up to a rung or to the end."""

    group: str
    steps: int  # up to which its trials train
    trials: int
    done: int  # of them
    half_way: int  # whose last state is kept
    at: int  # the step of the furthest of those states; 0 without one


class Contents(NamedTuple):
    """What the folder of a sweep holds, finished or not: made by `look`."""

    parts: tuple[Part, ...]  # group by group, and rung by rung as far as it is known who passed
    rungs_ahead: bool  # whether there are rungs of which it is not
    damaged: dict[str, str]  # files that cannot be used, and why
    held_by: str  # who works there; nothing where nobody does
    manifest: dict[str, object]  # as the folder has it
    bytes: int  # of all files


def look(store: str | os.PathLike[str]) -> Contents:
    """Looks into the folder of a sweep, which it reads through and leaves as it is, also while a sweep works there.

    Args:
      store: the folder that `sweep` was given.

    Returns:
      `Contents`: what is done, half-way, damaged and missing, and who works there.

    Raises:
      ValueError: if the folder holds no sweep, one that has hardly begun, or its manifest or a group's file is damaged.

    Example:
      >>> import ch5jax, jax, tempfile
      >>> folder = tempfile.mkdtemp()
      >>> opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 1.0])
      >>> task = ch5jax.tasks.surface(ch5jax.problems.beale())
      >>> result = ch5jax.sweep(task, opts, steps=20, key=jax.random.key(0), store=folder)
      >>> ch5jax.sweeps.look(folder).parts
      (Part(group='sgd', steps=20, trials=2, done=2, half_way=0, at=0),)
    """
    folder, race = _opened(store)
    damaged: dict[str, str] = {}
    steps: dict[str, int] = {}
    with nan_is_data(), contextlib.suppress(StoreError):  # a chunk that is damaged: who goes on at a rung is not known
        while race.go_on():
            pass
    files, parts, kept = race.files(), [], folder.names()
    for name in sorted(kept):
        try:
            if (of := files.get(name, "nothing: this sweep has none of that name")) is not None:
                steps[name] = int(folder.arrays(name, of).get("step", 0))  # a state's
        except StoreError as error:
            if name in folder.names():  # and not gone since, as a finished chunk's state is
                damaged[name] = str(error)
            kept.discard(name)
    for stage in race.stages:
        for layout in stage.layouts:
            done = half_way = 0
            at = [0]
            for chunk in layout.chunks:
                trials = len(layout.trials(chunk))
                if chunk_name(layout.g, chunk) in kept:
                    done += trials
                elif (name := state_name(layout.g, chunk)) in kept:
                    half_way += trials
                    at.append(steps[name])
            name = race.outlines[layout.g].name
            parts.append(Part(name, stage.schedule.steps, len(layout.members), done, half_way, max(at)))
    size = 0
    for file in folder.path.iterdir():
        with contextlib.suppress(FileNotFoundError):
            size += file.stat().st_size * file.is_file()
    ahead = bool(race.stages[-1].later)
    return Contents(tuple(parts), ahead, damaged, holder(folder.path), folder.manifest() or {}, size)


def _opened(store: str | os.PathLike[str]) -> tuple[Folder, Race]:
    """A folder with a sweep, and what it says of it."""
    folder = Folder(store)
    if (manifest := folder.manifest()) is None:
        raise StoreError(f"store must be the folder of a sweep, but {folder.path / MANIFEST} is missing")
    if manifest.get("format") != FORMAT:
        raise StoreError(f"{store} must have format {FORMAT}, got {manifest.get('format')}: sweep again to have it so")
    probes = Probes(manifest["signals_every"], manifest["steps"])
    rungs = ByGroup.read(manifest)
    schedule = Schedule(probes=probes, rungs=rungs.at, **{name: manifest[name] for name in SCHEDULED})
    if not folder.names() >= {group_name(g) for g in range(len(manifest["groups"]))}:
        raise StoreError(
            f"{store} must hold a finished sweep, and this one had hardly begun: the same sweep goes on there"
        )
    pairs = [
        read_layout(g, group, schedule, sweep_hash(manifest, g), folder) for g, group in enumerate(manifest["groups"])
    ]
    known, layouts = (tuple(part) for part in zip(*pairs, strict=True))
    race = Race(known, layouts, schedule, rungs, manifest["objective"], manifest["maximize"], folder, None)
    return folder, race
