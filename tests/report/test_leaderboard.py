import dataclasses
import math
import statistics

import numpy as np
import pytest

from ch5jax.report import leaderboard
from ch5jax.sweeps import Curves, SweepResult
from tests.report.results import accuracies, made

SGD = {"sgd": ("learning_rate",)}


def test_best_by_mean_over_seeds_and_not_by_a_lucky_seed():
    rows = accuracies(values=(0.5, 0.9, 0.94, 0.95, 0.2))
    rows[6]["validation_accuracy"] = 0.99  # a lucky seed at 0.1, whose mean is now 0.9553
    rows[7]["validation_accuracy"] = rows[8]["validation_accuracy"] = 0.92
    (row,) = leaderboard(made(rows, SGD))
    assert row.hyperparameters == {"learning_rate": 1.0}
    assert row.trials == (9, 10, 11)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_metrics_equal_a_recomputation_in_plain_python(seeds):
    rows = accuracies(seeds=seeds)
    (row,) = leaderboard(made(rows, SGD))
    own = [r for r in rows if r["learning_rate"] == row.hyperparameters["learning_rate"]]
    assert list(row.metrics) == ["validation_accuracy", "test_accuracy", "validation_loss", "test_loss"]
    for name, (mean, std) in row.metrics.items():
        values = [r[name] for r in own]
        assert mean == pytest.approx(statistics.mean(values), rel=1e-12)
        assert std == pytest.approx(statistics.stdev(values), rel=1e-9)


def test_one_seed_has_no_spread():
    (row,) = leaderboard(made(accuracies(seeds=1), SGD))
    assert row.metrics["test_accuracy"].mean == pytest.approx(0.945)
    assert math.isnan(row.metrics["test_accuracy"].std)


def test_a_setting_with_one_diverged_seed_is_behind_all_others():
    rows = accuracies()
    rows[7] |= {"diverged_at": 12, "validation_accuracy": 0.999}
    (row,) = leaderboard(made(rows, SGD))
    assert row.hyperparameters == {"learning_rate": 1.0}
    assert (row.settings, row.settings_failed, row.trials_run, row.trials_diverged) == (5, 1, 15, 1)
    assert (row.spans[0].low, row.spans[0].high) == (1.0, 1.0)


def test_a_setting_whose_objective_is_not_finite_is_behind_all_others():
    rows = accuracies()
    rows[6]["validation_accuracy"] = np.inf
    rows[9]["validation_accuracy"] = np.nan
    (row,) = leaderboard(made(rows, SGD))
    assert row.hyperparameters == {"learning_rate": 0.01}
    assert (row.settings_failed, row.trials_diverged) == (2, 0)


def test_equal_means_are_decided_by_the_loss_though_their_last_bits_differ():
    rows = accuracies(values=(0.5, 0.9, 0.9, 0.9, 0.2), spread=0)
    for row, extra in zip(rows[3:12], (0, 0, 0, 1e-9, 0, 0, 0, 0, 0), strict=True):
        row["validation_accuracy"] += extra
        row["validation_loss"] = {0.01: 0.7, 0.1: 0.8, 1.0: 0.6}[row["learning_rate"]]
    (row,) = leaderboard(made(rows, SGD))
    assert row.hyperparameters == {"learning_rate": 1.0}


def test_equal_in_everything_the_first_wins():
    rows = accuracies(values=(0.5, 0.9, 0.9, 0.9, 0.2))
    assert leaderboard(made(rows, SGD))[0].hyperparameters == {"learning_rate": 0.01}


def test_groups_rank_by_validation_and_not_by_test():
    rows = accuracies("lucky", values=(0.5, 0.9, 0.94, 0.9, 0.2)) + accuracies("better")
    for row in rows[:15]:
        row["test_accuracy"] += 0.05
    found = leaderboard(made(rows, {"lucky": ("learning_rate",), "better": ("learning_rate",)}))
    assert [row.group for row in found] == ["better", "lucky"]
    assert found[1].metrics["test_accuracy"].mean > found[0].metrics["test_accuracy"].mean


