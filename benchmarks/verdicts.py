"""How often verdicts are right: the battery of labelled runs, on seeds that thresholds were not chosen on."""

import numpy as np

from benchmarks.battery import CHOSEN_ON, REPORTED_ON, cases, diagnoses
from benchmarks.timing import at, save
from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts import NO_DIFFICULTY

SAID = {"reported": "8 to 15, reported", "chosen": "0 to 7, chosen on"}


def main() -> None:
    seeds = {"chosen": at(CHOSEN_ON, CHOSEN_ON[:1]), "reported": at(REPORTED_ON, REPORTED_ON[:1])}
    counts = {name: np.zeros((len(Difficulty), len(Difficulty)), int) for name in ("chosen", "reported")}
    rows: list[dict[str, object]] = []
    for case in at(cases(), cases()[::25]):
        codes = np.asarray(diagnoses(case, [*seeds["chosen"], *seeds["reported"]]).code)
        chosen = len(seeds["chosen"])
        for name, part in (("chosen", slice(chosen)), ("reported", slice(chosen, None))):
            np.add.at(counts[name], (int(case.label), codes[part]), 1)
        names = [Difficulty(int(code)).name for code in codes]
        rows.append({"case": case.name, "label": case.label.name, "verdicts": names})
        wrong = sorted({*names} - {case.label.name})
        print(f"{case.label.name:14}{case.name:45}{names.count(case.label.name)}/{len(names)}", *wrong, flush=True)
    summary = {}
    for name, table in counts.items():
        healthy = table[Difficulty.HEALTHY]
        summary[name] = {
            "runs": int(table.sum()),
            "right": int(np.trace(table)),
            "healthy runs": int(healthy.sum()),
            "accused": int(healthy.sum() - healthy[[*NO_DIFFICULTY]].sum()),
        }
        print(f"\n{name}: {summary[name]}")
        for difficulty in Difficulty:
            print(f"{difficulty.name:14}" + "".join(f"{n:5d}" for n in table[difficulty]))
    kept = {name: [*numbers] for name, numbers in seeds.items()}
    table = [{"seeds": SAID[name], **summary[name]} for name in ("reported", "chosen")]
    save("verdicts", {"seeds": kept, "rows": table, "cases": rows})
    save("verdicts_confusion", {"rows": confusion(counts["reported"])})


def confusion(counts: np.ndarray) -> list[dict[str, object]]:
    """A row for each label that there is, a column for each verdict that was told."""
    labels = [one for one in Difficulty if counts[one].any()]
    told = [one for one in Difficulty if counts[:, one].any()]
    return [
        {"made to be": words(label)} | {words(verdict): int(counts[label, verdict]) or "" for verdict in told}
        for label in labels
    ]


def words(difficulty: Difficulty) -> str:
    return difficulty.name.lower().replace("_", " ")


if __name__ == "__main__":
    main()
