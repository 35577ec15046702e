"""What stands beside a leaderboard is what it says."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import balanced_accuracy_score, r2_score

from ch5jax.report import Row, Spread, _beside, beside
from ch5jax.tasks import read_table


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 400))
    label = np.where(x + 0.8 * z > 1.4, "rare", "often")
    return pd.DataFrame({"x": x, "label": label, "price": 500 + 100 * x + 30 * z})


def test_scores_of_classes_are_scikit_learns(data):
    table = read_table(data.drop(columns="price"), "label")
    majority, boosting = beside(table)
    assert majority.name == "always 'often'"
    train, _, test = table.parts
    own = HistGradientBoostingClassifier(random_state=0).fit(train.inputs, train.targets.argmax(1)).predict(test.inputs)
    right = test.targets.argmax(1)
    assert boosting.metrics["test_accuracy"] == pytest.approx((own == right).mean())
    assert boosting.metrics["test_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(right, own))
    assert majority.metrics["test_accuracy"] == pytest.approx((right == 0).mean())
    assert majority.metrics["validation_balanced_accuracy"] == 0.5


def test_scores_of_numbers_are_in_the_targets_unit(data):
    table = read_table(data.drop(columns="label"), "price")
    mean, boosting = beside(table)
    raw = data["price"].to_numpy()
    due = raw[table.rows[2]]
    assert mean.name == "always the mean"
    assert mean.metrics["test_rmse"] == pytest.approx(np.sqrt(((due - table.target_mean) ** 2).mean()), rel=1e-5)
    assert mean.metrics["test_r2"] == pytest.approx(r2_score(due, np.full(len(due), table.target_mean)), abs=1e-5)
    assert boosting.metrics["test_rmse"] < 60


def test_boosting_has_no_more_rows_than_take_seconds_and_says_so(data, monkeypatch):
    monkeypatch.setattr(_beside, "ROWS", 150)
    assert beside(read_table(data.drop(columns="label"), "price"))[1].name == "gradient boosting, of 150 rows"


def test_the_best_of_the_leaderboard_comes_first(data):
    table = read_table(data.drop(columns="label"), "price")
    names = ("validation_r2", "test_r2", "validation_rmse", "test_rmse")
    row = Row("adam", {}, (), {name: Spread(0.5, 0.1) for name in names}, (), 1, 0, 1, 0, 1, (), ())
    first, *rest = beside(table, (row,))
    assert first == ("adam, the best", dict.fromkeys(names, 0.5))
    assert len(rest) == 2
    assert len(beside(table, (row._replace(metrics={}),))) == 2
