"""`tasks.supervised` on models of every framework: state, dropout, modes, hyperparameters by name."""

import chex
import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import ch5jax
from ch5jax.models import as_model
from ch5jax.tasks import supervised

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(3)
RNG = np.random.default_rng(1)
IMAGES = RNG.normal(size=(60, 4, 4, 1)).astype(np.float32)
LABELS = (IMAGES[:, :2].sum((1, 2, 3)) > 0).astype(np.int64)


class Linen(nn.Module):
    """A convolution with BatchNorm, dropout and a dense layer."""

    rate: float = 0.5
    width: int = 3

    @nn.compact
    def __call__(self, x, train, scale=1.0):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.5)(nn.Conv(self.width, (3, 3))(x))
        x = nn.relu(x).reshape(len(x), -1)
        return scale * nn.Dense(2)(nn.Dropout(self.rate, deterministic=not train)(x))


class Nnx(nnx.Module):
    """The same, in NNX."""

    def __init__(self, rngs, width=3):
        self.conv = nnx.Conv(1, width, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(width, momentum=0.5, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.out = nnx.Linear(16 * width, 2, rngs=rngs)

    def __call__(self, x, scale=1.0):
        x = nnx.relu(self.norm(self.conv(x))).reshape(len(x), -1)
        return scale * self.out(self.drop(x))


class Equinox(eqx.Module):
    """Much the same, of one example, in Equinox."""

    first: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    drop: eqx.nn.Dropout
    out: eqx.nn.Linear

    def __init__(self, key, width=3):
        one, two = jax.random.split(key)
        self.first, self.out = eqx.nn.Linear(16, width, key=one), eqx.nn.Linear(width, 2, key=two)
        self.norm = eqx.nn.BatchNorm(width, "batch", momentum=0.5, mode="batch")
        self.drop = eqx.nn.Dropout(0.5)

    def __call__(self, x, state, key=None, scale=1.0):
        x, state = self.norm(self.first(x.ravel()), state)
        return scale * self.out(self.drop(jax.nn.relu(x), key=key)), state


def make_equinox(key):
    return eqx.nn.make_with_state(Equinox)(key)


MODELS = {"linen": Linen(), "nnx": Nnx, "equinox": make_equinox}


def task_of(name, **options):
    return supervised(MODELS[name], (IMAGES, LABELS), batch_size=8, **options)


def states(task, hyperparameters, steps):
    """The state before each of some steps, and after the last."""
    every = [jax.jit(task.init)(KEY, hyperparameters)]
    step = jax.jit(task.step)
    for index in range(steps):
        every.append(step(jax.random.fold_in(KEY, index), jnp.int32(index), hyperparameters, every[-1])[0])
    return every


@pytest.mark.parametrize("name", MODELS)
def test_state_moves_in_steps_and_not_in_evaluation(name):
    task, opt = task_of(name), ch5jax.sgd(0.1)
    before, after = states(task, opt, 1)
    moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), before.model_state, after.model_state)
    assert any(jax.tree.leaves(moved))
    for state in (before, after):
        once, again = (jax.jit(task.evaluate)(opt, state) for _ in range(2))
        assert once == again  # no dropout, no batch statistics
    outputs = jax.jit(task.predict)(opt, after, IMAGES)
    alone = jax.jit(task.predict)(opt, after, IMAGES[:1])
    np.testing.assert_allclose(outputs[:1], alone, rtol=1e-4, atol=1e-5)  # whatever stands beside an example


