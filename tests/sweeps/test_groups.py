"""What a sweep takes for settings, groups, seeds and keys."""

import hashlib

import jax
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax.sweeps._groups import make_groups
from tests.sweeps.small import KEY, TASK, run

SGD = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2, 0.3])
ADAM = ch5jax.grid(ch5jax.adam, learning_rate=[0.1, 0.2])


def names(task, hyperparameters):
    return [(group.name, group.settings) for group in make_groups(task, hyperparameters, 1)]


def test_a_batch_of_optimizers_is_a_group_of_its_kinds_name():
    assert names(TASK, SGD) == [("sgd", 3)]


def test_a_dict_of_optimizers_is_a_dict_of_groups():
    assert names(TASK, {"slow": SGD, "fast": ADAM}) == [("slow", 3), ("fast", 2)]


def test_a_dict_of_dicts_is_a_dict_of_groups():
    assert names(TASK, {"a": {"optimizer": SGD}, "b": {"optimizer": ADAM}}) == [("a", 3), ("b", 2)]


def test_a_dict_with_an_array_is_one_batch():
    assert names(TASK, {"optimizer": SGD, "initial_scale": np.ones(3)}) == [("trials", 3)]


def test_tasks_by_name_share_a_batch_or_have_their_own():
    tasks = {"narrow": TASK, "wide": ch5jax.tasks.digits(hidden=(9,))}
    assert names(tasks, SGD) == [("narrow", 3), ("wide", 3)]
    assert names(tasks, {"narrow": SGD, "wide": ADAM}) == [("narrow", 3), ("wide", 2)]


def test_columns_are_named_by_the_path_and_hold_what_was_given():
    (group,) = make_groups(TASK, {"optimizer": SGD, "initial_scale": np.array([[1, 2], [3, 4], [5, 6.0]])}, 2)
    columns = group.columns()
    assert columns["optimizer.learning_rate"].tolist() == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]
    assert columns["initial_scale[1]"].tolist() == [2, 2, 4, 4, 6, 6]


@pytest.mark.parametrize(
    "settings",
    [
        ch5jax.grid(ch5jax.adam, learning_rate=[0.1, 0.2, 0.1, 0.1, 0.2], b1=[0.9, 0.8, 0.9]),
        {"a": np.arange(6.0).reshape(3, 2), "none": np.zeros((3, 0)), "flag": np.array([True, False, True])},
        {"matrix": np.zeros((3, 2, 2), jax.numpy.bfloat16), "column": np.arange(6)[::2]},
        {"none": np.zeros((4, 0))},
    ],
)
def test_what_tells_a_trial_from_others_is_its_values_its_turn_and_its_seed(settings):
    (group,) = make_groups(TASK, settings, [5, 7, 2**32 - 1])
    leaves, seen, expected = [np.asarray(leaf) for leaf in jax.tree.leaves(settings)], [], []
    for row in range(group.settings):
        values = hashlib.sha256(b"".join(leaf[row].tobytes() for leaf in leaves)).digest()[:16]
        expected += [values + seen.count(values).to_bytes(4) + seed.to_bytes(4, "little") for seed in (5, 7, 2**32 - 1)]
        seen.append(values)
    assert [bytes(one) for one in group.ids()] == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hyperparameters": ch5jax.sgd(0.1)}, "must have the batch as its leading axis, got a scalar"),
        ({"hyperparameters": optax.adam(1e-3)}, "must be data, got the function .* ch5jax.lift"),
        ({"hyperparameters": {"optimizer": SGD, "initial_scale": np.ones(2)}}, "must have the same leading axis"),
        ({"hyperparameters": SGD, "task": {"a": TASK, "b": 3}}, "task must be a ch5jax.Task"),
        ({"hyperparameters": {"a": SGD}, "task": {"b": TASK}}, "must have the same names"),
        ({"seeds": 0}, "seeds must be how many"),
        ({"seeds": [1, 1]}, "seeds must be distinct"),
        ({"seeds": [-1]}, "seeds must be how many"),
        ({"seeds": [0.5]}, "seeds must be how many"),
        ({"steps": 0}, "steps must be a positive integer"),
        ({"steps": 2.5}, "steps must be a positive integer"),
        ({"width": 0}, "width must be a positive integer"),
        ({"record_every": -1}, "record_every must be a positive integer"),
        ({"evaluate_every": 0}, "evaluate_every must be a positive integer"),
        ({"key": 3}, "key must be one key"),
        ({"key": jax.random.split(jax.random.key(0))}, "key must be one key"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        run(**{"hyperparameters": SGD, **changes})


@pytest.mark.usefixtures("compiled_quickly")
def test_a_raw_key_serves():
    typed, raw = (
        run(SGD, key=key, seeds=1, steps=4, evaluate_every=None) for key in (jax.random.key(3), jax.random.PRNGKey(3))
    )
    np.testing.assert_array_equal(typed.columns["loss"], raw.columns["loss"])


def test_a_setting_of_several_numbers_a_trial_comes_back_as_they_were():
    scales = np.array([[0.5, 1.0], [2.0, 3.0]])
    (group,) = make_groups(TASK, {"optimizer": ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2]), "s": scales}, 2)
    setting, seed = group.one(3)
    assert (setting["optimizer"], seed) == (ch5jax.sgd(0.2), 1)
    np.testing.assert_array_equal(setting["s"], [2.0, 3.0])


