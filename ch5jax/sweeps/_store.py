"""A sweep's folder: what the sweep is, and its results chunk by chunk, each file written whole and then renamed."""

import contextlib
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class StoreError(ValueError):
    """A folder that cannot serve as this sweep's store; nothing in it was touched."""


class Store(Protocol):
    """Named sets of arrays."""

    def names(self) -> set[str]:
        """What has been kept."""

    def read(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of one name."""

    def write(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keeps arrays under a name."""

    def remove(self, name: str) -> None:
        """Forgets a name, if it is there."""


class Memory:
    """A store for a sweep that needs no folder."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, np.ndarray]] = {}

    def names(self) -> set[str]:
        """What has been kept."""
        return set(self._kept)

    def read(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of one name."""
        return self._kept[name]

    def write(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keeps arrays under a name."""
        self._kept[name] = arrays

    def remove(self, name: str) -> None:
        """Forgets a name, if it is there."""
        self._kept.pop(name, None)


class Folder:
    """A store on disk: `manifest.json`, and an NPZ file for each name.

    A file is there whole or not at all: it is written beside its place, flushed to the disk and renamed. Every file
    carries a hash of what is in it. Nothing is unpickled.
    """

    def __init__(self, path: str | os.PathLike[str], manifest: dict[str, Any]):
        """Opens a folder for the sweep of this manifest; a new one is made, another sweep's is refused.

        Raises:
          StoreError: if the folder holds another sweep, other files, or a damaged file.
          OSError: if it cannot be written.
        """
        self.path = Path(path)
        self._check(manifest)
        with self._explained("make"):
            self.path.mkdir(parents=True, exist_ok=True)
            for left_over in self.path.glob("*.part"):
                left_over.unlink()
        if not (self.path / "manifest.json").exists():
            self._put("manifest.json", (json.dumps(manifest, indent=1) + "\n").encode())

    def names(self) -> set[str]:
        """What has been kept."""
        return {file.stem for file in self.path.glob("*.npz")}

    def read(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of one name.

        Raises:
          StoreError: if the file is damaged, naming it.
        """
        file = self.path / f"{name}.npz"
        try:
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as content:
                arrays = dict(content)
        except (ValueError, TypeError, EOFError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
            raise StoreError(f"{file} is damaged ({error}); delete it, and its chunk will be trained again") from None
        if str(arrays.pop("digest", "")) != _digest(arrays):
            raise StoreError(
                f"{file} is damaged (its hash does not fit); delete it, and its chunk will be trained again"
            )
        return arrays

    def write(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keeps arrays under a name.

        Raises:
          OSError: if the disk is full or the folder cannot be written; what was kept before stays.
        """
        content = io.BytesIO()
        np.savez(content, **{"digest": np.array(_digest(arrays)), **arrays})  # type: ignore[arg-type]
        self._put(f"{name}.npz", content.getvalue())

    def remove(self, name: str) -> None:
        """Forgets a name, if it is there."""
        with self._explained("write to"):
            (self.path / f"{name}.npz").unlink(missing_ok=True)

    def _check(self, manifest: dict[str, Any]) -> None:
        """Refuses a folder that is not this sweep's, before anything in it is touched."""
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"store must be a folder, but {self.path} is a file")
        file = self.path / "manifest.json"
        if not file.exists():
            strangers = sorted(p.name for p in self.path.glob("*") if p.suffix != ".part") if self.path.is_dir() else []
            if strangers:
                raise StoreError(f"store must be an empty folder or a sweep's, but {self.path} holds {strangers[0]}")
            return
        try:
            found = json.loads(file.read_text())
        except (ValueError, UnicodeDecodeError) as error:
            raise StoreError(f"{file} is damaged ({error})") from None
        if differences := list(_differences(found, json.loads(json.dumps(manifest)))):
            raise StoreError(
                f"{self.path} belongs to another sweep: {'; '.join(differences[:5])}; choose another folder"
            )
        for name in self.names():
            self.read(name)

    def _put(self, name: str, content: bytes) -> None:
        part = self.path / f"{name}.{os.getpid()}.part"
        with self._explained("write to"):
            try:
                with part.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(self.path / name)
            except OSError:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
                raise

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


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


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
