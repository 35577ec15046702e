import itertools
import statistics

import numpy as np
import pytest

from ch5jax import report
from ch5jax.report._advice import advice
from ch5jax.report._effort_chart import best_of
from ch5jax.report._settings import gather
from tests.report.results import accuracies, made

SGD = {"sgd": ("learning_rate",)}


def advised(rows, hyperparameters=SGD, **more):
    result = made(rows, hyperparameters, **more)
    return advice(result, report.leaderboard(result), {group: gather(result, group) for group in hyperparameters})


def said(found, *words):
    return any(all(word in one for word in words) for one in found)


def test_a_best_value_on_the_edge_sends_one_beyond_it():
    warnings, tried = advised(accuracies(values=(0.96, 0.9, 0.9, 0.9, 0.2)))
    assert said(warnings, "sgd: the best learning rate, 0.001, is the lowest of the 5 tried")
    assert said(tried, "sgd: learning rate from 0.0001 to 0.001 too")


def test_seeds_that_disagree_and_most_that_diverged_are_told():
    rows = accuracies(spread=0.05, values=(0.5, 0.9, 0.7, 0.7, 0.2))
    for row in rows[6:]:
        row |= {"diverged_at": 3}
    warnings, tried = advised(rows)
    assert said(warnings, "sgd: the seeds of the best setting disagree, 90.00 ± 5.00 %")
    assert said(warnings, "sgd: 9 of 15 trainings diverged")
    assert said(tried, "sgd: no learning rate over 0.01")


def test_what_still_gets_better_at_the_end_is_not_converged():
    warnings, tried = advised(accuracies())  # whose curves rise to the last step
    assert said(warnings, "sgd: the best setting has not converged yet", "got better by 15.92 %")
    assert said(tried, "sgd: 200 steps instead of 100")


def test_leaders_that_the_seeds_do_not_tell_apart():
    groups = {"adam": ("learning_rate",), "sgd": ("learning_rate",)}
    rows = accuracies("adam") + accuracies("sgd", values=(0.5, 0.9, 0.954, 0.95, 0.2))
    assert said(advised(rows, groups)[0], "3 seeds do not tell adam from sgd")
    far = accuracies("adam") + accuracies("sgd", values=(0.5, 0.8, 0.9, 0.85, 0.2))
    assert not said(advised(far, groups)[0], "do not tell")
    assert said(advised(accuracies(seeds=1))[0], "a single seed")


def test_without_anything_to_mind_it_says_where_to_look_more_closely():
    rows = accuracies(values=(0.5, 0.6, 0.955, 0.7, 0.2), spread=0.001)
    result = made(rows, SGD)
    curves = result.curves["sgd"]
    level = {"validation_accuracy": np.repeat(curves.evaluations["validation_accuracy"][:, -1:], 4, axis=1)}
    result.curves["sgd"] = curves._replace(evaluations=level)
    found = advice(result, report.leaderboard(result), {"sgd": gather(result, "sgd")})
    assert found == ([], ["sgd: learning rate more finely, from 0.01 to 1"])


def test_what_is_true_of_several_is_said_once():
    groups = dict.fromkeys(("adam", "rmsprop, hidden=8", "sgd"), ("learning_rate",))
    warnings, tried = advised([row for i, name in enumerate(groups) for row in accuracies(
        name, values=(0.5, 0.8 + 0.05 * i, 0.9 - 0.1 * i, 0.7, 0.2))], groups)  # fmt: skip
    assert [one for one in warnings if "converged" in one] == [
        "adam; sgd and rmsprop, hidden=8: the best setting has not converged yet, its validation accuracy got better "
        "by 15.00 %, 15.00 % and 14.17 % in the last quarter of the steps"
    ]
    assert [one for one in tried if "steps" in one] == ["adam; sgd and rmsprop, hidden=8: 200 steps instead of 100"]
    many = {f"g{i}": ("learning_rate",) for i in range(6)}
    warnings, _ = advised([row for name in many for row in accuracies(name)], many)
    assert said(warnings, "g0, g1 and 4 more: the best setting has not converged yet", "by 15.92 % in the last")


def test_a_best_of_what_met_a_difficulty_is_no_answer():
    rows = [row | {"verdict": "saturated"} for row in accuracies()]
    warnings, tried = advised(rows)
    assert "sgd: no training was healthy: 15 of 15 saturated" in warnings
    assert said(tried, "sgd: a smaller learning rate, smaller initial weights")
    for row in rows[:3]:
        row["verdict"] = "healthy"
    warnings, _ = advised(rows)
    assert "sgd: the best setting itself was not healthy: saturated" in warnings
    for row in rows[6:9]:
        row["verdict"] = "healthy"
    assert not said(advised(rows)[0], "healthy")


def test_everything_that_failed_gets_other_ranges():
    warnings, tried = advised(accuracies(diverged_at=7))
    assert said(warnings, "sgd: every setting failed")
    assert said(tried, "other ranges")


@pytest.mark.parametrize("count", [1, 2, 5, 7])
def test_the_expected_best_of_so_many_is_that_of_all_their_draws(count):
    scores = np.random.default_rng(0).normal(size=count)
    every = [statistics.mean(map(max, itertools.combinations(scores, n))) for n in range(1, count + 1)]
    assert best_of(scores) == pytest.approx(every, rel=1e-12)


def test_what_the_score_hangs_on_comes_first_and_chance_last():
    rng = np.random.default_rng(0)
    rows = []
    for rate, decay in itertools.product(np.geomspace(1e-3, 1, 8), np.linspace(0.5, 0.9, 4)):
        for seed in range(2):
            score = 0.9 - 0.1 * abs(np.log10(rate) + 1.5) - 0.1 * abs(decay - 0.7) + 0.001 * rng.normal()
            rows.append({"group": "sgd", "learning_rate": rate, "decay": decay, "still": 1.0, "seed": seed,
                         "validation_accuracy": score})  # fmt: skip
    found = report.importance(made(rows, {"sgd": ("learning_rate", "decay", "still")}))
    assert [one.name for one in found] == ["learning_rate", "decay", "seed"]
    assert found[0].mean > 5 * found[1].mean > 10 * abs(found[2].mean)


def test_importance_of_nothing_that_varies_is_not_told():
    rows = [row | {"learning_rate": 0.1} for row in accuracies()]
    assert report.importance(made(rows, SGD)) == ()
