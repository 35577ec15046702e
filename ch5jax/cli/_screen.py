"""The tables that the command line shows."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from ch5jax.cli._console import console, say
from ch5jax.cli._job import counted
from ch5jax.report import Beside, Files, Row, Span, amount, difficulties, is_share, label, number, ranks_best
from ch5jax.sweeps import SweepResult
from ch5jax.treatment import Treatment
from ch5jax.verdicts import Diagnosis

_NAMES = 11  # signs of a group's name in a line of the leaderboard, which has 80


def show_leaderboard(result: SweepResult, rows: Sequence[Row], seeds: int) -> None:
    """Prints the leaderboard; it fits into 80 columns."""
    metrics = list(rows[0].metrics)[:2] or [result.objective]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    # Rich takes the width that is missing from the columns that may wrap, to nothing if need be
    table.add_column("#\n", justify="right", no_wrap=True, min_width=len(str(len(rows))))
    names = min(max(len(row.group) for row in rows), _NAMES)
    table.add_column("optimizer\n", min_width=names, max_width=_NAMES, overflow="fold")
    for name in metrics:
        table.add_column(label(name).replace(" ", "\n", 1) + (", %" if is_share(name) else ""), no_wrap=True)
    table.add_column("learning\nrate", no_wrap=True)
    table.add_column("within 1 %\nof the best", no_wrap=True)
    table.add_column("diverged\n", justify="right", no_wrap=True)
    rates = {row.group: next(name for name in row.hyperparameters if _is_rate(name)) for row in rows if row.metrics}
    spans = {row.group: [span for span in row.spans if _is_rate(span.name)] for row in rows}
    others = {row.group: [name for name in row.varying if not _is_rate(name)] for row in rows}
    for position, row in enumerate(rows, 1):
        cells = [_short(name, row) for name in metrics]
        rate = number(row.hyperparameters[rates[row.group]]) if row.metrics else "–"
        good = [_range(span) for span in spans[row.group]]
        diverged = f"{row.trials_diverged}/{row.trials_run}"
        table.add_row(
            *map(Text, (str(position), row.group, *cells, rate, *(good or ["–"]), diverged)),
            style="bold" if position == 1 and row.metrics else "",
        )
    say(f"Best setting of each optimizer, chosen on validation: mean ± std over {counted(seeds, 'seed')},")
    say("each training " + ("at its best evaluation." if ranks_best(result) else "at its last step."))
    console().print(table)
    for row in rows:
        if others[row.group] and row.metrics:
            values = (f"{name} {_value(row.hyperparameters[name])}" for name in others[row.group])
            say(f"{row.group}: {', '.join(values)}")
    if any(not span.contiguous for row in rows for span in spans[row.group]):
        say("* with gaps: some values in between are worse")


def _is_rate(name: str) -> bool:
    """Whether it is an optimizer's learning rate, also where it is one of several hyperparameters."""
    return name.removeprefix("optimizer.") == "learning_rate"


def _value(value: object) -> str:
    return number(value) if isinstance(value, float | np.floating) else str(value)


def show_beside(compared: Sequence[Beside]) -> None:
    """Prints what stands beside a table's leaderboard; it fits into 80 columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("beside it\n", min_width=12)
    for name in compared[0].metrics:
        heading = label(name).replace(" ", "\n", 1).replace("balanced", "bal.")
        table.add_column(heading + (", %" if is_share(name) else ""), no_wrap=True)
    for one in compared:
        values = (f"{100 * v:.2f}" if is_share(name) else f"{v:.4g}" for name, v in one.metrics.items())
        table.add_row(*map(Text, (one.name, *values)))
    console().print(table)


def show_difficulties(result: SweepResult) -> bool:
    """Prints what the trainings met first, and at which learning rates; whether there was anything to print."""
    rows = difficulties(result)
    if not rows:
        return False
    totals = Counter[str]()
    for met in rows:
        totals[met.verdict] += met.trials
    counts = ", ".join(f"{trials:,} {label(verdict)}" for verdict, trials in totals.most_common())
    say(f"What they met first: {counts}.")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("optimizer\n", no_wrap=True)
    table.add_column("verdict\n", no_wrap=True)
    table.add_column("trainings\n", justify="right", no_wrap=True)
    table.add_column("where most seeds met it,\nlearning rate", no_wrap=True)
    group = ""
    for met in rows:
        low, high = met.where.get("learning_rate", (math.nan, math.nan))
        where = "–" if math.isnan(low) else f"{low:.2g}" + ("" if low == high else f" – {high:.2g}")
        table.add_row(
            *map(Text, ("" if met.group == group else met.group, label(met.verdict), f"{met.trials:,}", where))
        )
        group = met.group
    console().print(table)
    return True


def show_diagnosis(found: Diagnosis) -> None:
    """Prints a diagnosis: difficulties first, in bold, then what describes the run."""
    for part in ("validation_", "test_"):
        for name, value in found.metrics.items():
            if name.startswith(part):
                say(f"{label(name)}: {amount(name, float(value))}")
    say("")
    screen = console()
    for line in str(found).splitlines():
        name, _, rest = line.partition(": ")
        text = Text(f"{name}: ", style="bold" if name.isupper() else "")
        screen.print(text.append(rest, style="not bold"), soft_wrap=not screen.is_terminal)


def show_treatment(found: Treatment) -> None:
    """Prints a diagnosis, and what was tried on it."""
    show_diagnosis(found.diagnosis)
    rows = found.columns
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("what was tried", overflow="fold", min_width=24)
    table.add_column(
        label(found.objective).replace(" ", "\n", 1) + (", %" if is_share(found.objective) else ""), no_wrap=True
    )
    table.add_column("gain ± error", no_wrap=True)
    table.add_column("first\ndifficulty", no_wrap=True)
    for i, what in enumerate(rows["what"]):
        score, gain, error = (float(rows[name][i]) for name in (found.objective, "gain", "error"))
        scale = 100 if is_share(found.objective) else 1
        gained = f"{scale * gain:+.3g} ± {scale * error:.2g}" + " *" * bool(rows["better"][i]) if i else ""
        style = "bold" if what == found.chosen.name else ""
        table.add_row(*map(Text, (what, f"{scale * score:.4g}", gained, label(rows["verdict"][i]))), style=style)
    say("")
    say(f"Each was trained over {counted(int(rows['seeds'][0]), 'seed')}; * better than by chance.")
    console().print(table)
    say(found.conclusion)


def _range(span: Span) -> str:
    """The values within 1 % of the best; a star where some in between are not."""
    if span.low == span.high:
        return f"{span.low:.2g}"
    return f"{span.low:.2g} – {span.high:.2g}{'' if span.contiguous else ' *'}"


def _short(metric: str, row: Row) -> str:
    """A mean and its deviation in little space; the percent sign is in the heading."""
    if not row.metrics:
        return "–"
    mean, std = row.metrics[metric]
    if is_share(metric):
        return f"{100 * mean:.2f}" + ("" if math.isnan(std) else f" ± {100 * std:.2f}")
    return f"{mean:.3g}" + ("" if math.isnan(std) else f" ± {std:.1g}")


def show_files(files: Files) -> None:
    """Prints where the files are."""
    for name, paths in (
        ("report", (files.report,)),
        ("table", (files.table_csv, files.table_parquet)),
        ("curves", (files.curves,)),
    ):
        say(f"{name:8}{', '.join(map(str, paths))}")
