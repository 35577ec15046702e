"""The command line; the only part that prints and names files."""

import importlib
import sys
import unicodedata

from ch5jax._command import end_in_a_line, imported
from ch5jax._extras import require

LONGEST = 50_000  # characters of an argument


def main() -> None:
    """Runs the command `ch5jax`."""
    end_in_a_line()
    _check_arguments(sys.argv[1:])
    try:
        for module in ("typer", "rich"):
            require(module, "sweep", "the command line")
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    # not before: it needs the extra
    app = importlib.import_module("ch5jax.cli._app").app
    imported()
    app()


def _check_arguments(arguments: list[str]) -> None:
    """Refuses what a terminal would act on or could not show, before it stands in a message."""
    for position, text in enumerate(arguments, 1):
        if len(text) > LONGEST or any(unicodedata.category(sign) == "Cc" and sign != "\t" for sign in text):
            shown = repr(text[:40]) + ("..." if len(text) > 40 else "")
            due = f"a line of at most {LONGEST:,} characters, without signs that steer a terminal"
            print(f"error: argument {position} must be {due}, got {len(text):,}: {shown}", file=sys.stderr)
            raise SystemExit(2)
