"""A sweep's chunks as tasks of a Ray cluster: Ray schedules, retries and places, and the driver stores."""

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from ch5jax import checkpoints
from ch5jax._extras import require
from ch5jax.diagnostics import nan_is_data
from ch5jax.sweeps._executor import Executor, Progress
from ch5jax.sweeps._folder import Folder
from ch5jax.sweeps._layout import Layout
from ch5jax.sweeps._manifest import differences, manifest_hash
from ch5jax.sweeps._plan import chunk_name
from ch5jax.sweeps._prepare import Prepared, prepare
from ch5jax.sweeps._race import Race
from ch5jax.sweeps._store import Memory

# settings of JAX's that a program depends on, and a worker has to share
_SETTINGS = (
    "jax_enable_x64",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
    "jax_default_matmul_precision",
    "jax_numpy_dtype_promotion",
    "jax_numpy_rank_promotion",
)
_MOST_WAITING = 1000  # tasks that the cluster knows of at one time
_SECONDS, _PATIENCE = 1.0, 10.0  # how long Ctrl-C may wait, and a cluster to answer


class ChunkError(RuntimeError):
    """Trials that could not be trained, whatever was tried; what else there was is stored."""


@dataclass(frozen=True)
class Ray:
    """Trains a sweep's chunks on an existing Ray cluster, for `ch5jax.sweep(..., engine=ch5jax.sweeps.Ray())`.

    A chunk is a task, on as many CPUs and GPUs as `options` say, and trained by one JAX process on its devices. Its
    bits are those of a sweep at home of the same width, on the same kind of processor and versions. What comes back is
    stored by the driver. A worker or a node that dies costs its chunks' time; a chunk whose process dies at every try
    is reported, when the rest is done.

    Attributes:
      address: the cluster's, such as "auto" or "ray://head:10001"; None starts Ray on this machine.
      retries: how often a chunk is tried again whose process died, ≥ 0.
      options: of Ray's tasks, such as `{"num_gpus": 1}`; one CPU each by default.

    Raises:
      ValueError: if an argument is not as above.

    Example:
      >>> import ch5jax
      >>> ch5jax.sweeps.Ray("auto", options={"num_gpus": 1})
      Ray(address='auto', retries=3, options={'num_gpus': 1})
    """

    address: str | None = None
    retries: int = 3
    options: Mapping[str, float | str | Mapping[str, float]] = field(default_factory=lambda: {"num_cpus": 1})

    def __post_init__(self) -> None:
        if self.address is not None and (not isinstance(self.address, str) or not self.address.strip()):
            raise ValueError(f"address must be a Ray cluster's, such as 'auto', or None, got {self.address!r}")
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or self.retries < 0:
            raise ValueError(f"retries must be an integer from 0 on, got {self.retries!r}")
        if not isinstance(self.options, Mapping):
            raise ValueError(f"options must be a dict of Ray's task options, got {self.options!r}")

    @contextlib.contextmanager
    def connected(self) -> Iterator[None]:
        """Connects to the cluster; what was connected before stays so.

        Raises:
          ImportError: without Ray (`ch5jax[ray]`).
          ValueError: if no cluster answers there.
        """
        ray = require("ray", "ray", "sweeps.Ray")
        if ray.is_initialized():
            yield
            return
        try:
            _check_reached(self.address)
            ray.init(address=self.address, log_to_driver=False, logging_level="error", include_dashboard=None)
        except (OSError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"address must be that of a Ray cluster that can be reached, got {self.address!r} ({error}); "
                "`ray start --head` begins one"
            ) from None
        try:
            yield
        finally:
            ray.shutdown()

    def run(
        self, prepared: Prepared, race: Race, kept: Memory | Folder, progress: Callable[[Progress], object] | None
    ) -> None:
        """Trains all chunks that the store does not hold yet, and stores them; `sweep` calls it.

        Args:
          prepared: the sweep, checked and traced.
          race: what is trained, and where it is stopped early.
          kept: the store.
          progress: called after each chunk.

        Raises:
          ChunkError: if some could not be trained; all others are stored.
        """
        ray = require("ray", "ray", "sweeps.Ray")
        (stage,) = race.stages
        names = kept.names()
        due = [(one, chunk) for one in stage.layouts for chunk in one.chunks if chunk_name(one.g, chunk) not in names]
        steps, failed = prepared.plan.schedule.steps, {}
        done = stage.trials - sum(len(layout.trials(chunk)) for layout, chunk in due)
        sent = ray.put(_sent(prepared, stage.layouts))
        task = ray.remote(_train).options(**{"max_retries": self.retries, **self.options})
        running: dict[Any, tuple[Layout, int]] = {}

        def report(group: str) -> None:
            if progress is not None:
                progress(Progress(group, done, stage.trials, done * steps, stage.trials * steps))

        report(prepared.groups[due[0][0].g if due else -1].name)
        try:
            while due or running:
                while due and len(running) < _MOST_WAITING:
                    layout, chunk = due.pop(0)
                    running[task.remote(sent, layout.g, chunk)] = layout, chunk
                for ready in ray.wait([*running], timeout=_SECONDS)[0]:
                    layout, chunk = running.pop(ready)
                    name, of = chunk_name(layout.g, chunk), layout.of(chunk_name(layout.g, chunk), chunk)
                    try:
                        content = ray.get(ready)
                    except ray.exceptions.RayError as error:
                        failed[name] = _said(error, prepared, layout, chunk)
                        continue
                    like = race.outlines[layout.g].chunk
                    kept.write(name, checkpoints.restored(checkpoints.unpacked(content, name, of), like, name), of)
                    done += len(layout.trials(chunk))
                    report(prepared.groups[layout.g].name)
        finally:
            for left in running:
                ray.cancel(left, force=True)
        if failed:
            raise ChunkError(
                f"{len(failed)} chunks could not be trained, and all others are stored: {'; '.join(failed.values())}. "
                "The same sweep tries them again"
            )


