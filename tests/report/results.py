"""Sweeps made by hand, so that every number in a report is known."""

import numpy as np

from ch5jax.sweeps import Curves, SweepResult

RATES = (0.001, 0.01, 0.1, 1.0, 10.0)


def made(rows, hyperparameters, *, objective="validation_accuracy", maximize=True, records=20):
    """A result of rows: dicts of group, seed, hyperparameters, metrics, and diverged_at where it is not −1."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {"trial": np.arange(len(rows))}
    for name in ["group", *(name for name in names if name != "group"), "diverged_at"]:
        missing = -1 if name == "diverged_at" else np.nan
        columns[name] = np.array([row.get(name, missing) for row in rows])
    steps, at = np.arange(1, records + 1) * 5, np.arange(1, 5) * 5 * records // 4
    curves = {}
    for group in hyperparameters:
        own = [row for row in rows if row["group"] == group]
        final = np.array([[row[objective]] for row in own], np.float32)
        loss = np.array([[row.get("loss", 0.1)] for row in own], np.float32) * np.linspace(
            3, 1, records, dtype=np.float32
        )
        loss = np.where(np.array([[row.get("diverged_at", -1) >= 0] for row in own]) & (steps > 50), np.nan, loss)
        curves[group] = Curves(steps, {"loss": loss}, at, {objective: final * np.linspace(0.5, 1, 4, dtype=np.float32)})
    return SweepResult(columns, curves, hyperparameters, objective, maximize, 5 * records, 8, {}, None)


def accuracies(group="sgd", values=(0.5, 0.9, 0.955, 0.95, 0.2), spread=0.004, seeds=3, rates=RATES, **more):
    """Rows of a classification: a learning rate for each mean accuracy, the seeds evenly spread around it."""
    return [
        {
            "group": group,
            "learning_rate": rate,
            "seed": seed,
            "loss": 1 - value,
            "validation_accuracy": value + spread * (seed - (seeds - 1) / 2),
            "validation_loss": 1.3 - value + 0.01 * seed,
            "test_accuracy": value - 0.01 + 2 * spread * (seed - (seeds - 1) / 2),
            "test_loss": 1.4 - value - 0.02 * seed,
            **more,
        }
        for rate, value in zip(rates, values, strict=True)
        for seed in range(seeds)
    ]
