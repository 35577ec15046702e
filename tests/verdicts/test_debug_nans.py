"""Who debugs NaN (JAX_DEBUG_NANS) is stopped by his own, and by nothing that is merely not known."""

import threading
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax.diagnostics import nan_is_data, recorder, watch_init, watch_reset, watch_update
from ch5jax.verdicts import judge

pytestmark = [pytest.mark.smoke, pytest.mark.usefixtures("module_compiled_quickly", "debug_nans")]

TASK = ch5jax.tasks.surface(ch5jax.problems.rosenbrock())
RATES = ch5jax.grid(ch5jax.sgd, learning_rate=[1e-3, 5e-4])
KEY, STEPS, EVERY = jax.random.key(0), 40, 5


@pytest.fixture
def debug_nans():
    jax.config.update("jax_debug_nans", True)
    yield
    assert jax.config.jax_debug_nans
    jax.config.update("jax_debug_nans", False)


def finite(tree):
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tree))


def test_train_stops_at_a_run_that_diverges_and_at_no_other():
    def train(rate):
        return ch5jax.train(TASK, ch5jax.sgd(rate), KEY, STEPS, signals_every=EVERY)

    assert finite(train(1e-3))
    assert finite(jax.jit(train)(1e-3))
    # in a thread of its own: in one where a context of JAX's has closed, JAX stops no program that has run before
    with ThreadPoolExecutor(1) as fresh, pytest.raises(FloatingPointError):
        fresh.submit(train, 1e3).result()


def test_judge_is_not_stopped_by_what_it_cannot_measure():
    signals, at = ch5jax.train(TASK, ch5jax.sgd(1e-3), KEY, STEPS, signals_every=EVERY).signals, np.arange(5, 41, EVERY)
    one, compiled = judge(signals, at), jax.jit(lambda signals: judge(signals, at))(signals)
    assert finite(compiled)
    for found in (one, compiled):
        assert np.isnan(found.strength).tolist() == np.isnan(one.strength).tolist()
        assert np.isnan(found.of(ch5jax.diagnostics.Difficulty.DIVERGED).strength)
    assert not np.isnan(one.strength).all()


def test_diagnose_is_not_stopped_inside_programs_of_others():
    def diagnose(opt):
        return ch5jax.diagnose(TASK, opt, steps=STEPS, key=KEY, iterations=0)

    program = jax.jit(jax.vmap(diagnose))
    for _ in range(2):  # JAX looks at a program's first outputs and at later ones in different places
        found = program(RATES)
    assert finite(found.masked)
    one = jax.tree.map(lambda leaf: leaf[1], found)
    assert np.isnan(one.continuations.gain[-1])  # downhill, for which there are no curvatures
    assert np.isfinite(one.continuations.gain[:-1]).all()
    assert "downhill" not in str(one)
    assert "as before" in str(one)


def test_what_a_sweep_keeps_of_healthy_trials_is_finite(tmp_path):
    found = ch5jax.sweep(TASK, {"trials": RATES}, steps=STEPS, key=KEY, keep_states=True, store=tmp_path)
    assert finite(found.curves["trials"].signals)
    files = [np.load(file) for file in tmp_path.glob("*-end.npz")]
    assert files
    assert all(finite(file[name]) for file in files for name in file.files if "carried" in name)
    assert str(ch5jax.verdicts.judge_history(found.curves["trials"].metrics["loss"][0]))


def test_a_loop_of_ones_own_is_not_stopped():
    watch, params = watch_init(), {"kernel": jnp.ones((2, 2))}
    state = recorder().init(params)
    assert np.isnan(watch.first_loss)
    for loss in (3.0, 2.0):
        watch = watch_update(watch, loss, size=0.0)
        _, state = recorder().update(params, state)
    assert float(watch.mean_loss) == 2.5
    assert np.isnan(watch_reset(watch).mean_loss)
    assert finite((watch_reset(watch), state))


def test_ones_own_nan_stops_after_a_sweep_as_before():
    """JAX's context managers leave the check of programs that have run before off, in their thread and for good."""
    root = jax.jit(jnp.sqrt)

    def in_this_thread():  # JAX has such a context in itself, for where it looks for a NaN that it has met
        root(1.0)
        with nan_is_data(), nan_is_data():
            assert np.isnan(root(-1.0))
        with pytest.raises(FloatingPointError):
            root(-1.0)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(in_this_thread).result()


def test_threads_that_end_in_another_order_leave_the_flag_as_it_was():
    first, second = nan_is_data(), nan_is_data()
    first.__enter__()
    other = threading.Thread(target=second.__enter__)
    other.start()
    other.join()
    first.__exit__(None, None, None)
    assert not jax.config.jax_debug_nans
    second.__exit__(None, None, None)
    assert jax.config.jax_debug_nans


def test_a_flag_that_one_thread_has_on_by_a_context_manager_stays_that_threads():
    jax.config.update("jax_debug_nans", False)
    with jax.debug_nans(True):
        with nan_is_data():
            assert not jax.config.jax_debug_nans
        assert jax.config.jax_debug_nans
    assert not jax.config.jax_debug_nans
    jax.config.update("jax_debug_nans", True)