SURFACE = ch5jax.tasks.surface(ch5jax.problems.beale())


def small(hyperparameters, task=SURFACE, **changes):
    return ch5jax.sweep(task, hyperparameters, steps=2, key=KEY, signals_every=0, width=1, **changes)


@pytest.mark.parametrize("seeds", [np.int64(2), np.uint8(2), jax.numpy.int32(2), np.array(2)])
def test_a_number_of_seeds_may_be_numpys_or_jaxs(seeds):
    assert small(ch5jax.grid(ch5jax.sgd, learning_rate=[0.1]), seeds=seeds).columns["seed"].tolist() == [0, 1]


@pytest.mark.parametrize("seeds", [True, 2.0, np.float32(2), 0, -1, 2**32 + 1, 10**30, [2**32], [0.5], "2"])
def test_what_is_no_number_of_seeds_is_refused(seeds):
    with pytest.raises(
        ValueError, match=r"seeds must be how many \(1 to 2³²\), or a list of integers from 0 to 2³² − 1"
    ):
        small(ch5jax.grid(ch5jax.sgd, learning_rate=[0.1]), seeds=seeds)


def test_flags_and_schedules_are_swept_as_groups():
    rates = [optax.constant_schedule(0.01), ch5jax.linear_decay(0.01, 0.001, 2)]
    found = small(ch5jax.grid(ch5jax.momentum, learning_rate=rates, decay=[0.5, 0.9]))
    assert [name.partition("=")[0] for name in found.groups] == ["learning_rate"] * 2
    assert found.columns["decay"].tolist() == [0.5, 0.9] * 2


def test_two_optimizers_in_one_setting_are_asked_for_by_a_name():
    def init(key, both):
        return {"w": jax.numpy.ones(2), "a": both["a"].init(jax.numpy.ones(2))}

    def step(key, index, both, state):
        update, held = both["a"].update(state["w"], state["a"])
        return {"w": state["w"] + update - both["b"].learning_rate, "a": held}, {"loss": state["w"].sum()}

    task = ch5jax.Task(init, step, lambda both, state: {"validation_loss": state["w"].sum()}, "validation_loss")
    both = {
        "a": ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2]),
        "b": ch5jax.grid(ch5jax.adam, learning_rate=[0.1, 0.3]),
    }
    with pytest.raises(
        ValueError, match=r"a dict of optimizers, 'a', 'b', and so a group each; .*: \{\"all\": \{'a': "
    ):
        small(both, task)
    assert small({"all": both}, task).columns["b.learning_rate"].tolist() == [0.1, 0.3]
    with pytest.raises(ValueError, match=r"\['c'\] must be numbers, got"):
        small({"all": {**both, "c": np.array(["x", "y"])}}, task)


