"""The signals of a sweep: per trial, at their spacing, in the store, whatever the segments."""

import jax
import numpy as np
import pytest

import ch5jax
from tests.sweeps import small


@pytest.fixture(scope="module")
def result():
    return small.run(signals_every=7)


def test_every_trial_has_the_signals_that_train_takes(result):
    for number in (0, 5, 20):
        trial = result.trial(number)
        curves = result.curves[result.columns["group"][number]]
        assert curves.probed_at.tolist() == [7, 14, 21, 28, 30]
        row = number % 14
        run = ch5jax.train(small.TASK, trial.hyperparameters, trial.key, 30, signals_every=7)
        for name, due in run.signals._asdict().items():
            got = getattr(curves.signals, name)[row]
            np.testing.assert_allclose(got, due, rtol=2e-3, atol=1e-5, err_msg=name)


def test_a_rerun_has_the_same_signals_to_the_bit(result):
    again = result.rerun(5).signals
    curves = result.curves["sgd"]
    for name, values in again._asdict().items():
        np.testing.assert_array_equal(values, getattr(curves.signals, name)[5], err_msg=name)


def test_signals_are_kept_in_the_store_and_found_again(result, tmp_path):
    for _ in range(2):
        stored = small.run(signals_every=7, store=tmp_path / "store")
        for group in result.groups:
            for name, values in stored.curves[group].signals._asdict().items():
                np.testing.assert_array_equal(values, getattr(result.curves[group].signals, name), err_msg=name)
    with pytest.raises(ch5jax.sweeps.StoreError, match="signals_every"):
        small.run(signals_every=8, store=tmp_path / "store")


def test_signals_change_no_bit_of_the_training_and_can_be_left_out(result):
    without = small.run(signals_every=0)
    assert without.curves["sgd"].signals is None
    assert without.curves["sgd"].probed_at.shape == (0,)
    assert without.rerun(3).signals is None
    for name in ("validation_loss", "test_accuracy", "loss"):
        np.testing.assert_allclose(without.columns[name], result.columns[name], rtol=1e-4, err_msg=name)


def test_a_task_without_a_loss_function_gets_what_metrics_allow():
    def step(key, index, rate, state):
        return state * rate, {"loss": state**2, "gradient_norm": 2 * abs(state)}

    task = ch5jax.Task(lambda key, rate: jax.numpy.ones(()), step, lambda rate, state: {"validation_loss": state**2})
    result = ch5jax.sweep(task, np.array([0.5, -0.9]), steps=40, key=small.KEY, signals_every=20)
    signals = result.curves["trials"].signals
    assert signals.noise is None
    np.testing.assert_allclose(signals.alternation, np.zeros((2, 2)))
    assert (signals.spike <= 1).all()


def test_signals_have_a_column_for_each_layer_and_matrix(result):
    columns = result.curves["adam"].signal_columns()
    signals = result.curves["adam"].signals
    np.testing.assert_array_equal(columns["signals.noise"], signals.noise)
    np.testing.assert_array_equal(columns["signals.update_ratio[1].kernel"], signals.update_ratio[:, :, 1])
    np.testing.assert_array_equal(columns["signals.flat_units[0].kernel"], signals.flat_units[:, :, 0])
    assert len(columns) == 11 + 4 * 2 - 1  # eleven numbers, three lists of two (layers, matrices) and one of one


@pytest.fixture(params=["jax_debug_nans", "jax_debug_infs"])
def debugging(request):
    before = getattr(jax.config, request.param)
    jax.config.update(request.param, True)
    yield
    assert getattr(jax.config, request.param)
    jax.config.update(request.param, before)


def test_debugging_of_nan_stops_no_sweep_a_trial_that_diverges_is_a_row(debugging):
    rates = ch5jax.grid(ch5jax.sgd, learning_rate=[1e-3, 1e3])
    task = ch5jax.tasks.surface(ch5jax.problems.rosenbrock())
    found = ch5jax.sweep(task, rates, steps=8, key=jax.random.key(0))
    loss = found.rerun(1).metrics["loss"]
    assert (found.columns["diverged_at"] >= 0).tolist() == [False, True]
    assert not np.isfinite(loss[-1])


def test_debugging_of_nan_stops_nothing_that_takes_signals_of_a_healthy_run(debugging):
    task = ch5jax.tasks.surface(ch5jax.problems.rosenbrock())
    run = ch5jax.train(task, ch5jax.sgd(1e-3), jax.random.key(0), 40)
    assert np.isfinite(run.metrics["loss"]).all()
    assert str(ch5jax.diagnose(task, ch5jax.sgd(1e-3), steps=40, key=jax.random.key(0)))
    assert str(ch5jax.verdicts.judge_history(run.metrics["loss"], run.metrics["gradient_norm"]))
    if jax.config.jax_debug_nans:
        with pytest.raises(FloatingPointError):  # without signals it is the user's own NaN
            ch5jax.train(task, ch5jax.sgd(1e3), jax.random.key(0), 40, signals_every=0)
