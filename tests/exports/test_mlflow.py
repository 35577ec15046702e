"""MLflow's own client reads back what was written into an SQLite store."""

import os
import threading

import mlflow
import numpy as np
import pytest

from ch5jax.exports import to_mlflow
from tests.exports.sweeps import METRICS, SETTINGS, hostile


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(scope="module")
def client(uri):
    return mlflow.MlflowClient(tracking_uri=uri)


@pytest.fixture(scope="module")
def written(result, uri):
    done = []
    exported = to_mlflow(
        result, experiment="digits", name="rates", tracking_uri=uri, progress=lambda *at: done.append(at)
    )
    assert (exported.runs, exported.place, exported.renamed) == (6, uri, {})
    assert done == [(i, 6) for i in range(1, 7)]
    return "digits"


def runs_of(client, experiment):
    """The sweeps' runs, and the trials' by their parents."""
    number = client.get_experiment_by_name(experiment).experiment_id
    found = client.search_runs([number], order_by=["attributes.run_name ASC"])
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return [run for run in found if run not in children], children


def test_a_run_for_the_sweep_has_one_for_each_trial(result, client, written):
    (sweep,), trials = runs_of(client, written)
    assert (sweep.info.run_name, sweep.info.status) == ("rates", "FINISHED")
    assert sweep.data.tags["trials"] == "6 of 6"
    assert sweep.data.metrics == {"validation_accuracy": result.columns["validation_accuracy"][result.ranking()[0]]}
    assert len(trials) == 6
    for i, run in enumerate(trials):
        row = {name: values[i] for name, values in result.columns.items()}
        assert run.info.run_name == f"000{i} {row['group']}"
        assert run.info.status == ("FAILED" if row["diverged_at"] >= 0 else "FINISHED")
        tags = run.data.tags
        assert tags["mlflow.parentRunId"] == sweep.info.run_id
        assert tags["trial"] == str(i)
        for name in ("verdict", "difficulties", "remedy"):
            assert tags[name] == row[name]
        assert tags["mlflow.note.content"].startswith(str(result.diagnosis(i)).split(":")[0])
        params = {"group": row["group"], "learning_rate": str(row["learning_rate"]), "seed": str(row["seed"])}
        rest = {"b1": "0.9", "b2": "0.999", "eps": "1e-07"} if row["group"] == "adam" else {}
        assert run.data.params == params | rest
        for name in ("loss", "validation_accuracy", "test_loss", "best_step", "steps_trained"):
            assert np.array_equal(run.data.metrics[name], row[name], equal_nan=True)
        assert ("diverged_at" in run.data.metrics) == (row["diverged_at"] >= 0)


def test_metrics_are_the_curves(result, client, written):
    for i, run in enumerate(runs_of(client, written)[1]):
        curves, last = result.curves[result.columns["group"][i]], result.columns["steps_trained"][i]
        every = [
            (curves.steps, curves.metrics["loss"]),
            (curves.evaluated_at, curves.evaluations["test_accuracy"]),
            (curves.probed_at, curves.signals.noise),
        ]
        for name, (steps, values) in zip(("loss", "test_accuracy", "signals/noise"), every, strict=True):
            history = client.get_metric_history(run.info.run_id, name)
            assert [point.step for point in history] == steps[steps <= last].tolist()
            assert np.array_equal([p.value for p in history], values[i % 4][steps <= last], equal_nan=True)


def test_a_sweep_is_replaced_only_if_asked(result, uri, client):
    def export(**more):
        to_mlflow(result, experiment="again", name='it\'s "one"', tracking_uri=uri, signals=False, **more)

    export(trials=[0, 1])
    with pytest.raises(ValueError, match=r"has a sweep .*one.* already, as run .*replace=True"):
        export(trials=[2])
    (first,), trials = runs_of(client, "again")
    assert len(trials) == 2
    assert not [name for run in trials for name in run.data.metrics if name.startswith("signals")]
    export(trials=[2], replace=True)
    (second,), trials = runs_of(client, "again")
    assert second.info.run_id != first.info.run_id
    assert [run.info.run_name for run in trials] == ["0002 a/b"]
    assert client.get_run(first.info.run_id).info.lifecycle_stage == "deleted"
    to_mlflow(result, experiment="again", name="two", tracking_uri=uri, trials=[0])
    assert len(runs_of(client, "again")[0]) == 2


