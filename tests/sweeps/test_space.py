"""Spaces by name: who gets what, in which group, and what is refused."""

import functools
import itertools

import jax
import numpy as np
import optax
import pytest

import ch5jax

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(0)
digits = functools.partial(ch5jax.tasks.digits, batch_size=8)


def found(axes, task=digits, **drawn):
    return ch5jax.space(task, axes, **drawn)


def swept(axes, task=digits, **drawn):
    return ch5jax.sweep(*found(axes, task, **drawn), steps=2, key=KEY, signals_every=0, width=4)


def test_a_grid_is_all_combinations_of_what_each_group_has():
    axes = {
        "optimizer": [ch5jax.sgd, ch5jax.adam],
        "learning_rate": [0.1, 0.2],
        "optimizer.b1": [0.8, 0.9],
        "hidden": [(4,), (4, 3)],
        "batch_norm": [False, True],
        "batch_norm_momentum": [0.9, 0.99],
    }
    made = found(axes)
    names = [f"{o}, hidden={h}, batch_norm={b}" for o in ("sgd", "adam") for h in ("4", "4-3") for b in (False, True)]
    assert list(made.task) == list(made.hyperparameters) == names
    for name, batch in made.hyperparameters.items():
        normal = name.endswith("True")
        optimizer = batch["optimizer"] if normal else batch
        due = itertools.product([0.1, 0.2], *([[0.8, 0.9]] * name.startswith("adam")), *([[0.9, 0.99]] * normal))
        columns = [optimizer.learning_rate, *([optimizer.b1] if name.startswith("adam") else [])]
        columns += [batch["batch_norm_momentum"]] if normal else []
        assert sorted(zip(*map(np.ndarray.tolist, columns), strict=True)) == sorted(due), name
    assert len({id(task) for task in made.task.values()}) == 4  # each structure is made once, for both optimizers
    result = ch5jax.sweep(*made, steps=2, key=KEY, signals_every=0)
    assert len(result) == 2 * (2 + 4) + 2 * (4 + 8)


def test_one_structure_is_as_without_a_space():
    axes = {"optimizer": ch5jax.adam, "learning_rate": [0.01, 0.1]}
    plain = ch5jax.sweep(
        digits(),
        {"adam": ch5jax.grid(ch5jax.adam, learning_rate=[0.01, 0.1])},
        steps=2,
        key=KEY,
        signals_every=0,
        width=4,
    )
    for task in (digits, digits()):
        result = swept(axes, task)
        assert result.columns.keys() == plain.columns.keys()
        for name, column in plain.columns.items():
            np.testing.assert_array_equal(result.columns[name], column)


def test_what_is_drawn_is_the_same_in_all_groups_of_an_optimizer():
    axes = {
        "optimizer": {"a": ch5jax.adam, "w": optax.adamw},
        "learning_rate": ch5jax.log(1e-3, 1.0),
        "weight_decay": ch5jax.log(1e-5, 0.1),
        "initial_scale": ch5jax.linear(0.5, 2.0),
        "activation": [jax.nn.relu, jax.nn.tanh],
        "bias_correction": [True, False],
    }
    made = found(axes, count=16)
    assert {name.split(",")[0] for name in made.task} == {"a", "w"}
    for optimizer, kinds in (("a", 4), ("w", 2)):
        mine = [batch for name, batch in made.hyperparameters.items() if name.split(",")[0] == optimizer]
        assert len(mine) == kinds
        assert sum(len(batch["initial_scale"]) for batch in mine) == 16
        assert all(batch["optimizer"].learning_rate.shape == batch["initial_scale"].shape for batch in mine)
    decays = [batch["optimizer"].weight_decay for name, batch in made.hyperparameters.items() if name[0] == "w"]
    assert (np.concatenate(decays) > 1e-5).all()
    again, other = found(axes, count=16), found(axes, count=16, seed=1)
    assert jax.tree.all(jax.tree.map(np.array_equal, again.hyperparameters, made.hyperparameters))
    assert not np.array_equal(
        next(iter(other.hyperparameters.values()))["initial_scale"],
        next(iter(made.hyperparameters.values()))["initial_scale"],
    )
    result = ch5jax.sweep(*made, steps=2, key=KEY, signals_every=0)
    assert np.isfinite(result.columns["loss"]).all()


def test_the_structure_is_that_of_the_group():
    result = swept({"optimizer": ch5jax.sgd, "learning_rate": 0.1, "hidden": [(5,), (), (3, 2)]})
    sizes = {"sgd, hidden=5": 65 * 5 + 60, "sgd, hidden=none": 650, "sgd, hidden=3-2": 65 * 3 + 8 + 30}
    for i, (group, size) in enumerate(sizes.items()):
        assert result.columns["group"][i] == group
        assert sum(leaf.size for leaf in jax.tree.leaves(result.trial(i).params)) == size


@pytest.mark.parametrize("count", [None, 3])
def test_numbers_by_their_places(count):
    scale = [0.5, 1.0, 2.0] if count is None else ch5jax.log(0.5, 2.0)
    axes = {"optimizer": ch5jax.sgd, "learning_rate": 0.1, "initial_scale[1]": scale, "initial_scale[0]": 3}
    (batch,) = found(axes, count=count).hyperparameters.values()
    assert batch["initial_scale"].shape == (3, 2)
    assert (batch["initial_scale"][:, 0] == 3).all()
    assert len({*batch["initial_scale"][:, 1].tolist()}) == 3
    columns = swept(axes, count=count).columns
    np.testing.assert_allclose(columns["initial_scale[1]"], batch["initial_scale"][:, 1])