@pytest.mark.parametrize(
    ("values", "low", "high", "contiguous"),
    [
        ((0.5, 0.9, 0.955, 0.95, 0.2), 0.1, 1.0, True),
        ((0.5, 0.945, 0.955, 0.9449, 0.2), 0.01, 0.1, True),  # 0.01 below counts, more does not
        ((0.5, 0.95, 0.9, 0.955, 0.2), 0.01, 1.0, False),
        ((0.95, 0.95, 0.955, 0.95, 0.95), 0.001, 10.0, True),
    ],
)
def test_range_within_a_hundredth_of_the_best_accuracy(values, low, high, contiguous):
    (span,) = leaderboard(made(accuracies(values=values), SGD))[0].spans
    assert (span.low, span.high, span.contiguous) == (low, high, contiguous)
    assert (span.lowest, span.highest, span.values) == (0.001, 10.0, 5)


def test_range_of_a_loss_is_relative():
    rows = [
        {"group": "sgd", "learning_rate": rate, "seed": 0, "validation_loss": loss, "test_loss": loss,
         "validation_r2": 0.5, "test_r2": 0.4}
        for rate, loss in ((0.1, 203.0), (0.2, 201.9), (0.3, 200.0), (0.4, 202.0), (0.5, 300.0))
    ]  # fmt: skip
    (row,) = leaderboard(made(rows, SGD, objective="validation_loss", maximize=False))
    assert row.hyperparameters == {"learning_rate": 0.3}
    assert (row.spans[0].low, row.spans[0].high) == (0.2, 0.4)
    assert list(row.metrics) == ["validation_loss", "test_loss", "validation_r2", "test_r2"]


@pytest.mark.parametrize(
    ("values", "edge", "words"),
    [
        ((0.96, 0.9, 0.9, 0.9, 0.2), "lowest", "sgd: the best learning rate, 0.001, is the lowest of the 5 tried"),
        ((0.5, 0.9, 0.9, 0.9, 0.96), "highest", "sgd: the best learning rate, 10, is the highest of the 5 tried"),
        ((0.5, 0.96, 0.9, 0.9, 0.2), "", None),
    ],
)
def test_warning_where_the_best_is_on_the_edge(values, edge, words):
    (row,) = leaderboard(made(accuracies(values=values), SGD))
    assert row.spans[0].edge == edge
    assert [warning.split(";")[0] for warning in row.warnings] == ([words] if words else [])


def test_everything_diverged_is_a_row_that_says_so_and_comes_last():
    rows = accuracies("bad", diverged_at=3) + accuracies("good")
    good, bad = leaderboard(made(rows, {"bad": ("learning_rate",), "good": ("learning_rate",)}))
    assert (good.group, bad.group) == ("good", "bad")
    assert (bad.hyperparameters, bad.metrics, bad.trials, bad.spans) == ({}, {}, (), ())
    assert bad.warnings == ("bad: every setting failed, 15 of 15 trials diverged",)
    assert (bad.settings_failed, bad.trials_diverged) == (5, 15)


def test_several_swept_hyperparameters_have_a_range_each():
    rows = [
        row | {"b1": b1, "eps": 1e-7, "validation_accuracy": row["validation_accuracy"] - penalty}
        for b1, penalty in ((0.8, 0.005), (0.9, 0.0), (0.95, 0.3))
        for row in accuracies()
    ]
    (row,) = leaderboard(made(rows, {"sgd": ("learning_rate", "b1", "eps")}))
    assert row.hyperparameters == {"learning_rate": 0.1, "b1": 0.9, "eps": 1e-7}
    assert row.varying == ("learning_rate", "b1")
    rate, b1 = row.spans
    assert (rate.name, rate.low, rate.high) == ("learning_rate", 0.1, 1.0)
    assert (b1.name, b1.best, b1.low, b1.high, b1.edge) == ("b1", 0.9, 0.8, 0.9, "")


