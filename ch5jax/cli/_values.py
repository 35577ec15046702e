"""What is typed at the command line, as numbers."""

import difflib
import inspect
import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import typer

from ch5jax._memory import check_memory
from ch5jax.optimizers import RULES, linear, log
from ch5jax.sweeps import PATH


class Activation(StrEnum):
    """Nonlinearities to choose from, under their names in `jax.nn`."""

    RELU = "relu"
    TANH = "tanh"
    SIGMOID = "sigmoid"
    GELU = "gelu"
    SILU = "silu"
    ELU = "elu"
    SOFTPLUS = "softplus"
    IDENTITY = "identity"


_BYTES_A_VALUE = 500  # of a trial, for each of which a sweep has a row


def parse_grid(text: str) -> np.ndarray:
    """Values to sweep: "LOW:HIGH:log:COUNT", "LOW:HIGH:linear:COUNT", or numbers separated by commas.

    Raises:
      ValueError: saying what is wrong.
    """
    if ":" not in text:
        values = [_number(part) for part in _parts(text)]
        if len(set(values)) < len(values):
            raise ValueError(f"every value must occur once, got {cut(text)}")
        return np.array(values)
    parts = text.split(":")
    if len(parts) != 4:
        raise ValueError(f"a grid is LOW:HIGH:log:COUNT or LOW:HIGH:linear:COUNT, got {cut(text)}")
    low, high, spacing = _number(parts[0]), _number(parts[1]), parts[2].strip()
    count = _whole(parts[3])
    if spacing not in ("log", "linear"):
        raise ValueError(f"the spacing must be log or linear, got {spacing!r}")
    if count < 2:
        raise ValueError(f"the count must be 2 or more, got {count}; a single value is written as a number")
    check_memory(_BYTES_A_VALUE * count, f"a grid of {count:,} values")
    if not low < high:
        raise ValueError(f"the low end must be less than the high one, got {low:g} and {high:g}")
    if spacing == "log" and low <= 0:
        raise ValueError(f"a log grid must begin above 0, got {low:g}")
    return np.geomspace(low, high, count) if spacing == "log" else np.linspace(low, high, count)


def parse_axes(texts: Sequence[str], sampled: bool) -> dict[str, str]:
    """What is varied beside the learning rate, each as NAME=VALUES, by name.

    Raises:
      ValueError: if a text is not of that form, or its values are not as `axis` has them.
    """
    found = {}
    for text in texts:
        name, _, values = (part.strip() for part in text.partition("="))
        if not PATH.fullmatch(name) or not values:
            raise ValueError(f"must be NAME=VALUES, such as weight_decay=1e-5:0.1:log:8, got {cut(text)!r}")
        if name in found:
            raise ValueError(f"every name must occur once, got {name} twice")
        axis(values, sampled, name)
        found[name] = values
    return found


def axis(text: str, sampled: bool, name: str = "") -> Any:
    """Values of a hyperparameter: as `parse_grid` has them, or flags; to draw from, a scale.

    Args:
      text: "true,false", "0.8,0.9", "LOW:HIGH:log:COUNT" or "LOW:HIGH:linear:COUNT". Of what is drawn the count may be
        left out, and does not matter. Of what a network is made of: "32,64-64" (`hidden`; "none" for no layer),
        "relu,tanh" (`activation`), "32,64" (`batch_size`).
      sampled: whether values are drawn.
      name: the hyperparameter's.

    Raises:
      ValueError: saying what is wrong.
    """
    if name in _STRUCTURE:
        return [_STRUCTURE[name](part) for part in _parts(text)]
    if {part.strip().lower() for part in text.split(",")} <= _FLAGS.keys():
        return [_FLAGS[part.strip().lower()] for part in text.split(",")]
    parts = text.split(":")
    if not sampled or len(parts) == 1:
        return parse_grid(text)
    if len(parts) not in (3, 4) or parts[2].strip() not in _SCALES:
        raise ValueError(f"a range to draw from is LOW:HIGH:log or LOW:HIGH:linear, got {cut(text)}")
    return _SCALES[parts[2].strip()](_number(parts[0]), _number(parts[1]))


def _activation(name: str) -> Any:
    if name not in {*Activation}:
        raise ValueError(f"an activation must be among {', '.join(Activation)}, got {cut(name)!r}")
    return getattr(jax.nn, name)


_FLAGS = {"true": True, "false": False}
_SCALES = {"log": log, "linear": linear}


