"""What BatchNorm buys, and what its momentum does: learning rate × momentum × depth, with and without it.

Every depth is one sweep of the scanned digits without BatchNorm (SGD, learning rates × seeds) and one with it, where
the momenta come in. The training of a trial does not depend on the momentum, only what it is evaluated with.
`python examples/sweep_batch_norm.py full` is the run whose figures are in the README, some minutes on two cores.
"""

import json
import sys

import jax
import numpy as np

import ch5jax

FULL = "full" in sys.argv[1:]
DEPTHS = (1, 5, 10, 20) if FULL else (1, 10)
RATES = np.geomspace(1e-3, 10, 17) if FULL else np.geomspace(1e-2, 1, 3)
MOMENTA = (0.0, 0.5, 0.9, 0.99, 0.999) if FULL else (0.0, 0.9, 0.999)
SEEDS, STEPS = (4, 1000) if FULL else (2, 200)


def swept(depth, batch_norm):
    """The table of one sweep: a row a trial."""
    task = ch5jax.tasks.digits(hidden=(32,) * depth, batch_norm=batch_norm)
    momenta = np.asarray(MOMENTA if batch_norm else [0.0])
    rates, momenta = (grid.ravel() for grid in np.meshgrid(RATES, momenta, indexing="ij"))
    space = {"optimizer": ch5jax.grid(ch5jax.sgd, learning_rate=rates)}
    if batch_norm:
        space["batch_norm_momentum"] = momenta
    result = ch5jax.sweep(task, space, steps=STEPS, key=jax.random.key(0), seeds=SEEDS, signals_every=0)
    table = result.table()
    return table.rename(columns={"optimizer.learning_rate": "learning_rate"})


print(f"{STEPS} steps of SGD, test accuracy in % (mean of {SEEDS} seeds) at the rate that is best on validation, and")
print("the learning rates, of all tried, that come within 2 % of that on validation")
rows = []
for depth in DEPTHS:
    for batch_norm in (False, True):
        table = swept(depth, batch_norm)
        for momentum in MOMENTA if batch_norm else [None]:
            part = table if momentum is None else table[np.isclose(table.batch_norm_momentum, momentum)]
            means = part.groupby("learning_rate")[["validation_accuracy", "test_accuracy"]].mean()
            best = means.validation_accuracy.idxmax()
            within = means.index[means.validation_accuracy >= means.validation_accuracy.max() - 0.02]
            rows.append(
                {
                    "hidden layers": depth,
                    "momentum": momentum,
                    "test_accuracy": float(means.test_accuracy[best]),
                    "learning_rate": float(best),
                    "low": float(within.min()),
                    "high": float(within.max()),
                    "curve": {f"{rate:.4g}": round(float(a), 4) for rate, a in means.validation_accuracy.items()},
                }
            )
            name = "without BatchNorm" if momentum is None else f"BatchNorm, momentum {momentum:g}"
            accuracy = f"{100 * rows[-1]['test_accuracy']:5.1f}  at {best:<7.3g}"
            span = f"within 2 %: {within.min():.2g} – {within.max():.2g}"
            print(f"{depth:3d} hidden layers, {name:25} {accuracy} {span}", flush=True)
if FULL:
    with open("sweep_batch_norm.json", "w") as file:
        json.dump(rows, file, indent=1)
