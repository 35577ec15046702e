"""The options that commands share, with their help."""

from pathlib import Path
from typing import Annotated

import typer

from ch5jax.cli._job import Activation, Kind

_LEARN, _NETWORK, _TRAINING, _RUN = "What to learn", "Network", "Training", "Run"

Data = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A table of your own, a CSV, Parquet or NPZ file, instead of the scanned digits.",
        rich_help_panel=_LEARN,
        show_default=False,
    ),
]
Target = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Its column to predict.", rich_help_panel=_LEARN, show_default=False),
]
TargetKind = Annotated[
    Kind | None,
    typer.Option(
        "--kind",
        help="What that column holds; by default its values decide.",
        rich_help_panel=_LEARN,
        show_default=False,
    ),
]
Hidden = Annotated[
    str,
    typer.Option(
        metavar="WIDTHS", help='Hidden layers\' widths, such as 128,128, or "none".', rich_help_panel=_NETWORK
    ),
]
Nonlinearity = Annotated[
    Activation, typer.Option("--activation", help="The hidden units' nonlinearity.", rich_help_panel=_NETWORK)
]
InitialScale = Annotated[
    float,
    typer.Option(min=0.0, metavar="FACTOR", help="Multiplies the He-normal initial weights.", rich_help_panel=_NETWORK),
]
BatchNorm = Annotated[
    bool, typer.Option("--batch-norm", help="Put BatchNorm into the hidden layers.", rich_help_panel=_NETWORK)
]
Steps = Annotated[int, typer.Option(min=1, metavar="N", help="Steps of every training.", rich_help_panel=_TRAINING)]
BatchSize = Annotated[
    int, typer.Option(min=1, metavar="N", help="Examples in a mini-batch.", rich_help_panel=_TRAINING)
]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show where an error comes from.", rich_help_panel=_RUN)]
