"""The ways to go on from a run's last state: each is what it says, and what lowers the loss tells what held it up."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax import _keys, tasks
from ch5jax.diagnostics import Difficulty
from ch5jax.tracing import peak_bytes
from ch5jax.verdicts import Continuations, Thresholds, _continuations
from ch5jax.verdicts._continuations import BATCHES, go_on

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")

KEY = jax.random.key(4)
OWN = jax.random.split(jax.random.fold_in(KEY, _keys.AT_THE_END), BATCHES)


def descent(function, start, params=lambda state: state[0]):
    """A descent on function(w, key); the state is (parameters, optimizer's state, a count and a key of its own)."""

    def init(key, opt):
        w = jax.tree.map(jnp.asarray, start, is_leaf=lambda node: isinstance(node, list))
        return w, opt.init(w), (jnp.zeros([], jnp.int32), key)

    def step(key, index, opt, state):
        w, moments, (count, own) = state
        loss, gradient = jax.value_and_grad(function)(w, key)
        updates, moments = opt.update(gradient, moments, w)
        metrics = {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}
        return (optax.apply_updates(w, updates), moments, (count + 1, own)), metrics

    def evaluate(opt, state):
        return {"validation_loss": jnp.mean(jax.vmap(lambda key: function(state[0], key))(OWN))}

    return ch5jax.Task(init, step, evaluate, params=params, loss=lambda key, opt, state, w: function(w, key))


def bowl(w, key):
    """A bowl whose middle is elsewhere in every mini-batch."""
    middle = 1 + 0.3 * jax.random.normal(key, (3,))
    return jnp.sum(jnp.array([1.0, 3.0, 0.2]) * (w - middle) ** 2)


def gains(function, before, *ends):
    losses = np.array([[function(w, key) for w in (before, *ends)] for key in OWN])
    differences = losses[:, :1] - losses[:, 1:]
    return differences.mean(0), differences.std(0) / len(OWN) ** 0.5


@pytest.mark.parametrize("make", [ch5jax.sgd, lambda rate: ch5jax.momentum(rate, decay=0.5)])
def test_other_rates_are_those_of_the_optimizer_and_the_first_is_the_run_itself(make):
    task, steps = descent(bowl, [3.0, -1.0, 0.5]), 40
    state = ch5jax.train(task, make(0.01), KEY, steps, signals_every=0).state
    found = go_on(task, make(0.01), KEY, state, steps, jnp.array([0.0, 0.0, 1.0]))
    assert int(found.steps) == 8
    ends = []
    for rate in (0.01, 0.001, 0.1):
        w, moments, rest = jax.tree.map(jnp.array, state)
        moments = jax.tree.map(lambda m, rate=rate: m * (rate / 0.01) if m.shape == (3,) else m, moments)  # velocity
        going_on = {"state": (w, moments, rest), "start": steps, "signals_every": 0}
        ends.append(ch5jax.train(task, make(rate), KEY, 8, **going_on).state[0])
    due, error = gains(bowl, state[0], *ends)
    np.testing.assert_allclose(found.gain[:3], due, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.error[:3], error, rtol=1e-3, atol=1e-6)


def test_larger_batches_are_means_of_steps_and_adam_is_adam():
    task, opt, steps = descent(bowl, [3.0, -1.0, 0.5]), ch5jax.sgd(0.05), 200
    state = ch5jax.train(task, opt, KEY, steps, signals_every=0).state
    found = go_on(task, opt, KEY, state, steps, jnp.array([0.0, 0.0, 1.0]))
    assert int(found.steps) == 10
    slope = jax.grad(bowl)
    w, by_adam, adam = state[0], state[0], ch5jax.adam(0.01)
    moments, own = adam.init(w), jax.random.fold_in(KEY, _keys.CONTINUED)
    for index in range(steps, steps + 10):
        first = jax.random.fold_in(KEY, index)
        keys = [first, *jax.random.split(jax.random.fold_in(own, index), 7)]
        w = w - 0.05 * np.mean([slope(w, key) for key in keys], axis=0)
        updates, moments = adam.update(slope(by_adam, first), moments, by_adam)
        by_adam = by_adam + updates
    due, error = gains(bowl, state[0], w, by_adam)
    np.testing.assert_allclose(found.gain[3:5], due, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.error[3:5], error, rtol=1e-3, atol=1e-5)


def test_downhill_is_the_best_of_a_line_to_both_sides_and_never_worse_than_staying():
    def wave(w, key):
        return 2 + jnp.cos(w["x"] + 0.5) * jnp.ones(()) + w["y"] ** 2

    task, opt = descent(wave, {"x": 1.0, "y": 0.0}), ch5jax.sgd(0.0)
    state = task.init(KEY, opt)
    for sign in (1.0, -1.0):
        found = go_on(task, opt, KEY, state, 20, {"x": jnp.float32(3 * sign), "y": jnp.float32(0)})
        lengths = np.concatenate([[0.0], 4.0 ** np.arange(-6.0, 6)])
        line = np.cos(1 + 0.5 + np.concatenate([lengths, -lengths]))
        np.testing.assert_allclose(found.gain[5], np.cos(1.5) - line.min(), rtol=1e-5)
    nowhere = go_on(task, opt, KEY, state, 20, {"x": jnp.float32(0), "y": jnp.float32(1)})
    assert nowhere.gain[5] == 0
    assert np.isnan(go_on(task, opt, KEY, state, 20, None).gain[5])


def test_a_task_whose_parameters_are_made_of_its_state_has_the_other_ways():
    task = descent(lambda w, key: jnp.sum(w**2), [1.0, 2.0], params=lambda state: state[0] * 1.0)
    found = ch5jax.diagnose(task, ch5jax.sgd(0.1), steps=20, key=KEY).continuations
    assert np.isnan(found.gain).tolist() == [False, True, True, False, False, False]


def test_it_maps_over_trials_and_jits_and_half_precision_will_do():
    task, opts = descent(bowl, [3.0, -1.0, 0.5]), ch5jax.grid(ch5jax.sgd, learning_rate=[0.001, 0.05])
    together = jax.vmap(lambda opt: ch5jax.diagnose(task, opt, steps=40, key=KEY).continuations)(opts)
    for i, opt in enumerate(ch5jax.unstack(opts)):
        alone = ch5jax.diagnose(task, opt, steps=40, key=KEY).continuations
        chex.assert_trees_all_close(jax.tree.map(lambda x, i=i: x[i], together), alone, rtol=2e-4, atol=1e-5)
    half = descent(lambda w, key: jnp.sum(w.astype(jnp.float32) ** 2), np.array([1.0, 2.0], jnp.bfloat16))
    found = ch5jax.diagnose(half, ch5jax.sgd(0.01), steps=20, key=KEY).continuations
    assert (found.gain[jnp.array([0, 2, 3, 4])] > 0).all()


def test_what_would_take_too_much_memory_is_taken_one_by_one(monkeypatch):
    task, opt, downhill = descent(bowl, [3.0, -1.0, 0.5]), ch5jax.momentum(0.05), jnp.array([0.0, 0.0, 1.0])
    state = ch5jax.train(task, opt, KEY, 40, signals_every=0).state
    together = go_on(task, opt, KEY, state, 40, downhill)
    wide = descent(lambda w, key: jnp.sum(jnp.outer(w, w) ** 2), np.ones(1000, np.float32))
    start = wide.init(KEY, opt)

    def peak():
        return peak_bytes(jax.make_jaxpr(lambda state: go_on(wide, opt, KEY, state, 40, None))(start).jaxpr)

    side_by_side = peak()
    monkeypatch.setattr(_continuations, "AT_ONCE", 0)
    assert peak() < side_by_side / 4
    chex.assert_trees_all_close(go_on(task, opt, KEY, state, 40, downhill), together, rtol=1e-4, atol=1e-6)


def test_a_step_that_calls_python_back_is_taken_one_by_one():
    """Without a word on how to map it, JAX refuses to."""

    def called(w, key):
        drawn = jax.random.uniform(key)
        return jnp.sum(w**2) + 0 * jax.pure_callback(lambda x: x, jax.ShapeDtypeStruct((), jnp.float32), drawn)

    def evaluate(opt, state):
        return {"validation_loss": jnp.sum(state[0] ** 2)}

    found, plain = (
        ch5jax.diagnose(task._replace(evaluate=evaluate), ch5jax.sgd(0.01), steps=20, key=KEY, iterations=0)
        for task in (descent(called, [1.0, 2.0]), descent(lambda w, key: jnp.sum(w**2), [1.0, 2.0]))
    )
    chex.assert_trees_all_close(found.continuations, plain.continuations, rtol=1e-5)


def test_batch_norm_dropout_and_integer_parameters():
    task = tasks.digits(hidden=(8,), batch_norm=True)
    found = ch5jax.diagnose(task, ch5jax.sgd(0.1), steps=40, key=KEY).continuations
    assert np.isfinite(found.gain).all()
    counts = descent(lambda w, key: jnp.sum(w**2.0), [1.0], params=lambda state: state[2][0])
    assert ch5jax.diagnose(counts, ch5jax.sgd(0.1), steps=20, key=KEY).continuations is None


def test_they_are_asked_for_and_do_not_touch_the_run():
    task, opt = descent(bowl, [3.0, -1.0, 0.5]), ch5jax.sgd(0.05)
    found, without = (ch5jax.diagnose(task, opt, steps=40, key=KEY, continuations=on) for on in (True, False))
    assert without.continuations is None
    assert "Going on" in str(found)
    assert "Going on" not in str(without)
    chex.assert_trees_all_close(found.signals, without.signals, rtol=1e-5)
    chex.assert_trees_all_close(found.metrics, without.metrics, rtol=1e-5)


def told(task, opt, steps=200, **options):
    return ch5jax.diagnose(task, opt, steps=steps, key=KEY, signals_every=5, **options)


def test_a_two_cycle_at_twice_the_inverse_curvature_oscillates():
    """Its loss is constant: nothing else tells it."""
    task = descent(lambda w, key: jnp.sum(w**2), [1.0])
    found = told(task, ch5jax.sgd(1.0))
    assert found.main is Difficulty.OSCILLATING
    assert "steps more at a tenth of the rate lowered the loss by" in found.sentences[Difficulty.OSCILLATING]
    assert told(task, ch5jax.sgd(1.0), continuations=False).main is not Difficulty.OSCILLATING


def test_noise_is_what_larger_batches_cure():
    def noisy(w, key):
        return jnp.sum(w**2) + 10 * jnp.sum(w * jax.random.normal(key, (40,)))

    found = told(descent(noisy, np.full(40, 5.0)), ch5jax.sgd(0.3), steps=400)
    assert found.main is Difficulty.NOISE
    assert "with larger batches lowered the loss by" in str(found)
    gain = found.continuations.gain
    assert gain[3] > 0.5 * gain[1] > 0


def test_what_ten_times_the_rate_lowers_is_slow():
    """It has come more than half of the way, as fast as ever: by its course alone it counts as healthy."""
    task = descent(lambda w, key: jnp.sum(jnp.abs(w)), [10.0])
    assert told(task, ch5jax.sgd(0.03), continuations=False).main is Difficulty.HEALTHY
    found = told(task, ch5jax.sgd(0.03))
    assert found.main is Difficulty.SLOW
    assert "10 steps more at ten times the rate lowered the loss by 30 % of what there is to learn" in str(found)
    assert "(as before, 10 steps by 3 %)" in str(found)


def test_a_step_down_the_curvature_proves_a_saddle_without_a_best():
    """It rests near one, where the gradient is small but not zero."""

    def saddle(w, key):
        return 1 + w[0] ** 2 - 0.5 * w[1] ** 2 + 0.1 * w[1] ** 4

    found = told(descent(saddle, [0.3, 1e-5]), ch5jax.sgd(0.05), steps=100)
    assert found.main is Difficulty.SADDLE
    assert "a step in the direction of least curvature lowered the loss by" in str(found)
    assert found.continuations.gain[5] > 0.5


# What is told by the ways to go on, of a run whose course tells nothing: (gains in the order of `WAYS`), in a loss that
# fell from 10 to 4. A share of 0.1 of what there is to learn is 1.
FELL = np.concatenate([np.linspace(10, 4, 10), np.full(30, 4.0)])
NAN = float("nan")


def judged(gain, loss=FELL, error=0.01, curvature=(1.0, 2.0), gradient=1e-3, **options):
    probes = len(loss)
    loss = jnp.asarray(loss, jnp.float32)
    known = {"first_loss": jnp.full(probes, loss[0]), "lost_since": jnp.full(probes, -1), "alternation": loss * 0}
    noise = {"squared_norm": jnp.full(probes, gradient**2), "noise": loss * 0, "predicted_decrease": loss * 0}
    signals = ch5jax.diagnostics.Signals(mean_loss=loss, gradient_norm=jnp.full(probes, gradient), **known, **noise)
    ways = Continuations(jnp.array(gain, jnp.float32), jnp.full(6, error), jnp.int32(10))
    ends = jnp.float32(curvature[0]), jnp.float32(curvature[1]), jnp.int32(1), jnp.float32(0), jnp.float32(0)
    at_end = ch5jax.diagnostics.Curvature(*ends)
    at = jnp.arange(1, probes + 1)
    found = ch5jax.verdicts.judge(signals, at, curvature=at_end, continuations=ways, **options)
    return Difficulty(int(found.code)), float(found.strength[int(found.code)])


@pytest.mark.parametrize(
    ("gain", "verdict", "strength"),
    [
        ([0.0] * 6, "HEALTHY", None),
        ([0.2] * 5 + [0.0], "HEALTHY", None),  # under 0.025 of it
        ([0.9] * 5 + [0.0], "UNKNOWN", None),  # over that, and under 0.1
        ([NAN] * 6, "HEALTHY", None),  # not tried
        ([1.2, 0.1, 0.1, 0.1, 0.1, 0], "SLOW", 0.12),  # as before
        ([0.1, 0.0, 1.6, 0.1, -9, 0], "SLOW", 0.16),
        ([0.1, 0.0, -9, 0.1, 2.0, 0], "SLOW", 0.2),  # Adam alone
        ([0.0, 1.6, -9, 0.0, -9, 0], "OSCILLATING", 0.16),
        ([0.0, 1.6, -9, 0.6, -9, 0], "OSCILLATING", 0.16),
        ([0.0, 1.6, -9, 1.2, -9, 0], "NOISE", 0.12),
        ([0.0, 0.2, -9, 1.2, -9, 0], "NOISE", 0.12),
        ([1.2, 1.6, 0.1, 1.6, -9, 0], "SLOW", 0.12),  # what steps as before lower is no noise
        ([0.0, 1.6, 1.8, 0.0, -9, 0], "SLOW", 0.18),  # any other rate will do
        ([0.0, 0.0, 0.0, 0.0, 0.0, 2.0], "UNKNOWN", None),  # a line that does not curve down
        ([NAN, NAN, NAN, 1.4, NAN, NAN], "NOISE", 0.14),
    ],
)
def test_what_lowers_the_loss_tells_what_held_it_up(gain, verdict, strength):
    found, how_much = judged(gain)
    assert found.name == verdict
    if strength is not None:
        assert how_much == pytest.approx(strength, rel=1e-4)


def test_a_gain_is_one_beyond_its_error():
    gain = [0.0, 1.6, -9, 0.0, -9, 0]
    assert judged(gain, error=0.6)[0] is Difficulty.HEALTHY
    assert judged(gain, error=0.6, thresholds=Thresholds(errors=2.0))[0] is Difficulty.OSCILLATING
    assert judged([g / 10 for g in gain])[0] is Difficulty.HEALTHY
    assert judged([g / 10 for g in gain], thresholds=Thresholds(idle=0.01))[0] is Difficulty.UNKNOWN
    assert judged([g / 10 for g in gain], thresholds=Thresholds(gain=0.01))[0] is Difficulty.OSCILLATING


def test_what_came_far_and_could_come_further_is_unknown_and_says_by_what():
    """Straight down to under half, where it stops: a tenth of the rate would lower it by 5 % of what there was."""
    task = descent(lambda w, key: jnp.sum(jnp.abs(w)) + 4, [6.4])
    found = told(task, ch5jax.sgd(1.0), thresholds=Thresholds(alternation=2.0))
    assert found.main is Difficulty.UNKNOWN
    assert "steps more at a tenth of the rate lowered the loss by" in str(found)
    assert "not as far as it could" in str(found)


def test_a_saddle_is_proven_by_curvature_that_no_gradient_explains():
    gain = [0.0] * 5 + [2.0]
    assert judged(gain, curvature=(-1.0, 2.0))[0] is Difficulty.SADDLE
    assert judged(gain, curvature=(-1.0, 2.0), gradient=1.0)[0] is Difficulty.UNKNOWN  # it goes down a slope
    assert judged(gain, curvature=(-0.001, 2.0))[0] is Difficulty.UNKNOWN


def test_what_has_not_learned_is_slow_by_how_much_more_ten_times_the_rate_lowers():
    stalled = np.full(40, 10.0)
    few = [1e-3, 1e-4, 9e-3, 1e-3, 0, 0]
    assert judged(few, stalled, error=1e-4)[0] is Difficulty.SLOW
    assert judged([1e-3, 1e-4, 2e-3, 1e-3, 0, 0], stalled, error=1e-4)[0] is Difficulty.UNKNOWN
    assert judged(few, stalled, error=1e-2)[0] is Difficulty.UNKNOWN
    assert judged(few, error=1e-4)[0] is Difficulty.HEALTHY  # of one that has learned


def test_a_loss_below_zero_without_a_best_is_unknown():
    assert judged([0.0] * 6, FELL - 5)[0] is Difficulty.UNKNOWN
    assert judged([0.0] * 6, FELL - 5, best=-1.0)[0] is Difficulty.HEALTHY
    found = ch5jax.verdicts.judge_history(np.linspace(3, -2, 50) - np.linspace(0, 1, 50) ** 2)
    assert found.main is Difficulty.UNKNOWN
    assert "the loss is below 0" in str(found)


def test_a_layer_that_is_flat_altogether_has_learned_nothing_if_nothing_measures_it():
    """A loss that came from 3,500 to a constant's 1,500 is under half of what it was; so it is with a live network."""
    loss = jnp.asarray(np.concatenate([np.linspace(3500, 1500, 10), np.full(30, 1500.0)]), jnp.float32)
    rest = {"first_loss": jnp.full(40, loss[0]), "lost_since": jnp.full(40, -1)}

    def of(flat, **known):
        signals = ch5jax.diagnostics.Signals(mean_loss=loss, flat_units=jnp.full((40, 1), flat), **rest)
        return Difficulty(int(ch5jax.verdicts.judge(signals, jnp.arange(1, 41), **known).code))

    assert of(1.0) is Difficulty.SATURATED
    assert of(0.9) is Difficulty.HEALTHY
    assert of(1.0, baseline=5000.0) is Difficulty.HEALTHY
    assert of(1.0, best=1499.0) is Difficulty.HEALTHY


def test_a_lost_run_gains_by_nothing():
    found = told(descent(lambda w, key: jnp.sum(w**4), [3.0]), ch5jax.sgd(10.0))
    assert found.main is Difficulty.DIVERGED
    assert not (np.asarray(found.continuations.gain) > 0).any()
    assert "Going on" not in str(found)