def test_a_setting_alone():
    assert len(swept({"optimizer": ch5jax.sgd, "learning_rate": 0.1})) == 1
    both = {"initial_scale[0]": 1.0, "initial_scale[1]": 2.0}  # as many as settings would be, were there two
    (batch,) = found({"optimizer": ch5jax.sgd, "learning_rate": 0.1, **both}).hyperparameters.values()
    assert batch["initial_scale"].tolist() == [[1.0, 2.0]]


def test_a_task_of_ones_own():
    def make(power=2, shift=0.0):
        def init(key, given):
            return given["optimizer"].init(1.0), jax.numpy.ones(())

        def step(key, index, given, state):
            loss, gradient = jax.value_and_grad(lambda w: (w - given["at"]) ** power)(state[1])
            updates, after = given["optimizer"].update(gradient, state[0], state[1])
            return (after, state[1] + updates), {"loss": loss}

        def evaluate(given, state):
            return {"validation_loss": (state[1] - given["at"]) ** power}

        return ch5jax.Task(init, step, evaluate, numbers=("at",))

    result = swept({"optimizer": ch5jax.sgd, "learning_rate": 0.1, "at": [0.0, 0.5], "power": [2, 4]}, make)
    assert result.groups == ("sgd, power=2", "sgd, power=4")
    assert result.columns["at"].tolist() == [0.0, 0.5, 0.0, 0.5]


SGD = {"optimizer": ch5jax.sgd, "learning_rate": [0.1]}


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"learning_rate": [0.1]}, "must have an 'optimizer', a function that makes one"),
        ({"optimizer": [], "learning_rate": [0.1]}, "must have an 'optimizer'"),
        ({"optimizer": [ch5jax.sgd, ch5jax.sgd]}, "must name functions of one name apart"),
        ({"optimizer": "adam"}, "must have an 'optimizer'"),
        (
            {**SGD, "hiden": [(4,)]},
            r"axes, what is varied, must be among .*hidden, .*; got 'hiden'",
        ),
        ({**SGD, "optimizer.hidden": [(4,)]}, "got 'optimizer.hidden'"),
        ({**SGD, "weight_decay": [0.1]}, "got 'weight_decay'"),
        ({**SGD, "batch_norm_momentum": [0.9]}, "got 'batch_norm_momentum'"),
        ({**SGD, "a b": [1]}, "must have names such as"),
        ({**SGD, "optimizer.learning_rate": [1]}, "got 'learning_rate' and 'optimizer.learning_rate'"),
        ({**SGD, "initial_scale[x]": [1.0]}, "must have names such as"),
        ({**SGD, "": [1.0]}, "must have names such as"),
        ({**SGD, "hidden": []}, "at least one value"),
        ({**SGD, "hidden": [(4,), (4,)]}, "every value once, got 4 twice"),
        ({**SGD, "batch_size": ch5jax.integer(1, 8)}, "needs count"),
        ({**SGD, "initial_scale[1]": [1.0]}, r"all elements of 'initial_scale'"),
        ({**SGD, "initial_scale": [1.0], "initial_scale[0]": 2.0}, "or its elements, got both"),
        ({**SGD, "hidden": [(4, "x")]}, "x"),
        ({**SGD, "learning_rate": [-1.0]}, "learning_rate must be"),
        ({"optimizer": ch5jax.sgd}, "must give 'learning_rate', without which there is no sgd"),
        ({"optimizer": optax.adamw, "b1": [0.8]}, "must give 'learning_rate', without which there is no adamw"),
    ],
)
def test_what_is_no_space(axes, words):
    with pytest.raises(ValueError, match=words):
        found(axes)


def test_what_is_no_space_to_draw_from():
    with pytest.raises(ValueError, match="makes a program for each value: give a list"):
        found({**SGD, "batch_size": ch5jax.integer(4, 8)}, count=2)
    with pytest.raises(ValueError, match="count must be a positive integer"):
        found(SGD, count=0)
    with pytest.raises(ValueError, match=r"task must be a ch5jax\.Task, or a function"):
        found(SGD, task=3)
    with pytest.raises(ValueError, match="which gave 3"):
        found(SGD, task=lambda: 3)
    with pytest.raises(ValueError, match="learning_rate is a range to draw from"):
        ch5jax.grid(ch5jax.sgd, learning_rate=ch5jax.log(0.1, 1.0))


def test_a_name_that_the_task_and_an_optimizer_have_is_the_tasks():
    axes = {"optimizer": [ch5jax.rmsprop, ch5jax.adam], "learning_rate": 0.01, "initial_scale": [0.5, 2.0]}
    made = found(axes)
    for batch in made.hyperparameters.values():
        assert batch["initial_scale"].tolist() == [0.5, 2.0]
    assert {*made.hyperparameters["rmsprop"]["optimizer"].initial_scale.tolist()} == {ch5jax.rmsprop(0.1).initial_scale}
    both = found(axes | {"optimizer.initial_scale": [1.0]})
    assert both.hyperparameters["rmsprop"]["optimizer"].initial_scale.tolist() == [1.0, 1.0]
    assert both.hyperparameters["adam"]["initial_scale"].tolist() == [0.5, 2.0]
