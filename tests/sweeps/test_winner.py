"""The winner in the user's hands: parameters, state, predictions; a store and a pickle without the task."""

import pickle

import cloudpickle
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax.sweeps import StoreError
from tests.sweeps.small import KEY, TASK, assert_same_bits, batches, run

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "sweep"
    return run(store=folder), folder


@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_trials_state_is_that_of_a_training_of_as_many_steps(stored, keep):
    result, _ = stored
    worse = [i for i in range(len(result)) if result.columns["best_step"][i] < 30]
    trial = result.trial(worse[0] if keep == "best" else 3, keep)
    assert trial.steps == (result.columns["best_step"][worse[0]] if keep == "best" else 30)
    due = ch5jax.train(TASK, trial.hyperparameters, trial.key, trial.steps, signals_every=0).state
    for one, other in zip(jax.tree.leaves(trial.state), jax.tree.leaves(due), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-5)
    for one, other in zip(jax.tree.leaves(trial.params), jax.tree.leaves(TASK.params(trial.state)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_best_trial_is_the_first_of_the_ranking_or_had_the_best_evaluation(stored):
    result, _ = stored
    assert result.best().number == result.ranking()[0]
    best = result.best(keep="best")
    values = result.columns["best_validation_accuracy"]
    assert values[best.number] == values.max()
    accuracy = TASK.evaluate(best.hyperparameters, best.state)["validation_accuracy"]
    np.testing.assert_allclose(accuracy, values.max(), rtol=1e-6)


def test_predictions_are_the_networks_outputs(stored):
    result, _ = stored
    images = np.random.default_rng(0).random((5, 64), np.float32)
    trial = result.best()
    due = ch5jax.networks.mlp((64, 8, 10)).apply(trial.params, images)
    np.testing.assert_allclose(result.predict(trial.number, images), due, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(trial.predict(images), result.predict(trial.number, images))


def test_a_store_opens_without_its_task(stored):
    result, folder = stored
    opened = ch5jax.open(folder)
    assert_same_bits(opened, result)
    for name in ("hyperparameters", "objective", "maximize", "steps", "width", "groups"):
        assert getattr(opened, name) == getattr(result, name)
    for group in result.groups:
        jax.tree.map(np.testing.assert_array_equal, opened.curves[group].signals, result.curves[group].signals)
        assert opened.curves[group].signal_columns().keys() == result.curves[group].signal_columns().keys()
    assert [str(opened.diagnosis(i)) for i in (0, 20)] == [str(result.diagnosis(i)) for i in (0, 20)]
    for ask in (lambda: opened.trial(0), opened.best, lambda: opened.rerun(0), lambda: opened.predict(0, np.ones(64))):
        with pytest.raises(ValueError, match="the trial's task must be at hand"):
            ask()


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
def test_a_result_pickles(stored, pickler):
    result, _ = stored
    back = pickle.loads(pickler.dumps(result))
    assert_same_bits(back, result)
    assert str(back.diagnosis(5)) == str(result.diagnosis(5))
    np.testing.assert_array_equal(back.ranking(), result.ranking())
    with pytest.raises(ValueError, match="opened or unpickled"):
        back.best()
    result.best()  # the first one is as it was


def test_a_sweep_without_signals_opens_too(tmp_path):
    result = run(ch5jax.grid(ch5jax.sgd, learning_rate=[0.1]), store=tmp_path, signals_every=0, steps=10)
    assert_same_bits(ch5jax.open(tmp_path), result)
    with pytest.raises(ValueError, match="took none"):
        ch5jax.open(tmp_path).diagnosis(0)


def test_what_is_no_finished_sweep_does_not_open(tmp_path, stored):
    with pytest.raises(StoreError, match=r"must be the folder of a sweep, but .*manifest.json is missing"):
        ch5jax.open(tmp_path)
    assert not any(tmp_path.iterdir())
    run(batches(), store=tmp_path / "half", steps=10)
    (tmp_path / "half" / "group001-chunk000001.npz").write_bytes(b"x")
    with pytest.raises(StoreError, match=r"group001-chunk000001.npz is damaged"):
        ch5jax.open(tmp_path / "half")
    (tmp_path / "half" / "group001-chunk000001.npz").unlink()
    with pytest.raises(StoreError, match="must hold a finished sweep, and 1 of its 8 chunks are missing"):
        ch5jax.open(tmp_path / "half")
    (tmp_path / "half" / "group001.npz").unlink()
    with pytest.raises(StoreError, match="had hardly begun: the same sweep goes on there"):
        ch5jax.open(tmp_path / "half")
    (tmp_path / "half" / "manifest.json").write_text("[]")
    with pytest.raises(StoreError, match=r"manifest.json is damaged"):
        ch5jax.open(tmp_path / "half")


def test_what_is_refused(stored):
    result, _ = stored
    with pytest.raises(ValueError, match="keep must be 'last' or 'best', got 'first'"):
        result.trial(0, "first")
    with pytest.raises(ValueError, match=r"trial must be an integer from 0 to 27, got 28"):
        result.trial(28)
    with pytest.raises(ValueError, match="steps must be from 1 to the sweep's 30, got 31"):
        result.rerun(0, 31)
    problem = ch5jax.tasks.surface(ch5jax.problems.beale())
    plain = ch5jax.sweep(problem, ch5jax.grid(ch5jax.sgd, learning_rate=[0.01]), steps=2, key=KEY, signals_every=0)
    with pytest.raises(ValueError, match="predict needs a task that has it"):
        plain.predict(0, np.ones(2))
    whole = ch5jax.tasks.whole(lambda key, rate: {"validation_loss": rate})
    with pytest.raises(ValueError, match="params must be known to the task"):
        _ = ch5jax.sweep(whole, jax.numpy.ones(1), key=KEY).best().params


def test_an_evaluation_after_a_divergence_is_nobodys_best():
    def step(key, index, rate, w):
        w = jnp.where(index * rate >= 4, jnp.nan, w + 1)
        return w, {"loss": w}

    task = ch5jax.Task(
        lambda key, rate: jnp.zeros(()),
        step,
        lambda rate, w: {"accuracy": jnp.where(jnp.isfinite(w), 0.1 * w, 0.99)},  # as argmax of NaN has one
        objective="accuracy",
        maximize=True,
    )
    result = ch5jax.sweep(task, jnp.array([0.1, 1.0, 8.0]), steps=8, evaluate_every=1, key=KEY, signals_every=0)
    assert result.columns["diverged_at"].tolist() == [-1, 4, 1]
    np.testing.assert_allclose(result.columns["best_accuracy"], [0.8, 0.4, 0.1])
    assert result.best("best").number == 0
    assert result.trial(1, "best").steps == 4
    late = ch5jax.sweep(task, jnp.array([8.0, 0.1]), steps=8, evaluate_every=8, key=KEY, signals_every=0)
    assert np.isnan(late.columns["best_accuracy"][0])
    assert late.best("best").number == 1


def test_a_trial_does_not_pickle_and_says_what_does(stored):
    with pytest.raises(ValueError, match=r"which no file can hold: ch5jax\.save its params"):
        pickle.dumps(stored[0].best())
    with pytest.raises(ValueError, match=r"trial must be an integer from 0 to 27, got 0\.7"):
        stored[0].trial(0.7)
