"""How often verdicts are right: the battery of labelled runs, on seeds that thresholds were not chosen on."""

import numpy as np

from benchmarks.battery import CHOSEN_ON, REPORTED_ON, cases, diagnoses
from benchmarks.timing import at, save
from ch5jax.diagnostics import Difficulty


def main() -> None:
    seeds = {"chosen": at(CHOSEN_ON, CHOSEN_ON[:1]), "reported": at(REPORTED_ON, REPORTED_ON[:1])}
    counts = {name: np.zeros((len(Difficulty), len(Difficulty)), int) for name in ("chosen", "reported")}
    rows = []
    for case in at(cases(), cases()[::25]):
        codes = np.asarray(diagnoses(case, [*seeds["chosen"], *seeds["reported"]]).code)
        chosen = len(seeds["chosen"])
        for name, part in (("chosen", slice(chosen)), ("reported", slice(chosen, None))):
            np.add.at(counts[name], (int(case.label), codes[part]), 1)
        said = [Difficulty(int(code)).name for code in codes]
        rows.append({"case": case.name, "label": case.label.name, "verdicts": said})
        wrong = sorted({s for s in said if s != case.label.name})
        print(f"{case.label.name:14}{case.name:45}{said.count(case.label.name)}/{len(said)}", *wrong, flush=True)
    summary = {}
    for name, table in counts.items():
        healthy = table[Difficulty.HEALTHY]
        summary[name] = {
            "runs": int(table.sum()),
            "right": int(np.trace(table)),
            "healthy": int(healthy.sum()),
            "healthy_accused": int(healthy.sum() - healthy[Difficulty.HEALTHY]),
        }
        print(f"\n{name}: {summary[name]}")
        for difficulty in Difficulty:
            print(f"{difficulty.name:14}" + "".join(f"{n:5d}" for n in table[difficulty]))
    confusion = {name: table.tolist() for name, table in counts.items()}
    kept = {name: [*numbers] for name, numbers in seeds.items()}
    save("verdicts", {"seeds": kept, "summary": summary, "confusion": confusion, "cases": rows})


if __name__ == "__main__":
    main()
