"""Where a sweep keeps its results chunk by chunk: in memory, or in a folder (`_folder.py`)."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self

from ch5jax._types import PyTree


class Store(Protocol):
    """Named pytrees of arrays."""

    def names(self) -> set[str]:
        """What has been kept."""

    def read(self, name: str, like: PyTree, of: str) -> Any:
        """What has been kept under a name, of the structure of `like`, and written as `of` this."""

    def take(self, name: str, like: PyTree, of: str) -> Any:
        """As `read`, for the last time: what is in memory is given away."""

    def write(self, name: str, tree: PyTree, of: str) -> None:
        """Keeps a pytree of arrays under a name, with what it is of."""

    def remove(self, name: str) -> None:
        """Forgets a name, if it is there."""


class Memory:
    """A store for a sweep that needs no folder."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    @contextlib.contextmanager
    def held(self, manifest: dict[str, Any]) -> Iterator[Self]:
        """Nobody else has it."""
        yield self

    def begin(self, manifest: dict[str, Any], files: Mapping[str, str | None]) -> None:
        """Nothing is there."""

    def names(self) -> set[str]:
        """What has been kept."""
        return set(self._kept)

    def read(self, name: str, like: PyTree, of: str) -> Any:
        """What has been kept under a name."""
        return self._kept[name]

    def take(self, name: str, like: PyTree, of: str) -> Any:
        """What has been kept under a name, of which only the name stays."""
        tree, self._kept[name] = self._kept[name], None
        return tree

    def write(self, name: str, tree: PyTree, of: str) -> None:
        """Keeps a pytree of arrays under a name."""
        self._kept[name] = tree

    def remove(self, name: str) -> None:
        """Forgets a name, if it is there."""
        self._kept.pop(name, None)
