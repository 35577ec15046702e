"""A sweep's trials again: what each was given, and the same bits on demand."""

from collections.abc import Callable

import jax
import numpy as np

from ch5jax.sweeps._groups import Group, locate
from ch5jax.sweeps._plan import Plan
from ch5jax.sweeps._programs import Programs
from ch5jax.sweeps._result import Rerun, Trial


def again(
    groups: tuple[Group, ...], plan: Plan, compiled: list[Callable[[], Programs]]
) -> tuple[Callable[[int], Trial], Callable[[int], Rerun]]:
    """How a trial of the result is looked up, and done again."""

    def trial(number: int) -> Trial:
        g, row = locate(groups, number)
        hyperparameters, seed = groups[g].one(row)
        return Trial(hyperparameters, jax.random.fold_in(plan.key, seed))

    def rerun(number: int) -> Rerun:
        """The same programs at the same width, every lane the same trial, every step's metrics kept."""
        g, row = locate(groups, number)
        programs = compiled[g]()
        lanes = np.full(plan.width * len(plan.devices), row)
        hyperparameters, seeds = jax.device_put(groups[g].rows(lanes), programs.sharding)
        carried, begun = programs.init(hyperparameters, seeds, plan.key)
        metrics, signals, evaluations, begin = [], [], [], 0
        for end in plan.stops:
            span = np.int32(begin), np.int32(end)
            carried, record = programs.advance(hyperparameters, seeds, plan.key, carried, begun, *span)
            metrics.append(jax.tree.map(lambda r, n=end - begin: np.asarray(r)[0, :n], record.metrics))
            rows = plan.looks(begin, end)
            signals.append(jax.tree.map(lambda r, rows=rows: np.asarray(r)[0, rows], record.signals))
            if end in plan.evaluated:
                evaluations.append(
                    jax.tree.map(lambda e: np.asarray(e)[:1], programs.evaluate(hyperparameters, carried)[0])
                )
            begin = end
        joined = [
            jax.tree.map(lambda *parts: np.concatenate(parts), *parts) for parts in (metrics, evaluations, signals)
        ]
        return Rerun(jax.tree.map(lambda leaf: leaf[0], carried.state), *joined)

    return trial, rerun
