"""The signals that a training takes on its way: against a loop by hand, and without touching the training."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax import diagnostics
from ch5jax.networks import mlp
from ch5jax.tasks import supervised
from ch5jax.tasks._examples import split
from tests.tapping.networks import site_gradients

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(5)
ROWS = np.random.default_rng(0).normal(size=(40, 3))
PARTS = split(ROWS, np.eye(2)[(ROWS[:, 0] > 0).astype(int)], KEY)


def task_of(**network):
    net = mlp((3, 5, 2), jnp.tanh, **network)
    return supervised(net, *PARTS, loss="cross_entropy", batch_size=8)


TASK = task_of()
OPT = ch5jax.momentum(0.3, 0.5)


def by_hand(task, opt, steps, probed_at):
    """Signals at some steps, from the task's own functions and the documented keys, in plain Python."""
    fold = jax.random.fold_in
    state = task.init(fold(KEY, np.uint32(2**32 - 1)), opt)
    start, seen, losses = task.params(state), [], []
    for index in range(steps):
        params = task.params(state)
        this, other = fold(KEY, index), fold(fold(KEY, np.uint32(2**32 - 3)), index)
        state, metrics = task.step(this, index, opt, state)
        losses.append(metrics["loss"])
        if index + 1 in probed_at:
            g = jax.grad(task.loss, 3)(this, opt, state, params)
            sites = site_gradients(lambda w, this=this, state=state: task.loss(this, opt, state, w), params)
            h = jax.grad(task.loss, 3)(other, opt, state, params)
            flat = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in (g, h)]
            step = np.concatenate(
                [
                    np.ravel(new - old)
                    for new, old in zip(jax.tree.leaves(task.params(state)), jax.tree.leaves(params), strict=True)
                ]
            )
            moved = [np.concatenate([np.ravel(x) for x in jax.tree.leaves(t)]) for t in (task.params(state), start)]
            seen.append(
                {
                    "gradient_norm": np.linalg.norm(flat[0]),
                    "noise": ((flat[0] - flat[1]) ** 2).sum() / 2,
                    "squared_norm": flat[0] @ flat[1],
                    "update_ratio": [
                        np.linalg.norm(new.kernel - old.kernel) / np.linalg.norm(old.kernel)
                        for new, old in zip(task.params(state), params, strict=True)
                    ],
                    "duplicate_units": np.zeros(2),
                    "distance": np.linalg.norm(moved[0] - moved[1]) / np.linalg.norm(moved[1]),
                    "layer_gradient_norms": [np.linalg.norm(site.z) for site in sites],
                    "flat_units": diagnostics.flat_units(sites),
                    "update_norm": np.linalg.norm(step),
                    "predicted_decrease": -flat[1] @ step,
                    "mean_loss": np.mean(losses[probed_at[len(seen) - 1] if seen else 0 :]),
                    "first_loss": losses[0],
                    "lost_since": -1,
                    "alternation": diagnostics.alternation(jnp.array(losses)),
                    "spike": 1.0,
                }
            )
    return {name: np.array([row[name] for row in seen]) for name in seen[0]}


@pytest.mark.smoke
def test_signals_are_those_of_a_loop_by_hand(x64):
    run = ch5jax.train(TASK, OPT, KEY, 7, signals_every=3)
    expected = by_hand(TASK, OPT, 7, ch5jax.recorded_steps(7, 3))
    for name, value in run.signals._asdict().items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
    probed = run.metrics["gradient_norm"][np.array([2, 5, 6])]
    np.testing.assert_allclose(run.signals.gradient_norm, probed, rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"record_every": 4}, {"record_every": 2, "evaluate_every": 6}])
def test_signals_do_not_touch_the_training_whatever_the_other_spacings(options, x64):
    """In double precision: how a compiler rounds is not promised, and float32 differed by 2e-6 on JAX 0.10.2."""
    run = ch5jax.train(TASK, OPT, KEY, 13, signals_every=5, **options)
    plain = ch5jax.train(TASK, OPT, KEY, 13, signals_every=0, **options)
    assert plain.signals is None
    chex.assert_trees_all_close(run._replace(signals=None), plain, rtol=1e-13, atol=1e-15)
    assert run.signals.distance.shape == (3,)
    assert run.signals.layer_gradient_norms.shape == (3, 2)


def test_by_default_a_run_is_probed_fifty_times_or_every_25_steps_but_eight_times_if_it_can():
    for steps, probes in ((5, 5), (100, 9), (200, 8), (1000, 40), (100_000, 50)):
        run = jax.eval_shape(lambda opt, steps=steps: ch5jax.train(TASK, opt, KEY, steps), OPT)
        assert run.signals.noise.shape == (probes,)


def test_over_a_batch_of_optimizers_a_probe_is_a_branch_and_equals_the_loop():
    opts = ch5jax.grid(ch5jax.momentum, learning_rate=[0.01, 0.1, 1.0])

    @jax.jit
    def together(opts):
        return jax.vmap(lambda opt: ch5jax.train(TASK, opt, KEY, 6, signals_every=4).signals)(opts)

    text = together.lower(opts).as_text()
    assert "stablehlo.case" in text
    many = together(opts)
    for i, opt in enumerate(ch5jax.unstack(opts)):
        one = ch5jax.train(TASK, opt, KEY, 6, signals_every=4).signals
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, i=i: leaf[i], many), one, rtol=1e-4, atol=1e-6)


