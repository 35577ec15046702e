"""The exam on public runs: its table, its criterion and its figures; not the trainings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import public_runs
from benchmarks.public import exam
from benchmarks.public.data import PROBLEMS, Data, is_classes, prepared, range_of
from benchmarks.public.networks import Net, binary_crossentropy, categorical_crossentropy, model_of
from benchmarks.public.published import published
from benchmarks.public.runs import LABELS, OUR_OWN, keys_of, programs, setting_of, task_of
from ch5jax.verdicts import Diagnosis, Thresholds, diagnosis_of

RUNS = exam.runs()


def test_every_label_is_a_verdict_and_every_run_has_a_name_of_its_own():
    assert len({run.name for run in RUNS}) == len(RUNS)
    assert {label for run in RUNS for label in run.label} <= LABELS
    assert all(len(set(run.label)) == len(run.label) for run in RUNS)
    assert all(run.source and run.kind for run in RUNS)
    assert len(published()) == 28


@pytest.mark.parametrize("half", public_runs.HALVES)
def test_a_half_has_runs_that_learn_and_runs_that_fail_in_many_ways(half):
    here = [run for run in RUNS if run.half == half]
    assert sum(run.label == ("HEALTHY",) for run in here) >= 12
    assert len({run.label[0] for run in here if run.label}) >= 9
    assert len({run.data.problem for run in here}) >= 3


def test_no_data_set_and_no_public_source_is_in_both_halves():
    tune, report = ([run for run in RUNS if run.half == half] for half in public_runs.HALVES)
    assert not {run.data.problem for run in tune} & {run.data.problem for run in report}
    assert not {run.source for run in tune} & {run.source for run in report} - {OUR_OWN}
    assert PROBLEMS["clinic"].half == PROBLEMS["diabetes"].half  # the same patients


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_run_trains_and_evaluates_in_shapes(run):
    task, key = task_of(run), jax.random.key(0)

    def two_steps(setting):
        def step(index, state):
            return task.step(key, index, setting, state)[0]

        state = jax.lax.fori_loop(0, 2, step, task.init(key, setting))
        return task.loss(key, setting, state, task.params(state)), task.evaluate(setting, state)

    loss, evaluated = jax.eval_shape(two_steps, setting_of(run))
    assert loss.shape == ()
    assert ("validation_accuracy" if is_classes(run.data.problem) else "validation_r2") in evaluated
    assert task.lowest is None


def test_runs_have_keys_of_their_own():
    keys = {tuple(np.asarray(jax.random.key_data(key))) for run in RUNS for key in keys_of(run, 3)}
    assert len(keys) == 3 * len(RUNS)


def test_data_are_prepared_by_the_training_part():
    wine = prepared(Data("wine"))
    np.testing.assert_allclose(wine.inputs.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(wine.inputs.std(axis=0), 1, rtol=1e-5)
    assert abs(wine.validation_inputs.mean(axis=0)).max() > 0.01
    few = prepared(Data("digits", first=60, wrong=0.8))
    right = prepared(Data("digits", first=60))
    assert few.inputs.shape == (60, 64)
    assert few.inputs.max() == 1
    assert 20 < (few.targets != right.targets).sum() < 60
    np.testing.assert_array_equal(few.validation_targets, right.validation_targets)
    assert set(prepared(Data("circles", labels_from=1)).targets) == {1, 2}
    assert prepared(Data("blobs", scaled=False, factor=100.0)).inputs.std() > 100


def test_losses_are_keras_s():
    shares = jnp.array([[2.0, 1.0, 1.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0]])
    targets = jnp.eye(3)[jnp.array([0, 0, 1])]
    # divided by their sum, clipped at 1e-7, and 0/0 where all are 0
    np.testing.assert_allclose(categorical_crossentropy(shares, targets), [np.log(2), -np.log(1e-7), np.nan], rtol=1e-5)
    found = binary_crossentropy(jnp.array([[0.25], [0.0], [1.0]]), jnp.array([1.0, 1.0, 1.0]))
    np.testing.assert_allclose(found, [np.log(4), -np.log(1e-7), 1.2e-7], rtol=0.02)


def test_a_network_starts_as_keras_would_have_it():
    init, apply = model_of(Net((50, 30), "relu", 1, "sigmoid", ("he_uniform", "zeros"), ("ones", "zeros")), 20)
    first, second, last = init(jax.random.key(0), 1.0, -3.0)
    limit = np.sqrt(6 / 20)
    assert 0.95 * limit < jnp.abs(first["kernel"]).max() <= limit
    assert jnp.abs(second["kernel"]).max() <= np.sqrt(6 / 50)
    assert (first["bias"] == -2).all()
    assert (last["kernel"] == 0).all()
    assert (last["bias"] == 0).all()
    outputs = apply([first, second, last], jnp.ones((4, 20)), None, False)
    np.testing.assert_array_equal(outputs, np.full((4, 1), 0.5))


@pytest.mark.parametrize(
    ("score", "outcome"),
    [(0.95, "learned"), (0.905, "neither"), (0.78, "failed"), (0.5, "failed"), (np.nan, "failed")],
)
def test_a_run_has_learned_by_how_far_it_came_from_a_constant_to_a_reference(score, outcome):
    run = next(run for run in RUNS if run.data.problem == "breast_cancer")
    constant, reference = range_of("breast_cancer")
    assert 0.6 < constant < 0.65
    assert 0.94 < reference < 0.99
    metrics = {"loss": np.zeros(2), "validation_accuracy": np.array([score, 0.0])}
    record = exam.Recorded(run.training, None, None, None, None, metrics, None, 1, 1, None, None)
    assert exam.outcomes(run, record) == [outcome, "failed"]
    lost = record._replace(metrics=metrics | {"loss": np.full(2, np.inf)})
    assert exam.outcomes(run, lost) == ["failed", "failed"]


def test_what_is_recorded_is_judged_as_diagnose_does(compiled_quickly, tmp_path):
    """Also after it has been in a file; and with other thresholds otherwise."""
    group = next(group for group in programs([r for r in RUNS if r.data.problem == "wine"]) if len(group) > 1)
    records = exam.recorded(group, seeds=2, steps=16)()
    assert len(records) == len(group)
    path = tmp_path / "records"
    exam.keep(path, {run.name: record for run, record in zip(group, records, strict=True)})
    for run, record in zip(group, records, strict=True):
        again = exam.judged(exam.kept(path)[run.name])
        assert isinstance(again, Diagnosis)
        np.testing.assert_array_equal(again.code, record.code)
        assert record.signals.mean_loss.shape == (2, 16)
        ends = record.signals, record.curvature, record.gradient_norm, record.continuations
        one = jax.tree.map(lambda leaf: leaf[1], ends)
        known = np.nan, record.baseline, record.names, Thresholds(), *one[1:3]
        alone = diagnosis_of(one[0], 16, 1, *known, continuations=one[3])
        assert int(alone.code) == int(record.code[1])
    exam.keep(path, {group[0].name: records[0]._replace(training="as it was before it had another rate")})
    assert exam.kept(path) == {}
    strict = exam.judged(records[0], Thresholds(flat_units=-1.0)).findings.found
    assert strict[:, 3].all()


def test_totals_count_trainings_by_what_became_of_them():
    base = {"half": "tune"}
    rows = [
        base | {"label": ("SLOW",), "verdicts": ["SLOW", "HEALTHY", "NOISE"], "outcomes": ["failed"] * 3},
        base | {"label": (), "verdicts": ["UNKNOWN", "SLOW"], "outcomes": ["failed", "neither"]},
        base
        | {"label": ("HEALTHY",), "verdicts": ["HEALTHY", "SLOW", "SLOW"], "outcomes": ["learned"] * 2 + ["failed"]},
    ]
    assert public_runs.total(rows) == {
        "trainings": 8,
        "failed": 5,
        "told HEALTHY": 1,
        "told a difficulty": 3,
        "failed, with a label": 3,
        "told a right one": 1,
        "learned": 2,
        "accused": 1,
    }
    found = public_runs.confusion(rows)
    assert found["none"] == {"UNKNOWN": 1, "SLOW": 1}
    assert found["SLOW"]["NOISE"] == 1
