import os
import platform
import subprocess
import sys

import pandas as pd
import pytest

from ch5jax import report
from tests.report.results import accuracies, made


@pytest.fixture
def result():
    rows = accuracies("sgd") + accuracies("adam", values=(0.6, 0.7, 0.9, 0.4, 0.1))
    rows[14] |= {"diverged_at": 50}
    return made(rows, {"sgd": ("learning_rate",), "adam": ("learning_rate",)})


def test_tables_are_the_columns(tmp_path, result):
    files = report.write_files(result, tmp_path / "new" / "folder", title="A sweep")
    for table in (pd.read_csv(files.table_csv), pd.read_parquet(files.table_parquet)):
        assert list(table) == list(result.columns)
        assert len(table) == 30
        assert table["validation_accuracy"].tolist() == pytest.approx(result.columns["validation_accuracy"].tolist())
    assert files.report.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_curves_in_long_form(tmp_path, result, monkeypatch):
    monkeypatch.setattr("ch5jax.report._files._ROWS", 47)  # two trials at a time, so that parts are joined
    curves = pd.read_parquet(report.write_files(result, tmp_path, title="A sweep").curves)
    assert list(curves) == ["trial", "group", "step", "loss", "validation_accuracy"]
    assert len(curves) == 30 * 20
    for trial, group, row in ((4, "sgd", 4), (14, "sgd", 14), (22, "adam", 7)):
        own = curves[curves.trial == trial]
        assert (own.group == group).all()
        assert own.step.tolist() == list(range(5, 105, 5))
        assert own.loss.tolist() == pytest.approx(result.curves[group].metrics["loss"][row].tolist(), nan_ok=True)
        evaluated = own.dropna(subset="validation_accuracy")
        assert evaluated.step.tolist() == [25, 50, 75, 100]
        expected = result.curves[group].evaluations["validation_accuracy"][row]
        assert evaluated.validation_accuracy.tolist() == pytest.approx(expected.tolist())


def test_a_file_is_whole_or_not_there(tmp_path, result, monkeypatch):
    report.write_files(result, tmp_path, title="First")
    before = (tmp_path / "table.csv").read_bytes()

    def fail(table, path, **_):
        path.write_text("half a")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(OSError, match=r"table\.csv cannot be written: No space left on device"):
        report.write_files(result, tmp_path, title="Second")
    assert (tmp_path / "table.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "curves.parquet",
        "report.html",
        "table.csv",
        "table.parquet",
    ]


def test_a_folder_that_is_a_file(tmp_path, result):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match="taken"):
        report.write_files(result, tmp_path / "taken", title="A sweep")


@pytest.mark.skipif(os.name == "nt", reason="no such signal there")
def test_what_a_killed_writer_left_is_cleared_away_by_the_next_one_and_nothing_else(tmp_path):
    leaves = "import os, sys; from ch5jax.report._whole import whole\nwith whole(sys.argv[1]) as path:\n    "
    leaves += "path.write_text('half'); os.kill(os.getpid(), 9)"
    for name in ("table.csv", "report.html"):
        assert subprocess.run([sys.executable, "-c", leaves, tmp_path / name], check=False).returncode == -9
    others = [".table.csv.1", ".table.csv.elsewhere.1.1", f".table.csv.{platform.node()}.{os.getpid()}.1", ".mine"]
    for name in others:
        (tmp_path / name).write_text("")
    assert len(list(tmp_path.iterdir())) == 2 + len(others)
    for name in ("table.csv", "report.html"):
        report.write_whole(tmp_path / name, b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {*others, "table.csv", "report.html"}
