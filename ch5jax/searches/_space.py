"""A space of settings, in the words of `ch5jax.sample`, as Optuna's distributions; and settings of what Optuna drew."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.tree_util import Partial

from ch5jax._hyperparameters import shown
from ch5jax._types import Hyperparameters
from ch5jax.optimizers import Batches, Scale, is_swept, named_apart, stack


class Choices(NamedTuple):
    """A list of which one element is drawn: a number by itself, anything else by a name."""

    values: tuple[Any, ...]
    names: tuple[Any, ...]  # what Optuna and its storage know them by
    numbers: bool


class Space(NamedTuple):
    """What is drawn, and what all settings share."""

    factory: Callable[..., Hyperparameters]
    drawn: dict[str, Scale | Choices]
    shared: dict[str, Any]

    def ends(self) -> list[dict[str, Any]]:
        """What can be drawn: the lower ends of all scales and the upper ones, with each element of a list in turn."""
        longest = max([2, *(len(one.names) for one in self.drawn.values() if isinstance(one, Choices))])
        return [
            {
                name: one.names[turn % len(one.names)]
                if isinstance(one, Choices)
                else (int if one.kind.endswith("integer") else float)((one.low, one.high)[turn % 2])
                for name, one in self.drawn.items()
            }
            for turn in range(longest)
        ]

    def setting(self, params: Mapping[str, Any]) -> Hyperparameters:
        """What the factory makes of what was drawn."""
        values = {
            name: one.values[one.names.index(params[name])] if isinstance(one, Choices) else params[name]
            for name, one in self.drawn.items()
        }
        return jax.tree.map(
            lambda leaf: Partial(leaf) if callable(leaf) else leaf, self.factory(**self.shared, **values)
        )

    def batch(self, drawn: Sequence[Mapping[str, Any]]) -> tuple[Any, np.ndarray]:
        """Settings as a sweep takes them, and where each of them is in it.

        Where a list holds what is no number, each combination of such makes a group.
        """
        kinds = [name for name, one in self.drawn.items() if isinstance(one, Choices) and not one.numbers]
        groups: dict[tuple[Any, ...], list[int]] = {}
        for number, params in enumerate(drawn):
            groups.setdefault(tuple(params[name] for name in kinds), []).append(number)
        place = np.argsort([number for numbers in groups.values() for number in numbers])
        batches = [stack([self.setting(drawn[number]) for number in numbers]) for numbers in groups.values()]
        if not kinds:
            return batches[0], place
        together: Any = Batches()
        for chosen, batch in zip(groups, batches, strict=True):
            named = ", ".join(f"{name}={value}" for name, value in zip(kinds, chosen, strict=True))
            together[named_apart(named, together)] = batch
        return together, place

    def distributions(self, optuna: Any) -> dict[str, Any]:
        """Optuna's, by name."""
        made = optuna.distributions
        found: dict[str, Any] = {}
        for name, one in self.drawn.items():
            if isinstance(one, Choices):
                found[name] = made.CategoricalDistribution(one.names)
            elif one.kind in ("integer", "log integer"):
                found[name] = made.IntDistribution(int(one.low), int(one.high), log=one.kind == "log integer")
            else:
                found[name] = made.FloatDistribution(one.low, one.high, log=one.kind == "log")
        return found

    def words(self) -> dict[str, str]:
        """What the space is, for who goes on with it."""
        said = {
            name: repr(list(one.names)) if isinstance(one, Choices) else repr(one) for name, one in self.drawn.items()
        }
        return said | {name: shown(value) for name, value in self.shared.items()}


def space_of(factory: Callable[..., Hyperparameters], values: Mapping[str, Any]) -> Space:
    """Sorts what a user gives.

    Raises:
      ValueError: if there is nothing to draw, or a list is empty or has an element twice.
    """
    if not callable(factory):
        raise ValueError(f"factory must make hyperparameters, such as ch5jax.adam, got {factory!r}")
    drawn: dict[str, Any] = {name: value for name, value in values.items() if isinstance(value, Scale)}
    drawn = {
        name: value if name in drawn else _choices(name, value)
        for name, value in values.items()
        if name in drawn or is_swept(value)
    }
    if not drawn:
        raise ValueError(
            "search needs a scale or a list to draw from, such as learning_rate=ch5jax.log(1e-4, 1.0), got "
            f"{dict(values)!r}"
        )
    return Space(factory, drawn, {name: value for name, value in values.items() if name not in drawn})


def _choices(name: str, value: Any) -> Choices:
    elements = [element.item() if isinstance(element, np.generic) else element for element in value]
    if not elements:
        raise ValueError(f"{name} must have at least one value to draw from, got none")
    array = np.asarray(value) if all(type(element) in (int, float) for element in elements) else None
    if array is not None:
        if not np.isfinite(array).all() or len(np.unique(array)) < len(array):
            raise ValueError(f"{name} must be finite numbers, each of them once, got {value!r}")
        numbers = tuple(array.tolist())  # of one type, so that one program serves all
        return Choices(numbers, numbers, True)
    names: list[str] = []
    for element in elements:
        names.append(named_apart(element if isinstance(element, str) else shown(element), names))
    return Choices(tuple(elements), tuple(names), False)
