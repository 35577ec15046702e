"""How verdicts fare on trainings that others made and labelled, and on others like them: `benchmarks/public/`.

Of each run: its label, the verdict on every seed, and whether the training learned or failed, by a criterion that knows
no verdict (see `benchmarks.public.exam`). Data sets and public sources are divided into two halves: thresholds may be
chosen on one ("tune"), and figures are those of the other ("report"). Runs of our own go with their data sets.

`--records FILE` keeps what the trainings showed. What is in the file is judged again, without a training.
"""

import argparse
import collections
from pathlib import Path
from typing import Any

from benchmarks.public.exam import SEEDS, Recorded, examined, judged, keep, kept, outcomes, runs, shares
from benchmarks.public.runs import FURTHER, Run
from benchmarks.timing import at, save
from ch5jax.diagnostics import Difficulty

NOTHING = ("HEALTHY", "UNKNOWN")
HALVES = ("tune", "report")


def told(run: Run, record: Recorded, codes: Any) -> dict[str, Any]:
    """What was said of a run, printed in a line and as a row."""
    said = [Difficulty(int(code)).name for code in codes]
    row = row_of(run, record, said)
    agrees = f"{sum(row['agrees'])}/{len(said)}" if run.label else "-"
    ends = " ".join(f"{verdict}/{end}" for verdict, end in zip(said, row["outcomes"], strict=True))
    print(f"{run.half:7}{(run.label or ('none',))[0]:15}{run.name:55}{agrees:4} {ends}", flush=True)
    return row


def row_of(run: Run, record: Recorded, said: list[str]) -> dict[str, Any]:
    """A run, and what was said of it."""
    return {
        "run": run.name,
        "half": run.half,
        "source": run.source,
        "kind": run.kind,
        "label": run.label,
        "verdicts": said,
        "outcomes": outcomes(run, record),
        "shares": [round(share, 3) for share in shares(run, record)],
        "agrees": [verdict in run.label for verdict in said] if run.label else None,
        "note": run.note,
    }


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one half."""
    trainings = [
        (row["label"], verdict, outcome)
        for row in rows
        for verdict, outcome in zip(row["verdicts"], row["outcomes"], strict=True)
    ]
    failed = [(label, verdict) for label, verdict, outcome in trainings if outcome == "failed"]
    faults = [(label, verdict) for label, verdict in failed if label and label[0] != "HEALTHY"]
    learned = [verdict for _, verdict, outcome in trainings if outcome == "learned"]
    return {
        "trainings": len(trainings),
        "failed": len(failed),
        "told HEALTHY": sum(verdict == "HEALTHY" for _, verdict in failed),
        "told a difficulty": sum(verdict not in NOTHING for _, verdict in failed),
        "failed, with a label": len(faults),
        "told a right one": sum(verdict in label for label, verdict in faults),
        "learned": len(learned),
        "accused": sum(verdict not in NOTHING for verdict in learned),
    }


def confusion(rows: list[dict[str, Any]]) -> dict[str, collections.Counter[str]]:
    """How often each verdict was given, by the label that comes first."""
    found: dict[str, collections.Counter[str]] = {}
    for row in rows:
        found.setdefault((row["label"] or ("none",))[0], collections.Counter()).update(row["verdicts"])
    return found


def show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Prints the totals and the confusion of both halves; the totals come back."""
    summary = []
    for half in HALVES:
        here = [row for row in rows if row["half"] == half]
        summary.append({"half": half, **total(here)})
        print(f"\n{half}: " + ", ".join(f"{name} {value}" for name, value in total(here).items()))
        counts = confusion(here)
        verdicts = [
            difficulty.name for difficulty in Difficulty if any(difficulty.name in row for row in counts.values())
        ]
        print(" " * 16 + " ".join(f"{verdict[:11]:>11}" for verdict in verdicts))
        for label in sorted(counts):
            print(f"{label:16}" + " ".join(f"{counts[label][verdict] or '':>11}" for verdict in verdicts))
    return summary


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--records", type=Path)
    path = parser.parse_args().records
    chosen = at(runs(), runs()[::25])
    records = kept(path) if path else {}
    rows = {
        run.name: told(run, records[run.name], judged(records[run.name]).code) for run in chosen if run.name in records
    }
    missing = tuple(run for run in chosen if run.name not in records)
    for run, record in examined(missing, at(SEEDS, 1), at(None, 10)):
        records[run.name] = record
        rows[run.name] = told(run, record, record.code)
        if path:
            keep(path, records)
    in_order = [rows[run.name] for run in chosen]
    summary = show(in_order)
    counts = {half: confusion([row for row in in_order if row["half"] == half]) for half in HALVES}
    save("public_runs", {"further": FURTHER, "rows": summary, "confusion": counts, "runs": in_order})


if __name__ == "__main__":
    main()
