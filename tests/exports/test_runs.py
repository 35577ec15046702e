"""What of a sweep is exported, before any tool: which trials, up to which step, under which names."""

import dataclasses
import os

import jax
import numpy as np
import pytest

import ch5jax.exports
import ch5jax.report
from ch5jax.exports import _mlflow, _wandb
from ch5jax.exports._environment import environment
from ch5jax.exports._names import LONGEST, as_markdown, cut, fitted
from ch5jax.exports._runs import _plain, runs_of
from ch5jax.report import visible
from tests.exports.sweeps import METRICS, SETTINGS, hostile

CLEANERS = {"tensorboard": visible, "mlflow": _mlflow._clean, "wandb": _wandb._clean}


def test_a_run_has_what_the_table_and_the_curves_have(result):
    runs = list(runs_of(result, None, True, visible))
    assert [run.number for run in runs] == list(range(6))
    assert [run.name for run in runs] == ["0000 a/b", "0001 a/b", "0002 a/b", "0003 a/b", "0004 adam", "0005 adam"]
    for run in runs:
        row = {name: values[run.number] for name, values in result.columns.items()}
        rest = {"b1": 0.9, "b2": 0.999, "eps": 1e-7} if row["group"] == "adam" else {}
        assert run.settings == {
            "group": row["group"],
            "learning_rate": row["learning_rate"],
            **rest,
            "seed": row["seed"],
        }
        assert run.diverged == (row["diverged_at"] >= 0) == ("diverged_at" in run.scores)
        assert run.words == {name: row[name] for name in ("verdict", "difficulties", "remedy")}
        assert run.diagnosis == str(result.diagnosis(run.number))
        assert run.scores["steps_trained"] == row["steps_trained"]
        for name in ("loss", "validation_loss", "test_accuracy"):
            steps, values = run.courses[name]
            assert steps[-1] == row["steps_trained"], "a trial that a rung stopped has no steps behind it"
            assert np.array_equal(values[-1], row[name], equal_nan=True)
        probes = run.courses["signals/update_ratio/0.kernel"]
        assert probes.steps[-1] == row["steps_trained"]
    without = runs_of(result, [4, 2], False, visible)
    assert [run.number for run in without] == [4, 2]
    assert not [name for run in without for name in run.courses if name.startswith("signals")]


def test_a_trial_of_a_sweep_that_is_not_finished_is_the_one_that_it_will_be(tmp_path):
    task = ch5jax.tasks.surface(ch5jax.problems.beale(), start_spread=0.1)
    opts = {
        "a": ch5jax.grid(ch5jax.sgd, learning_rate=np.geomspace(1e-4, 1e-2, 4)),
        "b": ch5jax.grid(ch5jax.momentum, learning_rate=[0.001]),
    }
    result = ch5jax.sweep(task, opts, steps=20, key=jax.random.key(0), seeds=2, store=tmp_path, width=2)
    first = {run.number: run for run in runs_of(result, None, True, visible)}
    for chunk in (0, 2):
        for file in tmp_path.glob(f"group000-chunk*{chunk}.*"):
            file.unlink()
    half = ch5jax.open(tmp_path, unfinished=True)
    runs = list(runs_of(half, None, True, visible))
    assert [run.number for run in runs] == [2, 3, 6, 7, 8, 9]
    for run in runs:
        whole = first[run.number]
        assert run.settings == whole.settings
        assert run.scores == whole.scores
        assert (run.name, run.words, run.diagnosis) == (whole.name, {**whole.words, **run.words}, whole.diagnosis)
        assert all(np.array_equal(run.courses[name].values, whole.courses[name].values) for name in whole.courses)
    best = runs_of(half, half.ranking()[:1], False, visible)
    assert best.score(*best.trials) == half.columns["validation_loss"].min()