def parse_seeds(text: str) -> int | list[int]:
    """How many seeds, or the seeds themselves, separated by commas.

    Raises:
      ValueError: saying what is wrong.
    """
    seeds = [_whole(part) for part in _parts(text)]
    if "," not in text:
        if not 1 <= seeds[0] <= 2**32:
            raise ValueError(f"there are 1 to 2³² seeds, got {cut(text)}")
        return seeds[0]
    if len(set(seeds)) < len(seeds) or min(seeds) < 0 or max(seeds) >= 2**32:
        raise ValueError(f"seeds must be distinct and from 0 to 2³² − 1, got {cut(text)}")
    return seeds


def parse_shard(text: str) -> tuple[int, int]:
    """Which part of how many, such as 3/16.

    Raises:
      ValueError: if it is none.
    """
    i, slash, n = text.partition("/")
    if not slash or not 1 <= _whole(i) <= _whole(n):
        raise ValueError(f"must be which of how many, from 1/N to N/N, got {cut(text)}")
    return _whole(i), _whole(n)


def parse_widths(text: str) -> tuple[int, ...]:
    """The widths of hidden layers, separated by commas; "none" for a network without them.

    Raises:
      ValueError: saying what is wrong.
    """
    if text.strip().lower() == "none":
        return ()
    widths = tuple(_whole(part) for part in _parts(text))
    if min(widths) < 1:
        raise ValueError(f"a layer must have at least one unit, got {cut(text)}")
    return widths


def parse_columns(texts: Sequence[str]) -> dict[str, str]:
    """What columns are, each as NAME=KIND.

    Raises:
      ValueError: if a text is not of that form.
    """
    if wrong := next((text for text in texts if not text.rpartition("=")[0]), None):
        raise ValueError(f"must be NAME=KIND, got {wrong!r}")
    return {text.rpartition("=")[0]: text.rpartition("=")[2] for text in texts}


def parse_optimizers(texts: Sequence[str]) -> tuple[str, ...]:
    """Optimizers' names, several to a text or one each, in the order given; all of the chapter's if none is.

    Raises:
      ValueError: naming one that there is not.
    """
    names = tuple(dict.fromkeys(part for text in texts for part in _parts(text)))
    for name in names:
        if name not in RULES and not is_optax(name):
            close = difflib.get_close_matches(name, [*RULES, *(f"optax.{rule}" for rule in dir(optax))], n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            allowed = f"{', '.join(RULES)} and those of Optax that take a learning rate, such as optax.adamw"
            raise ValueError(f"must be among {allowed}, got {cut(name)}{hint}")
    return names or tuple(RULES)


def is_optax(name: str) -> bool:
    """Whether this is one of Optax's, by the name of `optax.adamw`, that takes a learning rate."""
    module, _, rule = name.partition(".")
    factory = getattr(optax, rule, None) if module == "optax" else None
    return callable(factory) and "learning_rate" in inspect.signature(factory).parameters


def _parts(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError(f"values are separated by single commas, got {cut(text)!r}")
    return parts


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"must be a number, got {cut(text)!r}") from None
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"must be finite and not negative, got {cut(text)}")
    return in_float32(value)


def in_float32(value: float) -> float:
    """A number that is trained with: what is infinite, or 0, in single precision only is refused.

    Raises:
      ValueError: saying what is allowed.
    """
    least, most = float(np.finfo(np.float32).smallest_subnormal), float(np.finfo(np.float32).max)
    if value and not least <= value <= most:
        raise ValueError(f"must be 0 or from {least:.2g} to {most:.2g}, which float32 holds, got {value:g}")
    return value


def cut(text: str) -> str:
    """The beginning of what was typed, for a message."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def parse_path(text: str) -> Path:
    """A file or folder; the home folder by its sign, also where the shell left it.

    Raises:
      BadParameter: if it is empty, or the home of nobody.
    """
    if not text.strip():
        raise typer.BadParameter("must name a file or folder, got nothing")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise typer.BadParameter(f"{cut(text)} is in the home folder of nobody here") from None


def _whole(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"must be a whole number, got {cut(text)!r}") from None
    if abs(value) >= 2**63:
        raise ValueError(f"must be a whole number of at most 63 bits, got {cut(text)}")
    return value


# of what a network is made of: a program for each
_STRUCTURE: dict[str, Callable[[str], Any]] = {
    "hidden": lambda text: parse_widths(text.replace("-", ",")),
    "activation": _activation,
    "batch_size": _whole,
}
