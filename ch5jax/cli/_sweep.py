"""The command `ch5jax sweep`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ch5jax.cli._console import say, say_again
from ch5jax.cli._errors import check_apart, errors_in_a_line, parsed
from ch5jax.cli._found import said_before
from ch5jax.cli._job import STORE, counted
from ch5jax.cli._machine import keep_programs, start_devices
from ch5jax.cli._options import Cache, Config, Setting, Traceback, unset, with_setting
from ch5jax.cli._training import LANDSCAPE, train_and_report, train_part
from ch5jax.cli._values import axis, parse_axes, parse_grid, parse_optimizers, parse_path, parse_seeds, parse_shard
from ch5jax.optimizers import RULES, Scale
from ch5jax.sweeps import Ray, begun_with


class Engine(StrEnum):
    """Who trains."""

    RAY = "ray"


@with_setting
def sweep(
    setting: Setting,
    optimizer: Annotated[
        list[str] | None,
        unset(
            "Search",
            "NAMES",
            f"Among {', '.join(RULES)}, and those of Optax, such as optax.adamw; several with commas or repeated. "
            "[default: the chapter's]",
        ),
    ] = None,
    learning_rate: Annotated[
        str,
        typer.Option(
            metavar="VALUES",
            help="LOW:HIGH:log:COUNT or LOW:HIGH:linear:COUNT, or values such as 0.1,0.3,1.",
            rich_help_panel="Search",
        ),
    ] = "1e-4:10:log:48",
    vary: Annotated[
        list[str] | None,
        unset(
            "Search",
            "NAME=VALUES",
            "Another hyperparameter of the optimizers or the network, such as b1=0.8,0.9,0.95 or "
            "weight_decay=1e-5:0.1:log:8 or bias_correction=true,false or initial_scale=0.5,1 or hidden=32,64-64 or "
            "activation=relu,tanh; repeatable.",
        ),
    ] = None,
    sample: Annotated[
        int | None,
        unset(
            "Search",
            "N",
            "Draw so many settings of each optimizer from these ranges, evenly, instead of all combinations.",
            min=1,
        ),
    ] = None,
    seeds: Annotated[
        str, typer.Option(metavar="SEEDS", help="How many seeds, or which, such as 3,4,5.", rich_help_panel="Search")
    ] = "4",
    halving: Annotated[
        float | None,
        unset(
            "Search",
            "FACTOR",
            "Stop the worst early: of all settings the best 1/FACTOR go on after a 1/FACTOR³, 1/FACTOR² and "
            "1/FACTOR of the steps, such as 3. [default: train all to the end]",
        ),
    ] = None,
    hyperband: Annotated[
        float | None,
        unset(
            "Search",
            "FACTOR",
            "Draw settings from the ranges, and stop the worst early at several speeds, such as 3: brackets from many "
            "settings that are stopped soon to few that are not.",
        ),
    ] = None,
    stop_lost: Annotated[
        bool, typer.Option("--stop-lost", help="Stop what has diverged early.", rich_help_panel="Search")
    ] = False,
    evaluate_every: Annotated[
        int | None,
        unset("Training", "N", "Evaluate every so many steps. [default: a tenth of them]", min=1),
    ] = None,
    keep_states: Annotated[
        bool,
        typer.Option(
            "--keep-states",
            help="Keep the last state of every training: the same command with more --steps goes on from there.",
            rich_help_panel="Training",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        unset(
            "Run",
            "FOLDER",
            "The folder for results. [default: one in runs/, named after the data and the settings]",
            parser=parse_path,
        ),
    ] = None,
    shard: Annotated[
        str | None,
        unset(
            "Run",
            "I/N",
            "Train the I-th of N parts only, in a folder that all of them share: one job of an array. The same command "
            "without it puts them together.",
        ),
    ] = None,
    landscape: Annotated[
        bool,
        typer.Option(
            "--landscape",
            help="Draw the loss around the best training too, and the way that it took.",
            rich_help_panel="Run",
        ),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Keep the page current while trainings go on, and serve it on this machine.",
            rich_help_panel="Run",
        ),
    ] = False,
    engine: Annotated[
        Engine | None,
        unset("Run", "NAME", "Who trains: ray, a Ray cluster. [default: this machine]"),
    ] = None,
    address: Annotated[
        str | None,
        unset("Run", "ADDRESS", "The cluster's, such as auto or ray://head:10001. [default: one on this machine]"),
    ] = None,
    width: Annotated[
        int | None,
        unset("Run", "N", "Trainings side by side on a device. [default: what suits the machine]", min=1),
    ] = None,
    devices: Annotated[
        int | None,
        unset("Run", "N", "CPU devices to use. [default: one for each processor]", min=1),
    ] = None,
    config: Config = None,
    cache: Cache = True,
    traceback: Traceback = False,
) -> None:
    """Trains every optimizer with every learning rate and seed, and reports which does best.

    Without options: five optimizers, 48 learning rates and 4 seeds, 960 trainings of a small network on scanned
    digits. Results are kept as they come: press Ctrl-C when you like, and the same command goes on.

    **Examples**

    - `ch5jax sweep`
    - `ch5jax sweep --data wine.csv --target quality --hidden 64,64`
    - `ch5jax sweep --optimizer adam,sgd --learning-rate 1e-3:1:log:16 --seeds 8`
    - `ch5jax sweep --config space.toml --seeds 8`
    - `ch5jax sweep --optimizer adam,optax.adamw --vary weight_decay=1e-5:0.1:log --vary b1=0.8:0.99:linear --sample 64`
    """
    del config  # whose values are the other options' by now
    sampled = sample is not None or hyperband is not None
    check_apart({"--halving": halving, "--hyperband": hyperband, "--stop-lost": stop_lost})
    check_apart({"--hyperband": hyperband, "--sample": sample})
    if address is not None and (engine is None or not address.strip()):
        raise typer.BadParameter("needs --engine ray, and a cluster's address", param_hint="--address")
    cluster = parsed("--address", lambda text: Ray(text or None), address or "") if engine is not None else None
    stopping: dict[str, object] = {"--halving": halving, "--hyperband": hyperband, "--stop-lost": stop_lost}
    for name, value in {**stopping, "--keep-states": keep_states, "--shard": shard}.items():
        check_apart({"--engine": engine, name: value})
    for name, value in {**stopping, "--watch": watch, "--landscape": landscape}.items():
        check_apart({"--shard": shard, name: value})
    axes = parsed("--vary", lambda texts: parse_axes(texts, sampled), vary or [])
    if "learning_rate" in axes:
        raise typer.BadParameter("the learning rate is varied by --learning-rate", param_hint="--vary")
    rates = parsed(
        "--learning-rate", lambda text: axis(text, sampled) if ":" in text else parse_grid(text), learning_rate
    )
    job = setting.job(
        optimizers=parsed("--optimizer", parse_optimizers, optimizer or []),
        learning_rates=np.array(rates[:2] if isinstance(rates, Scale) else rates),
        vary={"learning_rate": learning_rate, **axes} if sampled else axes,
        sample=sample,
        seeds=parsed("--seeds", parse_seeds, seeds),
        evaluate_every=evaluate_every or max(1, setting.steps // 10),
        width=width,
        halving=halving,
        stop_lost=stop_lost,
        hyperband=hyperband,
        keep_states=keep_states,
    )
    part = parsed("--shard", parse_shard, shard) if shard is not None else (1, 1)
    with errors_in_a_line(traceback):
        start_devices(devices)
        folder = out or job.folder()
        if keep_states and evaluate_every is None:
            begun = begun_with(folder / STORE)
            job = job._replace(evaluate_every=begun.get("evaluate_every", job.evaluate_every))
        said = said_before(job, folder)
        if shard is not None:
            train_part(job, folder, part, keep_programs(cache))
        elif said is None or (landscape and not (folder / LANDSCAPE).exists()):
            train_and_report(job, folder, keep_programs(cache), landscape, watch, cluster)
        else:
            say(f"{counted(said.trials, 'training')}, all found in {folder}")
            say_again(said.text)
