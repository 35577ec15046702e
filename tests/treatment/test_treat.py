"""What is tried on a training is what it says, and what comes back is what was seen."""

import jax
import numpy as np
import pytest

import ch5jax
from ch5jax.diagnostics import Difficulty
from ch5jax.treatment._treatment import AS_IT_WAS, Treatment, Tried, chosen_of, compared
from tests.treatment.small import supervised

KEY = jax.random.key(3)
SLOW = ch5jax.sgd(1e-4)
TASK = supervised(objective="validation_loss")

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")


@pytest.fixture(scope="module")
def found(module_compiled_quickly):
    return ch5jax.treat(TASK, SLOW, steps=40, key=KEY, seeds=2, rounds=2)


def test_the_run_is_the_one_that_diagnose_would_do(found):
    alone = ch5jax.diagnose(TASK, SLOW, steps=40, key=KEY)
    assert found.diagnosis.main is alone.main is Difficulty.SLOW
    np.testing.assert_array_equal(found.diagnosis.metrics["loss"], alone.metrics["loss"])


def test_its_remedies_are_tried_in_their_order_and_random_search_as_often(found):
    first = [one for one in found.tried if one.round == 1]
    assert [one.name for one in first if one.kind == "remedy"] == [
        "Adam at 0.01",
        "rate × 100",
        "Adam at 0.003 + weights drawn anew + standardised inputs",
    ]
    assert [one.kind for one in first] == ["untreated", *3 * ["remedy"], *3 * ["random"]]
    rates = [one.hyperparameters["optimizer"].learning_rate for one in first if one.kind == "random"]
    assert all(1e-4 <= rate <= 1 for rate in rates)
    assert len({*rates}) == 3


@pytest.mark.parametrize("row", [0, 2, 4])
def test_each_is_the_training_that_a_sweep_of_it_does(found, row):
    one = found.tried[row]
    again = ch5jax.train(one.task, one.hyperparameters, jax.random.fold_in(KEY, 1), 40)
    np.testing.assert_allclose(one.metrics["validation_loss"][1], again.evaluations["validation_loss"][-1], rtol=1e-4)


def test_the_chosen_one_is_better_and_lower_than_it_was(found):
    assert found.chosen.kind == "remedy"
    assert found.chosen.better
    assert found.chosen.gain == max(one.gain for one in found.tried if one.kind == "remedy" and one.better)
    before, after = (one.metrics["validation_loss"].mean() for one in (found.untreated, found.chosen))
    np.testing.assert_allclose(found.chosen.gain, before - after, rtol=1e-5)


def test_a_second_round_starts_from_what_the_first_chose(found):
    first = chosen_of(tuple(one for one in found.tried if one.round == 1))
    second = [one.name for one in found.tried if one.round == 2 and one.kind == "remedy"]
    if first.difficulty in (Difficulty.HEALTHY, Difficulty.UNKNOWN):
        assert not second
    else:
        assert second
        assert all(name.startswith(f"{first.name} + ") for name in second)


def test_the_table_and_the_words_have_every_row(found):
    columns = found.columns
    assert columns["what"].tolist() == [one.name for one in found.tried]
    assert columns["steps"].tolist() == len(found.tried) * [80]
    assert {"gain", "error", "better", "verdict", "validation_loss", "validation_loss_std"} <= {*columns}
    assert found.table()["what"].tolist() == columns["what"].tolist()
    text = str(found)
    assert text.startswith("SLOW: it ended at step 40 without having learned, and all its steps together made ")
    assert all(one.name in text for one in found.tried)
    assert f"Go on with: {found.chosen.name}" in text


def test_a_trial_of_a_sweep_is_treated_with_remedies_by_name():
    opts = ch5jax.grid(ch5jax.sgd, learning_rate=[1e-4, 0.1])
    result = ch5jax.sweep(supervised(), opts, steps=40, key=KEY)
    remedies = ["rate × 100 + standardised inputs", "weights drawn anew"]
    found = ch5jax.treat(result.trial(0), seeds=[5, 9], remedies=remedies)
    assert [one.name for one in found.tried if one.kind == "remedy"] == remedies
    np.testing.assert_allclose(found.diagnosis.metrics["loss"], result.columns["loss"][0], rtol=1e-5)


def test_a_healthy_run_is_left_alone():
    found = ch5jax.treat(supervised(), ch5jax.adam(0.1), steps=200, key=KEY, seeds=1)
    assert found.diagnosis.main is Difficulty.HEALTHY
    assert [one.kind for one in found.tried] == ["untreated"]
    assert found.chosen is found.untreated
    assert found.random is None
    assert "as it was" in str(found)


def test_a_task_that_cannot_be_changed_is_treated_by_its_rate_alone():
    task = ch5jax.tasks.surface(ch5jax.problems.quadratic(10.0), start=[1.0, 1.0])
    found = ch5jax.treat(task, ch5jax.sgd(1e-5), steps=40, key=KEY, seeds=1)
    assert {one.name for one in found.tried if one.kind == "remedy"} == {"Adam at 0.01", "rate × 100", "Adam at 0.003"}


