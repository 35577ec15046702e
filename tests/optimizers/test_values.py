"""An optimizer is a value: it reads like its call, compares, copies, pickles, and does not change."""

import copy
import os
import pathlib
import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax.optimizers import RULES
from tests.optimizers.registry import CASES, for_every_hyperparameter, for_every_optimizer

SCHEDULE = ch5jax.linear_decay(0.1, 0.01, 100)
COMPOSED = {
    "schedule": ch5jax.adam(SCHEDULE, b2=ch5jax.constant(0.99)),
    "lift": ch5jax.lift(optax.adamw, learning_rate=SCHEDULE, weight_decay=0.1, nesterov=True),
    "chain": ch5jax.chain(ch5jax.lift(optax.clip_by_global_norm, 1.0), ch5jax.momentum(0.1)),
    "master_weights": ch5jax.master_weights(ch5jax.rmsprop(0.1)),
    "batch": ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2]),
    "arrays": ch5jax.adam(jnp.float32(0.1), b1=np.float64(0.5)),
}
OPTS = {**{key: case.make() for key, case in CASES.items()}, **COMPOSED}
for_every_value = pytest.mark.parametrize("opt", OPTS.values(), ids=OPTS)


def updates_of(opt):
    params = jnp.array([1.0, -2.0])
    update = lambda o: o.update(params, o.init(params), params)[0]
    return np.asarray(update(opt) if jnp.ndim(jax.tree.leaves(opt)[0]) == 0 else jax.vmap(update)(opt))


@for_every_value
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda opt: pickle.loads(pickle.dumps(opt))], ids=["copy", "deep", "pickle"]
)
def test_copies_are_equal_and_work(opt, duplicate):
    other = duplicate(opt)
    assert type(other) is type(opt)
    assert other == opt
    assert hash(other) == hash(opt)
    assert repr(other) == repr(opt)
    np.testing.assert_array_equal(updates_of(other), updates_of(opt))


def test_pickles_are_read_in_another_process(tmp_path):
    path = tmp_path / "opts.pickle"
    path.write_bytes(pickle.dumps(list(OPTS.values())))
    path_of_ch5jax = str(pathlib.Path(ch5jax.__file__).parents[1])
    program = (
        "import pickle, sys; opts = pickle.load(open(sys.argv[1], 'rb')); "
        "print(opts, [o.init(0.0) is None for o in opts[:6]])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program, path],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path_of_ch5jax},
    )
    assert printed.stdout.strip() == f"{list(OPTS.values())} {[False] * 6}"


@for_every_value
def test_repr_is_the_call_that_makes_an_equal_value(opt):
    if opt is OPTS["batch"]:
        assert repr(opt) == "sgd(learning_rate=float64[2])"  # an array has no short form
    else:
        assert eval(repr(opt), {**vars(optax), **vars(ch5jax)}) == opt


def test_repr_reads_like_the_call():
    assert repr(ch5jax.momentum(1e-3)) == "momentum(learning_rate=0.001, decay=0.9)"
    assert repr(ch5jax.adam(SCHEDULE, bias_correction=False)) == (
        "adam(learning_rate=linear_decay(init_value=0.1, end_value=0.01, transition_steps=100.0), "
        "b1=0.9, b2=0.999, eps=1e-07, bias_correction=False)"
    )
    assert repr(ch5jax.lift(optax.lion, 0.1)) == "lift(lion, learning_rate=0.1)"
    jax.jit(lambda opt: repr(opt) == "sgd(learning_rate=float32[])" or pytest.fail(repr(opt)))(ch5jax.sgd(0.1))


@for_every_hyperparameter
def test_replace_changes_one_value_in_a_copy(case, name):
    opt = case.make()
    other = opt.replace(**{name: 0.0625})
    assert getattr(other, name) == 0.0625
    assert getattr(opt, name) == case.numbers[name]
    assert other != opt
    assert other == case.make(**{name: 0.0625})
    np.testing.assert_array_equal(updates_of(other), updates_of(case.make(**{name: 0.0625})))


def test_equality_compares_kind_static_parts_and_leaf_values():
    assert ch5jax.sgd(0.5) == ch5jax.sgd(np.float64(0.5)) == ch5jax.sgd(jnp.float32(0.5))
    different = [
        ch5jax.sgd(0.5),
        ch5jax.sgd(0.25),
        ch5jax.momentum(0.5),
        ch5jax.adam(0.5),
        ch5jax.adam(0.5, bias_correction=False),
        ch5jax.sgd(SCHEDULE),
        ch5jax.sgd(ch5jax.constant(0.5)),
        ch5jax.sgd(jnp.full(2, 0.5)),
        ch5jax.chain(ch5jax.sgd(0.5)),
        ch5jax.lift(optax.sgd, 0.5),
        ch5jax.lift(optax.sgd, 0.5, nesterov=True),
        optax.sgd(0.5),
        0.5,
    ]
    for i, a in enumerate(different):
        for j, b in enumerate(different):
            assert (a == b) == (i == j)
            assert (a != b) == (i != j)


def test_equality_of_keys_and_foreign_callables():
    noisy = [ch5jax.lift(optax.noisy_sgd, 0.1, key=jax.random.key(seed)) for seed in (0, 0, 1)]
    assert noisy[0] == noisy[1] != noisy[2]
    schedule = optax.linear_schedule(0.1, 0.01, 10)
    assert ch5jax.sgd(schedule) == ch5jax.sgd(schedule)
    assert ch5jax.sgd(schedule) != ch5jax.sgd(optax.linear_schedule(0.1, 0.01, 10))  # by identity


def test_hash_is_of_kind_and_static_parts():
    assert hash(ch5jax.sgd(0.5)) == hash(ch5jax.sgd(0.25))
    assert hash(ch5jax.adam(0.5)) != hash(ch5jax.adam(0.5, bias_correction=False))
    assert len({ch5jax.sgd(0.5), ch5jax.sgd(0.5), ch5jax.sgd(0.25)}) == 2


@for_every_optimizer
def test_values_do_not_change(case):
    opt = case.make()
    with pytest.raises(AttributeError, match=r"use .replace\(learning_rate=...\)"):
        opt.learning_rate = 0.5
    with pytest.raises(AttributeError, match="no attribute 'momentum'"):
        _ = opt.momentum
    with pytest.raises(ValueError, match=r"use .replace\(learning_rate=...\), not _replace"):
        opt._replace(learning_rate=0.5)
    with pytest.raises(ValueError, match="made by its factory"):
        type(opt)._make([opt.init, opt.update])


class Mine(ch5jax.Transformation):
    """A user's own kind of optimizer."""

    @property
    def rate_in_percent(self):
        return 100 * self.learning_rate


def test_a_subclass_is_a_pytree_too():
    opt = Mine._of(ch5jax.sgd, {"learning_rate": 0.5}, frozenset())
    assert opt.rate_in_percent == 50
    assert jax.tree.leaves(opt) == [0.5]
    halved = jax.tree.map(lambda leaf: leaf / 2, opt)
    assert type(halved) is Mine
    assert halved.rate_in_percent == 25
    assert jax.jit(lambda o: o.rate_in_percent)(opt) == 50
    assert opt != ch5jax.sgd(0.5)


def test_every_rule_has_its_cases_and_its_name():
    assert {case.factory for case in CASES.values()} == {*RULES.values()}
    assert [factory.__name__ for factory in RULES.values()] == [*RULES]