def test_hypergradients_pass_signals_by():
    def final(opt, signals_every):
        return ch5jax.train(TASK, opt, KEY, 4, signals_every=signals_every).evaluations["validation_loss"][-1]

    slope, plain = (jax.grad(final)(OPT, every) for every in (2, 0))
    chex.assert_trees_all_close(slope, plain, rtol=1e-5)
    assert np.isfinite(slope.learning_rate)


def bare(**changes):
    """A task of one number, whose metrics are scripted."""

    def step(key, index, opt, state):
        return state, {"loss": jnp.where(index % 2 == 0, 1.0, 2.0), "gradient_norm": jnp.where(index == 30, 50.0, 1.0)}

    return ch5jax.Task(lambda key, opt: jnp.ones(()), step, lambda opt, state: {"validation_loss": state})._replace(
        **changes
    )


def test_a_task_without_params_and_loss_gets_what_metrics_allow():
    signals = ch5jax.train(bare(), OPT, KEY, 60, signals_every=20).signals
    of_metrics = ["spike", "alternation", "mean_loss", "first_loss", "lost_since"]
    assert [name for name, value in signals._asdict().items() if value is not None] == of_metrics
    np.testing.assert_allclose(signals.spike[:2], [1, 50])  # the largest since the probe before
    assert signals.spike[2] < 1  # what comes after is measured against it, too
    np.testing.assert_allclose(signals.alternation, [1, 1, 1])
    counting = bare(params=lambda state: jnp.arange(3), loss=lambda key, opt, state, w: jnp.sum(w))
    assert ch5jax.train(counting, OPT, KEY, 60, signals_every=20).signals.gradient_norm is None
    nameless = bare(step=lambda key, index, opt, state: (state, {"regret": state}))
    assert all(value is None for value in ch5jax.train(nameless, OPT, KEY, 60, signals_every=20).signals)


def test_a_task_without_layers_has_no_signal_over_depth_and_one_without_matrices_no_ratio():
    def step(key, index, opt, state):
        w, opt_state = state
        loss, g = jax.value_and_grad(lambda w: jnp.sum(w**2))(w)
        updates, opt_state = opt.update(g, opt_state, w)
        return (optax.apply_updates(w, updates), opt_state), {"loss": loss}

    task = bare(
        init=lambda key, opt: (jnp.ones(2), opt.init(jnp.ones(2))),
        step=step,
        evaluate=lambda opt, state: {"validation_loss": jnp.sum(state[0])},
        params=lambda state: state[0],
        loss=lambda key, opt, state, w: jnp.sum(w**2),
    )
    signals = ch5jax.train(task, ch5jax.sgd(0.1), KEY, 4, signals_every=2).signals
    missing = {name for name, value in signals._asdict().items() if value is None}
    assert missing == {"spike", "update_ratio", "duplicate_units", "layer_gradient_norms", "flat_units"}
    np.testing.assert_allclose(signals.distance, [1 - 0.8**2, 1 - 0.8**4], rtol=1e-6)
    np.testing.assert_allclose(signals.noise, [0, 0], atol=1e-6)
    np.testing.assert_allclose(signals.squared_norm, [8 * 0.8**2, 8 * 0.8**6], rtol=1e-5)


def test_going_on_probes_steps_counted_from_where_it_goes_on():
    state = ch5jax.train(TASK, OPT, KEY, 5, signals_every=0).state
    run = ch5jax.train(TASK, OPT, KEY, 7, signals_every=3, state=state, start=5)
    probed = run.metrics["gradient_norm"][np.array([2, 5, 6])]
    np.testing.assert_allclose(run.signals.gradient_norm, probed, rtol=1e-5)


def test_a_network_with_batch_norm_has_every_signal():
    signals = ch5jax.train(task_of(batch_norm=True), OPT, KEY, 4, signals_every=2).signals
    assert all(value is not None for value in signals)
    assert all(np.isfinite(value).all() for value in signals)


def test_equal_initial_units_are_seen_and_stay(x64):
    net = mlp((3, 5, 4, 2), jnp.tanh, jax.nn.initializers.constant(0.3))
    task = supervised(net, *PARTS, loss="cross_entropy", batch_size=6)
    signals = ch5jax.train(task, OPT, KEY, 40, signals_every=20).signals
    np.testing.assert_array_equal(signals.duplicate_units[:, :2], [[5, 4]] * 2)


def test_spacings_that_are_none_are_refused():
    for spacing in (-1, 2.5):
        with pytest.raises(ValueError, match="signals_every must be a positive integer"):
            ch5jax.train(TASK, OPT, KEY, 5, signals_every=spacing)


def test_a_metric_may_be_called_signals():
    step = bare().step
    of_step = bare(step=lambda *args: (step(*args)[0], {**step(*args)[1], "signals": 3.0}))
    of_evaluation = bare(evaluate=lambda opt, state: {"validation_loss": state, "signals": 4.0})
    runs = [ch5jax.train(task, OPT, KEY, 60, signals_every=20) for task in (of_step, of_evaluation)]
    np.testing.assert_array_equal(runs[0].metrics["signals"], np.full(60, 3.0))
    np.testing.assert_array_equal(runs[1].evaluations["signals"], [4.0])
    for run in runs:
        chex.assert_trees_all_equal(run.signals, ch5jax.train(bare(), OPT, KEY, 60, signals_every=20).signals)
