"""Files that appear whole or not at all."""

import contextlib
import glob
import os
import platform
import re
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a path to write to beside `path`, and renames it to `path` if nothing went wrong.

    Raises:
      OSError: naming `path`, if it cannot be written.
    """
    path = Path(path)
    ours = f".{path.name}.{platform.node()}"
    _clear_away(path.parent, ours)
    beside = path.with_name(f"{ours}.{os.getpid()}.{threading.get_native_id()}")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise OSError(error.errno, f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


def _clear_away(folder: Path, ours: str) -> None:
    """What processes of this machine that are dead by now left half written."""
    form = re.compile(rf"{re.escape(ours)}\.(\d+)\.\d+")
    for left in folder.glob(f"{glob.escape(ours)}.*.*"):
        if (found := form.fullmatch(left.name)) and not _lives(int(found[1])):
            left.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    if os.name != "posix":  # where asking would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def write_whole(path: str | os.PathLike[str], content: bytes) -> Path:
    """Writes a file that appears whole or not at all.

    Args:
      path: where to write.
      content: its bytes.

    Returns:
      The path.

    Raises:
      OSError: naming the file, if it cannot be written.

    Example:
      >>> import ch5jax.report, os, tempfile
      >>> ch5jax.report.write_whole(os.path.join(tempfile.mkdtemp(), "a.txt"), b"whole").read_bytes()
      b'whole'
    """
    with whole(path) as beside:
        beside.write_bytes(content)
    return Path(path)
