"""Options from a TOML file: what is typed at the command line stands above it."""

import tomllib
from pathlib import Path
from typing import Any

import typer

from ch5jax.cli._values import cut, parse_path


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Makes a file's values the defaults of a command's options.

    Raises:
      BadParameter: if it is no TOML file, or holds what is no option or no option's value.
    """
    if path is None:
        return None
    try:
        found = tomllib.loads(parse_path(str(path)).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise typer.BadParameter(f"{path} cannot be read as TOML: {reason}") from None
    options = {option.name: option for option in context.command.params if option.name not in ("config", "help")}
    defaults: dict[str, Any] = {}
    for key, value in found.items():
        name = key.replace("-", "_")
        if name not in options:
            known = ", ".join(sorted(map(str, options)))
            raise typer.BadParameter(f"{path} must hold options of the command, {known}; got {cut(key)!r}")
        if name in defaults:
            raise typer.BadParameter(f"{path} must hold every option once, got {cut(key)!r} twice")
        defaults[name] = _value(value, f"{path}: {key}", getattr(options[name], "multiple", False))
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


def _value(value: Any, where: str, several: bool) -> Any:
    """A value as it is typed; of an option that may be repeated, a list of them."""
    if several and isinstance(value, dict):
        return [f"{name}={_typed(one, f'{where}.{name}')}" for name, one in value.items()]
    if several and isinstance(value, list):
        return [_typed(one, where) for one in value]
    if isinstance(value, dict):
        raise typer.BadParameter(f"{where} must be a value, got a table")
    typed = value if isinstance(value, bool) else _typed(value, where)
    return [typed] if several else typed


def _typed(value: Any, where: str) -> str:
    """As on the command line: [32, [64, 64]] is 32,64-64, and {low, high, scale, count} is LOW:HIGH:SCALE:COUNT."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and value:
        return ",".join(
            "-".join(_typed(part, where) for part in one) or "none" if isinstance(one, list) else _typed(one, where)
            for one in value
        )
    if isinstance(value, dict) and {"low", "high", "scale"} <= value.keys() <= {"low", "high", "scale", "count"}:
        return ":".join(_typed(value[name], where) for name in ("low", "high", "scale", "count") if name in value)
    raise typer.BadParameter(
        f"{where} must be a number, text, true or false, a list of these, or a range such as "
        f'{{low = 1e-4, high = 1.0, scale = "log"}}, got {cut(str(value))}'
    )