def _check_reached(address: str | None) -> None:
    """Looks whether somebody listens there: Ray would wait for minutes.

    Raises:
      OSError: if nobody does.
    """
    host, colon, port = (address or "").rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()


def _said(error: Exception, prepared: Prepared, layout: Layout, chunk: int) -> str:
    """What became of a chunk whose process died; what its own code raised is raised here.

    Raises:
      Exception: the task's own, if it is no lack of memory.
    """
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception) and not isinstance(cause, MemoryError | jax.errors.JaxRuntimeError):
        raise cause
    trials = layout.trials(chunk) + sum(group.trials for group in prepared.groups[: layout.g])
    reason = str(cause or error).strip().partition("\n")[0][:300]
    return f"trials {trials[0]} to {trials[-1]}, group {prepared.groups[layout.g].name!r}: {reason}"


def _sent(prepared: Prepared, layouts: tuple[Layout, ...]) -> dict[str, Any]:
    """All that a worker needs, as Ray can send it."""
    schedule, key = prepared.plan.schedule, prepared.plan.key
    return {
        "settings": {name: getattr(jax.config, name) for name in _SETTINGS if hasattr(jax.config, name)},
        "key": (np.asarray(jax.random.key_data(key)), str(jax.random.key_impl(key))),
        "manifest": prepared.manifest,
        "layouts": layouts,
        "sweep": {
            "task": {group.name: group.task for group in prepared.groups},
            "hyperparameters": {group.name: group.hyperparameters for group in prepared.groups},
            "seeds": prepared.groups[0].seeds,
            "steps": schedule.steps,
            "record_every": schedule.record_every,
            "evaluate_every": schedule.evaluate_every,
            "signals_every": schedule.probes.every,
            "width": schedule.width,
        },
    }


_PREPARED: dict[str, Prepared] = {}  # of a worker: the next chunk of the same sweep compiles nothing


def _train(sent: dict[str, Any], g: int, chunk: int) -> bytes:
    """Trains one chunk in a process of Ray's; what the store is to hold."""
    which = manifest_hash(sent["manifest"])
    if which not in _PREPARED:
        for name, value in sent["settings"].items():
            jax.config.update(name, value)
        data, kind = sent["key"]
        _PREPARED.clear()
        _PREPARED[which] = prepare(key=jax.random.wrap_key_data(data, impl=kind), **sent["sweep"])
        if unlike := [*differences(_PREPARED[which].manifest, sent["manifest"])]:
            del _PREPARED[which]
            raise ValueError(f"a worker must be like the machine that asks it, and differs: {'; '.join(unlike[:5])}")
    prepared, kept = _PREPARED[which], Memory()
    task, schedule = prepared.groups[0].task, prepared.plan.schedule
    race = Race(*(prepared.known, sent["layouts"], schedule, prepared.rungs, task.objective, task.maximize, kept, None))
    with nan_is_data():
        Executor(prepared, race, kept, None, False, lambda *one: one == (g, chunk)).run()
    (layout,) = (layout for layout in sent["layouts"] if layout.g == g)
    name = chunk_name(g, chunk)
    return checkpoints.packed(kept.take(name, None, ""), layout.of(name, chunk))
