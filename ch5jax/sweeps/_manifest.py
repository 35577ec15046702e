"""What sweep a store holds, and which others may go on there: the same, and one of more groups or more steps."""

import hashlib
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import jax
import jaxlib.version
import numpy as np

from ch5jax.sweeps._groups import Group
from ch5jax.sweeps._outline import Outline
from ch5jax.sweeps._plan import END, Plan
from ch5jax.sweeps._rungs import ByGroup
from ch5jax.sweeps._traced import Traced

FORMAT = 8
SCHEDULED = ("steps", "record_every", "evaluate_every", "width")
SPACINGS = ("record_every", "evaluate_every", "signals_every")
_FINISHED = re.compile(r"group\d{3,}-chunk\d{6,}")


class StoreError(ValueError):
    """A folder that cannot serve as this sweep's store; nothing in it was touched."""


def manifest_of(
    groups: tuple[Group, ...], known: tuple[Outline, ...], traced: list[Traced], plan: Plan, rungs: ByGroup
) -> dict[str, Any]:
    """All that the sweep is: what differs from it is another sweep."""
    schedule, task = plan.schedule, groups[0].task
    return {
        "format": FORMAT,
        "versions": {"jax": jax.__version__, "jaxlib": jaxlib.version.__version__},
        "device": f"{plan.devices[0].platform} {plan.devices[0].device_kind}",
        **{name: getattr(schedule, name) for name in SCHEDULED},
        "signals_every": schedule.probes.every,
        "objective": task.objective,
        "maximize": task.maximize,
        "key": np.asarray(jax.random.key_data(plan.key)).tolist(),
        **rungs.described(),
        "groups": [
            {
                "name": group.name,
                "hyperparameters": group.digest(),
                "program": one.program,
                "data": one.data,
                **outline.described(),
            }
            for group, one, outline in zip(groups, traced, known, strict=True)
        ],
    }


def sweep_hash(manifest: dict[str, Any], g: int) -> str:
    """A hash of all that a sweep and one of its groups are, whatever their trials, their steps and the other groups."""
    common = {name: value for name, value in manifest.items() if name not in ("groups", "steps")}
    return manifest_hash({**common, "group": manifest["groups"][g]})


def manifest_hash(manifest: Any) -> str:
    """A hash of a manifest, or of a part of one."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def finished(names: Collection[str]) -> list[str]:
    """Those of a store's names that are finished chunks'."""
    return [name for name in names if _FINISHED.fullmatch(name)]


def check_same(found: dict[str, Any], manifest: dict[str, Any], names: Collection[str], where: Path) -> None:
    """Refuses a store whose sweep is not this one, or one of fewer groups or steps that can go on.

    Args:
      found: its manifest.
      manifest: this sweep's.
      names: what the store holds.
      where: the folder, for the message.

    Raises:
      StoreError: if it is another sweep, or kept nothing to go on from.
    """
    due = json.loads(json.dumps(manifest))
    groups, steps = found.get("groups"), found.get("steps")
    kept = due["groups"][: len(groups)] if isinstance(groups, list) else due["groups"]
    goes_on = isinstance(steps, int) and steps < due["steps"]
    like = {**due, "groups": kept} | ({"steps": steps} if goes_on else {})
    if unlike := list(differences(found, like)):
        raise StoreError(f"{where} belongs to another sweep: {'; '.join(unlike[:5])}; choose another folder")
    if "rungs" in due and (goes_on or len(kept) < len(due["groups"])):
        raise StoreError(f"{where} holds a sweep with rungs, which cannot be extended; choose another folder")
    if not goes_on:
        return
    said = f"{where} holds a sweep of {steps:,} steps, which cannot go on to {due['steps']:,}"
    for name in SPACINGS:
        if due[name] and steps % due[name]:
            raise StoreError(f"{said}: they are no multiple of its {name}, {due[name]}; choose another folder")
    if any(f"{name}{END}" not in names for name in finished(names)):
        raise StoreError(
            f"{said}: its finished chunks kept no state to go on from, as they do with keep_states=True; choose "
            "another folder"
        )


def differences(found: Any, due: Any, where: str = "") -> Iterator[str]:
    """What two manifests do not share, in words."""
    if isinstance(found, dict) and isinstance(due, dict):
        for name in [*due, *(name for name in found if name not in due)]:
            yield from differences(found.get(name), due.get(name), f"{where}.{name}" if where else name)
    elif isinstance(found, list) and isinstance(due, list) and len(found) == len(due):
        for position, pair in enumerate(zip(found, due, strict=True)):
            yield from differences(*pair, f"{where}[{position}]")
    elif found != due:
        yield f"its {where} is {_short(found)}, this one's {_short(due)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
