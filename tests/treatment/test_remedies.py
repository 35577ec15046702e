"""What a remedy does to a training: to numbers, to the optimizer, to the task."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax.networks import mlp
from ch5jax.treatment import REMEDIES
from ch5jax.treatment._remedies import Case, treated
from ch5jax.verdicts.difficulties import RULES
from tests.treatment.small import inputs, labels, numbers, supervised

pytestmark = [pytest.mark.smoke, pytest.mark.usefixtures("compiled_quickly")]


def setting(case):
    return case.realised()[1]


@pytest.mark.parametrize(
    "given",
    [
        ch5jax.sgd(0.5),
        {"optimizer": ch5jax.sgd(0.5), "initial_scale": 2.0},
        ch5jax.chain(optax.clip(1.0), ch5jax.adam(0.5)),
        ch5jax.lift(optax.adamw, learning_rate=0.5, weight_decay=0.1),
        ch5jax.sgd(ch5jax.linear_decay(0.5, 0.05, 100)),
        ch5jax.sgd(np.float32(0.5)),
        {"optimizer": ch5jax.stack([ch5jax.sgd(0.5), ch5jax.sgd(0.25)])},
    ],
    ids=["alone", "named", "chained", "lifted", "scheduled", "array", "batch"],
)
def test_a_rate_is_scaled_wherever_it_stands_and_nothing_else_is(given):
    after = treated(Case(supervised(), given), "rate ÷ 10")[1].hyperparameters
    assert jax.tree.structure(after) == jax.tree.structure(given)
    rates = 0
    for (path, before), new in zip(jax.tree_util.tree_leaves_with_path(given), jax.tree.leaves(after), strict=True):
        name = jax.tree_util.keystr(path)
        of_a_rate = "learning_rate" in name and "transition_steps" not in name
        rates += of_a_rate
        np.testing.assert_allclose(new, np.asarray(before) / 10 if of_a_rate else before, rtol=1e-6)
    assert rates


def test_where_there_is_no_rate_or_no_optimizer_it_cannot_be_had():
    task = supervised()
    assert treated(Case(task, {"step_size": 0.1}), "rate × 10") is None
    assert treated(Case(task, {"learning_rate": 0.1}), "rate × 10")[1].hyperparameters == {"learning_rate": 1.0}
    assert treated(Case(task, {"learning_rate": 0.1}), "Adam at 0.01") is None


def test_of_several_at_once_what_cannot_be_had_is_left_out():
    task = supervised()
    name, case = treated(
        Case(task, {"learning_rate": 0.1}), "Adam at 0.01 + rate × 10 + BatchNorm + weights drawn anew"
    )
    assert name == "rate × 10 + weights drawn anew"
    assert case.hyperparameters == {"learning_rate": 1.0}
    assert treated(case, "weights drawn anew + rate × 10")[0] == "rate × 10"


def test_an_optimizer_is_replaced_or_clipped_and_the_rest_stays():
    given = {"optimizer": ch5jax.sgd(0.5), "initial_scale": 2.0}
    adam = treated(Case(supervised(), given), "Adam at 0.01")[1].hyperparameters
    assert adam["optimizer"].learning_rate == 0.01
    assert adam["initial_scale"] == 2.0
    clipped = treated(Case(supervised(), given), "clipped gradient")[1].hyperparameters["optimizer"]
    large = {"w": jnp.full(4, 100.0)}
    updates, _ = clipped.update(large, clipped.init(large), large)
    np.testing.assert_allclose(jnp.linalg.norm(updates["w"]), 0.5, rtol=1e-5)


def test_what_is_a_number_is_one_program_that_changes_no_bit_where_it_is_not_done():
    task = supervised(inputs=100 + 5 * inputs)
    case, opt = Case(task, ch5jax.sgd(0.01)), ch5jax.sgd(0.01)
    names = [variant.name for variant in task.variants() if variant.number]
    assert names == ["weights drawn anew", "standardised inputs"]
    plain, (same, none_of_it) = ch5jax.train(task, opt, jax.random.key(0), 10), case.realised()
    again = ch5jax.train(same, none_of_it, jax.random.key(0), 10)
    np.testing.assert_array_equal(plain.metrics["loss"], again.metrics["loss"])
    for name in names:
        other, given = treated(case, name)[1].realised()
        assert other is same
        assert jax.tree.structure(given) == jax.tree.structure(none_of_it)
        run = ch5jax.train(other, given, jax.random.key(0), 10)
        assert not np.array_equal(run.metrics["loss"], plain.metrics["loss"])


def test_standardised_inputs_are_those_of_a_task_that_has_them_so():
    moved = 100 + np.array([5.0, 0.01], np.float32) * inputs
    train = moved[: len(moved) // 2]
    by_hand = (moved - train.mean(0)) / train.std(0)
    task, given = treated(Case(supervised(inputs=moved), ch5jax.sgd(0.1)), "standardised inputs")[1].realised()
    ours = ch5jax.train(task, given, jax.random.key(0), 10)
    theirs = ch5jax.train(supervised(inputs=by_hand), ch5jax.sgd(0.1), jax.random.key(0), 10)
    np.testing.assert_allclose(ours.metrics["loss"], theirs.metrics["loss"], rtol=1e-3)
    outputs = (
        task.predict(given, ours.state, moved),
        supervised(inputs=by_hand).predict(ch5jax.sgd(0.1), theirs.state, by_hand),
    )
    np.testing.assert_allclose(*outputs, rtol=1e-2, atol=1e-4)


def test_outputs_are_in_the_targets_units_however_the_network_sees_them():
    targets = 1e4 + 1e3 * numbers[:, None]
    task, given = treated(Case(supervised(targets=targets), ch5jax.adam(0.01)), "standardised targets")[1].realised()
    run = ch5jax.train(task, given, jax.random.key(0), 200)
    outputs = task.predict(given, run.state, inputs)
    assert float(run.evaluations["validation_r2"][-1]) > 0.5
    assert 0.5e4 < float(jnp.mean(outputs)) < 1.5e4


@pytest.mark.parametrize("start", ["zeros", "ones", "huge"])
def test_weights_are_drawn_anew_whatever_they_start_from(start):
    value = {"zeros": 0.0, "ones": 1.0, "huge": 1e6}[start]

    def init(key):
        return {
            "w": jnp.full((2, 64), value),
            "b": jnp.full(64, -10.0),
            "scale": jnp.ones(64),
            "out": jnp.ones((64, 2)),
        }

    def apply(params, x):
        return jnp.tanh((x @ params["w"]) * params["scale"] + params["b"]) @ params["out"]

    task, given = treated(Case(supervised(model=(init, apply)), ch5jax.sgd(0.1)), "weights drawn anew")[1].realised()
    params = task.params(task.init(jax.random.key(0), given))
    assert abs(float(params["w"].std()) - (2 / 33) ** 0.5) < 0.05  # the variance is 2 over the mean of 2 and 64
    assert not np.array_equal(params["w"][0], params["w"][1])
    np.testing.assert_array_equal(params["b"], 0)
    np.testing.assert_array_equal(params["scale"], 1)


def test_our_networks_can_be_had_with_batch_norm_and_relus():
    case = Case(supervised(model=mlp((2, 8, 2), jax.nn.sigmoid)), ch5jax.sgd(0.1))
    task, given = treated(case, "BatchNorm + ReLU")[1].realised()
    params = task.params(task.init(jax.random.key(0), given))
    assert params[0]._fields == ("kernel", "scale", "bias")
    relus = treated(case, "ReLU")[1].task
    text = str(
        jax.make_jaxpr(lambda state: relus.predict(ch5jax.sgd(0.1), state, inputs))(
            relus.init(jax.random.key(0), ch5jax.sgd(0.1))
        )
    )
    assert "logistic" not in text
    assert "max" in text


def test_what_is_made_again_can_be_made_again_otherwise():
    case = Case(supervised(model=mlp((2, 8, 2))), ch5jax.sgd(0.1))
    assert treated(case, "larger batches + BatchNorm + ReLU")[0] == "larger batches + BatchNorm + ReLU"


@pytest.mark.parametrize(("name", "rows"), [("larger batches", 30), ("smaller batches", 2)])
def test_batches_are_larger_or_smaller_as_far_as_there_are_examples(name, rows):
    seen = []

    def loss(outputs, targets):
        seen.append(len(targets))
        return jnp.mean((outputs[:, 0] - targets) ** 2)

    task = supervised(loss=loss, batch_size=8)
    changed, given = treated(Case(task, ch5jax.sgd(0.1)), name)[1].realised()
    seen.clear()
    jax.eval_shape(changed.step, jax.random.key(0), 0, given, changed.init(jax.random.key(0), given))
    assert set(seen) == {rows}


def test_a_model_of_another_framework_has_no_variants_that_it_cannot_have():
    names = {variant.name for variant in supervised().variants()}
    assert not names & {"BatchNorm", "ReLU"}
    classes = {variant.name for variant in supervised(targets=labels, inputs=_standard(inputs)).variants()}
    assert "standardised targets" not in classes
    assert "standardised inputs" not in classes


def _standard(values):
    train = values[: len(values) // 2]
    return (values - train.mean(0)) / train.std(0)


def test_every_difficulty_names_remedies_that_there_are():
    for rule in RULES.values():
        assert rule.treatments
        assert {part for name in rule.treatments for part in name.split(" + ")} <= {*REMEDIES}