def test_hostile_names_are_all_there(uri, client):
    sweep = hostile()
    exported = to_mlflow(sweep, experiment="../<b>\x07", name="\ud800'; --", tracking_uri=uri)
    (parent,), trials = runs_of(client, "../<b>\\x07")
    assert len(trials) == 3
    assert "a?b is called a\\_b\n" in parent.data.tags["mlflow.note.content"]
    assert trials[1].data.params["group"] == "../../up"
    assert trials[2].data.params["group"].endswith("𠀀… (9,000 characters)")
    for i, run in enumerate(trials):
        assert len(run.data.params) == len(SETTINGS) + 2
        curves = sweep.curves[sweep.groups[i]]
        for name in METRICS:
            history = client.get_metric_history(run.info.run_id, exported.renamed.get(name, name))
            given = np.clip((curves.metrics | curves.evaluations)[name][0], *[np.finfo(float).min, np.finfo(float).max])
            assert np.array_equal([point.value for point in history], given, equal_nan=True)


def test_more_than_a_request_takes_goes_in_several(uri, client):
    sweep = hostile()
    group = sweep.groups[2]
    steps = np.arange(1, 1_502)
    curve = np.arange(1_501, dtype=float)[None]
    many = {f"p{i:03d}": np.arange(3) for i in range(150)}
    curves = sweep.curves | {group: sweep.curves[group]._replace(steps=steps, metrics={"loss": curve})}
    object.__setattr__(sweep, "curves", curves)
    object.__setattr__(sweep, "columns", sweep.columns | many)
    object.__setattr__(sweep, "hyperparameters", dict.fromkeys(sweep.groups, tuple(many)))
    object.__setattr__(sweep, "steps", 1_501)
    to_mlflow(sweep, experiment="many", name="many", tracking_uri=uri, trials=[2])
    ((run,),) = (runs_of(client, "many")[1],)
    assert len(run.data.params) == 152
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [point.value for point in history] == curve[0].tolist()


def test_what_stops_an_export_is_told_and_the_sweeps_run_says_so(result, uri, client, monkeypatch):
    def stop(*given):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        to_mlflow(result, experiment="stopped", name="n", tracking_uri=uri, progress=stop)
    (parent,), trials = runs_of(client, "stopped")
    assert parent.info.status == "KILLED"
    assert len(trials) == 1
    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", stop)
    with pytest.raises(KeyboardInterrupt):
        to_mlflow(result, experiment="stopped early", name="n", tracking_uri=uri)
    assert [run.info.status for part in runs_of(client, "stopped early") for run in part] == ["KILLED", "KILLED"]


def test_nobody_is_told_of_it(result, uri, monkeypatch):
    seen = []
    monkeypatch.setattr("mlflow.telemetry.track._add_telemetry_record", lambda *given: seen.append(given))
    monkeypatch.setattr("mlflow.telemetry.track._is_telemetry_disabled_for_event", lambda event: False)
    monkeypatch.setattr("mlflow.telemetry.utils._IS_IN_CI_ENV_OR_TESTING", False)
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    before = set(threading.enumerate())
    to_mlflow(result, experiment="quiet", name="n", tracking_uri=uri, trials=[0])
    assert not seen
    assert "MLFLOW_DISABLE_TELEMETRY" not in os.environ
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize("given", [{"experiment": " "}, {"name": ""}])
def test_names_are_names(result, uri, given):
    with pytest.raises(ValueError, match="must be a name"):
        to_mlflow(result, **{"experiment": "e", "name": "n"} | given, tracking_uri=uri)


def test_what_mlflow_refuses_is_an_error_of_a_file(result, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(OSError, match="MLflow: "):
        to_mlflow(result, experiment="e", name="n", tracking_uri=str(tmp_path))
