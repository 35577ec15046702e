"""The command line; the only part that prints and names files."""

import importlib
import sys

from ch5jax._ending import end_in_a_line
from ch5jax._extras import require


def main() -> None:
    """Runs the command `ch5jax`."""
    end_in_a_line()
    try:
        for module in ("typer", "rich"):
            require(module, "sweep", "the command line")
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    # not before: it needs the extra
    importlib.import_module("ch5jax.cli._app").app()
