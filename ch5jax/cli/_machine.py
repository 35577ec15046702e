"""What a command uses of the machine: its devices, and a folder of compiled programs."""

import contextlib
import os
import tempfile
from pathlib import Path

import jax

from ch5jax._extras import require

PROGRAMS_KEPT = 1 << 30  # bytes of compiled programs, the oldest of which go first


def keep_programs(keep: bool) -> str:
    """Has JAX keep what it compiles in a folder, so that the next command compiles nothing twice.

    That is JAX_COMPILATION_CACHE_DIR where it is set, and else one in the user's cache folder, for programs that took
    0.1 s to compile, or JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS. It works only before JAX first compiles.

    Returns:
      What there is to say of it; nothing where none was asked for.

    Raises:
      ImportError: without filelock (`ch5jax[sweep]`).
    """
    if not keep:
        jax.config.update("jax_enable_compilation_cache", False)
        return ""
    folder = jax.config.jax_compilation_cache_dir
    if folder is None:
        filelock = require("filelock", "sweep", "a folder of compiled programs")
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
        folder = base / "ch5jax" / "programs"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            with contextlib.suppress(filelock.Timeout), filelock.FileLock(folder / ".lockfile", timeout=5):  # JAX's own
                _remove_halves(folder)
        except OSError as error:
            return f"compiled programs are not kept, {folder} cannot be written: {error.strerror}"
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_compilation_cache_max_size", PROGRAMS_KEPT)
        if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    return f"compiled programs are kept in {folder} (--no-cache: not)"


def _remove_halves(folder: Path) -> None:
    """Removes what a process that was killed had not written whole: JAX would stumble over it at every program.

    JAX writes when a program was used last to a file of its own, after the program.
    """
    for program in folder.glob("*-cache"):
        if not program.with_name(f"{program.name.removesuffix('-cache')}-atime").exists():
            program.unlink()


def start_devices(devices: int | None) -> None:
    """Gives JAX a CPU device for each processor that this process may use, unless the user has said otherwise.

    It works only before JAX's backend starts; afterwards the devices are what they are.

    Raises:
      ValueError: if they are many more than there are processors.
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if devices is not None and devices > (most := max(64, 4 * processors)):
        raise ValueError(
            f"devices must be at most {most} here, where there are {processors} processors, got {devices:,}"
        )
    if devices is None:
        told = jax.config.jax_num_cpu_devices >= 0
        if told or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
            return
        devices = processors
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", devices)
