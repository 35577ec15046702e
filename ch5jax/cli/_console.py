"""Where the command line prints, and how."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

_listening: list[Console] = []  # the console that keeps what is printed, if one does


def console(*, stderr: bool = False) -> Console:
    """Where to print; made anew, since tests and pipes replace the streams."""
    if _listening and not stderr:
        return _listening[-1]
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


@contextmanager
def listening() -> Iterator[Console]:
    """Gives a console that keeps what is printed inside, but for errors: `export_text(styles=True)` gives it."""
    _listening.append(Console(highlight=False, soft_wrap=True, record=True))
    try:
        yield _listening[-1]
    finally:
        _listening.pop()


def say_again(text: str) -> None:
    """Prints what a console has kept."""
    console().print(Text.from_ansi(text.removesuffix("\n")))


def say(text: str, style: str = "", *, stderr: bool = False) -> None:
    """Prints a line; what is not printable in it is shown as such, and nothing is taken for markup."""
    clean = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    console(stderr=stderr).print(Text(clean, style=style))


def keep_printing() -> None:
    """Where a stream cannot encode a sign, prints a question mark rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
