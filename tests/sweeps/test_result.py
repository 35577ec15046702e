"""The table, the curves and the ranking, against an independent look at the same numbers."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax.sweeps import _assemble
from ch5jax.sweeps._store import Memory
from tests.sweeps.small import RATES, run

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")


@pytest.fixture(scope="module")
def result():
    return run()


def test_a_row_a_trial_and_every_column_of_one_length(result):
    assert len(result) == 2 * 7 * 2
    assert {len(column) for column in result.columns.values()} == {28}
    assert result.columns["trial"].tolist() == list(range(28))
    assert result.columns["seed"].tolist() == [0, 1] * 14
    np.testing.assert_array_equal(result.columns["learning_rate"][:14], np.repeat(RATES, 2))
    assert np.isnan(result.columns["b1"][:14]).all()
    assert (result.columns["b1"][14:] == 0.9).all()
    assert result.hyperparameters["sgd"] == ("learning_rate",)


def test_curves_are_at_the_spacing_that_was_asked_for(result):
    for curves in result.curves.values():
        assert curves.steps.tolist() == [4, 8, 12, 16, 20, 24, 28, 30]
        assert curves.evaluated_at.tolist() == [10, 20, 30]
        assert curves.metrics["loss"].shape == (14, 8)
        assert curves.evaluations["test_accuracy"].shape == (14, 3)


def test_final_and_best_agree_with_the_curves(result):
    accuracy = np.concatenate([curves.evaluations["validation_accuracy"] for curves in result.curves.values()])
    np.testing.assert_array_equal(result.columns["validation_accuracy"], accuracy[:, -1])
    np.testing.assert_array_equal(result.columns["best_validation_accuracy"], accuracy.max(axis=1))
    np.testing.assert_array_equal(result.columns["best_step"], 10 * (1 + accuracy.argmax(axis=1)))


def test_the_ranking_is_by_the_objective(result):
    assert (np.diff(result.columns["validation_accuracy"][result.ranking()]) <= 0).all()


def test_a_diverged_trial_ranks_last_however_good_its_numbers_are(result):
    best = result.ranking()[0]
    columns = {**result.columns, "diverged_at": np.where(result.columns["trial"] == best, 5, -1)}
    assert dataclasses.replace(result, columns=columns).ranking()[-1] == best


@pytest.mark.parametrize(("maximize", "value"), [(False, -np.inf), (True, np.inf), (False, np.nan), (True, -np.inf)])
def test_an_objective_that_is_not_finite_ranks_last_on_whichever_side(result, maximize, value):
    objective = np.where(result.columns["trial"] == 3, value, result.columns["validation_accuracy"])
    columns = {**result.columns, "validation_accuracy": objective}
    assert dataclasses.replace(result, columns=columns, maximize=maximize).ranking()[-1] == 3


@pytest.mark.parametrize("maximize", [False, True])
def test_an_evaluation_that_is_not_finite_is_never_the_best(maximize):
    score = [[3.0, -np.inf, np.inf, 2.0, np.nan], [np.inf, np.nan, 5.0, 5.0, -np.inf], [4.0, 4.0, 4.0, 9.0, 1.0]]
    chunk = SimpleNamespace(evaluations={"score": np.array(score)}, diverged_at=np.array([-1, -1, 3]))
    best = _assemble._best("score", maximize, chunk, np.arange(1, 6))
    assert best["best_score"].tolist() == [3.0 if maximize else 2.0, 5.0, 4.0]
    assert best["best_step"].tolist() == [1 if maximize else 4, 3, 1]


def test_the_table_is_a_data_frame(result):
    table = result.table()
    assert list(table) == list(result.columns)
    assert table.loc[table.group == "adam", "seed"].tolist() == [0, 1] * 7


@pytest.mark.parametrize("number", [-1, 28])
def test_a_trial_that_there_is_not(result, number):
    for found in (result.trial, result.rerun):
        with pytest.raises(ValueError, match="trial must be an integer from 0 to 27"):
            found(number)


def descent(curvature, name="loss"):
    """A user's own task: gradient descent on c w² / 2 with a key in its state, and half-precision weights."""

    def init(key, opt):
        w = jnp.ones(2, jnp.bfloat16)
        return {"w": w, "opt": opt["optimizer"].init(w), "key": key}

    def step(key, index, opt, state):
        loss, g = jax.value_and_grad(lambda w: jnp.sum(opt["curvature"] * w**2).astype(jnp.float32) / 2)(state["w"])
        updates, opt_state = opt["optimizer"].update(g, state["opt"], state["w"])
        return {"w": (state["w"] + updates).astype(jnp.bfloat16), "opt": opt_state, "key": key}, {name: loss}

    def evaluate(opt, state):
        return {"distance": jnp.sum(jnp.abs(state["w"]).astype(jnp.float32))}

    return ch5jax.Task(init, step, evaluate, objective="distance")


