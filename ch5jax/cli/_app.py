"""The commands."""

from importlib.metadata import version
from typing import Annotated

import jax
import typer

from ch5jax.cli._console import keep_printing, say
from ch5jax.cli._diagnose import diagnose
from ch5jax.cli._export import export
from ch5jax.cli._predict import predict
from ch5jax.cli._race import race
from ch5jax.cli._report import report
from ch5jax.cli._store import store
from ch5jax.cli._sweep import sweep

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        say(f"ch5jax {version('ch5jax')} (JAX {jax.__version__})")
        raise typer.Exit


@app.callback()
def ch5jax_command(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The optimization chapter as a workbench: a thousand trainings as one program."""
    del show_version
    keep_printing()


app.command()(sweep)
app.command()(diagnose)
app.command()(predict)
app.command()(store)
app.command()(report)
app.command()(export)
app.command()(race)
