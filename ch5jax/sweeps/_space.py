"""A search space by the names of what is varied: of the optimizer, of the task's numbers, of its structure."""

import functools
import inspect
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ch5jax import _trees
from ch5jax._hyperparameters import shown
from ch5jax._types import Hyperparameters
from ch5jax.optimizers import Batches, Method, Scale, grid, is_swept, lift, sample, stack
from ch5jax.tasks import Task

Rule = Callable[..., Any]
_OPTIMIZER = "optimizer"
PATH = re.compile(r"(?:optimizer\.)?[^\W\d]\w*(\[\d+\])?")


class Space(NamedTuple):
    """What `sweep` trains, group by group: `ch5jax.sweep(*space, steps=..., key=...)`."""

    task: dict[str, Task]
    hyperparameters: dict[str, Hyperparameters]


class _Label(str):
    """What a choice is called: in a group's name without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def space(
    task: Task | Callable[..., Task],
    axes: Mapping[str, Any],
    *,
    count: int | None = None,
    method: Method = "sobol",
    seed: int = 0,
) -> Space:
    """Makes groups of all that is varied by name: all combinations, or settings that are drawn.

    What differs in numbers is one program; what differs in structure, such as the width of a layer, makes groups of its
    own. A name goes to whoever has it, and is left out for others: `weight_decay` for the optimizers that have such an
    argument, `batch_norm_momentum` for the networks with BatchNorm.

    Args:
      task: a function that makes the task, such as `ch5jax.tasks.digits` or `functools.partial(ch5jax.tasks.table,
        table)`; or a `Task`, of which no structure can be varied.
      axes: by name, what is varied, or one value for all. The names are

        - `optimizer`: a function that makes one, such as `ch5jax.adam` or `optax.adamw`, or several of them by name
          or in a list;
        - `optimizer.learning_rate`, or `learning_rate`: an argument of the optimizers; where the task has that name too
          (RMSProp has an `initial_scale` of its own), the short name is the task's;
        - `initial_scale`: a number of the task (`Task.numbers`); `initial_scale[2]` one of several, all of which have
          to be there;
        - `hidden`, `activation`: an argument of the function that makes the task.

        Their values: a scale (`ch5jax.linear`, `ch5jax.log`, `ch5jax.integer`) where settings are drawn; a list (of
        numbers also an array) to choose from; anything else is the same for all.
      count: how many settings are drawn for each optimizer, ≥ 1; None for all combinations.
      method: how they are drawn, as for `ch5jax.sample`.
      seed: of the draw.

    Returns:
      A `Space`: tasks and batches by group, named after the optimizer and what differs in structure.

    Raises:
      ValueError: if a name is nobody's, there is no optimizer, nothing to choose from, or a scale without `count`; or
        as the task, the optimizer, `grid` and `sample` do.

    Example:
      >>> import ch5jax, jax
      >>> found = ch5jax.space(ch5jax.tasks.digits, {
      ...     "optimizer": [ch5jax.sgd, ch5jax.adam], "learning_rate": [0.01, 0.1], "hidden": [(8,), (8, 8)]})
      >>> list(found.hyperparameters)
      ['sgd, hidden=8', 'sgd, hidden=8-8', 'adam, hidden=8', 'adam, hidden=8-8']
      >>> result = ch5jax.sweep(*found, steps=20, key=jax.random.key(0))
      >>> len(result)
      8
    """
    _trees.check_positive(count=count)
    axes = {str(name).strip(): values for name, values in axes.items()}
    rules = _rules(axes.pop(_OPTIMIZER, None))
    for name, values in axes.items():
        _check_axis(name, values, count)
    maker = _Maker(task)
    arguments = {name: {*_parameters(rule)} for name, rule in rules.items()}
    theirs = {
        name: {axis for axis in axes if axis.removeprefix("optimizer.") in taken and axis not in maker.known}
        for name, taken in arguments.items()
    }
    if twice := [axis for some in theirs.values() for axis in some if f"optimizer.{axis}" in axes]:
        raise ValueError(f"axes must have every name once, got {twice[0]!r} and 'optimizer.{twice[0]}'")
    own = {axis: values for axis, values in axes.items() if not any(axis in some for some in theirs.values())}
    structure = maker.structure(own)
    found = Space({}, {})
    used: set[str] = set()
    for name, rule in rules.items():
        taken = {axis: values for axis, values in axes.items() if axis in own or axis in theirs[name]}
        _check_complete(name, rule, {axis.removeprefix("optimizer.") for axis in theirs[name]})
        for group, (made, batch) in _groups(
            name, rule, taken, structure, maker, used, theirs[name], (count, method, seed)
        ).items():
            found.task[group], found.hyperparameters[group] = made, batch
    if unused := [axis for axis in axes if axis not in used]:
        named = {f"optimizer.{argument}" for names in arguments.values() for argument in names}
        allowed = ", ".join(sorted(named | maker.names))
        raise ValueError(f"axes, what is varied, must be among optimizer, {allowed}; got {unused[0]!r}")
    return found


class _Maker:
    """Makes tasks, each structure's once."""

    def __init__(self, task: Task | Callable[..., Task]):
        if not isinstance(task, Task) and not callable(task):
            raise ValueError(f"task must be a ch5jax.Task, or a function that makes one, got {task!r}")
        self._task = task
        self._arguments = set() if isinstance(task, Task) else set(inspect.signature(task).parameters)
        self._made: dict[tuple[tuple[str, str], ...], Task] = {}

    def structure(self, axes: Mapping[str, Any]) -> dict[str, dict[_Label, Any]]:
        """Which of these are arguments of the task's function rather than its numbers, and their values by label."""
        sure = {name: values for name, values in axes.items() if name in self._arguments and not _is_numeric(values)}
        found = {name: _labelled(name, values) for name, values in sure.items()}
        numbers = self({name: next(iter(values.items())) for name, values in found.items()}).numbers
        maybe = [name for name in axes if name in self._arguments and name not in sure and name not in numbers]
        return found | {name: _labelled(name, axes[name]) for name in maybe}

    def __call__(self, chosen: Mapping[str, tuple[_Label, Any]]) -> Task:
        kind = tuple((name, str(label)) for name, (label, _) in sorted(chosen.items()))
        if kind not in self._made:
            given = {name: value for name, (_, value) in chosen.items()}
            made = self._task if isinstance(self._task, Task) else self._task(**given)
            if not isinstance(made, Task):
                raise ValueError(f"task must be a ch5jax.Task, or a function that makes one, which gave {made!r}")
            self._made[kind] = made
        return self._made[kind]

    @functools.cached_property
    def known(self) -> set[str]:
        """What the task has by name, as it is made without being told."""
        return self._arguments.union(self({}).numbers)

    @property
    def names(self) -> set[str]:
        """What can be varied."""
        return self._arguments.union(*(task.numbers for task in self._made.values()))


