import jax
import numpy as np
import pytest

import ch5jax
from ch5jax import report
from tests.report.results import accuracies, made

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")
SGD = {"sgd": ("learning_rate",)}


def test_sweeps_side_by_side_have_all_rows_under_their_names_and_what_one_lacks_is_empty():
    plain = made(accuracies(), SGD)
    more = made([row | {"b1": 0.9, "verdict": "slow"} for row in accuracies(values=(0.1, 0.2, 0.99, 0.3, 0.1))], SGD,
                records=10)  # fmt: skip
    found = report.together({"old": plain, "new": more})
    assert found.groups == ("old: sgd", "new: sgd")
    assert found.columns["trial"].tolist() == list(range(30))
    assert np.isnan(found.columns["b1"][:15]).all()
    assert set(found.columns["verdict"][:15]) == {"unknown"}
    assert [row.group for row in report.leaderboard(found)] == ["new: sgd", "old: sgd"]  # though it took fewer steps
    assert found.curves["new: sgd"] is more.curves["sgd"]


def test_a_diagnosis_stays_that_of_its_trial():
    task = ch5jax.tasks.surface(ch5jax.problems.beale())
    runs = {
        name: ch5jax.sweep(task, ch5jax.grid(ch5jax.sgd, learning_rate=rates), steps=40, key=jax.random.key(0))
        for name, rates in (("small", [1e-6, 1e-5]), ("large", [1e-2, 1e6]))
    }
    found = report.together(runs)
    assert [str(found.diagnosis(2 + i)) for i in range(2)] == [str(runs["large"].diagnosis(i)) for i in range(2)]
    with pytest.raises(ValueError, match="task must be at hand"):
        found.trial(0)


def test_what_cannot_be_compared_is_refused():
    one, other = made(accuracies(), SGD), made(accuracies(), SGD, objective="validation_loss", maximize=False)
    assert report.together({"alone": one}) is one
    with pytest.raises(ValueError, match="a the highest validation_accuracy, b the lowest validation_loss"):
        report.together({"a": one, "b": other})
    with pytest.raises(ValueError, match="got none"):
        report.together({})
