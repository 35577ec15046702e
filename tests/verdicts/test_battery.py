"""The battery of labelled runs, on some of the seeds that thresholds were not chosen on.

One seed after the other: `vmap` over them took 1.4 times as long here, since it traces loops twice.
"""

import numpy as np
import pytest

from benchmarks.battery import CHOSEN_ON, REPORTED_ON, cases, diagnosis
from ch5jax.diagnostics import Difficulty

pytestmark = pytest.mark.usefixtures("compiled_quickly")

CASES = cases()


def test_it_has_runs_of_every_kind():
    assert {case.label for case in CASES} == set(Difficulty) - {Difficulty.UNKNOWN}
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)
    assert not {*CHOSEN_ON} & {*REPORTED_ON}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.label.name}: {case.name}")
def test_a_verdict_is_the_label(case):
    """Nobody healthy is accused of anything; of the others, one in three may be wrong (one in two hundred is)."""
    healthy = case.label is Difficulty.HEALTHY  # another verdict is reached before a continuation is looked at
    verdicts = [diagnosis(case, np.uint32(seed), continuations=healthy).findings for seed in REPORTED_ON[:3]]
    said = [Difficulty(int(verdict.code)).name for verdict in verdicts]
    if healthy:
        assert not any(np.asarray(verdict.found)[1:].any() for verdict in verdicts), said
    assert said.count(case.label.name) >= 2, said