def test_other_metrics_than_ours():
    rows = [{"group": "g", "x": x, "seed": 0, "regret": x**2, "validation_only": 1.0} for x in (-1.0, 0.5, 2.0)]
    (row,) = leaderboard(made(rows, {"g": ("x",)}, objective="regret", maximize=False))
    assert row.hyperparameters == {"x": 0.5}
    assert list(row.metrics) == ["regret"]


def test_nothing_varies_and_nothing_numeric():
    rows = [{"group": "g", "kind": kind, "seed": s, "score": s + len(kind)} for kind in ("a", "bcd") for s in range(2)]
    (row,) = leaderboard(made(rows, {"g": ("kind",)}, objective="score"))
    assert (row.hyperparameters, row.spans, row.settings) == ({"kind": "bcd"}, (), 2)


def test_rows_in_any_order_give_the_same():
    rows = accuracies("a") + accuracies("b", values=(0.5, 0.97, 0.9, 0.4, 0.2))
    result = made(rows, {"a": ("learning_rate",), "b": ("learning_rate",)})
    order = np.random.default_rng(0).permutation(30)
    order = np.concatenate([order[order < 15], order[order >= 15]])
    shuffled = dataclasses.replace(result, columns={name: column[order] for name, column in result.columns.items()})
    for one, other in zip(leaderboard(result), leaderboard(shuffled), strict=True):
        assert one.hyperparameters == other.hyperparameters
        assert sorted(one.trials) == sorted(other.trials)
        assert one.metrics["validation_accuracy"].mean == pytest.approx(other.metrics["validation_accuracy"].mean)


def test_a_training_counts_as_it_was_at_its_best_evaluation():
    """Two rates, two seeds: what is best on the way wins, with what the test part had there."""
    at, way = np.array([5, 10, 15]), {
        "validation_accuracy": [[0.5, 0.9, 0.6], [0.8, 0.7, 0.6], [0.6, 0.65, 0.7], [0.6, 0.65, 0.7]],
        "test_accuracy": [[0.4, 0.85, 0.99], [0.75, 0.6, 0.99], [0.5, 0.6, 0.65], [0.5, 0.6, 0.65]],
    }  # fmt: skip
    way = {name: np.array(values) for name, values in way.items()}
    columns = {
        "trial": np.arange(4),
        "group": np.array(["sgd"] * 4),
        "learning_rate": np.array([0.1, 0.1, 0.2, 0.2]),
        "seed": np.array([0, 1, 0, 1]),
        "diverged_at": np.full(4, -1),
        **{name: values[:, -1] for name, values in way.items()},
        "best_validation_accuracy": np.array([0.9, 0.8, 0.7, 0.7]),
        "best_step": np.array([10, 5, 15, 15]),
    }
    curves = {"sgd": Curves(at, {}, at, way)}
    result = SweepResult(columns, curves, {"sgd": ("learning_rate",)}, "validation_accuracy", True, 15, 8, {}, None)
    (row,) = leaderboard(result)
    assert row.hyperparameters == {"learning_rate": 0.1}
    assert row.metrics["validation_accuracy"].mean == pytest.approx(0.85)
    assert row.metrics["test_accuracy"].mean == pytest.approx(0.8)  # 0.85 after ten steps, 0.75 after five
    lost = columns | {"best_validation_accuracy": np.array([np.nan, 0.8, 0.7, 0.7])}
    (row,) = leaderboard(dataclasses.replace(result, columns=lost))
    assert (row.hyperparameters, row.settings_failed) == ({"learning_rate": 0.2}, 1)
    once = {"sgd": Curves(at, {}, at[-1:], {name: values[:, -1:] for name, values in way.items()})}
    (row,) = leaderboard(dataclasses.replace(result, curves=once))
    assert row.metrics["validation_accuracy"].mean == pytest.approx(0.7)