OWN = ["seed", "trial", "group", "diverged_at", "best_validation_loss", "best_step", "verdict", "steps_trained", "step"]


@pytest.mark.parametrize("name", OWN)
def test_a_metric_of_a_name_of_the_tables_own_is_kept_apart(name, compiled_quickly):
    def evaluate(hyperparameters, state):
        return {"validation_loss": hyperparameters.learning_rate, name: 7.0, f"metric {name}": 8.0}

    task = SURFACE._replace(evaluate=evaluate, objective="validation_loss")
    rates = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2])
    result, plain = (small({"a": rates, "b": rates}, one, seeds=2) for one in (task, SURFACE))
    for column in plain.columns:  # as they would be without it
        if column in ("trial", "group", "seed", "diverged_at", "best_step", "learning_rate"):
            np.testing.assert_array_equal(result.columns[column], plain.columns[column])
    np.testing.assert_allclose(result.columns["best_validation_loss"], result.columns["learning_rate"])
    assert result.columns[f"metric {name}"].tolist() == [8.0] * 8
    assert result.columns[f"metric metric {name}"].tolist() == [7.0] * 8
    assert {*result.curves["a"].evaluations} == {"validation_loss", f"metric {name}", f"metric metric {name}"}
    assert len({id(group.task) for group in result._again.groups}) == 1


@pytest.mark.parametrize("name", ["seed", "step", "best_step"])
def test_an_objective_of_a_name_of_the_tables_own_selects_and_is_treated(name, compiled_quickly):
    def evaluate(hyperparameters, state):
        return {name: hyperparameters.learning_rate}

    task = SURFACE._replace(evaluate=evaluate, objective=name)
    result = small(ch5jax.grid(ch5jax.sgd, learning_rate=[0.3, 0.1, 0.2]), task)
    assert (result.objective, result.ranking().tolist()) == (f"metric {name}", [1, 2, 0])
    np.testing.assert_allclose(result.columns[f"best_metric {name}"], result.columns["learning_rate"])
    found = ch5jax.treat(result.trial(0), steps=3, seeds=1, tries=1, remedies=["rate ÷ 10"])
    assert found.chosen.name == "rate ÷ 10"


def test_groups_of_a_grid_are_groups_whatever_its_factory_makes():
    made = ch5jax.grid(lambda kind, rate: (kind, rate), kind=[None, 1.0], rate=[0.1, 0.2])
    assert [(group.name, group.settings) for group in make_groups(SURFACE, made, 1)] == [
        ("kind=None", 2),
        ("kind=1.0", 2),
    ]


def test_optaxs_schedules_alone_make_groups_of_one_setting():
    schedules = [optax.cosine_decay_schedule(0.1, 10), optax.constant_schedule(0.1)]
    result = ch5jax.sweep(TASK, ch5jax.grid(ch5jax.sgd, learning_rate=schedules), steps=3, key=KEY, seeds=2)
    assert (len(result), len(result.groups)) == (4, 2)
    for group, schedule in zip(result.groups, schedules, strict=True):
        alone = ch5jax.train(TASK, ch5jax.sgd(schedule), jax.random.fold_in(KEY, 1), 3)
        last = result.columns["loss"][(result.columns["group"] == group) & (result.columns["seed"] == 1)]
        np.testing.assert_allclose(last, alone.metrics["loss"][-1], rtol=1e-5)


@pytest.mark.parametrize(
    ("hyperparameters", "advice"),
    [
        (lambda: ch5jax.grid(optax.adam, learning_rate=[0.1, 0.2]), "functools.partial.ch5jax.lift, optax.adamw"),
        (lambda: {"opt": SGD, "activation": [jax.nn.relu] * 3}, "an activation, is a list in ch5jax.grid"),
        (lambda: [ch5jax.sgd(0.1), ch5jax.adam(0.1)], "of optimizers of several kinds, a dict of batches"),
    ],
)
def test_what_cannot_be_swept_is_refused_with_what_can(hyperparameters, advice):
    with pytest.raises(ValueError, match=advice):
        ch5jax.sweep(TASK, hyperparameters(), steps=2, key=KEY)
