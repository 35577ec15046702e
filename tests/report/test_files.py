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
