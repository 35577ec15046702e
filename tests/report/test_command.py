"""`ch5jax report`: a page of any store, finished or not, and of several."""

import json
import shutil

import jax
import numpy as np
import pytest
from typer.testing import CliRunner

import ch5jax
import ch5jax.report
from ch5jax.cli._app import app
from ch5jax.sweeps import open_sweep
from tests.report.test_page import Page

pytestmark = pytest.mark.usefixtures("module_compiled_quickly", "programs")
TASK = ch5jax.tasks.surface(ch5jax.problems.beale(), start_spread=0.1)


def run(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)], env={"COLUMNS": "80", "NO_COLOR": "1"})


def swept(folder, rates, **more):
    opts = {name: ch5jax.grid(getattr(ch5jax, name), learning_rate=rates) for name in ("sgd", "adam")}
    return ch5jax.sweep(TASK, opts, steps=40, key=jax.random.key(0), seeds=2, store=folder, width=2, **more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, swept(folder, np.geomspace(1e-6, 1e-2, 40))


@pytest.fixture
def half(whole, tmp_path):
    """The same with a chunk of the first group alone, and nothing of the second."""
    folder = tmp_path / "half"
    shutil.copytree(whole[0], folder)
    _, *others = sorted(folder.glob("group000-chunk*"))
    for file in (*others, *folder.glob("group001-chunk*")):
        file.unlink()
    return folder


def test_a_sweep_that_is_not_finished_opens_with_the_trials_that_are_done(whole, half):
    found, result = open_sweep(half, unfinished=True), whole[1]
    assert found.groups == ("sgd",)
    assert 0 < len(found) < 80
    same = [np.flatnonzero((result.columns["group"] == "sgd") & (result.columns["learning_rate"] == rate)
                           & (result.columns["seed"] == seed))[0]
            for rate, seed in zip(found.columns["learning_rate"], found.columns["seed"], strict=True)]  # fmt: skip
    for name in ("trial", "validation_loss", "loss", "diverged_at"):
        assert np.array_equal(found.columns[name], result.columns[name][same], equal_nan=True)
    assert len(open_sweep(whole[0], unfinished=True)) == len(result)
    for file in half.glob("*-chunk*"):
        file.unlink()
    with pytest.raises(ValueError, match="must hold a training that is done"):
        open_sweep(half, unfinished=True)


@pytest.mark.parametrize("rungs", [None, ch5jax.halving(40, 3)], ids=["all to the end", "with rungs"])
def test_a_trial_that_is_done_has_the_number_that_it_keeps(tmp_path, rungs):
    result = swept(tmp_path, np.geomspace(1e-6, 1e-2, 12), evaluate_every=5, rungs=rungs)
    for file in [*tmp_path.glob("group*-chunk*[13579].*"), *tmp_path.glob("group*-chunk00001*")]:
        file.unlink(missing_ok=True)
    found = open_sweep(tmp_path, unfinished=True)
    numbers = found.columns["trial"]
    assert 0 < len(numbers) < numbers[-1]
    rate = dict(zip(numbers, found.columns["learning_rate"], strict=True))
    assert all(rate[number] == result.columns["learning_rate"][number] for number in numbers)
    assert set(found.ranking()) == set(numbers)
    if rungs is None:
        last = int(numbers[-1])
        assert np.array_equal(found.diagnosis(last).signals.mean_loss, result.diagnosis(last).signals.mean_loss)
    absent = next(n for n in range(len(result)) if n not in numbers)
    with pytest.raises(ValueError, match=f"one of the {len(numbers)} that are done, got {absent}"):
        found.diagnosis(absent)
    for again in (found.rerun, found.trial, lambda number: found.predict(number, None)):
        with pytest.raises(ValueError, match="task must be at hand"):
            again(int(numbers[-1]))
    side = ch5jax.report.together({"half": found, "whole": result})
    assert str(side.diagnosis(len(numbers) - 1)) == str(found.diagnosis(int(numbers[-1])))


def test_a_rung_that_not_all_have_passed_shows_the_one_before(tmp_path):
    folder = tmp_path / "rungs"
    result = swept(folder, np.geomspace(1e-6, 1e-2, 40), rungs=ch5jax.halving(40, 3), evaluate_every=5)
    last = max(folder.glob("group*-chunk*"), key=lambda file: int(file.stem.split("chunk")[1]))
    last.unlink()
    found = open_sweep(folder, unfinished=True)
    assert len(found) == len(result)
    assert np.array_equal(found.columns["learning_rate"], result.columns["learning_rate"])
    fewer = found.steps_trained < result.steps_trained
    assert fewer.any()
    assert not (found.steps_trained > result.steps_trained).any()


def test_a_page_of_one_and_of_several(whole, half, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = run(half)
    assert one.exit_code == 0, one.output
    page = (half / "report.html").read_text()
    assert "<title>half</title>" in page
    assert "more trainings are under way or to come" in page
    assert "not finished" in one.output
    two = run(whole[0], half)
    assert two.exit_code == 0, two.output
    page = (tmp_path / "comparison.html").read_text()
    for words in ("<title>whole, half compared</title>", "whole: adam", "half: sgd", "half: not finished"):
        assert words in page
    named = run(whole[0], "--out", "pages/mine.html")
    assert (named.exit_code, (tmp_path / "pages/mine.html").exists()) == (0, True)
    assert "not finished" not in named.output


def test_a_run_without_signals_beside_one_with_them(whole, tmp_path):
    swept(tmp_path / "bare", [1e-4, 1e-3], signals_every=0)
    found = run(whole[0], tmp_path / "bare", "--out", tmp_path / "page.html")
    assert found.exit_code == 0, found.output
    assert "bare: sgd" in (tmp_path / "page.html").read_text()


def test_what_a_user_gets_wrong_is_said_in_a_line(whole, tmp_path):
    for arguments, words in (
        ((tmp_path,), "manifest.json is missing"),
        ((whole[0], whole[0]), "RUN must be different folders"),
        ((), "Missing argument"),
    ):
        found = run(*arguments)
        assert found.exit_code in (1, 2)
        assert words in found.output
        assert "Traceback" not in found.output


def test_trainings_are_looked_at_once_more_for_the_page(tmp_path):
    arguments = ["--steps", "40", "--seeds", "1", "--learning-rate", "1e-4,1e-1", "--hidden", "4", "--optimizer", "sgd"]
    environment = {"COLUMNS": "80", "NO_COLOR": "1"}
    made = CliRunner().invoke(app, ["sweep", *arguments, "--out", str(tmp_path / "run")], env=environment)
    assert made.exit_code == 0, made.output
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "run" / "store").glob("*.npz")}
    found = run(tmp_path / "run", "--diagnose", "1", "--treat", "0")
    assert found.exit_code == 0, found.output
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "run" / "store").glob("*.npz")}
    data = json.loads(Page((tmp_path / "run" / "report.html").read_text("utf-8")).scripts[0])
    assert data["diagnosed"] == [0, 1]
    tried = data["treatments"]["0"]
    assert tried[0]["what"] == "as it was"
    assert len(tried) > 1
    for row in "01":
        assert any("urvature" in part for form, *_ in data["words"]["of"][row] for part in data["words"]["forms"][form])
    for arguments, words in (
        (("--diagnose", "2"), "trial must be an integer from 0 to 1, got 2"),
        (("--treat", "x"), "must be numbers of trainings, such as 17,40, got 'x'"),
        ((tmp_path / "run", "--treat", "0"), "got 2 folders"),
    ):
        refused = run(tmp_path / "run", *arguments)
        assert refused.exit_code in (1, 2)
        assert words in " ".join(refused.output.replace("│", " ").split())


def test_a_store_of_pythons_has_no_command_to_train_by(whole, half):
    for folder in (whole[0], half):
        refused = run(folder, "--diagnose", "0")
        assert (refused.exit_code, "which has no job.json" in " ".join(refused.output.split())) == (1, True)
