"""A mistake that is visible at trace time is a ValueError that names the place, what is allowed and what came."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from tests.optimizers.registry import CASES, for_every_hyperparameter, for_every_optimizer, params_like

HALF_OPEN = {"decay", "b1", "b2"}


def refused(case, name, value, match):
    with pytest.raises(ValueError, match=match):
        case.make(**{name: value})
    with pytest.raises(ValueError, match=match):
        case.make().replace(**{name: value})


@for_every_hyperparameter
def test_a_hyperparameter_out_of_range_is_refused(case, name):
    allowed = r"in \[0, 1" if name in HALF_OPEN else "≥ 0"
    for value in (-0.1, -1, np.nan, np.float32(-1), np.array([0.5, -0.5]), np.float64("nan"), -np.inf):
        refused(case, name, value, rf"{name} must be {allowed}.*got")
    if name in HALF_OPEN:
        for value in (1.5, 2, np.inf, np.array([0.5, 1.5])):
            refused(case, name, value, rf"{name} must be {allowed}.*got")


@for_every_hyperparameter
def test_the_ends_of_the_range(case, name):
    assert getattr(case.make(**{name: 0}), name) == 0.0
    if case.factory is ch5jax.momentum and name == "decay":
        assert case.make(decay=1).decay == 1.0
    elif name in HALF_OPEN:
        refused(case, name, 1.0, rf"{name} must be in \[0, 1\), got 1.0")
    else:
        assert getattr(case.make(**{name: 1e30}), name) == 1e30


@for_every_hyperparameter
def test_what_is_no_number_is_refused(case, name):
    for value in (True, np.bool_(False), "0.1", None, 1j, [0.1], {"a": 0.1}, np.array(["0.1"]), np.array([True])):
        refused(case, name, value, f"{name} must be a number or a schedule, .*got")
    for value in (jnp.array([True]), jnp.array(1j), jax.random.key(0)):
        refused(case, name, value, f"{name} must be a real number, got an array of dtype")


@for_every_hyperparameter
def test_integers_become_floats_and_floats_stay_as_they_are(case, name):
    for value in (0, np.int32(0), np.uint8(0), Fraction(0)):
        got = getattr(case.make(**{name: value}), name)
        assert type(got) is float
    assert getattr(case.make(**{name: np.array([0, 0])}), name).dtype == np.float64
    for value in (np.float32(0.5), np.float16(0.5), jnp.float32(0.5), np.array([0.5]), jnp.array([0.5], jnp.bfloat16)):
        assert getattr(case.make(**{name: value}), name) is value
    jax.grad(lambda opt: opt.learning_rate * 1.0)(case.make(**{name: 0}))


@for_every_hyperparameter
def test_what_is_not_known_yet_passes(case, name):
    jax.jit(lambda value: case.make(**{name: value}))(-1.0)
    jax.eval_shape(lambda value: case.make(**{name: value}), jnp.float32(jnp.nan))


def test_flags_are_flags():
    for value in (1, None, "yes", jnp.array(True)):
        with pytest.raises(ValueError, match="bias_correction must be True or False, got"):
            ch5jax.adam(0.1, bias_correction=value)


@for_every_hyperparameter
def test_a_batch_needs_vmap(case, name):
    opts, params = ch5jax.grid(case.factory, **{**case.numbers, **case.flags, name: [0.1, 0.2, 0.3]}), jnp.ones(3)
    with pytest.raises(ValueError, match=r"must be a scalar, got shape \(3,\); map.*jax.vmap"):
        opts.update(params, opts.init(params), params)
    if "initial" in name:  # three elements would take the three values
        with pytest.raises(ValueError, match=f"{name} must be a scalar"):
            opts.init(params)


@for_every_optimizer
def test_gradients_that_do_not_match_are_refused_with_their_path(case):
    opt, params = case.make(), params_like()
    state = opt.init(params)
    wrong = {
        r"expected a leaf at \['b'\]\['c'\], got only \['w'\]": {"w": params["w"]},
        r"got a leaf at \['extra'\], expected only": {**params, "extra": jnp.ones(1)},
        r"updates\['w'\] must have shape \(2, 3\) like .*, got \(5, 2, 3\)": {**params, "w": jnp.ones((5, 2, 3))},
        r"updates\['w'\] must have shape \(2, 3\) like .*, got \(\)": {**params, "w": 1.0},
        r"updates\['b'\]\['c'\] must be real like .*, got dtype complex64": {**params, "b": {"c": jnp.ones(3) * 1j}},
        r"updates\['b'\]\['c'\] must be floating or complex, got dtype int32": {**params, "b": {"c": jnp.arange(3)}},
        r"updates\['b'\]\['c'\] must be floating or complex, got dtype bool": {**params, "b": {"c": np.ones(3, bool)}},
        "expected a leaf at": None,
    }
    for match, gradients in wrong.items():
        with pytest.raises(ValueError, match=match):
            opt.update(gradients, state, params)
        with pytest.raises(ValueError, match=match):
            jax.eval_shape(opt.update, gradients, state, params)


@for_every_optimizer
def test_another_container_of_the_same_leaves_is_refused(case):
    opt, params = case.make(), [jnp.ones(2)]
    with pytest.raises(ValueError, match="expected the structure"):
        opt.update((jnp.ones(2),), opt.init(params), params)


def test_momentum_and_adam_know_without_parameters_that_a_leaf_is_real():
    for key in ("momentum", "adam"):
        opt = CASES[key].make()
        with pytest.raises(ValueError, match="must be real like the state's"):
            opt.update(jnp.ones(2) * 1j, opt.init(jnp.ones(2)))


@for_every_optimizer
def test_parameters_that_are_no_numbers_to_descend_on_are_refused(case):
    for bad in (jnp.arange(3), np.array([True]), 3):
        with pytest.raises(ValueError, match=r"params\['n'\] must be floating or complex, got dtype .*optax.masked"):
            case.make().init({"w": jnp.ones(2), "n": bad})
    state = optax.masked(case.make(), {"w": True, "n": False}).init({"w": jnp.ones(2), "n": jnp.arange(3)})
    assert state is not None


@for_every_optimizer
def test_replace_names_what_there_is(case):
    with pytest.raises(ValueError, match=rf"{case.factory.__name__} has learning_rate.*, got rate"):
        case.make().replace(rate=0.1)


def test_compositions_refuse_what_is_no_transformation():
    with pytest.raises(ValueError, match=r"transforms\[1\] must be an optax.GradientTransformation, got 3"):
        ch5jax.chain(ch5jax.sgd(0.1), 3)
    with pytest.raises(ValueError, match="at least one transformation"):
        ch5jax.chain()
    with pytest.raises(ValueError, match=r"inner must be an optax.GradientTransformation, got"):
        ch5jax.master_weights(ch5jax.adam)
    with pytest.raises(ValueError, match="chain has only transforms to replace, got learning_rate"):
        ch5jax.chain(ch5jax.sgd(0.1)).replace(learning_rate=0.1)


def test_master_weights_needs_matching_parameters():
    opt, params = ch5jax.master_weights(ch5jax.sgd(0.1)), {"w": jnp.ones(2, jnp.bfloat16)}
    state = opt.init(params)
    with pytest.raises(ValueError, match=r"opt.update\(gradients, state, params\)"):
        opt.update(params, state)
    with pytest.raises(ValueError, match=r"updates\['w'\] must have shape \(2,\) like params, got \(3,\)"):
        opt.update({"w": jnp.ones(3)}, state, params)
    with pytest.raises(ValueError, match=r"params\['w'\] must be floating or complex"):
        opt.init({"w": jnp.arange(3)})


RULES = ["sgd", "momentum", "adagrad", "rmsprop", "adam"]


@pytest.mark.parametrize("name", RULES)
def test_another_kind_s_state_is_refused_in_words(name):
    params = jnp.ones(3)
    others = {other: getattr(ch5jax, other)(0.1).init(params) for other in RULES if other != name}
    others |= {
        "sgd of Optax": optax.sgd(0.1, 0.9).init(params),
        "amsgrad": optax.amsgrad(0.1).init(params),
        "none": None,
    }
    for state in (*others.values(), (), {"count": 0}):
        with pytest.raises(ValueError, match=rf"state must be {name.title()}State, as ch5jax.{name}\(...\).init"):
            getattr(ch5jax, name)(0.1).update(params, state, params)
    with pytest.raises(ValueError, match="got a tuple of TraceState, EmptyState"):
        getattr(ch5jax, name)(0.1).update(params, others["sgd of Optax"], params)
    with pytest.raises(ValueError, match=rf"must be MasterWeightsState, .* got {name.title()}State"):
        ch5jax.master_weights(ch5jax.sgd(0.1)).update(params, getattr(ch5jax, name)(0.1).init(params), params)


@pytest.mark.parametrize("rate", [0.1, optax.constant_schedule(0.1)])
def test_a_state_of_optax_adam_is_gone_on_from(rate):
    params, theirs = jnp.array([1.0, -2.0]), optax.adam(rate, eps=1e-3)
    ours = ch5jax.adam(0.1, eps=1e-3)
    state = theirs.init(params)
    for gradient in (params, params**2):
        state = theirs.update(gradient, state)[1]
    due, after = theirs.update(params, state)
    came, kept = jax.jit(ours.update)(params, state)
    np.testing.assert_allclose(came, due, rtol=1e-4)
    assert isinstance(kept, ch5jax.AdamState)
    np.testing.assert_allclose(ours.update(params**2, kept)[0], theirs.update(params**2, after)[0], rtol=1e-4)
    with pytest.raises(ValueError, match="state must be AdamState where b1 or b2 is a schedule"):
        ch5jax.adam(0.1, b1=ch5jax.constant(0.9)).update(params, state)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("leaf", [jax.nn.relu, "a word", None.__class__])
def test_a_model_that_was_not_filtered_is_named_by_its_path(name, leaf):
    model = {"kernel": jnp.ones(2), "activation": leaf}
    opt = getattr(ch5jax, name)(0.1)
    for call in (lambda: opt.init(model), lambda: opt.update(model, opt.init(model))):
        with pytest.raises(ValueError, match=r"params\['activation'\] must be an array, got .*equinox.filter\(model"):
            call()
