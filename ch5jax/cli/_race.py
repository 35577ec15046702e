"""The command `ch5jax race`."""

import functools
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import typer

import ch5jax
from ch5jax import report
from ch5jax.cli._console import say
from ch5jax.cli._errors import errors_in_a_line, parsed
from ch5jax.cli._job import factory_of
from ch5jax.cli._options import Traceback
from ch5jax.cli._values import parse_grid, parse_optimizers, parse_path
from ch5jax.optimizers import RULES
from ch5jax.problems import ALL, Problem

RATES = np.geomspace(1e-6, 10, 57)  # of which each optimizer takes the one that gets it lowest


def race(
    problem: Annotated[
        str, typer.Option(metavar="NAME", help=f"A function of two variables, among {', '.join(ALL)}.")
    ] = "beale",
    optimizer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help=f"Among {', '.join(RULES)}, and those of Optax, such as optax.adamw; several with commas or repeated. "
            "[default: the chapter's]",
            show_default=False,
        ),
    ] = None,
    learning_rate: Annotated[
        str,
        typer.Option(metavar="RATES", help="One for all, or one for each with commas; best: what gets each lowest."),
    ] = "best",
    steps: Annotated[int, typer.Option(metavar="N", help="How many each takes.", min=1, max=1_000_000)] = 500,
    start: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Where from. [default: the problem's]", show_default=False)
    ] = None,
    noise: Annotated[
        float, typer.Option(metavar="STD", help="Gaussian noise on each coordinate of the gradient.", min=0)
    ] = 0.0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=parse_path,
            help="A page (.html), or an animation: .gif, or .mp4 where there is an ffmpeg. [default: race.html]",
            show_default=False,
        ),
    ] = None,
    traceback: Traceback = False,
) -> None:
    """Lets optimizers run over a function of two variables, as a page to play, or an animation.

    **Examples**

    - `ch5jax race --problem beale`
    - `ch5jax race --problem rosenbrock --optimizer momentum,adam --learning-rate 0.001,0.05 --steps 2000`
    - `ch5jax race --problem saddle --noise 0.01 --out saddle.gif`
    """
    names = parsed("--optimizer", parse_optimizers, optimizer or [])
    chosen = parsed("--problem", _problem, problem)
    rates = parsed("--learning-rate", functools.partial(_rates, names), learning_rate)
    where = parsed("--start", _point, start) if start is not None else None
    out = out or Path("race.html")
    if out.suffix.lower() not in (".html", ".gif", ".mp4"):
        raise typer.BadParameter(f"must end in .html, .gif or .mp4, got {out.name}", param_hint="--out")
    with errors_in_a_line(traceback):
        rates = rates or _best_rates(chosen, names, steps, where, noise)
        ways = {f"{name}, rate {rate:.3g}": factory_of(name)(learning_rate=rate) for name, rate in rates.items()}
        found = report.descents(chosen, ways, steps=steps, start=where, noise=noise)
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix.lower() == ".html":
            report.write_race(found, out, title=f"{chosen.name}: {', '.join(rates)}")
        else:
            report.write_animation(found, out)
        for name, values in found.values.items():
            end = f"{values[-1]:.4g}" if np.isfinite(values[-1]) else "diverged"
            say(f"{name:24} {end}")
        say(str(out))


def _problem(name: str) -> Problem:
    flat = [known for known, factory in ALL.items() if len(factory().start) == 2]
    if name not in flat:
        raise ValueError(f"must be a function of two variables, {', '.join(flat)}; got {name[:60]}")
    return ALL[name]()


def _rates(names: tuple[str, ...], text: str) -> dict[str, float]:
    """A rate for each; nothing for the best of each."""
    if text.strip() == "best":
        return {}
    rates = [float(rate) for rate in (parse_grid(text) if "," not in text else map(float, text.split(",")))]
    if len(rates) not in (1, len(names)):
        raise ValueError(f"must be best, one number, or one for each of {len(names)} optimizers; got {len(rates)}")
    if not all(np.isfinite(rate) and rate >= 0 for rate in rates):
        raise ValueError(f"must be finite and not negative, got {text[:60]}")
    return dict(zip(names, rates if len(rates) > 1 else rates * len(names), strict=True))


def _point(text: str) -> np.ndarray:
    try:
        x, y = map(float, text.split(","))
    except ValueError:
        raise ValueError(f"must be two numbers, such as 1,-0.5, got {text[:60]}") from None
    return np.array([x, y])


def _best_rates(
    problem: Problem, names: tuple[str, ...], steps: int, start: np.ndarray | None, noise: float
) -> dict[str, float]:
    """The rate of each that gets it lowest in so many steps: one sweep of all."""
    task = ch5jax.tasks.surface(problem, start=start, noise=noise)
    grids = {name: ch5jax.grid(factory_of(name), learning_rate=RATES) for name in names}
    result = ch5jax.sweep(task, grids, steps=steps, key=jax.random.key(0), signals_every=0, record_every=steps)
    columns, found = result.columns, {}
    for name in names:
        mine = [trial for trial in result.ranking() if columns["group"][trial] == name]
        found[name] = float(columns["learning_rate"][mine[0]])
    return found
