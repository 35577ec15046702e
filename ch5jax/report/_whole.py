"""Files that appear whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a path to write to beside `path`, and renames it to `path` if nothing went wrong.

    Raises:
      OSError: naming `path`, if it cannot be written.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise OSError(error.errno, f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: bytes) -> Path:
    """Writes a file of some bytes, and gives its path back.

    Raises:
      OSError: naming the file, if it cannot be written.
    """
    with whole(path) as beside:
        beside.write_bytes(content)
    return Path(path)
