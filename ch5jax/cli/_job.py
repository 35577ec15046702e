"""What the command line was asked to do, and where its files go."""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

import ch5jax
from ch5jax import tasks
from ch5jax.cli._values import Activation, axis
from ch5jax.optimizers import RULES, lift
from ch5jax.report import write_whole


class Kind(StrEnum):
    """What a target column can hold."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


JOB_FILE, STORE = "job.json", "store"  # in the folder of its results


class Job(NamedTuple):
    """A sweep as the command line gives it; all of it decides the results, and names the folder."""

    data: Path | None
    target: str | None
    kind: Kind | None
    optimizers: tuple[str, ...]
    learning_rates: np.ndarray
    seeds: int | list[int]
    steps: int
    evaluate_every: int
    hidden: tuple[int, ...]
    batch_size: int
    activation: Activation
    initial_scale: float
    batch_norm: bool = False
    width: int | None = None
    reading: Mapping[str, Any] = MappingProxyType({})  # how the data are read, as `read_table` has it
    halving: float | None = None  # the factor
    stop_lost: bool = False
    hyperband: float | None = None  # the factor
    vary: Mapping[str, str] = MappingProxyType({})  # values of other hyperparameters by name, as they are typed
    keep_states: bool = False  # so that a later command trains all of them further
    sample: int | None = None  # how many settings of each optimizer are drawn from them, `learning_rate` among them

    @property
    def seed_count(self) -> int:
        """How many seeds there are."""
        return self.seeds if isinstance(self.seeds, int) else len(self.seeds)

    @property
    def listed_seeds(self) -> list[int]:
        """The seeds, one by one."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    def folder(self) -> Path:
        """Where its files go by default: the same for the same job, another for any other.

        Raises:
          OSError: if the data cannot be read.
        """
        settings = self._asdict() | {"learning_rates": self.learning_rates.tolist(), "data": None}
        for name in ("reading", "halving", "stop_lost", "hyperband", "vary", "sample", "keep_states"):
            if not settings[name]:
                del settings[name]  # or a default would change the name
        if self.keep_states:
            del settings["steps"], settings["evaluate_every"]  # where more steps go on
        stem = "digits"
        if self.data is not None:
            settings["data"] = _digest(self.data)
            stem = re.sub(r"[^\w.-]+", "-", self.data.stem).encode()[:80].decode(errors="ignore").strip("-.") or "table"
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return Path("runs", f"{stem}-{digest[:8]}")

    def settings(self) -> dict[str, Any]:
        """All of it as JSON has it, with where the data are and a hash of them."""
        where = {"data": str(self.data.resolve()), "digest": _digest(self.data)} if self.data is not None else {}
        return json.loads(json.dumps(self._asdict() | {"learning_rates": self.learning_rates.tolist()} | where))

    def write(self, path: Path) -> None:
        """Keeps the job, for `ch5jax predict`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(self.settings(), indent=1) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> "Job":
        """The job that `write` kept.

        Raises:
          ValueError: if the file is damaged, or the data are others by now.
          OSError: if the data cannot be read.
        """
        try:
            settings = json.loads(path.read_text())
            data, digest = settings.pop("data"), settings.pop("digest", None)
            kind = settings["kind"] and Kind(settings["kind"])
            given = {"data": data and Path(data), "kind": kind, "activation": Activation(settings["activation"])}
            given |= {name: tuple(settings[name]) for name in ("optimizers", "hidden")}
            given |= {"learning_rates": np.array(settings["learning_rates"])}
            job = cls(**(settings | given))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} is damaged ({error})") from None
        if job.data is not None and _digest(job.data) != digest:
            raise ValueError(f"{job.data} must hold what the sweep was made with, and has changed since")
        return job

    def sweep(
        self,
        make: Callable[..., ch5jax.Task],
        store: Path,
        progress: Any = None,
        cluster: ch5jax.sweeps.Ray | None = None,
    ) -> ch5jax.SweepResult:
        """Trains what the store does not hold yet."""
        space = self.space(make)
        return ch5jax.sweep(
            *space,
            **self._how(store, progress),
            rungs=self.rungs(space),
            engine=cluster,
        )

    def train_shard(
        self, shard: tuple[int, int], make: Callable[..., ch5jax.Task], store: Path, progress: Any = None
    ) -> int:
        """Trains one of several parts; how many chunks are still missing then."""
        return ch5jax.sweeps.train_shard(
            shard,
            *self.space(make),
            **self._how(store, progress),
        )

    def _how(self, store: Path, progress: Any) -> dict[str, Any]:
        """What a whole sweep and a part of it are told alike."""
        return {
            "steps": self.steps,
            "key": jax.random.key(0),
            "seeds": self.seeds,
            "store": store,
            "evaluate_every": self.evaluate_every,
            "width": self.width,
            "progress": progress,
            "keep_states": self.keep_states,
        }

    def rungs(self, space: ch5jax.sweeps.Space) -> Mapping[str, ch5jax.Rungs | None] | ch5jax.Rungs | None:
        """When trials are stopped early."""
        if self.hyperband is not None:
            brackets = dict(self._brackets)
            return {name: brackets[name.rpartition(", ")[2]].rungs for name in space.task}
        if self.halving is not None:
            return ch5jax.halving(self.steps, self.halving)
        return ch5jax.stop_lost(self.steps) if self.stop_lost else None

    def space(self, make: Callable[..., ch5jax.Task]) -> ch5jax.sweeps.Space:
        """What is trained, of the task that `make` makes.

        Raises:
          ValueError: if what is varied is no argument of any optimizer or network, or has values that it cannot have.
        """
        axes: dict[str, Any] = {"optimizer": {name: _rule(name) for name in self.optimizers}}
        if not self.draws:
            axes["learning_rate"] = self.learning_rates
        axes |= {name: axis(text, self.draws, name) for name, text in self.vary.items()}
        if self.hyperband is None:
            return ch5jax.space(make, axes, count=self.sample)
        whole = ch5jax.sweeps.Space({}, {})
        make = functools.cache(make)  # all brackets have the same tasks
        for seed, (name, bracket) in enumerate(self._brackets):
            part = ch5jax.space(make, axes, count=bracket.settings, seed=seed)
            for group in part.task:
                whole.task[f"{group}, {name}"] = part.task[group]
                whole.hyperparameters[f"{group}, {name}"] = part.hyperparameters[group]
        return whole

    @property
    def draws(self) -> bool:
        """Whether settings are drawn from ranges."""
        return self.sample is not None or self.hyperband is not None

    @property
    def _brackets(self) -> list[tuple[str, ch5jax.sweeps.Bracket]]:
        brackets = ch5jax.hyperband(self.steps, self.hyperband or 3.0)
        return [(f"bracket {number}", bracket) for number, bracket in enumerate(brackets, 1)]

    def searched(self) -> str:
        """What is tried of each optimizer, in words."""
        if self.draws:
            return counted(self.sample or sum(one.settings for _, one in self._brackets), "drawn setting")
        counts = {name: len(axis(text, False, name)) for name, text in self.vary.items()}
        others = (f"{count} {name}" for name, count in counts.items())
        return " × ".join([counted(len(self.learning_rates), "learning rate"), *others])


def factory_of(name: str) -> Callable[..., Any]:
    """What makes an optimizer of this name that is a pytree of its hyperparameters."""
    return RULES.get(name) or functools.partial(lift, _rule(name))


def _rule(name: str) -> Callable[..., Any]:
    """An update rule of the chapter, or of Optax."""
    return RULES[name] if name in RULES else getattr(optax, name.removeprefix("optax."))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Prepared(NamedTuple):
    """What makes a job's task, and what there is to say of it."""

    make: Callable[..., ch5jax.Task]  # of the structure that is called for, otherwise as the job says
    title: str
    notes: Sequence[str]
    settings: dict[str, str]
    units: dict[str, str]
    table: tasks.Table | None