def _two_metrics(task):
    def step(key, index, opt, state):
        state, metrics = task.step(key, index, opt, state)
        return state, {**metrics, "twice": 2 * metrics["loss"]}

    return task._replace(step=step)


TWO_METRICS = _two_metrics(descent(1.0))


def test_a_users_own_task_with_other_names_and_states(tmp_path):
    settings = {"optimizer": ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 1.0, 30.0]), "curvature": np.array([1.0] * 3)}
    result = ch5jax.sweep(descent(1.0), settings, steps=150, key=jax.random.key(0), record_every=50, store=tmp_path)
    assert result.columns["distance"][1] == 0  # one step of rate 1 on curvature 1 is at the minimum
    assert result.columns["diverged_at"].tolist() == [-1, -1, 3]  # 29⁶ > 10⁶ > 29⁴
    assert result.ranking().tolist() == [1, 0, 2]
    assert result.columns["curvature"].tolist() == [1.0, 1.0, 1.0]
    assert not result.maximize


@pytest.mark.parametrize(
    ("room", "every"),
    # a record of six trials, of two metrics each, is 48 bytes
    [(48 * 100, 2), (48 * 40, 5), (48 * 16, 12), (48, 20)],
)
def test_curves_of_many_trials_have_fewer_records_by_default(monkeypatch, tmp_path, room, every):
    settings = {"optimizer": ch5jax.grid(ch5jax.sgd, learning_rate=np.geomspace(0.01, 0.1, 6)), "curvature": np.ones(6)}

    def swept(**more):
        return ch5jax.sweep(TWO_METRICS, settings, steps=200, key=jax.random.key(0), **more)

    (whole,) = swept(record_every=1).curves.values()
    monkeypatch.setattr("ch5jax.sweeps._prepare.CURVES", room)
    result = swept(store=tmp_path / "store")
    (curves,) = result.curves.values()
    assert curves.steps.tolist() == sorted({*range(every, 201, every), 200})
    np.testing.assert_array_equal(curves.metrics["loss"], whole.metrics["loss"][:, curves.steps - 1])
    # a folder's spacing is its own: what it holds fits to what comes
    monkeypatch.setattr("ch5jax.sweeps._prepare.CURVES", 10**9)
    (again,) = swept(store=tmp_path / "store").curves.values()
    np.testing.assert_array_equal(again.steps, curves.steps)


def test_a_sweep_in_memory_holds_its_curves_once():
    memory = Memory()
    memory.write("group000-chunk000000", np.ones(3), "")
    assert memory.take("group000-chunk000000", None, "").tolist() == [1, 1, 1]
    assert (memory.names(), [*memory._kept.values()]) == ({"group000-chunk000000"}, [None])


def test_a_metric_of_another_name_shows_divergence_too():
    settings = {"optimizer": ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 30.0]), "curvature": np.ones(2)}
    result = ch5jax.sweep(descent(1.0, "energy"), settings, steps=20, key=jax.random.key(0))
    assert result.columns["diverged_at"].tolist() == [-1, 3]


def test_hyperparameters_that_share_a_metrics_name_are_told_apart():
    def step(key, index, hyperparameters, state):
        return state, {"loss": hyperparameters["loss"] * 2}

    task = ch5jax.Task(lambda key, h: jnp.zeros(()), step, lambda h, state: {"validation_loss": state})
    result = ch5jax.sweep(task, {"loss": np.array([1.0, 2.0])}, steps=2, key=jax.random.key(0))
    assert result.columns["hyperparameter loss"].tolist() == [1, 2]
    assert result.columns["loss"].tolist() == [2, 4]
