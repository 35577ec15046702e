"""Who works in a folder: a lock that goes with the process that holds it, however that ends."""

import contextlib
import logging
import os
import sys
import weakref
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME = ".lock"
_FAR = 1 << 30  # where Windows locks a byte: behind the words, so that others can read them

_log = logging.getLogger("ch5jax.sweeps")


class HeldError(Exception):
    """Somebody else holds the lock; the message says who."""


class Lock:
    """Holds a folder for this process and thread, until it is released; a killed process releases it.

    The file stays, for another may just be waiting to open it. Where the system has no locks, or the folder cannot be
    written, nothing is held.
    """

    def __init__(self, folder: Path, who: str, name: str = NAME, *, shared: bool = False, wait: bool = False):
        """Takes the lock of a folder.

        Args:
          folder: where its file stands.
          who: who takes it, in a line.
          name: its file's.
          shared: whether others may share it, of which none can have it alone then. On Windows nobody shares a lock:
            there it is not taken.
          wait: whether to wait while others hold it.

        Raises:
          HeldError: if it is held.
        """
        self._file = -1
        if shared and sys.platform == "win32":
            return
        file = folder / name
        try:
            self._file = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
        except OSError:  # read-only: then nobody writes here
            return
        try:
            _take(self._file, shared, wait)
        except (BlockingIOError, PermissionError):
            holder = os.read(self._file, 200).decode(errors="replace").strip()
            self.release()
            raise HeldError(holder or "another process") from None
        except OSError as error:
            self.release()
            _log.warning("%s cannot be locked (%s): see to it that nobody else works there", folder, error.strerror)
            return
        _HELD.add(self)
        with contextlib.suppress(OSError):  # a full disk: the words are for people only
            os.ftruncate(self._file, 0)
            os.write(self._file, who.encode())

    def release(self) -> None:
        """Lets others in."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def holder(folder: Path) -> str:
    """Who holds the lock of a folder, which stays as it is; nothing where nobody does, or it cannot be known."""
    try:
        file = os.open(folder / NAME, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return ""
    try:
        _take(file)
    except (BlockingIOError, PermissionError):
        return os.read(file, 200).decode(errors="replace").strip() or "another process"
    except OSError:
        return ""
    finally:
        os.close(file)
    return ""


_HELD: weakref.WeakSet[Lock] = weakref.WeakSet()


def _release_in_a_forked_child() -> None:
    """Else a child that outlives its parent, such as a worker that loads data, would hold what it never took."""
    for lock in _HELD:
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_a_forked_child)


def _take(file: int, shared: bool = False, wait: bool = False) -> None:
    if sys.platform == "win32":
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)
    else:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
