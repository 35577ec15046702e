"""`ch5jax export`: from a folder to each tool, and what is said of it."""

import shutil

import mlflow
import pytest
from typer.testing import CliRunner

from ch5jax.cli._app import app
from ch5jax.exports import to_mlflow, to_tensorboard

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


def run(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)], env={"COLUMNS": "80", "NO_COLOR": "1"})


def runs_in(folder, pattern):
    return sorted(path.name for path in folder.glob(pattern) if path.is_dir())


def test_to_tensorboard(result, folder, tmp_path):
    found = run(folder, "--to", "tensorboard", "--out", tmp_path / "my runs")
    assert found.exit_code == 0, found.output
    assert f"6 runs: {tmp_path}/my runs" in found.output
    assert f"to look: tensorboard --logdir '{tmp_path}/my runs'" in found.output
    assert len(runs_in(tmp_path / "my runs", "*")) == 6
    again = run(folder, "--to", "tensorboard", "--out", tmp_path / "my runs")
    assert again.exit_code == 1
    assert "has an export of a sweep already" in again.output
    assert "Traceback" not in again.output
    best = run(folder, "--to", "tensorboard", "--out", tmp_path / "my runs", "--replace", "--top", 2)
    assert "The best 2 of 6 trainings; --top 6 exports all." in best.output
    shown = [int(name[:4]) for name in runs_in(tmp_path / "my runs", "*")]
    assert shown == sorted(result.ranking()[:2])


def test_to_mlflow(folder, uri):
    found = run(folder, "--to", "mlflow", "--tracking-uri", uri, "--no-signals")
    assert found.exit_code == 0, found.output
    assert f"6 runs: {uri}" in found.output
    assert f"to look: mlflow ui --backend-store-uri {uri}" in found.output
    client = mlflow.MlflowClient(tracking_uri=uri)
    written = client.search_runs([client.get_experiment_by_name("ch5jax").experiment_id])
    assert len(written) == 7
    assert written[-1].info.run_name == folder.name
    assert not [name for one in written for name in one.data.metrics if name.startswith("signals")]


def test_to_wandb(result, folder, tmp_path):
    found = run(folder, "--to", "wandb", "--out", tmp_path, "--project", "p", "--name", "n", "--top", 1)
    assert found.exit_code == 0, found.output
    assert f"1 run: {tmp_path}" in found.output
    assert f"to upload: wandb sync {tmp_path}/wandb/offline-run-*" in found.output
    assert len(runs_in(tmp_path, "wandb/offline-run-*")) == 1


def test_it_says_how_far_it_is_where_there_is_no_terminal(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("ch5jax.cli._progress.SECONDS_BETWEEN_LINES", -1)
    found = run(folder, "--to", "tensorboard", "--out", tmp_path)
    assert [line for line in found.stderr.splitlines() if " of " in line] == [f"{i} of 6 runs" for i in range(1, 7)]


def test_a_sweep_that_is_at_work_is_exported_as_far_as_it_is(folder, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(folder, half)
    max(half.glob("group*-chunk*"), key=lambda file: file.name).unlink()
    found = run(half, "--to", "tensorboard")
    assert found.exit_code == 0, found.output
    assert "warning: not finished" in found.output
    assert 0 < len(runs_in(half / "tensorboard", "*")) <= 6


def test_names_that_a_tool_does_not_take_are_said(result, folder, tmp_path, monkeypatch):
    def renaming(*args, **more):
        return to_tensorboard(*args, **more)._replace(renamed={f"a{i}\x07": f"b{i}" for i in range(7)})

    monkeypatch.setattr("ch5jax.exports.to_tensorboard", renaming)
    found = run(folder, "--to", "tensorboard", "--out", tmp_path)
    assert "Names that tensorboard does not take: a0\\x07 is b0; " in found.output
    assert "a4\\x07 is b4, and 2 more." in found.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "tensorboard", "--project", "p"], "is nothing of tensorboard's"),
        (["--to", "mlflow", "--out", "x"], "is nothing of mlflow's"),
        (["--to", "wandb", "--tracking-uri", "x"], "is nothing of wandb's"),
        (["--to", "comet"], "'comet' is not one of"),
        (["--to", "tensorboard", "--top", "0"], "--top"),
        ([], "Missing option"),
    ],
)
def test_what_a_user_gets_wrong_is_said(folder, arguments, words):
    found = run(folder, *arguments)
    assert found.exit_code == 2
    assert words in found.output


def test_a_folder_without_a_sweep_is_said_in_a_line(tmp_path):
    found = run(tmp_path, "--to", "tensorboard")
    assert (found.exit_code, found.output.count("\n")) == (1, 1)
    assert "manifest.json is missing" in found.output


def test_a_password_is_not_shown(result, uri, monkeypatch):
    client = mlflow.MlflowClient(tracking_uri=uri)
    monkeypatch.setattr(mlflow, "MlflowClient", lambda tracking_uri: client)
    where = "https://me:secret@host/path"
    found = to_mlflow(result, experiment="e", name="n", tracking_uri=where, trials=[0])
    assert found.place == "https://host/path"
