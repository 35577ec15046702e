"""A sweep's folder: what the sweep is, and its results chunk by chunk, each file written whole and then renamed.

What a file holds is a pytree of arrays, `Chunk`, `Paused` or an `Outline`'s, each array under its path: `metrics/loss`.
The path is made from the tree, and never taken apart.
"""

import contextlib
import datetime
import json
import os
import re
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from ch5jax import checkpoints
from ch5jax._types import PyTree
from ch5jax.sweeps._lock import NAME as LOCK, HeldError, Lock
from ch5jax.sweeps._manifest import FORMAT, SPACINGS, StoreError, check_same, finished, manifest_hash

MANIFEST = "manifest.json"
_KEPT = re.compile(r"group\d{3,}(-chunk\d{6,}(-state|-end)?)?")
_OURS = re.compile(rf"({_KEPT.pattern})\.npz|{re.escape(MANIFEST)}")
_LOCKS = re.compile(rf"{re.escape(LOCK)}(-begin|-\d+-of-\d+)?")
_PART = re.compile(rf"({_OURS.pattern})\.\d+\.\d+\.part")  # as `checkpoints.write_bytes` names them


class Folder:
    """A store on disk: `manifest.json`, and an NPZ file for each name.

    A file is there whole or not at all: it is written beside its place, flushed to the disk and renamed. Every file
    carries a hash of what is in it and of what it is of, so that none serves in another's place. Nothing is unpickled,
    and nothing is deleted but files of these names. One process, and one thread of it, works there at a time.
    """

    def __init__(self, path: str | os.PathLike[str], shard: tuple[int, int] | None = None):
        """A folder, as it is.

        Args:
          path: where it is.
          shard: which of how many work there side by side, from 1 on; None for who works there alone.

        Raises:
          StoreError: if it is a file, or nothing can have that name.
        """
        self.shard = shard
        if path == "":
            raise StoreError("store must name a folder, got ''")
        try:
            self.path = Path(path).expanduser()
            is_file = not stat.S_ISDIR(self.path.stat().st_mode)
        except FileNotFoundError:
            return
        except (OSError, RuntimeError, TypeError, ValueError) as error:  # too long, a home of nobody's, a zero byte
            reason = error.strerror if isinstance(error, OSError) else error
            raise StoreError(f"store must be a folder, but {path!r} cannot be looked at: {reason}") from None
        if is_file:
            raise StoreError(f"store must be a folder, but {self.path} is a file")

    def manifest(self) -> dict[str, Any] | None:
        """What sweep it holds; None where it holds none.

        Raises:
          StoreError: if the manifest is damaged.
        """
        file = self.path / MANIFEST
        if not os.path.lexists(file):
            return None
        content = self._content(file)
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            raise StoreError(f"{file} is damaged (it is no JSON that ch5jax wrote)") from None
        if not isinstance(found, dict):
            raise StoreError(f"{file} is damaged (it holds no object)")
        if found.pop("hash", None) != manifest_hash(found) and found.get("format") == FORMAT:
            raise StoreError(f"{file} is damaged (its hash does not fit)")
        return found

    @contextlib.contextmanager
    def held(self, manifest: dict[str, Any]) -> Iterator[Self]:
        """Holds the folder for the sweep of this manifest, and for nobody else; a new folder is made.

        Raises:
          StoreError: if it holds another sweep, other files or a damaged manifest, or somebody else works there.
          OSError: if it cannot be made.
        """
        self._refuse_strangers()
        with self._explained("make"):
            self.path.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            self._take(held, LOCK, shared=self.shard is not None)
            if self.shard is not None:
                self._take(held, f"{LOCK}-{self.shard[0]}-of-{self.shard[1]}")
            self._refuse_strangers()
            if (found := self.manifest()) is not None:
                check_same(found, manifest, self.names(), self.path)
                if self.shard is not None and found["steps"] != manifest["steps"]:
                    raise StoreError(
                        f"{self.path} holds a sweep of {found['steps']:,} steps, which goes on to "
                        f"{manifest['steps']:,} without shard only"
                    )
            yield self

    @contextlib.contextmanager
    def beginning(self) -> Iterator[None]:
        """Where no sweep has begun, lets one after the other in: the first chooses what the others take.

        Raises:
          OSError: if the folder cannot be made.
        """
        self._refuse_strangers()
        with self._explained("make"):
            self.path.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            if self.manifest() is None:
                self._take(held, f"{LOCK}-begin", wait=True)
            yield

    def _take(self, held: contextlib.ExitStack, name: str, **how: bool) -> None:
        now = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
        part = f", shard {self.shard[0]} of {self.shard[1]}" if self.shard else ""
        try:
            lock = Lock(self.path, f"process {os.getpid()} on {socket.gethostname()}, since {now}{part}", name, **how)
        except HeldError as error:
            raise StoreError(
                f"{self.path} is in use: {error} works there; wait until it is done, or choose another folder"
            ) from None
        held.callback(lock.release)

    def begin(self, manifest: dict[str, Any], files: Mapping[str, str | None]) -> None:
        """Reads all that is there; then clears away what a kill left half written, and says what sweep this is.

        Args:
          manifest: what sweep it is.
          files: what each file has to be of, by its name; None where that shows only when it is needed.

        Raises:
          StoreError: if a file is damaged or of something else, naming it; nothing was touched.
          OSError: if the folder cannot be written.
        """
        goes_on = (self.manifest() or manifest)["steps"] != manifest["steps"]
        longer = finished(self.names()) if goes_on else []
        for name in sorted(self.names() - {*longer}):
            if (of := files.get(name, "nothing: this sweep has none of that name")) is not None:
                self.arrays(name, of)
        with self._explained("write to"):
            for left_over in self.path.glob("*.part") if self.shard is None else ():  # others may be writing them
                if _PART.fullmatch(left_over.name):
                    left_over.unlink()
        for name in longer:  # all of it is in the state behind which it goes on; and the manifest changes last
            self.remove(name)
        if self.manifest() != (due := json.loads(json.dumps(manifest))):
            self._put(MANIFEST, (json.dumps({**due, "hash": manifest_hash(due)}, indent=1) + "\n").encode())

    def names(self) -> set[str]:
        """What has been kept."""
        return {file.stem for file in self.path.glob("*.npz") if _KEPT.fullmatch(file.stem)}

    def read(self, name: str, like: PyTree, of: str) -> Any:
        """What has been kept under a name, of the structure of `like`, and written as `of` this.

        Raises:
          StoreError: if the file is damaged or of something else, naming it.
        """
        try:
            return checkpoints.restored(self.arrays(name, of), like, self.path / f"{name}.npz")
        except StoreError:
            raise
        except ValueError as error:
            raise StoreError(str(error)) from None

    def arrays(self, name: str, of: str) -> dict[str, Any]:
        """A file's arrays by their paths, if it is whole and what it has to be.

        Raises:
          StoreError: if it is not, naming the file.
        """
        file = self.path / f"{name}.npz"
        try:
            return checkpoints.unpacked(self._content(file), file, of)
        except StoreError:
            raise
        except ValueError as error:
            advice = "; delete it, and its chunk will be trained again" if "-" in name else ""
            raise StoreError(f"{error}{advice}") from None

    def take(self, name: str, like: PyTree, of: str) -> Any:
        """As `read`: the file stays."""
        return self.read(name, like, of)

    def _content(self, file: Path) -> bytes:
        if not file.is_file():  # a FIFO would be waited for
            raise StoreError(f"{file} must be a file, and is none")
        return file.read_bytes()

    def write(self, name: str, tree: PyTree, of: str) -> None:
        """Keeps a pytree of arrays under a name, with what it is of.

        Raises:
          OSError: if the disk is full or the folder cannot be written; what was kept before stays.
        """
        self._put(f"{name}.npz", checkpoints.packed(tree, of))

    def remove(self, name: str) -> None:
        """Forgets a name, if it is there."""
        with self._explained("write to"):
            (self.path / f"{name}.npz").unlink(missing_ok=True)

    def _refuse_strangers(self) -> None:
        """Before anything is touched: without a manifest the folder has to be empty, but for what a kill left."""
        if not self.path.is_dir() or os.path.lexists(self.path / MANIFEST):
            return
        names = sorted(file.name for file in self.path.iterdir())
        if strangers := [name for name in names if not (_LOCKS.fullmatch(name) or _PART.fullmatch(name))]:
            raise StoreError(f"store must be an empty folder or a sweep's, but {self.path} holds {strangers[0]}")

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


def begun_with(path: str | os.PathLike[str] | None) -> dict[str, int]:
    """The width and the spacings that a folder's sweep was begun with.

    Args:
      path: the folder; None for none.

    Returns:
      `width`, `record_every`, `evaluate_every` and `signals_every`, of a sweep that can go on there; else nothing.

    Raises:
      StoreError: if its manifest is damaged.

    Example:
      >>> import ch5jax, tempfile
      >>> ch5jax.sweeps.begun_with(tempfile.mkdtemp())
      {}
    """
    found = {} if path is None else Folder(path).manifest() or {}
    known = {name: found.get(name) for name in ("width", *SPACINGS)}
    return {name: value for name, value in known.items() if isinstance(value, int) and value >= 0}
