"""Runs of our own that are meant to fail, in the ways that public collections and forums name.

The kinds are AUTOTRAINER's (vanishing and exploding gradient, dying ReLU, oscillating loss, slow convergence), DeepFD's
(act, lr, init, batch_size, missing_prep) and a few of our own. Which verdicts are right was written down before any of
them ran. What differs in numbers only is one program.
"""

from typing import Any

import optax

import ch5jax
from benchmarks.public.runs import OUR_OWN, Run

Row = tuple[Any, ...]  # name, kind, label, data, network, loss, optimizer, steps, batch, and what else a run has


def failing(*rows: Row) -> tuple[Run, ...]:
    """Rows as runs, with batches that are drawn."""
    return tuple(_run(*row) for row in rows)


def _run(name: str, kind: str, label: tuple[str, ...], *rest: Any) -> Run:
    others = rest[-1] if isinstance(rest[-1], dict) else {}
    values = rest[:-1] if others else rest
    return Run(f"fails: {name}", OUR_OWN, kind, label, *values, epochs=False, **others)


def decayed(weight_decay: float, learning_rate: float) -> Any:
    """Descent on the loss and half the squared weights."""
    return ch5jax.chain(ch5jax.lift(optax.add_decayed_weights, weight_decay), ch5jax.sgd(learning_rate))
