"""The options that commands share, each declared once: a dataclass whose fields become a command's options."""

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ch5jax.cli._config import read_config
from ch5jax.cli._errors import parsed
from ch5jax.cli._job import Job, Kind
from ch5jax.cli._values import Activation, in_float32, parse_columns, parse_path, parse_widths

_LEARN, _READ, _NETWORK, _TRAINING, _RUN = "What to learn", "How the table is read", "Network", "Training", "Run"
_READING = ("separator", "encoding", "missing", "decimal", "thousands", "order", "column")

Traceback = Annotated[bool, typer.Option("--traceback", help="Show where an error comes from.", rich_help_panel=_RUN)]
Cache = Annotated[
    bool,
    typer.Option(
        "--cache/--no-cache",
        help="Keep compiled programs for the next command, in JAX_COMPILATION_CACHE_DIR or the user's cache folder.",
        rich_help_panel=_RUN,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        callback=read_config,
        is_eager=True,
        help="A TOML file of options by their names, `vary` as a table; what is typed stands above it.",
        rich_help_panel=_RUN,
        show_default=False,
    ),
]


def unset(panel: str, metavar: str, text: str, **more: Any) -> Any:
    """An option that is not there unless it is given."""
    return typer.Option(metavar=metavar, help=text, rich_help_panel=panel, show_default=False, **more)


_reads = functools.partial(unset, _READ)


@dataclasses.dataclass(frozen=True)
class Setting:
    """Data, network and training, as they are typed; `job` makes numbers of them."""

    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=parse_path,
            help="A table of your own, a CSV, Parquet or NPZ file, instead of the scanned digits.",
            rich_help_panel=_LEARN,
            show_default=False,
        ),
    ] = None
    target: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Its column to predict.", rich_help_panel=_LEARN, show_default=False),
    ] = None
    kind: Annotated[
        Kind | None,
        typer.Option(
            help="What that column holds; by default its values decide.", rich_help_panel=_LEARN, show_default=False
        ),
    ] = None
    separator: Annotated[str | None, _reads("SIGN", "Between its fields, such as ; or tab.")] = None
    encoding: Annotated[str | None, _reads("NAME", "Of its text. [default: UTF-8]")] = None
    missing: Annotated[list[str] | None, _reads("WORD", "Counts as an empty cell; repeatable.")] = None
    decimal: Annotated[str | None, _reads("SIGN", "Before fractions: . or a comma.")] = None
    thousands: Annotated[str | None, _reads("SIGN", "Between thousands.")] = None
    order: Annotated[
        str | None,
        _reads("COLUMN", "Train on the first rows by this column, such as a date, and test on the last."),
    ] = None
    column: Annotated[
        list[str] | None,
        _reads("NAME=KIND", "What a column is: number, date, category, text or out (left out); repeatable."),
    ] = None
    hidden: Annotated[
        str,
        typer.Option(
            metavar="WIDTHS", help='Hidden layers\' widths, such as 128,128, or "none".', rich_help_panel=_NETWORK
        ),
    ] = "32"
    activation: Annotated[
        Activation, typer.Option(help="The hidden units' nonlinearity.", rich_help_panel=_NETWORK)
    ] = Activation.RELU
    initial_scale: Annotated[
        float,
        typer.Option(
            min=0.0, metavar="FACTOR", help="Multiplies the He-normal initial weights.", rich_help_panel=_NETWORK
        ),
    ] = 1.0
    batch_norm: Annotated[
        bool, typer.Option("--batch-norm", help="Put BatchNorm into the hidden layers.", rich_help_panel=_NETWORK)
    ] = False
    steps: Annotated[
        int, typer.Option(min=1, metavar="N", help="Steps of every training.", rich_help_panel=_TRAINING)
    ] = 1000
    batch_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Examples in a mini-batch.", rich_help_panel=_TRAINING)
    ] = 64

    def __post_init__(self) -> None:
        if (self.data is None) != (self.target is None):
            raise typer.BadParameter(
                "--target needs --data FILE" if self.data is None else "--data needs --target COLUMN"
            )
        if not math.isfinite(self.initial_scale):
            raise typer.BadParameter(f"must be finite, got {self.initial_scale}", param_hint="--initial-scale")
        parsed("--initial-scale", lambda text: in_float32(float(text)), str(self.initial_scale))
        for name in ("kind", *_READING):
            if self.data is None and getattr(self, name):
                raise typer.BadParameter(f"--{name} needs --data FILE")

    def job(self, **search: Any) -> Job:
        """The job of this setting, with what is searched."""
        given = {name: value for name, value in vars(self).items() if name not in _READING}
        reading = {name: value for name in _READING if (value := getattr(self, name))}
        if "column" in reading:
            reading["columns"] = parsed("--column", parse_columns, reading.pop("column"))
        if "separator" in reading:
            reading["separator"] = reading["separator"].replace("tab", "\t").replace("\\t", "\t")
        return Job(**given | {"hidden": parsed("--hidden", parse_widths, self.hidden), "reading": reading} | search)


def with_setting(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter is a `Setting`, with the fields of that as options of its own."""
    fields = inspect.signature(Setting).parameters
    own = list(inspect.signature(command).parameters.values())[1:]

    @functools.wraps(command)
    def whole(**options: Any) -> None:
        command(Setting(**{name: options.pop(name) for name in fields}), **options)

    together = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*fields.values(), *own)]
    vars(whole)["__signature__"] = inspect.Signature(together)
    whole.__annotations__ = {one.name: one.annotation for one in together}
    return whole
