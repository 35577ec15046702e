"""What can be done to a training: to its numbers, to its optimizer, or to what its task's maker can make otherwise."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

from ch5jax._types import Hyperparameters
from ch5jax.optimizers import adam, chain, lift
from ch5jax.tasks import Task

OF_A_RATE = ("learning_rate", "learning_rate.init_value", "learning_rate.end_value", "learning_rate.value")
VARIANTS = (  # in the order in which they go together
    "BatchNorm",
    "ReLU",
    "weights drawn anew",
    "standardised inputs",
    "standardised targets",
    "larger batches",
    "smaller batches",
)


class Case(NamedTuple):
    """A training that may be treated."""

    task: Task
    hyperparameters: Hyperparameters
    numbers: tuple[str, ...] = ()  # those of the task's variants that are numbers, and are done
    best_step: int | None = None  # after which its evaluation was best; None where not known, or the last
    steps: int | None = None  # how many it takes; None for all

    def realised(self) -> tuple[Task, Hyperparameters]:
        """What is trained: where the task has such variants, the one program that serves all of them."""
        numbered = [variant for variant in self.task.variants() if variant.number is not None]
        if not numbered:
            return self.task, self.hyperparameters
        given = self.hyperparameters
        done = {str(variant.number): float(variant.name in self.numbers) for variant in numbered}
        return numbered[0].make(), done | (given if isinstance(given, dict) else {"optimizer": given})


class Remedy(NamedTuple):
    """One thing to do. It gives None where it cannot be done: there is no rate, or the task cannot be made so."""

    name: str
    apply: Callable[[Case], Case | None]


EARLY = "early stopping"
JOINED = " + "  # between the names of remedies that go together


def treated(case: Case, name: str) -> tuple[str, Case] | None:
    """A training with one remedy, or with several as far as they can be had, and the name of those; None for none."""
    done, found = [], case
    for part in name.split(JOINED):
        if (after := REMEDIES[part].apply(found)) is not None:
            done.append(part)
            found = after
    return (JOINED.join(done), found) if done else None


def _rate(factor: float, case: Case) -> Case | None:
    """Every learning rate, times a factor; the ends of a schedule too."""
    scaled = 0

    def one(path: Any, leaf: Any) -> Any:
        nonlocal scaled
        if not f".{jax.tree_util.keystr(path, simple=True, separator='.')}".endswith(_ENDINGS):
            return leaf
        scaled += 1
        return leaf * factor

    hyperparameters = jax.tree_util.tree_map_with_path(one, case.hyperparameters)
    return case._replace(hyperparameters=hyperparameters) if scaled else None


_ENDINGS = tuple(f".{name}" for name in OF_A_RATE)


def with_optimizer(change: Callable[[Any], Any], case: Case) -> Case | None:
    """Another optimizer, where the hyperparameters are one, or have one by that name."""
    given = case.hyperparameters
    if isinstance(given, optax.GradientTransformation):
        return case._replace(hyperparameters=change(given))
    if isinstance(given, dict) and isinstance(given.get("optimizer"), optax.GradientTransformation):
        return case._replace(hyperparameters={**given, "optimizer": change(given["optimizer"])})
    return None


def _variant(name: str, case: Case) -> Case | None:
    """The task with one thing otherwise: a number of its, or made again."""
    for variant in case.task.variants():
        if variant.name != name:
            continue
        if variant.number is None:
            return case._replace(task=variant.make())
        return None if name in case.numbers else case._replace(numbers=(*case.numbers, name))
    return None


def adam_at(rate: float) -> Callable[[Any], Any]:
    """In the place of any optimizer."""
    return lambda _: adam(rate)


def _stopped(case: Case) -> Case | None:
    """Trained for as many steps as the best evaluation came after; None where that is not known, or was the last."""
    return case._replace(steps=case.best_step) if case.best_step and case.steps is None else None


def _clipped(optimizer: Any) -> Any:
    return chain(lift(optax.clip_by_global_norm, 1.0), optimizer)


def _decayed(optimizer: Any) -> Any:
    return chain(lift(optax.add_decayed_weights, 0.01), optimizer)


def _remedies() -> dict[str, Remedy]:
    found: dict[str, Callable[[Case], Case | None]] = {
        f"rate {sign} {factor}": functools.partial(_rate, float(factor) if sign == "×" else 1 / factor)
        for sign in "×÷"
        for factor in (10, 100)
    }
    found |= {f"Adam at {rate}": functools.partial(with_optimizer, adam_at(rate)) for rate in (0.001, 0.003, 0.01)}
    found["clipped gradient"] = functools.partial(with_optimizer, _clipped)
    found["weight decay"] = functools.partial(with_optimizer, _decayed)
    found[EARLY] = _stopped
    found |= {name: functools.partial(_variant, name) for name in VARIANTS}
    return {name: Remedy(name, apply) for name, apply in found.items()}


REMEDIES = _remedies()