def prepare(job: Job) -> Prepared:
    """Reads the data and makes the task.

    Raises:
      ValueError: if the data are not as `ch5jax.tasks.read_table` needs them.
      ImportError: without scikit-learn or pandas.
      OSError: if the file cannot be read.
    """
    network: dict[str, Any] = {
        "hidden": job.hidden,
        "activation": getattr(jax.nn, job.activation),
        "batch_size": job.batch_size,
        "initial_scale": job.initial_scale,
        "batch_norm": job.batch_norm,
    }
    notes: Sequence[str] = ()
    table = None
    batch_size = job.batch_size
    if job.data is None:
        make, name, ends, classify = functools.partial(tasks.digits, **network), "Scanned digits", (64, 10), True
        data = "1,797 scanned digits of 8 × 8 pixels, ten classes"
    else:
        table = tasks.read_table(job.data, str(job.target), job.kind.value if job.kind else None, **job.reading)
        make, notes = functools.partial(tasks.table, table, **network), table.notes
        name = f"{table.target} in {job.data.name}"
        ends, classify = (len(table.features), len(table.classes) or 1), table.kind == "classification"
        batch_size = min(batch_size, len(table.parts.train.inputs))
        data = f"{job.data.name}, target {table.target}, {table.kind}"
    unit = "nats" if classify else "standardised target, squared"
    settings = {
        "data": data,
        "network": _network(job, *ends),
        "training": f"{job.steps:,} steps, mini-batches of {_varied(job, 'batch_size', batch_size)}, evaluated every "
        f"{job.evaluate_every:,} steps",
        "seeds": str(job.seeds) if isinstance(job.seeds, int) else ", ".join(map(str, job.seeds)),
    }
    title = (
        f"{name}: {counted(len(job.optimizers), 'optimizer')} × {job.searched()} × {counted(job.seed_count, 'seed')}"
    )
    units = dict.fromkeys(("loss", "validation_loss", "test_loss"), unit)
    if table is not None and not classify:
        units |= dict.fromkeys(("validation_rmse", "test_rmse"), f"unit of {table.target}")
    return Prepared(make, title, notes, settings, units, table)


def _network(job: Job, inputs: int, outputs: int) -> str:
    """The network in words."""
    hidden = [_varied(job, "hidden", "")] if "hidden" in job.vary else map(str, job.hidden)
    scale = _varied(job, "initial_scale", f"{job.initial_scale:g}")
    batch_norm = "batch_norm" in job.vary or job.batch_norm
    return (
        f"{'-'.join((str(inputs), *hidden, str(outputs)))}, {_varied(job, 'activation', job.activation)}"
        + (f" {'with and without' if 'batch_norm' in job.vary else 'after'} BatchNorm" if batch_norm else "")
        + (f", initial weights × {scale}" if scale != "1" else "")
    )


def _varied(job: Job, name: str, otherwise: object) -> str:
    """What a network has, or all that it has in turn."""
    return f"({job.vary[name]})" if name in job.vary else str(otherwise)


def counted(count: int, thing: str) -> str:
    """A number of things."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