@pytest.mark.parametrize("name", MODELS)
def test_every_step_and_trial_draws_dropout_of_its_own(name):
    task, opt = task_of(name), ch5jax.sgd(0.1)
    state = jax.jit(task.init)(KEY, opt)
    loss = jax.jit(lambda key: task.loss(key, opt, state, task.params(state)))
    one, again, other = loss(KEY), loss(KEY), loss(jax.random.fold_in(KEY, 1))
    assert one == again
    assert one != other
    metrics = jax.jit(task.step)(KEY, jnp.int32(0), opt, state)[1]
    np.testing.assert_allclose(metrics["loss"], one, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_sweep_trains_it(name):
    rates = ch5jax.grid(ch5jax.adam, learning_rate=[1e-3, 1e-2])
    result = ch5jax.sweep(task_of(name), rates, steps=20, key=KEY, seeds=2, signals_every=0)
    assert (result.columns["diverged_at"] == -1).all()
    weights = [jax.tree.leaves(result.rerun(trial).state.params)[-1] for trial in (0, 1)]
    assert not np.array_equal(*weights)  # two seeds


@pytest.mark.parametrize("flat", [False, True])
def test_a_sweep_judges_it_by_its_layers(flat):
    result = ch5jax.sweep(task_of("linen", flat=flat), ch5jax.grid(ch5jax.sgd, learning_rate=[1e-5]), steps=40, key=KEY)
    assert result.columns["verdict"][0] == "slow"
    assert result.diagnosis(0).names.layers == ("['Conv_0']['kernel']", "['Dense_0']['kernel']")


def test_linen_is_trained_as_by_hand():
    """Batches and dropout by the documented keys; the batch statistics threaded by hand."""
    task, opt = task_of("linen"), ch5jax.momentum(0.1)
    run = ch5jax.train(task, opt, KEY, 4)
    train = np.setdiff1d(np.arange(60), [])[_rows_of(task)]
    net, key = Linen(), jax.random.fold_in(KEY, np.uint32(2**32 - 1))
    dropout = np.uint32(2**32 - 5)
    variables = net.init({"params": key, "dropout": key}, IMAGES[:1], train=True)
    params, stats = variables["params"], variables["batch_stats"]
    opt_state, losses = opt.init(params), []

    @jax.jit
    def step(params, stats, opt_state, key, rows):
        def loss(params):
            logits, new = net.apply(
                {"params": params, "batch_stats": stats},
                jnp.asarray(IMAGES[train])[rows],
                train=True,
                rngs={"dropout": jax.random.fold_in(key, dropout)},
                mutable=["batch_stats"],
            )
            labels = jnp.asarray(LABELS[train])[rows]
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), new["batch_stats"]

        (value, stats_after), slope = jax.value_and_grad(loss, has_aux=True)(params)
        updates, opt_state = opt.update(slope, opt_state, params)
        return optax.apply_updates(params, updates), stats_after, opt_state, value

    for index in range(4):
        own = jax.random.fold_in(KEY, index)
        rows = jax.random.randint(own, (8,), 0, len(train))
        params, stats, opt_state, value = step(params, stats, opt_state, own, rows)
        losses.append(value)
    np.testing.assert_allclose(run.metrics["loss"], losses, rtol=1e-4)
    for one, other in zip(jax.tree.leaves(run.state.params), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    for one, other in zip(jax.tree.leaves(run.state.model_state), jax.tree.leaves(stats), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def _rows_of(task):
    """The rows that a task trains on, found by what it was given: the parts are drawn by a key of their own."""
    from ch5jax.tasks._examples import divide

    parts = divide((np.arange(60), LABELS), 0.2, 0.2, jax.random.key(0))
    return parts.train.inputs


def test_a_dropout_rate_is_swept_through_linens_own_dropout():
    task = task_of("linen", hyperparameters={"rate": 0.5})
    opt = ch5jax.sgd(0.1)

    @jax.jit
    def loss(rate):
        state = task.init(KEY, {"optimizer": opt, "rate": rate})
        return task.loss(KEY, {"optimizer": opt, "rate": rate}, state, state.params)

    static = [float(jax.jit(lambda rate=rate: _static_loss(rate, opt))()) for rate in (0.0, 0.5)]
    np.testing.assert_allclose([loss(0.0), loss(0.5)], static, rtol=1e-5)
    assert loss(0.5) != loss(0.0)
    assert np.isfinite(jax.jit(jax.grad(loss))(0.5))
    batch = {"optimizer": ch5jax.grid(ch5jax.adam, learning_rate=[0.01, 0.01]), "rate": jnp.array([0.0, 0.9])}
    result = ch5jax.sweep(task, batch, steps=20, key=KEY, signals_every=0)
    assert result.columns["loss"][0] < result.columns["loss"][1]


def _static_loss(rate, opt):
    task = supervised(Linen(rate=rate), (IMAGES, LABELS), batch_size=8)
    state = task.init(KEY, opt)
    return task.loss(KEY, opt, state, state.params)


@pytest.mark.parametrize("name", MODELS)
def test_a_number_reaches_the_call_by_its_name(name):
    task, opt = task_of(name, hyperparameters={"scale": 1.0}), ch5jax.sgd(0.1)
    state = jax.jit(task.init)(KEY, opt)
    predict = jax.jit(lambda scale: task.predict({"optimizer": opt, "scale": scale}, state, IMAGES[:5]))
    np.testing.assert_allclose(predict(3.0), 3 * predict(1.0), rtol=1e-5)
    np.testing.assert_allclose(predict(1.0), task.predict(opt, state, IMAGES[:5]), rtol=1e-4, atol=1e-6)


def test_numbers_reach_loss_metrics_and_augment_and_the_parameters_the_loss():
    def loss(outputs, targets, *, params, train, decay):
        error = (outputs[:, 0] - targets) ** 2
        return error + (decay * sum(jnp.sum(w**2) for w in jax.tree.leaves(params)) if train else 0)

    def augment(key, inputs, noise):
        return inputs + noise * jax.random.normal(key, inputs.shape)

    x, y = IMAGES.reshape(60, 16), IMAGES.sum((1, 2, 3))
    model = (lambda key: jnp.ones((16, 1)), lambda w, x: x @ w)
    task = supervised(
        model,
        (x, y),
        loss=loss,
        augment=augment,
        metrics={"far": lambda outputs, targets, limit: jnp.abs(outputs[:, 0] - targets) > limit},
        hyperparameters={"decay": 0.0, "noise": 0.0, "limit": 0.1},
        batch_size=8,
    )
    opt = ch5jax.sgd(0.1)
    state = task.init(KEY, opt)
    assert task.objective == "validation_loss"
    assert not task.maximize

    def at(**named):
        return float(task.loss(KEY, {"optimizer": opt, **named}, state, state.params))

    np.testing.assert_allclose(at(decay=0.5) - at(), 8, rtol=1e-5)
    assert at() < 1e-6 < at(noise=1.0)
    reported = [task.evaluate({"optimizer": opt, "decay": 0.5, "limit": limit}, state) for limit in (-1.0, 1.0)]
    assert [float(one["validation_far"]) for one in reported] == [1, 0]
    assert max(float(one["validation_loss"]) for one in reported) < 1e-6


def test_label_smoothing_is_a_hyperparameter_of_training_alone():
    model = (lambda key: jnp.zeros((16, 2)), lambda w, x: x @ w + jnp.array([2.0, 0.0]))
    task = supervised(model, (IMAGES.reshape(60, 16), LABELS), batch_size=36, hyperparameters={"label_smoothing": 0.0})
    opt = ch5jax.sgd(0.1)
    state = task.init(KEY, opt)
    losses = [float(task.loss(KEY, {"optimizer": opt, "label_smoothing": s}, state, state.params)) for s in (0.0, 0.5)]
    nats = -np.log(np.exp([2.0, 0.0]) / np.exp([2.0, 0.0]).sum())
    assert losses[1] - losses[0] != 0
    share = (losses[0] - nats[1]) / (nats[0] - nats[1])  # of the batch that is of class 0
    np.testing.assert_allclose(losses[1], 0.5 * losses[0] + 0.5 * nats.mean(), rtol=1e-5)
    assert 0 < share < 1
    plain, smooth = (task.evaluate({"optimizer": opt, "label_smoothing": s}, state) for s in (0.0, 0.5))
    assert plain["validation_loss"] == smooth["validation_loss"]


def test_tokens_and_trees_of_inputs_will_do():
    tokens, extra = RNG.integers(0, 7, (40, 5)), RNG.normal(size=(40, 2))

    class Embedding(nn.Module):
        @nn.compact
        def __call__(self, x):
            h = nn.Embed(7, 4)(x["tokens"])
            return nn.Dense(7)(h + nn.Dense(4)(x["extra"])[:, None])

    task = supervised(Embedding(), ({"tokens": tokens, "extra": extra}, tokens), batch_size=8)
    run = ch5jax.train(task, ch5jax.adam(0.1), KEY, 60)
    assert run.last()["validation_accuracy"] > 0.95  # each token says itself
    np.testing.assert_allclose(task.baseline, _entropy(tokens), rtol=0.05)
    outputs = task.predict(ch5jax.adam(0.1), run.state, {"tokens": tokens[:3], "extra": extra[:3]})
    assert outputs.shape == (3, 5, 7)


def _entropy(tokens):
    shares = np.bincount(tokens.ravel()) / tokens.size
    return -(shares * np.log(shares)).sum()


def test_more_examples_than_are_evaluated_at_once_give_the_same(monkeypatch):
    from ch5jax.tasks import _supervised

    task, opt = task_of("linen"), ch5jax.sgd(0.1)
    state = jax.jit(task.init)(KEY, opt)
    whole = jax.jit(task.predict)(opt, state, IMAGES)
    for at_once in (7, 20, 59):
        monkeypatch.setattr(_supervised, "AT_ONCE", at_once)
        np.testing.assert_allclose(jax.jit(lambda: task.predict(opt, state, IMAGES))(), whole, rtol=1e-4, atol=1e-6)


def test_modules_made_already_start_every_trial_with_their_weights():
    for made in (Nnx(nnx.Rngs(0)), make_equinox(KEY)):
        task = supervised(made, (IMAGES, LABELS), batch_size=8)
        params = [jax.tree.leaves(task.init(jax.random.key(seed), ch5jax.sgd(0.1)).params) for seed in (0, 1)]
        for one, other in zip(*params, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_function_may_make_a_module_with_hyperparameters():
    def make(rngs, spread):
        net = nnx.Linear(16, 2, rngs=rngs)
        net.kernel[...] = spread * net.kernel[...]
        return net

    x = IMAGES.reshape(60, 16)
    task = supervised(make, (x, LABELS), hyperparameters={"spread": 1.0}, batch_size=8)
    opt = ch5jax.sgd(0.1)
    one, three = (task.init(KEY, {"optimizer": opt, "spread": s}).params["kernel"] for s in (1.0, 3.0))
    np.testing.assert_allclose(three, 3 * one, rtol=1e-5)


def test_a_pair_of_functions_has_state_and_keys_by_name():
    def init(rng, x):
        return {"w": jax.random.normal(rng, (x.shape[-1], 2))}, {"seen": jnp.zeros((), jnp.int32)}

    def apply(params, state, rng, x, is_training):  # the order of Haiku's
        noise = jax.random.normal(rng, x.shape) if is_training else 0
        return (x + noise) @ params["w"], {"seen": state["seen"] + is_training}

    task, opt = supervised((init, apply), (IMAGES.reshape(60, 16), LABELS), batch_size=8), ch5jax.sgd(0.1)
    assert [int(state.model_state["seen"]) for state in states(task, opt, 3)] == [0, 1, 2, 3]


def test_what_is_no_model_is_refused():
    for bad in (3, "mlp", (1, 2), jnp.ones(3), lambda x: x):
        with pytest.raises(ValueError, match=r"model must be a network of ch5jax\.networks, a Flax Linen module"):
            as_model(bad)


def test_a_number_that_a_module_holds_is_swept_and_never_trained():
    class Sloped(eqx.Module):
        linear: eqx.nn.Linear
        slope: float

        def __init__(self, key, slope):
            self.linear, self.slope = eqx.nn.Linear(16, 2, key=key), slope

        def __call__(self, x):
            return jax.nn.leaky_relu(self.linear(x), self.slope)

    task = supervised(Sloped, (IMAGES.reshape(60, 16), LABELS), batch_size=8, hyperparameters={"slope": 0.3})
    opt = ch5jax.sgd(0.5)
    ends = [states(task, setting, 5)[-1] for setting in (opt, {"optimizer": opt, "slope": jnp.float32(0.3)})]
    assert [len(jax.tree.leaves(end.params)) for end in ends] == [2, 2]
    for one, other in zip(jax.tree.leaves(ends[0].params), jax.tree.leaves(ends[1].params), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    x = IMAGES.reshape(60, 16)[:4]
    low, high = (
        task.predict({"optimizer": opt, "slope": slope}, ends[0], x) for slope in (jnp.float32(0), jnp.float32(1))
    )
    assert (low >= 0).all()
    assert (high < 0).any()


def test_an_equinox_module_in_inference_mode_trains_all_the_same():
    made, state = make_equinox(KEY)
    task, opt = supervised((eqx.nn.inference_mode(made), state), (IMAGES, LABELS), batch_size=8), ch5jax.sgd(0.1)
    state = task.init(KEY, opt)
    loss = jax.jit(lambda key: task.loss(key, opt, state, state.params))
    rows = [jax.random.randint(jax.random.fold_in(KEY, i), (8,), 0, 36) for i in (0, 1)]
    assert loss(jax.random.fold_in(KEY, 0)) != loss(jax.random.fold_in(KEY, 1))
    assert len(rows) == 2


def test_what_sow_gathers_does_not_grow_the_state():
    class Sowing(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            self.sow("losses", "size", jnp.sum(x**2))
            return nn.Dense(2)(nn.BatchNorm(use_running_average=not train)(x))

    task = supervised(Sowing(), (IMAGES.reshape(60, 16), LABELS), batch_size=8)
    run = ch5jax.train(task, ch5jax.sgd(0.1), KEY, 3, signals_every=0)
    assert [*run.state.model_state] == ["batch_stats"]


def test_flax_trains_in_double_precision_too(x64):
    task = task_of("linen")
    run = ch5jax.train(task, ch5jax.sgd(0.1), KEY, 3, signals_every=0)
    assert np.isfinite(run.metrics["loss"]).all()
    assert {leaf.dtype for leaf in jax.tree.leaves(run.state.model_state)} == {np.dtype("float32")}


def test_whole_numbers_serve_as_dropout_rates():
    task, opt = task_of("linen", hyperparameters={"rate": 0.5}), ch5jax.sgd(0.1)
    setting = {"optimizer": opt, "rate": jnp.int32(0)}
    state = jax.jit(task.init)(KEY, setting)
    np.testing.assert_allclose(
        jax.jit(task.loss)(KEY, setting, state, state.params),
        jax.jit(task.loss)(KEY, {"optimizer": opt, "rate": jnp.float32(0)}, state, state.params),
        rtol=1e-6,
    )


def test_a_pairs_init_is_told_hyperparameters_that_it_needs():
    def init(key, scale):
        return scale * jnp.ones((16, 2))

    task = supervised((init, lambda w, x, /: x @ w), (IMAGES.reshape(60, 16), LABELS), hyperparameters={"scale": 2.0})
    np.testing.assert_array_equal(task.init(KEY, ch5jax.sgd(0.1)).params, np.full((16, 2), 2.0))
    with pytest.raises(ValueError, match="apply must have a parameter for params and one for the inputs"):
        as_model((lambda key: 0, lambda *args: 0))


@pytest.mark.parametrize("name", MODELS)
def test_a_flat_training_is_the_same_training(name):
    """One vector of parameters inside, the model's own tree wherever somebody looks."""
    opt = ch5jax.adam(1e-2)
    tree, vector = (states(task_of(name, flat=flat), opt, 2)[-1] for flat in (False, True))
    assert vector.params.ndim == 1
    assert {leaf.ndim for leaf in jax.tree.leaves(vector.opt_state)} <= {0, 1}
    task = task_of(name, flat=True)
    chex.assert_trees_all_close(task.params(vector), tree.params, rtol=1e-4, atol=1e-5)
    loss = jax.jit(lambda state, params: task.loss(KEY, opt, state, params))(vector, tree.params)
    assert np.isfinite(loss)
    outputs = jax.jit(task.predict)(opt, vector, IMAGES), jax.jit(task_of(name).predict)(opt, tree, IMAGES)
    np.testing.assert_allclose(*outputs, rtol=1e-3, atol=1e-4)


def test_parameters_of_two_dtypes_are_no_vector():
    def init(key):
        return {"w": jnp.zeros((3, 2), jnp.float16), "b": jnp.zeros(2)}

    x, y = np.ones((20, 3), np.float32), np.arange(20) % 2
    with pytest.raises(ValueError, match=r"flat must be False unless all parameters have one dtype, got .*float16"):
        supervised((init, lambda p, x: x @ p["w"] + p["b"]), (x, y), flat=True)
