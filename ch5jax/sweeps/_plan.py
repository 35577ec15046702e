"""What every chunk of a sweep needs to know."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from ch5jax.sweeps._groups import Group
from ch5jax.sweeps._programs import Programs, compile_programs


class Plan(NamedTuple):
    """How every group of a sweep trains."""

    key: jax.Array
    steps: int
    every: int
    stops: tuple[int, ...]  # where a stretch ends: at evaluations, and where it would grow too long
    evaluated: frozenset[int]
    width: int
    devices: tuple[jax.Device, ...]

    @property
    def stretch(self) -> int:
        """The longest stretch, in steps."""
        return max(np.diff([0, *self.stops]))


def compiler(group: Group, plan: Plan) -> Callable[[], Programs]:
    """A function that compiles a group's programs when it is first called, and keeps them."""

    @functools.cache
    def programs() -> Programs:
        return compile_programs(group, plan.key, plan.width, plan.stretch, list(plan.devices))

    return programs


def chunk_name(g: int, chunk: int) -> str:
    """Where a finished chunk is kept."""
    return f"group{g:03}-chunk{chunk:06}"


def state_name(g: int, chunk: int) -> str:
    """Where the state of a chunk in training is kept."""
    return f"{chunk_name(g, chunk)}-state"
