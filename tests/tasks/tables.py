"""A small table, and what was made of its rows."""

import jax
import numpy as np
import pandas as pd

from ch5jax.tasks._examples import part_rows
from ch5jax.tasks.tables._split import stratified

ROWS = 40


def frame(**columns):
    """Forty rows: a number to predict from, a class, and what the test adds."""
    x = np.random.default_rng(0).normal(3, 5, ROWS)
    return pd.DataFrame({"x": x, "label": np.where(x > 3, "high", "low"), **columns})


TRAIN, VALIDATION, TEST = stratified(np.where(frame()["label"] == "high", 0, 1), jax.random.key(0))
PLAIN_TRAIN = part_rows(ROWS, jax.random.key(0))[0]  # of a regression


def inputs(prepared):
    """The inputs in the order of the rows."""
    values = np.zeros((ROWS, len(prepared.features)), np.float32)
    for rows, part in zip(prepared.rows, prepared.parts, strict=True):
        values[rows] = part.inputs
    return values


def column(prepared, name):
    return inputs(prepared)[:, prepared.features.index(name)]


def targets(prepared):
    values = np.zeros((ROWS, max(1, len(prepared.classes))), np.float32)
    for rows, part in zip(prepared.rows, prepared.parts, strict=True):
        values[rows] = part.targets
    return values


def noted(prepared, words):
    return any(words in note for note in prepared.notes)
