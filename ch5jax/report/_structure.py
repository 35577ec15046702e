"""What differs in structure between groups, as columns: `grid` and `space` say it in the groups' names."""

import dataclasses
import re

import numpy as np

from ch5jax.sweeps import SweepResult

_CHOICE = re.compile(r"((?:optimizer\.)?[^\W\d]\w*(?:\[\d+\])?)=(.*)", re.DOTALL)
NONE = "–"  # of a group that has no such choice


def parts(group: str) -> tuple[str, dict[str, str]]:
    """A group's name without the choices in it, and these.

    Example:
      >>> parts("adam, hidden=8-8, activation=relu")
      ('adam', {'hidden': '8-8', 'activation': 'relu'})
    """
    base: list[str] = []
    choices: dict[str, str] = {}
    for part in group.split(", "):
        if found := _CHOICE.fullmatch(part):
            choices[found[1]] = found[2]
        elif choices:  # a value with a comma in it
            last = [*choices][-1]
            choices[last] += f", {part}"
        else:
            base.append(part)
    return ", ".join(base), choices


def with_structure(result: SweepResult) -> SweepResult:
    """With a column of words for each choice in which groups differ, as one of their hyperparameters.

    A choice that the table has as a column already, such as a number that only some groups vary, is that column.
    """
    choices = {group: parts(group)[1] for group in result.groups}
    groups = [str(group) for group in result.columns["group"]]
    columns = {
        name: np.array([choices[group].get(name, NONE) for group in groups], object)
        for name in dict.fromkeys(name for of in choices.values() for name in of)
        if name not in result.columns and len({of.get(name, NONE) for of in choices.values()}) > 1
    }
    if not columns:
        return result
    named = {g: (*names, *(n for n in choices[g] if n in columns)) for g, names in result.hyperparameters.items()}
    return dataclasses.replace(result, columns={**result.columns, **columns}, hyperparameters=named)
