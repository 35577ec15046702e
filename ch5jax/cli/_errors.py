"""What a user got wrong, in a line."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import typer

from ch5jax.cli._screen import say

Value = TypeVar("Value")


def parsed(option: str, parse: Callable[[Any], Value], text: str | Sequence[str]) -> Value:
    """An option's text as a value; what is wrong with it names the option."""
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


@contextmanager
def errors_in_a_line(traceback: bool) -> Iterator[None]:
    """What a user can do something about ends in a line, not in a traceback."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (ValueError, ImportError, OSError) as error:
        if traceback:
            raise
        said = str(error)
        if isinstance(error, OSError) and error.strerror:
            said = error.strerror + (f": {error.filename}" if error.filename else "")
        say(f"error: {said}", "red", stderr=True)
        raise typer.Exit(1) from None