def _groups(
    name: str,
    rule: Rule,
    axes: Mapping[str, Any],
    structure: Mapping[str, dict[_Label, Any]],
    maker: _Maker,
    used: set[str],
    theirs: set[str],
    draw: tuple[int | None, Method, int],
) -> dict[str, tuple[Task, Any]]:
    """One optimizer's groups: a task and a batch each."""
    tasks: list[Task] = []
    values = {axis: v for axis, v in axes.items() if axis not in structure}

    def setting(**given: Any) -> Any:
        task = maker({axis: (given[axis], structure[axis][given[axis]]) for axis in structure})
        numbers = _numbers(given, task.numbers)
        own = {axis: v for axis, v in given.items() if axis in theirs}
        tasks.append(task)
        used.update(structure, own, *numbers.values())
        optimizer = rule(**{axis.removeprefix("optimizer."): v for axis, v in own.items()})
        found = {number: _together(number, {axis: given[axis] for axis in of}, given) for number, of in numbers.items()}
        return {_OPTIMIZER: optimizer, **found} if found else optimizer

    count, method, seed = draw
    if count is not None:
        choices = {axis: [*labels] if len(labels) > 1 else next(iter(labels)) for axis, labels in structure.items()}
        made = sample(setting, count, method=method, seed=seed, **choices, **values)
        parts = made if isinstance(made, Batches) else {"": made}
        return {_named(name, part): (task, batch) for task, (part, batch) in zip(tasks, parts.items(), strict=True)}
    found: dict[str, tuple[Task, Any]] = {}
    for labels in itertools.product(*structure.values()):
        chosen = dict(zip(structure, labels, strict=True))
        task = maker({axis: (label, structure[axis][label]) for axis, label in chosen.items()})
        taken = {axis: v for axis, v in values.items() if axis in theirs or axis.partition("[")[0] in task.numbers}
        swept = any(map(is_swept, taken.values()))
        made = grid(setting, **chosen, **taken) if swept else stack([setting(**chosen, **taken)])
        kind = ", ".join(f"{axis}={label}" for axis, label in chosen.items() if len(structure[axis]) > 1)
        for part, batch in made.items() if isinstance(made, Batches) else [("", made)]:
            found[_named(name, kind, part)] = task, batch
    return found


