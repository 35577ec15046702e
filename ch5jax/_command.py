"""How the command `ch5jax` starts, and how Ctrl-C ends it: at once, in a line, with status 130, whatever it was doing.

It stands before all other modules: while JAX is imported, which takes a second, an exception would be
swallowed or shown whole.
"""

import contextlib
import gc
import itertools
import os
import signal
import sys
import types
from pathlib import Path
from types import FrameType

_line = types.SimpleNamespace(said="Stopped.")


def is_command() -> bool:
    """Whether this process is the command, by its arguments: its modules may not be there yet."""
    as_module = ("-m", "ch5jax.cli") in itertools.pairwise(sys.orig_argv)
    return as_module or Path(sys.argv[0] if sys.argv else "").stem == "ch5jax"


def end_in_a_line() -> None:
    """Has Ctrl-C, SIGTERM and SIGHUP end the process so, unless it was told to ignore them."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        one = getattr(signal, name, None)
        if one is not None and signal.getsignal(one) in (signal.default_int_handler, signal.SIG_DFL):
            signal.signal(one, _end)


def say_at_the_end(said: str) -> None:
    """What the line is from now on."""
    _line.said = said


def _end(number: int, frame: FrameType | None) -> None:
    """No exception, which a callback would swallow, and no exit, which would wait for what compiles beside."""
    with contextlib.suppress(Exception):  # printing may be what was interrupted
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        drawn = b"\r\x1b[K\x1b[?25h" if os.isatty(2) else b""  # the bar's line goes, and the cursor comes back
        os.write(2, drawn + f"{_line.said}\n".encode(errors="replace"))
    os._exit(130)


def imported() -> None:
    """What is imported by now stays: nobody looks through it for garbage again, not at the end either."""
    gc.freeze()
    gc.enable()


if is_command():
    end_in_a_line()
    gc.disable()  # until all is imported: looking for garbage took 0.5 of the 2.1 s that `ch5jax --version` takes
