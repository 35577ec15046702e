"""How often a remedy makes a public run better, beside random search with as many trainings: `ch5jax.treat`.

Every run of `benchmarks/public/` that is told a difficulty is treated over three seeds. A remedy is chosen on half of
the validation examples and reported on the others; so is the best of random search. A run is better if its score has
come by more than `BETTER` of the way from the constant prediction's to the reference's; one that was lost counts as the
constant prediction. Remedies, and their order, were chosen on one half of the runs ("tune"); figures are those of the
other ("report").

`--half NAME` takes one half; `--records FILE` keeps what was found, run by run, and goes on from there.
"""

import argparse
import collections
import json
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

import ch5jax
from benchmarks.public.data import range_of
from benchmarks.public.exam import LEARNED, runs
from benchmarks.public.runs import Run, keys_of, setting_of, task_of
from benchmarks.timing import at, save
from ch5jax import tracing
from ch5jax.treatment import Treatment, Tried

SEEDS = at(3, 1)
BETTER = 0.05
HALVES = ("tune", "report")


def share(run: Run, tried: Tried | None) -> float:
    """How much of the way a setting covers on examples on which it was not chosen; 0 for one that is lost."""
    if tried is None:
        return 0.0
    name = next(name for name in ("test_accuracy", "test_r2") if name in tried.metrics)
    constant, reference = range_of(run.data.problem)
    scores = np.where(np.isfinite(tried.metrics["loss"]), tried.metrics[name].astype(float), np.nan)
    shares = np.nan_to_num((scores - constant) / (reference - constant), nan=0.0)
    return float(np.mean(np.maximum(shares, 0)))


def treated(run: Run, steps: int | None) -> dict[str, Any]:
    """A run, treated: a row."""
    key = jax.random.fold_in(keys_of(run, 1)[0], 1)
    began = time.process_time()
    found = ch5jax.treat(task_of(run, tested=True), setting_of(run), steps=steps or run.steps, key=key, seeds=SEEDS)
    return {
        "run": run.name,
        "half": run.half,
        "source": run.source,
        "label": run.label,
        "verdict": found.diagnosis.main.name,
        "before": share(run, found.untreated),
        "after": share(run, found.chosen),
        "chosen": found.chosen.name,
        "random": share(run, chosen_of_random(found)),
        "each": {one.name: share(run, one) for one in found.tried},
        "trainings for each seed": sum(one.kind == "remedy" for one in found.tried),
        "seconds": time.process_time() - began,
    }


def chosen_of_random(found: Treatment) -> Tried:
    """What random search would go on with: its best, if that is better beyond its error, as a remedy has to be."""
    best = found.random
    return best if best is not None and best.better else found.untreated


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of some runs that were told a difficulty."""
    gained = {kind: sum(row[kind] > row["before"] + BETTER for row in rows) for kind in ("after", "random")}
    learned = {kind: sum(row[kind] >= LEARNED for row in rows) for kind in ("before", "after", "random")}
    return {
        "told": len(rows),
        "better": gained["after"],
        "better by random search": gained["random"],
        "learned before": learned["before"],
        "learned": learned["after"],
        "learned by random search": learned["random"],
    }


def show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Prints both halves' totals, for each verdict and altogether."""
    summary = []
    for half in HALVES:
        told = [row for row in rows if row["half"] == half and row["verdict"] not in ("HEALTHY", "UNKNOWN")]
        by_verdict = collections.defaultdict(list)
        for row in told:
            by_verdict[row["verdict"]].append(row)
        for verdict, some in [*sorted(by_verdict.items()), ("all", told)]:
            summary.append({"half": half, "verdict": verdict, **total(some)})
            print(f"{half:7}{verdict:13}" + ", ".join(f"{name} {value}" for name, value in total(some).items()))
    return summary


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--half", choices=HALVES)
    parser.add_argument("--records", type=Path)
    arguments = parser.parse_args()
    path = arguments.records
    rows = json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else {}
    for run in at(runs(), runs()[:1]):
        if run.name in rows or arguments.half not in (None, run.half):
            continue
        row = treated(run, at(None, 10))
        rows[run.name] = row
        print(
            f"{row['half']:7}{row['verdict']:13}{run.name:50}{row['before']:6.2f}{row['after']:6.2f} {row['chosen']:60}"
            f"{row['random']:6.2f}",
            flush=True,
        )
        if path:
            path.write_text(json.dumps(rows), encoding="utf-8")
        jax.clear_caches()
        tracing.clear_caches()
    save("treatments", {"better": BETTER, "rows": show([*rows.values()]), "runs": [*rows.values()]})


if __name__ == "__main__":
    main()