def _named(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _parameters(rule: Rule) -> Mapping[str, inspect.Parameter]:
    """What an optimizer's function takes by name; where it lifts another one, what that takes."""
    lifted = rule.args[0] if isinstance(rule, functools.partial) and rule.func is lift and rule.args else rule
    return inspect.signature(lifted).parameters


def _check_complete(name: str, rule: Rule, given: set[str]) -> None:
    for argument, parameter in _parameters(rule).items():
        variadic = parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if parameter.default is inspect.Parameter.empty and argument not in given and not variadic:
            raise ValueError(f"axes must give {argument!r}, without which there is no {name}")


def _rules(given: Any) -> dict[str, Rule]:
    """The optimizers' functions by name."""
    if isinstance(given, Mapping):
        rules = {str(name): rule for name, rule in given.items()}
    else:
        listed = given if isinstance(given, list | tuple) else [given]
        rules = {getattr(rule, "__name__", str(i)): rule for i, rule in enumerate(listed)}
        if len(rules) < len(listed):
            raise ValueError(f"axes['optimizer'] must name functions of one name apart, in a dict, got {given!r}")
    if not rules or not all(map(callable, rules.values())):
        raise ValueError(
            "axes must have an 'optimizer', a function that makes one, such as ch5jax.adam, or several of them; "
            f"got {given!r}"
        )
    of_optax = {name for name, rule in rules.items() if getattr(rule, "__module__", "").startswith("optax")}
    return {name: functools.partial(lift, rule) if name in of_optax else rule for name, rule in rules.items()}


def _check_axis(name: str, values: Any, count: int | None) -> None:
    if not PATH.fullmatch(name):
        raise ValueError(
            f"axes must have names such as optimizer.learning_rate, initial_scale[2] or hidden, got {name!r}"
        )
    if isinstance(values, Scale) and count is None:
        raise ValueError(f"axes[{name!r}] is a range to draw from, which needs count; for a grid give a list")
    if isinstance(values, list) and not values:
        raise ValueError(f"axes[{name!r}] must have at least one value to choose from, got none")


def _is_numeric(values: Any) -> bool:
    """Whether they are numbers, which may be swept in one program."""
    if isinstance(values, Scale):
        return True
    listed = values if isinstance(values, list) else [values]
    return all(np.asarray(v).dtype.kind in "iuf" and not isinstance(v, tuple) for v in listed)


def _labelled(name: str, values: Any) -> dict[_Label, Any]:
    """What each choice is called, and what it is."""
    if isinstance(values, Scale):
        raise ValueError(f"axes[{name!r}] makes a program for each value: give a list to choose from, got {values!r}")
    found: dict[_Label, Any] = {}
    for value in list(values) if isinstance(values, list | np.ndarray) else [values]:
        label = _Label(_called(value))
        if label in found:
            raise ValueError(f"axes[{name!r}] must have every value once, got {label} twice")
        found[label] = value.item() if isinstance(value, np.generic) else value
    return found


def _called(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "-".join(map(_called, value)) or "none"
    return str(value) if isinstance(value, str) else shown(value)


def _numbers(given: Mapping[str, Any], known: Sequence[str]) -> dict[str, list[str]]:
    """Which axes each of a task's numbers has."""
    found: dict[str, list[str]] = {}
    for axis in given:
        if (base := axis.partition("[")[0]) in known:
            found.setdefault(base, []).append(axis)
    return found


def _together(name: str, parts: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """A number, or the several that are named by their places, with the settings as the leading axis."""
    if name in parts:
        if len(parts) > 1:
            raise ValueError(f"axes must have {name!r} or its elements, got both: {', '.join(parts)}")
        return parts[name]
    due = [f"{name}[{i}]" for i in range(len(parts))]
    if {*due} != {*parts}:
        raise ValueError(f"axes must have all elements of {name!r}, from {name}[0] on, got {', '.join(parts)}")
    settings = max((len(value) for value in given.values() if np.ndim(value)), default=0)
    columns = [np.broadcast_to(parts[one], settings or ()) for one in due]
    return np.stack(columns, axis=-1)
