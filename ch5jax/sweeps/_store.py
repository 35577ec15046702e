"""A sweep's folder: what the sweep is, and its results chunk by chunk, each file written whole and then renamed.

What a file holds is a pytree of arrays, `Chunk`, `Paused` or an `Outline`'s, each array under its path: `metrics/loss`.
The path is made from the tree, and never taken apart.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from ch5jax import checkpoints
from ch5jax._types import PyTree


class StoreError(ValueError):
    """A folder that cannot serve as this sweep's store; nothing in it was touched."""


class Store(Protocol):
    """Named pytrees of arrays."""

    def names(self) -> set[str]:
        """What has been kept."""

    def read(self, name: str, like: PyTree) -> Any:
        """What has been kept under a name, of the structure of `like`."""

    def write(self, name: str, tree: PyTree) -> None:
        """Keeps a pytree of arrays under a name."""

    def remove(self, name: str) -> None:
        """Forgets a name, if it is there."""


class Memory:
    """A store for a sweep that needs no folder."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def names(self) -> set[str]:
        """What has been kept."""
        return set(self._kept)

    def read(self, name: str, like: PyTree) -> Any:
        """What has been kept under a name."""
        return self._kept[name]

    def write(self, name: str, tree: PyTree) -> None:
        """Keeps a pytree of arrays under a name."""
        self._kept[name] = tree

    def remove(self, name: str) -> None:
        """Forgets a name, if it is there."""
        self._kept.pop(name, None)


class Folder:
    """A store on disk: `manifest.json`, and an NPZ file for each name.

    A file is there whole or not at all: it is written beside its place, flushed to the disk and renamed. Every file
    carries a hash of what is in it. Nothing is unpickled.
    """

    def __init__(self, path: str | os.PathLike[str], manifest: dict[str, Any] | None = None):
        """Opens a folder for the sweep of this manifest; a new one is made, another sweep's is refused.

        Args:
          path: the folder.
          manifest: what the sweep is; by default whatever sweep the folder holds, and nothing is written.

        Raises:
          StoreError: if the folder holds another sweep, other files, a damaged file or, without a manifest, no sweep.
          OSError: if it cannot be written.
        """
        self.path = Path(path)
        self.manifest = self._check(manifest)
        if manifest is None:
            return
        with self._explained("make"):
            self.path.mkdir(parents=True, exist_ok=True)
            for left_over in self.path.glob("*.part"):
                left_over.unlink()
        if not (self.path / "manifest.json").exists():
            self._put("manifest.json", (json.dumps(manifest, indent=1) + "\n").encode())

    def names(self) -> set[str]:
        """What has been kept."""
        return {file.stem for file in self.path.glob("*.npz")}

    def read(self, name: str, like: PyTree) -> Any:
        """What has been kept under a name, of the structure of `like`.

        Raises:
          StoreError: if the file is damaged, naming it.
        """
        try:
            return checkpoints.restored(self._arrays(name), like, self.path / f"{name}.npz")
        except StoreError:
            raise
        except ValueError as error:
            raise StoreError(str(error)) from None

    def _arrays(self, name: str) -> dict[str, Any]:
        """A file's arrays, if it is whole."""
        try:
            return checkpoints.unpacked(self.path / f"{name}.npz")
        except ValueError as error:
            raise StoreError(f"{error}; delete it, and its chunk will be trained again") from None

    def write(self, name: str, tree: PyTree) -> None:
        """Keeps a pytree of arrays under a name.

        Raises:
          OSError: if the disk is full or the folder cannot be written; what was kept before stays.
        """
        self._put(f"{name}.npz", checkpoints.packed(tree))

    def remove(self, name: str) -> None:
        """Forgets a name, if it is there."""
        with self._explained("write to"):
            (self.path / f"{name}.npz").unlink(missing_ok=True)

    def _check(self, manifest: dict[str, Any] | None) -> dict[str, Any]:
        """Refuses a folder that is not this sweep's, before anything in it is touched; what the sweep is."""
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"store must be a folder, but {self.path} is a file")
        file = self.path / "manifest.json"
        if not file.exists():
            if manifest is None:
                raise StoreError(f"store must be the folder of a sweep, but {file} is missing")
            strangers = sorted(p.name for p in self.path.glob("*") if p.suffix != ".part") if self.path.is_dir() else []
            if strangers:
                raise StoreError(f"store must be an empty folder or a sweep's, but {self.path} holds {strangers[0]}")
            return manifest
        try:
            found = json.loads(file.read_text())
        except (ValueError, UnicodeDecodeError) as error:
            raise StoreError(f"{file} is damaged ({error})") from None
        if not isinstance(found, dict):
            raise StoreError(f"{file} is damaged (it holds no object)")
        due = found if manifest is None else json.loads(json.dumps(manifest))
        if differences := list(_differences(found, due)):
            raise StoreError(
                f"{self.path} belongs to another sweep: {'; '.join(differences[:5])}; choose another folder"
            )
        for name in self.names():
            self._arrays(name)
        return found

    def _put(self, name: str, content: bytes) -> None:
        with self._explained("write to"):
            checkpoints.write_bytes(self.path / name, content)

    @contextlib.contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(
                error.errno,
                f"cannot {verb} the store ({error.strerror}); what it holds is whole, and the same sweep goes on there",
                str(error.filename or self.path),
            ) from None


def read_width(path: str | os.PathLike[str] | None) -> int | None:
    """The width that a folder's sweep was begun with, if there is one to go on with."""
    if path is None:
        return None
    try:
        width = json.loads((Path(path) / "manifest.json").read_text())["width"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return width if isinstance(width, int) and width > 0 else None


def _differences(found: Any, due: Any, where: str = "") -> Iterator[str]:
    """What two manifests do not share, in words."""
    if isinstance(found, dict) and isinstance(due, dict):
        for name in [*due, *(name for name in found if name not in due)]:
            yield from _differences(found.get(name), due.get(name), f"{where}.{name}" if where else name)
    elif isinstance(found, list) and isinstance(due, list) and len(found) == len(due):
        for position, pair in enumerate(zip(found, due, strict=True)):
            yield from _differences(*pair, f"{where}[{position}]")
    elif found != due:
        yield f"its {where} is {_short(found)}, this one's {_short(due)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
