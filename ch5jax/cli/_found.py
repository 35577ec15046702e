"""What a finished command said, to be said again by the same command: no data are read and nothing is traced for it."""

import functools
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax

from ch5jax.cli._job import STORE, Job
from ch5jax.report import write_whole

SAID_FILE = "said.json"


class Said(NamedTuple):
    """What a finished command said."""

    trials: int
    text: str


def said_before(job: Job, folder: Path) -> Said | None:
    """What the same command said when it finished there; None where anything that it depends on has changed since."""
    try:
        kept = json.loads((folder / SAID_FILE).read_bytes())
        return Said(int(kept["trials"]), str(kept["said"])) if kept["of"] == _all_that_counts(job, folder) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # it is said anew, and errors with it


def keep_said(job: Job, folder: Path, trials: int, said: str) -> None:
    """Keeps what a finished command said."""
    kept = {"of": _all_that_counts(job, folder), "trials": trials, "said": said}
    write_whole(folder / SAID_FILE, (json.dumps(kept, indent=1) + "\n").encode())


def _all_that_counts(job: Job, folder: Path) -> dict[str, Any]:
    """The command with its data, what ran it, and the files that it left, by their sizes and times."""
    devices = jax.local_devices()
    files = (path for part in (folder, folder / STORE) for path in sorted(part.iterdir()))
    left = {path: path.stat() for path in files if path.is_file() and path.name != SAID_FILE}
    return {
        "folder": str(folder),
        "job": job.settings(),
        "program": _code(),
        "settings": {name: os.environ[name] for name in sorted(os.environ) if name.startswith(("JAX_", "XLA_"))},
        "devices": f"{len(devices)} {devices[0].platform} {devices[0].device_kind}",
        "files": {str(path.relative_to(folder)): [stat.st_size, stat.st_mtime_ns] for path, stat in left.items()},
    }


@functools.cache
def _code() -> str:
    """A hash of this package's source and of what is installed beside it, in 20 ms."""
    digest = hashlib.sha256(sys.version.encode())
    package = Path(__file__).parents[1]
    for path in sorted(path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        digest.update(f"{path.relative_to(package)} {path.stat().st_size}\n".encode() + path.read_bytes())
    for place in filter(os.path.isdir, sys.path):
        digest.update("\n".join(sorted(name for name in os.listdir(place) if name.endswith("-info"))).encode())
    return digest.hexdigest()
