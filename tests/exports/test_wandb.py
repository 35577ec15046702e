"""W&B's own reader shows what was written offline; nobody is asked for anything, and nothing is left running."""

import json
import os
import socket
import subprocess
import threading

import numpy as np
import pytest
import wandb
from wandb.util import get_core_path

from ch5jax.exports import to_wandb
from tests.exports.sweeps import METRICS, SETTINGS, hostile


def read(run):
    """What W&B's reader says of a run: all in one, and the history row by row."""
    (file,) = run.glob("*.wandb")
    command = [get_core_path(), "leet", "inspect", "-no-observability", "-json", "-run-file", str(file)]

    def said(*more):
        return subprocess.run([*command, *more, str(run.parent)], check=True, capture_output=True, text=True).stdout

    records = [json.loads(line) for line in said().splitlines()]
    history = [record["history"]["item"] for record in records if record["type"] == "history"]
    about = next(record["run"] for record in records if record["type"] == "run")
    return {**json.loads(said("-summary")), "group": about.get("run_group")}, history


def runs_in(folder):
    return sorted((folder / "wandb").glob("offline-run-*"), key=lambda run: int(run.name.split("-")[-1]))


def number(value):
    """JSON has no NaN."""
    return float(value)


@pytest.fixture(scope="module")
def written(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wandb") / "made"
    done = []
    exported = to_wandb(result, project="digits", name="rates", folder=folder, progress=lambda *at: done.append(at))
    assert (exported.runs, exported.place, exported.renamed) == (6, str(folder), {})
    assert done == [(i, 6) for i in range(1, 7)]
    return folder


def test_a_run_has_the_rows_of_the_table_and_the_curves(result, written):
    runs = runs_in(written)
    assert len(runs) == 6
    for i, run in enumerate(runs):
        about, history = read(run)
        row = {name: values[i] for name, values in result.columns.items()}
        rest = {"b1": 0.9, "b2": 0.999, "eps": 1e-7} if row["group"] == "adam" else {}
        given = {"group": row["group"], "learning_rate": row["learning_rate"], "seed": row["seed"]}
        assert about["config"] == given | rest
        assert (about["project"], about["group"], about["name"]) == ("digits", "rates", f"000{i} {row['group']}")
        assert about["notes"] == str(result.diagnosis(i))
        assert about["state"] == ("failed" if row["diverged_at"] >= 0 else "finished")
        for name in ("verdict", "difficulties", "remedy"):
            assert about["summary"][name] == row[name]
        for name in ("loss", "validation_accuracy", "test_loss", "best_step", "steps_trained"):
            assert np.array_equal(number(about["summary"][name]), row[name], equal_nan=True)
        assert ("diverged_at" in about["summary"]) == (row["diverged_at"] >= 0)
        curves, last = result.curves[row["group"]], row["steps_trained"]
        every = [
            (curves.steps, curves.metrics["loss"]),
            (curves.evaluated_at, curves.evaluations["test_accuracy"]),
            (curves.probed_at, curves.signals.noise),
        ]
        for name, (steps, values) in zip(("loss", "test_accuracy", "signals/noise"), every, strict=True):
            points = [(item["_step"], number(item[name])) for item in history if name in item]
            assert [step for step, _ in points] == steps[steps <= last].tolist()
            assert np.array_equal([value for _, value in points], values[i % 4][steps <= last], equal_nan=True)


def test_a_sweep_is_replaced_only_if_asked(result, tmp_path):
    def export(**more):
        to_wandb(result, project="digits", folder=tmp_path, signals=False, **{"name": "one"} | more)

    export(trials=[0, 1])
    with pytest.raises(ValueError, match=r"has a sweep 'one' of 'digits' already.*replace=True"):
        export(trials=[2])
    export(trials=[2], replace=True)
    assert [read(run)[0]["name"] for run in runs_in(tmp_path)] == ["0002 a/b"]
    assert not [name for item in read(runs_in(tmp_path)[0])[1] for name in item if name.startswith("signals")]
    export(trials=[3], name="two")
    assert len(runs_in(tmp_path)) == 2


def test_hostile_names_are_all_there(tmp_path):
    sweep = hostile()
    exported = to_wandb(sweep, project="a/b\\#?%:\x07", name="\ud800</b>" * 50, folder=tmp_path)
    for i, run in enumerate(runs_in(tmp_path)):
        about, history = read(run)
        assert about["project"] == "a-b------x07"
        assert about["group"].endswith("… (500 characters)")
        assert len(about["config"]) == len(SETTINGS) + 2
        curves = sweep.curves[sweep.groups[i]]
        for name in METRICS:
            new = exported.renamed.get(name, name)
            assert new[0].isalpha()
            found = [(item["_step"], number(item[new])) for item in history]
            assert [step for step, _ in found] == [5, 10]
            given = (curves.metrics | curves.evaluations)[name][0]
            assert np.array_equal([value for _, value in found], given, equal_nan=True)


def test_nobody_is_asked_and_nothing_is_left(result, tmp_path, monkeypatch):
    """With a server, a proxy and a key at hand, which would be used if anything was."""
    started, before = [], set(threading.enumerate())

    class Popen(subprocess.Popen):
        def __init__(self, *args, **more):
            super().__init__(*args, **more)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        for name in ("WANDB_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, address)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.delenv("WANDB_ERROR_REPORTING", raising=False)
        to_wandb(result, project="digits", name="quiet", folder=tmp_path, trials=[0])
        with pytest.raises(TimeoutError):
            server.accept()
    assert started
    assert all(process.poll() is not None for process in started)
    assert not set(threading.enumerate()) - before
    assert "WANDB_ERROR_REPORTING" not in os.environ


def test_a_run_of_the_users_goes_on(result, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_machine_info=True)
    mine = wandb.init(project="mine", mode="offline", dir=str(tmp_path), settings=quiet)
    try:
        to_wandb(result, project="digits", name="beside", folder=tmp_path / "ours", trials=[0])
        assert wandb.run is mine
        mine.log({"loss": 1.0}, step=3)
    finally:
        mine.finish()
        wandb.teardown()
    assert read(next((tmp_path / "wandb").glob("offline-run-*")))[1][0]["loss"] == 1.0


def test_what_stops_an_export_leaves_nothing_running(result, tmp_path):
    def stop(done, trials):
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        to_wandb(result, project="digits", name="n", folder=tmp_path, progress=stop)
    assert not set(threading.enumerate()) - before
    assert len(runs_in(tmp_path)) == 1


@pytest.mark.parametrize("given", [{"project": " "}, {"name": ""}, {"mode": "disabled"}])
def test_what_is_given_is_checked(result, tmp_path, given):
    with pytest.raises(ValueError, match=f"{next(iter(given))} must be"):
        to_wandb(result, **{"project": "p", "name": "n", "folder": tmp_path} | given)


def test_a_folder_that_cannot_be_written_is_an_error(result, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OSError, match="cannot be written"):
        to_wandb(result, project="p", name="n", folder=tmp_path)
    assert not (tmp_path / "wandb").exists()