def test_sweeps_side_by_side_are_exported_as_one(result):
    both = ch5jax.report.together({"x": result, "y": result})
    runs = list(runs_of(both, None, True, visible))
    assert [run.name[:6] for run in runs] == [f"{i:04d} {'x' if i < 6 else 'y'}" for i in range(12)]
    for run, alone in zip(runs, 2 * list(runs_of(result, None, True, visible)), strict=True):
        assert run.courses.keys() == alone.courses.keys()
        for name, (steps, values) in run.courses.items():
            assert np.array_equal(steps, alone.courses[name].steps)
            assert np.array_equal(values, alone.courses[name].values, equal_nan=True)
        assert run.diagnosis == alone.diagnosis


@pytest.mark.parametrize("trials", [[], [0, 0], [6], [-1], [True], [0.0]])
def test_trials_are_numbers_of_the_sweep(result, trials):
    with pytest.raises(ValueError, match=r"trials? must be"):
        runs_of(result, trials, True, visible)


def test_many_trials_must_be_named(result):
    many = dataclasses.replace(result, columns={n: np.repeat(v, 200) for n, v in result.columns.items()})
    with pytest.raises(ValueError, match=r"more than 1,000, and this one has 1,200: result.ranking\(\)\[:1000\]"):
        runs_of(many, None, True, visible)


@pytest.mark.parametrize("tool", CLEANERS)
def test_no_two_names_become_one_and_none_is_lost(tool):
    clean = CLEANERS[tool]
    for names in (METRICS, SETTINGS):
        found = fitted(names, clean)
        assert list(found) == list(names)
        assert len(set(found.values())) == len(names)
        for new in found.values():
            assert 0 < len(new) <= LONGEST
            assert new.isprintable()
            assert clean(new) == new
    assert fitted(["a?b", "a_b"], _mlflow._clean) == {"a?b": "a_b_2", "a_b": "a_b"}, "what is taken as it is stays"
    runs = runs_of(hostile(), None, True, clean)
    for run in runs:
        assert len(run.courses) == len(METRICS)
        assert len(run.settings) == len(SETTINGS) + 2
    assert {"a?b", "x" * 9_000} <= set(runs.renamed) or tool == "tensorboard"


def test_names_that_are_a_tools_own_are_others():
    assert _wandb._clean("_step") == "named_step"
    assert _mlflow._clean("../../etc//passwd/.") == "etc/passwd"


def test_text_is_shown_as_it_is():
    assert as_markdown("# <b>*x*</b> [a](http://b)\nnext\x07") == (
        "\\# &lt;b&gt;\\*x\\*&lt;/b&gt; \\[a\\]\\(http://b\\)\n\nnext\\\\x07"
    )
    assert cut("a" * 100, 40) == "a" * 22 + "… (100 characters)"
    assert cut("a\nb", 40) == "a b"


def test_numbers_are_pythons_and_short():
    found = [_plain(value) for value in (np.float32(0.1), np.float64(0.1), np.int8(3), np.bool_(True), True, "a")]
    assert found == [0.1, 0.1, 3, True, True, "a"]
    assert [type(value) for value in found] == [float, float, int, bool, bool, str]


def test_the_environment_is_as_it_was(monkeypatch):
    monkeypatch.setenv("CH5JAX_SET", "mine")
    monkeypatch.delenv("CH5JAX_UNSET", raising=False)
    with environment(CH5JAX_SET="other", CH5JAX_UNSET="other"):
        assert (os.environ["CH5JAX_SET"], os.environ["CH5JAX_UNSET"]) == ("mine", "other")
    assert os.environ["CH5JAX_SET"] == "mine"
    assert "CH5JAX_UNSET" not in os.environ


@pytest.mark.parametrize(
    ("package", "export"),
    [
        ("tensorboard", ch5jax.exports.to_tensorboard),
        ("mlflow", lambda result, folder: ch5jax.exports.to_mlflow(result, experiment="e", name="n")),
        ("wandb", lambda result, folder: ch5jax.exports.to_wandb(result, project="p", name="n", folder=folder)),
    ],
)
def test_a_tool_that_is_not_installed_is_named(result, tmp_path, monkeypatch, package, export):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ImportError, match=rf'to_{package} needs {package}.*pip install "ch5jax\[{package}\]"'):
        export(result, tmp_path)