def test_what_overfits_is_stopped_where_its_evaluation_was_best():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 8)).astype(np.float32), rng.integers(0, 2, 60)
    task = supervised(ch5jax.networks.mlp((8, 16, 2)), x, y, objective="validation_loss")
    opt, remedies = ch5jax.adam(0.01), ["early stopping", "early stopping + weight decay"]
    found = ch5jax.treat(task, opt, steps=100, key=KEY, seeds=2, remedies=remedies)
    assert found.diagnosis.main is Difficulty.OVERFITTING
    run = ch5jax.train(task, opt, KEY, 100, record_every=5, evaluate_every=5, signals_every=0)
    due = 5 * (1 + int(np.argmin(run.evaluations["validation_loss"])))
    early = [one for one in found.tried if one.name.startswith("early")]
    assert [one.name for one in early] == remedies
    assert {one.steps for one in early} == {due}
    assert due < 100
    again = ch5jax.train(task, opt, jax.random.fold_in(KEY, 1), due, signals_every=0)
    now = early[0].metrics["validation_loss"]
    np.testing.assert_allclose(now[1], again.evaluations["validation_loss"][-1], rtol=1e-4)
    assert early[0].better
    assert dict(zip(found.columns["what"], found.columns["steps"], strict=True))["early stopping"] == 2 * due
    assert f", after {due} steps. It gained" in str(found)


def test_a_treatment_that_was_stopped_goes_on_and_says_the_same(tmp_path):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 8)).astype(np.float32), rng.integers(0, 2, 60)
    task = supervised(ch5jax.networks.mlp((8, 16, 2)), x, y, objective="validation_loss")
    seen = []

    def treat(stop_at=None, **options):
        def progress(now):
            seen.append((now.trials_done, now.trials))
            if stop_at is not None and len(seen) > stop_at:
                raise StoppedError

        given = {"steps": 40, "key": KEY, "seeds": 2, "progress": progress}
        return ch5jax.treat(task, ch5jax.adam(0.01), remedies=["early stopping", "rate ÷ 10"], **given, **options)

    whole = treat()
    folder, count = tmp_path / "store", len(seen)
    seen.clear()
    with pytest.raises(StoppedError):
        treat(stop_at=count // 2, store=folder)
    assert str(treat(store=folder)) == str(whole)
    steps = {one.steps or 40 for one in whole.tried}
    assert {path.name for path in folder.iterdir()} == {f"round1-{n}steps" for n in steps}
    seen.clear()
    again = treat(store=folder)
    assert str(again) == str(whole)
    assert all(done == of for done, of in seen)  # nothing was trained


class StoppedError(Exception):
    pass


def scored(name, values, kind="remedy"):
    return Tried(name, kind, 1, None, {}, {"loss": np.array(values, float)}, ("slow",) * len(values))


def test_a_gain_is_seed_by_seed_and_counts_beyond_its_error():
    tried = [scored(AS_IT_WAS, [1.0, 3.0], "untreated"), scored("sure", [0.5, 2.5]), scored("by chance", [1.5, 0.0])]
    tried = compared((*tried, scored("worse", [2.0, 4.0])), "loss", maximize=False)
    assert [round(one.gain, 3) for one in tried] == [0.0, 0.5, 1.25, -1.0]
    assert tried[1].error == 0
    assert [one.better for one in tried] == [False, True, False, False]
    assert chosen_of(tried).name == "sure"
    assert [round(one.gain, 3) for one in compared(tried, "loss", maximize=True)] == [0.0, -0.5, -1.25, 1.0]


def test_what_is_lost_counts_as_the_worst_that_was_seen():
    tried = (
        scored(AS_IT_WAS, [np.nan, np.inf], "untreated"),
        scored("found", [2.0, 1.0]),
        scored("lost", [np.inf, 3.0]),
    )
    tried = compared(tried, "loss", maximize=False)
    assert [one.gain for one in tried] == [0.0, 1.5, 0.0]
    assert chosen_of(tried).name == "found"
    one_of_three = (scored(AS_IT_WAS, [1e30, 2.0, 2.0], "untreated"), scored("found", [1.0, 1.0, 2.0]))
    assert compared(one_of_three, "loss", maximize=False)[1].better  # though the error is as large as the gain
    assert not compared(one_of_three, "loss", maximize=True)[1].better
    one_seed_worse = (scored(AS_IT_WAS, [1e30, 2.0, 2.0], "untreated"), scored("found", [1.0, 1.0, 2.5]))
    assert not compared(one_seed_worse, "loss", maximize=False)[1].better
    nothing = compared((scored(AS_IT_WAS, [np.nan], "untreated"), scored("lost too", [np.inf])), "loss", maximize=True)
    assert chosen_of(nothing).name == AS_IT_WAS


def test_where_nothing_is_better_the_words_say_so():
    tried = compared((scored(AS_IT_WAS, [1.0], "untreated"), scored("no help", [1.0])), "loss", maximize=False)
    assert "No remedy was better" in str(Treatment("SLOW: it was.\nMore.", tried, "loss", 10))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "digits"}, "task must be a ch5jax.Task, or a trial"),
        ({"key": None}, "key must be given"),
        ({"remedies": ["magic"]}, "remedies must be among .*got 'magic'"),
        ({"remedies": ["rate × 10 + magic"]}, "got 'magic'"),
        ({"remedies": "rate × 10"}, "remedies must be a list of names"),
        ({"remedies": []}, "remedies must be a list of names"),
        ({"tries": 0}, "tries"),
        ({"rounds": 0}, "rounds"),
        ({"seeds": 0}, "seeds"),
        ({"steps": 0}, "steps"),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(arguments, message, monkeypatch):
    def trained(*_, **__):
        raise AssertionError("trained")

    monkeypatch.setattr("ch5jax.treatment._treat.diagnose", trained)
    given = {"task": supervised(), "hyperparameters": SLOW, "steps": 10, "key": KEY, **arguments}
    with pytest.raises(ValueError, match=message):
        ch5jax.treat(given.pop("task"), given.pop("hyperparameters"), **given)
