"""A search that was stopped, wherever that was, goes on and ends as if it had not been."""

import signal
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from tests.searches.small import RATES, TASK, cma_es, run, study_in, told, tpe

SEARCH = """
import os, sys
import jax
jax.config.update("jax_num_cpu_devices", 2)
from pathlib import Path
from tests.searches.small import run, study_in
folder = Path(sys.argv[1])
def report(progress):
    print(flush=True)
    sys.stdin.readline()
run(study_in(folder), store=folder / "store", progress=report)
"""


@pytest.fixture(scope="module")
def whole():
    """The search that nobody stops."""
    return told(run(study_in()).study)


def test_killed_in_a_rounds_training(tmp_path, quick_environment, whole):
    command = [sys.executable, "-c", SEARCH, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**quick_environment, "PYTHONPATH": "."}
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], env=environment, **pipes) as process:
        study = None
        while study is None or len(study.trials) <= 4:  # until the second round is at work
            process.stdout.readline()
            study = study_in(tmp_path)
            if len(study.trials) <= 4:
                print(file=process.stdin, flush=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 4 + ["RUNNING"] * 4
    found = run(study_in(tmp_path), store=tmp_path / "store").study
    assert told(found) == whole
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == [f"round{n:06}" for n in (0, 4, 8)]


@pytest.mark.parametrize("told_before", [0, 1, 3])
@pytest.mark.parametrize("kept", [False, True])
def test_stopped_between_what_is_told(tmp_path, monkeypatch, whole, told_before, kept):
    study = study_in(tmp_path)
    store = tmp_path / "store" if kept else None
    plain, left = study.tell, [4 + told_before]

    def tell(*args, **rest):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return plain(*args, **rest)

    monkeypatch.setattr(study, "tell", tell)
    with pytest.raises(KeyboardInterrupt):
        run(study, store=store)
    states = [t.state.name for t in study_in(tmp_path).trials]
    assert states == ["COMPLETE"] * (4 + told_before) + ["RUNNING"] * (4 - told_before)
    assert told(run(study_in(tmp_path), store=store).study) == whole


@pytest.mark.parametrize("sampler", [tpe, cma_es])
@pytest.mark.parametrize("asked", [1, 6])
def test_stopped_between_what_is_asked_for(tmp_path, sampler, asked):
    study, plain = study_in(tmp_path), []

    def interrupted(seed):
        if len(plain) == asked:
            raise KeyboardInterrupt
        plain.append(seed)
        return sampler(seed)

    with pytest.raises(KeyboardInterrupt):
        run(study, sampler=interrupted)
    assert len(study.trials) == asked
    assert told(run(study_in(tmp_path), sampler=sampler).study) == told(run(study_in(), sampler=sampler).study)


def test_stopped_in_the_middle_of_asking(tmp_path, whole):
    """Such a trial has no parameters, or is not known to be of the search: it has failed, and does not count."""
    study = study_in(tmp_path)
    run(study, count=4)
    study.ask()
    study.ask({"learning_rate": optuna.distributions.FloatDistribution(RATES.low, RATES.high, log=True)})
    found = run(study_in(tmp_path)).study
    states = [t.state.name for t in found.trials]
    assert states == ["COMPLETE"] * 4 + ["FAIL"] * 2 + ["COMPLETE"] * 8
    fine = [t for t in told(found) if t[1] != "FAIL"]
    assert [t[1:] for t in fine] == [t[1:] for t in whole]


def test_settings_that_a_user_enqueued_are_trained_first(tmp_path):
    study = study_in(tmp_path)
    study.enqueue_trial({"learning_rate": 0.00123})
    found = run(study, count=4)
    assert found.study.trials[0].params == {"learning_rate": 0.00123}
    assert len(found.study.trials) == 4


def test_trials_that_the_study_had_before_count(tmp_path):
    study = study_in(tmp_path)
    study.add_trial(
        optuna.trial.create_trial(
            params={"learning_rate": 0.01},
            distributions={"learning_rate": optuna.distributions.FloatDistribution(RATES.low, RATES.high, log=True)},
            value=1.0,
        )
    )
    found = run(study, count=6)
    assert [t.user_attrs.get("round") for t in found.study.trials] == [None, 1, 1, 1, 1, 5]
    with pytest.raises(ValueError, match="number must be that of a trial of this search, got 0"):
        found.again(0)


def test_a_journal_is_a_storage_too(tmp_path, whole):
    def study():
        backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal"))
        storage = optuna.storages.JournalStorage(backend)
        return optuna.create_study(storage=storage, study_name="small", load_if_exists=True)

    run(study(), count=4)
    assert told(run(study()).study) == whole


def test_another_task_in_the_same_folder_is_refused(tmp_path):
    study = study_in(tmp_path)
    run(study, count=4, store=tmp_path / "store")
    study.set_user_attr("ch5jax", study.user_attrs["ch5jax"])
    other = TASK._replace(evaluate=lambda own, state: {"validation_loss": state.params.sum()})
    fresh = study_in()
    with pytest.raises(ValueError, match="round000000"):
        run(fresh, other, count=4, store=tmp_path / "store")
