"""What a user got wrong, in a line."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import jax
import typer

from ch5jax.cli._console import say

Value = TypeVar("Value")

LONGEST = 3_000  # characters of an error: names of what came may be long


def parsed(option: str, parse: Callable[[Any], Value], text: str | Sequence[str]) -> Value:
    """An option's text as a value; what is wrong with it names the option."""
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def check_apart(options: dict[str, object]) -> None:
    """Refuses options that are given together, and cannot be."""
    given = [name for name, value in options.items() if value not in (None, False)]
    if len(given) > 1:
        raise typer.BadParameter(f"cannot go with {given[1]}", param_hint=given[0])


@contextmanager
def errors_in_a_line(traceback: bool) -> Iterator[None]:
    """What a user can do something about ends in a line, not in a traceback."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (ValueError, ImportError, OSError, MemoryError, jax.errors.JaxRuntimeError) as error:
        out_of_memory = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
        if traceback or (isinstance(error, jax.errors.JaxRuntimeError) and not out_of_memory):
            raise
        said = str(error)
        if isinstance(error, OSError) and error.strerror:
            said = error.strerror + (f": {error.filename}" if error.filename else "")
        if out_of_memory:
            said = (
                "the memory ran out. What is finished is safe, and the same command goes on from there: with fewer "
                "--devices, or where more memory is free. Smaller --width, --hidden, --batch-size or --seeds take less"
            )
        if len(said) > LONGEST:
            said = f"{said[:LONGEST]} ... ({len(said):,} characters)"
        say(f"error: {said}", "red", stderr=True)
        raise typer.Exit(1) from None
