import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import ch5jax
from ch5jax.cli import main
from ch5jax.cli._app import app
from ch5jax.cli._job import Job
from ch5jax.cli._machine import start_devices
from ch5jax.cli._values import Activation, axis, parse_axes, parse_grid, parse_optimizers, parse_seeds, parse_widths

pytestmark = pytest.mark.usefixtures("compiled_quickly", "programs")

TINY = ["--steps", "20", "--seeds", "1", "--learning-rate", "1e-3:1e-1:log:3", "--hidden", "4", "--batch-size", "8"]


def run(*arguments):
    """The command in this process."""
    return CliRunner().invoke(app, ["sweep", *map(str, arguments)], env={"COLUMNS": "80", "NO_COLOR": "1"})


def command(*arguments):
    return [sys.executable, "-m", "ch5jax.cli", "sweep", *map(str, arguments)]


@pytest.fixture
def environment(quick_environment, programs):
    return {
        **quick_environment,
        "JAX_COMPILATION_CACHE_DIR": str(programs),
        "NO_COLOR": "1",
        "COLUMNS": "80",
        "PYTHONIOENCODING": "utf-8",
    }


def shell(*arguments, cwd, env):
    """The command as a user runs it."""
    return subprocess.run(
        command(*arguments), cwd=cwd, capture_output=True, text=True, encoding="utf-8", env=env, check=False
    )


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1", [0.1]),
        ("1e-3, 0.1,1", [1e-3, 0.1, 1.0]),
        ("1e-3:1e-1:log:3", [1e-3, 1e-2, 1e-1]),
        ("0:1:linear:5", [0, 0.25, 0.5, 0.75, 1]),
    ],
)
def test_learning_rates(text, values):
    assert parse_grid(text) == pytest.approx(values)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "separated by single commas"),
        ("0.1,,0.2", "separated by single commas"),
        ("0.1,0.1", "once"),
        ("fast", "must be a number, got 'fast'"),
        ("-0.1", "not negative"),
        ("nan", "finite"),
        ("1e-3:1:log", "LOW:HIGH:log:COUNT"),
        ("1e-3:1:cubic:4", "log or linear, got 'cubic'"),
        ("1:0.1:log:3", "low end must be less"),
        ("0:1:log:3", "begin above 0"),
        ("0.1:1:log:1", "count must be 2 or more"),
        ("0.1:1:log:x", "whole number, got 'x'"),
        ("0.1:inf:log:3", "finite"),
    ],
)
def test_learning_rates_that_make_no_sense(text, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_grid(text)


def test_seeds_widths_and_names():
    assert (parse_seeds("4"), parse_seeds("3,5")) == (4, [3, 5])
    assert (parse_widths("128, 64"), parse_widths("none")) == ((128, 64), ())
    assert parse_optimizers(["adam,sgd", "optax.lion", "adam"]) == ("adam", "sgd", "optax.lion")
    assert parse_optimizers([]) == ("sgd", "momentum", "adagrad", "rmsprop", "adam")
    for parse, text in ((parse_seeds, "0"), (parse_seeds, "1,1"), (parse_seeds, "-1,2"), (parse_widths, "0")):
        with pytest.raises(ValueError, match="got"):
            parse(text)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["adma"], "got adma; did you mean adam?"),
        (["optax.adamww"], "did you mean optax.adamw?"),
        (["optax.chain"], "got optax.chain"),
        (["optax.os"], "got optax.os"),
        (["os.path"], "got os.path"),
    ],
)
def test_optimizers_that_there_are_not(texts, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_optimizers(texts)


def test_what_is_varied():
    assert parse_axes(["b1=0.8,0.9", "eps = 1e-8"], False) == {"b1": "0.8,0.9", "eps": "1e-8"}
    assert axis("0.8,0.9", False).tolist() == axis("0.8,0.9", True).tolist() == [0.8, 0.9]
    assert axis("true,False", False) == [True, False]
    assert axis("1e-4:1:log:3", False).tolist() == pytest.approx([1e-4, 1e-2, 1])
    for text in ("1e-4:1:log", "1e-4:1:log:3"):
        assert axis(text, True) == ch5jax.log(1e-4, 1.0)
    assert axis("0.8:0.9:linear", True) == ch5jax.linear(0.8, 0.9)


@pytest.mark.parametrize(
    ("texts", "sampled", "words"),
    [
        (["b1"], False, "must be NAME=VALUES"),
        (["b1="], False, "must be NAME=VALUES"),
        (["=0.1"], False, "must be NAME=VALUES"),
        (["a.b=0.1"], False, "must be NAME=VALUES"),
        (["hidden=32-x"], False, "must be a whole number, got 'x'"),
        (["hidden=0"], False, "at least one unit"),
        (["activation=relu,tahn"], False, "among relu, tanh, sigmoid, gelu, silu, elu, softplus, identity, got 'tahn'"),
        (["batch_size=1:2:log"], True, "must be a whole number"),
        (["b1=0.1", "b1=0.2"], False, "every name must occur once, got b1 twice"),
        (["b1=x"], False, "must be a number, got 'x'"),
        (["b1=true,0.1"], False, "must be a number, got 'true'"),
        (["b1=0:1:log"], False, "LOW:HIGH:log:COUNT"),
        (["b1=0:1:log"], True, "low must be above 0"),
        (["b1=0:1:cubic"], True, "LOW:HIGH:log or LOW:HIGH:linear, got 0:1:cubic"),
        (["b1=1:0:linear"], True, "low must be less than high"),
    ],
)
def test_what_is_varied_and_makes_no_sense(texts, sampled, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_axes(texts, sampled)


def test_any_hyperparameter_of_any_optimizer_is_swept(tmp_path):
    varied = ["--vary", "weight_decay=0,0.5", "--vary", "decay=0.5,0.9", "--vary", "bias_correction=true,false"]
    arguments = [*TINY, "--optimizer", "momentum,adam,optax.adamw", *varied, "--out", tmp_path / "out"]
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    counts = table.groupby("group").size().to_dict()
    assert counts == {
        "momentum": 6,  # three rates, two decays
        "optax.adamw": 6,  # and two weight decays
        "adam, bias_correction=True": 3,
        "adam, bias_correction=False": 3,
    }
    assert {*table.weight_decay.dropna()} == {0.0, 0.5}
    best = table[table.group == "momentum"].sort_values("best_validation_accuracy").iloc[-1]
    assert re.search(r"^momentum: decay 0\.[59]$", result.stdout, re.M), best
    assert max(map(len, result.stdout.splitlines()[:20])) <= 80
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "3 learning rates × 2 weight_decay × 2 decay × 2 bias_correction" in page
    again = Job.read(tmp_path / "out" / "job.json")
    assert again.vary["decay"] == "0.5,0.9"


def test_settings_are_drawn_where_a_grid_would_be_too_many(tmp_path):
    ranges = ["--learning-rate", "1e-4:1:log", "--vary", "b1=0.8:0.99:linear"]
    arguments = ["--steps", 10, "--seeds", 2, "--hidden", 4, "--optimizer", "adam,sgd", "--sample", 8, *ranges]
    result = run(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    adam, sgd = (table[table.group == name] for name in ("adam", "sgd"))
    expected = ch5jax.sample(ch5jax.adam, 8, learning_rate=ch5jax.log(1e-4, 1.0), b1=ch5jax.linear(0.8, 0.99))
    np.testing.assert_allclose(adam.b1.to_numpy()[::2], expected.b1, rtol=1e-12)
    np.testing.assert_allclose(adam.learning_rate.to_numpy()[::2], expected.learning_rate, rtol=1e-12)
    assert len(sgd) == 16
    assert sgd.b1.isna().all()
    assert run(*arguments).exit_code == 0
    assert run(*arguments[:-1], "b1=0.8:0.9:linear").exit_code == 0
    assert len([*Path("runs").iterdir()]) == 2  # another range is another folder


def test_the_network_is_varied_too(tmp_path):
    structure = ["hidden=5-3,none", "activation=relu,tanh", "initial_scale=0.5:2:log:2", "optimizer.b1=0.8,0.9"]
    varied = [word for text in structure for word in ("--vary", text)]
    arguments = [*TINY, "--optimizer", "adam,sgd", *varied, "--batch-norm", "--vary", "batch_norm_momentum=0.9"]
    result = run(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    assert len({*table.group}) == 8
    assert (table.groupby("group").size() == [12] * 4 + [6] * 4).all()  # three rates, two scales, of Adam two b1
    assert {*table.initial_scale} == {0.5, 2.0}
    assert "64-(5-3,none)-10, (relu,tanh) after BatchNorm" in (tmp_path / "out" / "report.html").read_text("utf-8")


CONFIG = """
optimizer = ["adam"]
learning-rate = [0.01, 0.1, 1]
seeds = 1
steps = 20
batch_size = 8
hidden = "4"
batch-norm = true

[vary]
hidden = [[5, 3], []]
activation = "tanh"
initial_scale = {low = 0.5, high = 2, scale = "log", count = 2}
"optimizer.b1" = [0.8, 0.9]
batch_norm_momentum = 0.9
"""


def test_a_file_of_options_is_as_if_they_were_typed(tmp_path):
    Path("space.toml").write_text(CONFIG)
    result = run("--config", "space.toml", "--out", "file", "--seeds", "2", "--vary", "b1=0.9")
    assert result.exit_code == 0, result.stderr
    job = Job.read(Path("file/job.json"))
    assert (job.seeds, dict(job.vary), job.hidden, job.batch_norm) == (2, {"b1": "0.9"}, (4,), True)
    structure = ["hidden=5-3,none", "activation=tanh", "initial_scale=0.5:2:log:2", "optimizer.b1=0.8,0.9"]
    typed = [word for text in (*structure, "batch_norm_momentum=0.9") for word in ("--vary", text)]
    rates = ["--learning-rate", "0.01,0.1,1", "--optimizer", "adam"]
    options = [*TINY, *rates, *typed, "--batch-norm", "--out", "typed"]
    for arguments in (options, ["--config", "space.toml", "--out", "file2"]):
        result = run(*arguments)
        assert result.exit_code == 0, result.stderr
    table, expected = (pd.read_csv(f"{folder}/table.csv") for folder in ("file2", "typed"))
    pd.testing.assert_frame_equal(table, expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file"),
        ("steps = ", "cannot be read as TOML: Invalid value"),
        ("stepz = 3", "must hold options of the command, activation, "),
        ("config = 'x.toml'", "got 'config'"),
        ("steps = 3\n'st-eps' = 3", "got 'st-eps'"),
        ("batch_size = 3\nbatch-size = 3", "every option once, got 'batch-size' twice"),
        ("steps = 'many'", "parse string as an integer"),
        ("steps = 1979-05-27", "steps must be a number, text, true or false"),
        ("steps = {a = 1}", "steps must be a value, got a table"),
        ("[vary]\nb1 = {low = 1}", "vary.b1 must be a number"),
        ("[vary]\nb1 = []", "vary.b1 must be a number"),
        ("[vary]\n'a b' = 1", "must be NAME=VALUES"),
        ("[vary]\nb1 = 'x'", "must be a number, got 'x'"),
        ("[vary.b1]\nx.y.z = 1", "vary.b1 must be a number"),
        ("x = " + "[" * 5000, "cannot be read as TOML"),
        ("out = ''", "must name a file or folder"),
        ("seeds = [1, 1]", "distinct"),
    ],
)
def test_a_file_with_surprises_is_refused(tmp_path, text, words):
    if text is not None:
        Path("space.toml").write_text(text)
    result = run("--config", "space.toml")
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--vary", "b3=0.1", "--optimizer", "adam"],
            "optimizer.b2, optimizer.bias_correction, optimizer.eps, optimizer.learning_rate, split_key; got 'b3'",
        ),
        (["--vary", "b1=0.9", "--optimizer", "sgd"], "optimizer.learning_rate, split_key; got 'b1'"),
        (["--vary", "learning_rate=0.1"], "by --learning-rate"),
        (["--learning-rate", "true,false"], "must be a number, got 'true'"),
        (["--learning-rate", "true", "--sample", "2"], "must be a number, got 'true'"),
        (["--vary", "b1=1.5", "--optimizer", "adam"], "b1 must be"),
        (["--sample", "4", "--learning-rate", "0:1:log"], "low must be above 0"),
        (["--sample", str(10**12), "--optimizer", "sgd"], "settings"),
    ],
)
def test_what_cannot_be_varied_is_refused_before_anything_is_trained(arguments, words, tmp_path):
    result = run(*TINY[:4], *arguments, "--out", tmp_path / "out")
    assert result.exit_code in (1, 2)
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "out" / "store").exists()


def test_help_reads_well():
    result = run("--help")
    assert result.exit_code == 0
    assert "ch5jax sweep --data wine.csv --target quality" in result.stdout
    for option in ("--learning-rate", "--optimizer", "--seeds", "--steps", "--out", "--devices", "--width"):
        assert option in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_version():
    assert re.fullmatch(r"ch5jax \d+\.\d+\.\d+ \(JAX .+\)\n", CliRunner().invoke(app, ["--version"]).stdout)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", "99999999999"], "there are 1 to 2³² seeds, got 99999999999"),
        (["--seeds", "0,4294967296"], "from 0 to 2³² − 1"),
        (["--seeds", "9" * 5000], "must be a whole number, got '9999"),
        (["--learning-rate", "1e-3:1:log:1000000000000"], "a grid of 1,000,000,000,000 values would take 5e+05 GB"),
        (["--learning-rate", "1e39"], "must be 0 or from 1.4e-45 to 3.4e+38, which float32 holds, got 1e+39"),
        (["--learning-rate", "0.1,1e-60"], "which float32 holds, got 1e-60"),
        (["--learning-rate", "x" * 40_000], "must be a number, got 'xxx"),
        (["--initial-scale", "inf"], "must be finite, got inf"),
        (["--initial-scale", "1e39"], "which float32 holds"),
        (["--out", ""], "must name a file or folder, got nothing"),
        (["--data", " ", "--target", "y"], "must name a file or folder, got nothing"),
    ],
)
def test_what_no_machine_could_do_is_refused_before_anything_starts(arguments, words):
    result = run(*arguments)
    assert result.exit_code == 2
    said = " ".join(result.stderr.replace("│", " ").split())
    assert words in said
    assert len(said) < 500
    assert not os.listdir()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", 2**32], "4,294,967,296 seeds would take"),
        (["--seeds", 2**31, "--steps", 2], "2,147,483,648 seeds would take"),
        (["--hidden", "10000000,10000000"], "a network of widths (64, 10000000, 10000000, 10) would take 4e+05 GB"),
        (["--hidden", 99999999999], "a network of widths (64, 99999999999, 10) would take"),
        (["--steps", 2**31], "steps must be at most 2³¹ − 1, which is how far they are counted, got 2147483648"),
        (["--steps", 10**18], "steps must be at most 2³¹ − 1"),
        (["--devices", 100_000], "devices must be at most"),
        (["--width", 10**9], "width must be at most"),
    ],
)
def test_what_this_machine_cannot_hold_is_refused_in_a_line(arguments, words):
    result = run(*TINY, "--optimizer", "sgd", *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert not list(Path().rglob("*.npz"))


@pytest.mark.parametrize("argument", ["--learning-rate\x1b[31m", "a\nb", "\x07", "x" * 100_000])
def test_what_a_terminal_would_act_on_is_cleaned_and_cut(monkeypatch, capsys, argument):
    monkeypatch.setattr("ch5jax.cli.end_in_a_line", lambda: None)
    monkeypatch.setattr(sys, "argv", ["ch5jax", "sweep", argument])
    with pytest.raises(SystemExit, match="2"):
        main()
    said = capsys.readouterr().err
    due = "a line of at most 50,000 characters, without signs that steer a terminal"
    assert said.startswith(f"error: argument 2 must be {due}, got ")
    assert said.strip().isprintable()
    assert len(said) < 200


def test_a_long_name_is_not_echoed_whole(tmp_path):
    a_table("t.csv")
    result = run(*TINY, "--optimizer", "sgd", "--data", "t.csv", "--target", "x" * 49_000)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: target must be a column of t.csv")
    assert len(result.stderr) < 3_100
    assert result.stderr.rstrip().endswith(" characters)")


@pytest.mark.parametrize("error", [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")])
def test_memory_that_runs_out_is_a_line_that_says_what_to_lower(monkeypatch, error):
    def advance(self, *rest):
        raise error

    monkeypatch.setattr("ch5jax.sweeps._executor.Executor._train", advance)
    result = run(*TINY, "--optimizer", "sgd", "--out", "here")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("error: the memory ran out. What is finished is safe")
    assert "--width, --hidden, --batch-size" in result.stderr
    assert {file.name for file in Path("here/store").iterdir()} == {".lock", "group000.npz", "manifest.json"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--learning-rate", "1:0.1:log:3"], "low end"),
        (["--optimizer", "adm"], "did you mean adam"),
        (["--data", "x.csv"], "--target"),
        (["--target", "y"], "--data"),
        (["--kind", "regression"], "--data"),
        (["--decimal", ","], "--decimal needs --data"),
        (["--data", "x.csv", "--target", "y", "--column", "number"], "must be NAME=KIND, got 'number'"),
        (["--steps", "0"], "--steps"),
        (["--activation", "step"], "--activation"),
        (["--seeds", "no"], "whole number"),
        (["--bogus"], "--bogus"),
    ],
)
def test_wrong_usage_exits_with_2(arguments, words):
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert not os.listdir()


def test_mistakes_are_a_line_and_exit_with_1(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n" + "1,2\n2,1\n" * 10)
    for arguments, words in (
        (["--batch-size", 5000], "batch_size must be an integer from 1 to the 1079"),
        (["--data", "missing.csv", "--target", "b"], "missing.csv"),
        (["--data", "table.csv", "--target", "c"], "target must be a column of table.csv"),
    ):
        result = run(*TINY, *arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: ")
        assert words in result.stderr
        assert "Traceback" not in result.output


def test_a_folder_of_another_sweep_is_refused_in_a_line():
    assert run(*TINY, "--optimizer", "sgd", "--out", "here").exit_code == 0
    before = Path("here/table.csv").read_bytes()
    result = run(*TINY, "--optimizer", "sgd", "--out", "here", "--steps", "30")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert Path("here/table.csv").read_bytes() == before


def test_traceback_on_demand():
    assert isinstance(run(*TINY, "--batch-size", 5000, "--traceback").exception, ValueError)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "taken").write_text("")
    result = run(*TINY, "--optimizer", "sgd", "--out", "taken")
    assert result.exit_code == 1
    assert "error: " in result.stderr
    assert "Traceback" not in result.output


def test_without_typer_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit, match="1"):
        main()
    assert 'pip install "ch5jax[sweep]"' in capsys.readouterr().err


def test_a_users_table_of_numbers(tmp_path):
    x = np.linspace(-2, 2, 200)
    pd.DataFrame({"x": x, "z": x**2, "[red]y": 3 * x}).to_csv(tmp_path / "my data.csv", index=False)
    result = run(*TINY, "--data", "my data.csv", "--target", "[red]y", "--optimizer", "adam,sgd", "--out", "out")
    assert result.exit_code == 0, result.output
    assert "The target was standardised" in result.stdout
    table = pd.read_csv("out/table.csv")
    best = table.loc[table.best_validation_loss.idxmin()]
    curves = pd.read_parquet("out/curves.parquet").set_index(["trial", "step"])
    test_loss = curves.test_loss[best.trial, best.best_step]
    line = next(line for line in result.stdout.splitlines() if line.startswith("1  "))
    assert line.split()[:4] == ["1", best.group, f"{best.best_validation_loss:.3g}", f"{test_loss:.3g}"]
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert "<title>[red]y in my data.csv: 2 optimizers × 3 learning rates × 1 seed</title>" in page


def test_batch_norm_goes_into_the_hidden_layers():
    result = run(*TINY, "--optimizer", "sgd", "--batch-norm", "--out", "normalised")
    assert result.exit_code == 0, result.output
    assert "64-4-10, relu after BatchNorm" in Path("normalised/report.html").read_text()
    plain = run(*TINY, "--optimizer", "sgd", "--out", "plain")
    losses = [pd.read_csv(f"{folder}/table.csv").loss for folder in ("normalised", "plain")]
    assert plain.exit_code == 0
    assert not np.any(losses[0] == losses[1])


def test_every_optimizer_is_named_in_80_columns_also_for_a_regression_over_seeds(tmp_path):
    x = np.linspace(-2, 2, 60)
    pd.DataFrame({"x": x, "y": np.sin(x)}).to_csv("waves.csv", index=False)
    result = run(*TINY, "--seeds", 2, "--data", "waves.csv", "--target", "y", "--out", "out")
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if re.match(r"\d  ", line)]
    assert {line.split()[1] for line in lines} == {"sgd", "momentum", "adagrad", "rmsprop", "adam"}
    assert all(line.count("±") == 2 for line in lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("option", "lengths"), [("--stop-lost", [12, 100]), (("--halving", "2"), [24, 36, 60, 100])])
def test_what_is_lost_or_worst_is_stopped_early(tmp_path, option, lengths):
    options = [option] if isinstance(option, str) else option
    rates = ["--learning-rate", "0.01,0.02,0.05,0.1,0.2,1e30", "--optimizer", "sgd", "--seeds", "1", "--steps", "100"]
    result = run(*rates, *options, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    assert table.steps_trained.iloc[-1] == min(table.steps_trained)
    assert table.steps_trained.max() == 100
    assert sorted({*table.steps_trained}) == [table.steps_trained.iloc[-1], *lengths[1:]]
    short = table.steps_trained[table.steps_trained < 100]
    said = f"{len(short)} of 6 trainings: {(short == short.min()).sum()} after {short.min()} steps"
    assert f"Stopped early: {said}" in result.stdout
    assert said in (tmp_path / "out" / "report.html").read_text()


def test_kept_states_go_on_to_more_steps(tmp_path):
    few = [*TINY, "--keep-states"]
    for steps in (20, 40):
        result = run(*few, "--steps", steps)
        assert result.exit_code == 0, result.output
    (folder,) = Path("runs").iterdir()
    assert "continuing" in result.output
    table = pd.read_csv(folder / "table.csv")
    assert ch5jax.open(folder / "store").curves["sgd"].evaluated_at.tolist() == list(range(2, 41, 2))
    whole = run(
        *TINY, "--steps", 40, "--evaluate-every", 2, "--width", ch5jax.open(folder / "store").width, "--out", "w"
    )
    assert whole.exit_code == 0, whole.output
    pd.testing.assert_frame_equal(table.iloc[:, :8], pd.read_csv("w/table.csv").iloc[:, :8])


def test_parts_of_an_array_job_are_put_together(tmp_path):
    arguments = [*TINY, "--width", 2, "--optimizer", "adam,sgd"]
    for i in (2, 1):
        result = run(*arguments, "--shard", f"{i}/2", "--out", "parts")
        assert result.exit_code == 0, result.output
        left = "2 chunks of other parts to come" if i == 2 else "nothing is missing any more"
        assert f"Part {i} of 2 is in parts; {left}." in result.stdout
        assert not Path("parts/table.csv").exists()
    for folder in ("parts", "whole"):
        result = run(*arguments, "--out", folder)
        assert result.exit_code == 0, result.output
    assert Path("parts/table.csv").read_bytes() == Path("whole/table.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--address", "auto"], "needs --engine ray"),
        (["--engine", "ray", "--address", ""], "a cluster's address"),
        (["--engine", "slurm"], "--engine"),
        (["--engine", "ray", "--halving", "3"], "cannot go with --halving"),
        (["--engine", "ray", "--shard", "1/2"], "cannot go with --shard"),
        (["--engine", "ray", "--keep-states"], "cannot go with --keep-states"),
        (["--shard", "1/2", "--watch"], "cannot go with --watch"),
    ],
)
def test_engines_that_cannot_be(arguments, words):
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())


def test_a_cluster_that_is_not_there_is_a_line():
    result = run(*TINY, "--engine", "ray", "--address", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "error: address must be that of a Ray cluster that can be reached" in " ".join(result.stderr.split())


@pytest.mark.parametrize("text", ["3/2", "0/2", "1", "a/2", "1/2/3", "-1/2", ""])
def test_parts_that_there_are_not(text):
    result = run("--shard", text)
    assert result.exit_code == 2
    assert "--shard" in result.stderr
    assert "cannot go with" in run("--shard", "1/2", "--halving", "3").stderr


@pytest.mark.parametrize("name", ["~nosuchuser/z", " "])
def test_what_can_be_no_folder_is_refused_in_a_line(name):
    result = run("--out", name)
    assert result.exit_code == 2
    assert "home folder" in result.stderr or "must name a file or folder" in result.stderr
    assert "Traceback" not in result.output


def test_brackets_from_many_settings_to_few(tmp_path):
    ranges = ["--learning-rate", "1e-3:1:log", "--vary", "activation=relu,tanh"]
    result = run("--optimizer", "adam", "--seeds", "1", "--hidden", "4", "--steps", "80", "--hyperband", "4", *ranges)
    assert result.exit_code == 0, result.stderr
    (folder,) = Path("runs").iterdir()
    table = pd.read_csv(folder / "table.csv")
    table["bracket"] = table.group.str.rpartition(", ")[2]
    counts = table.groupby("bracket").size().to_dict()
    brackets = ch5jax.hyperband(80, 4.0)
    assert counts == {f"bracket {i}": one.settings for i, one in enumerate(brackets, 1)}
    lengths = table.groupby("bracket").steps_trained.agg(["min", "max"])
    assert lengths["min"].to_list() == [one.rungs.at[0] if one.rungs else 80 for one in brackets]
    assert (lengths["max"] == 80).all()
    assert {name.split(", ")[1] for name in table.group} == {"activation=relu", "activation=tanh"}
    for also in (["--halving", "3"], ["--sample", "3"], ["--stop-lost"]):
        refused = run("--hyperband", "4", *also)
        assert refused.exit_code == 2
        assert "cannot go with" in refused.stderr


@pytest.mark.parametrize(("factor", "words"), [("1", "over 1"), ("nan", "over 1"), ("x", "halving")])
def test_a_factor_that_stops_nothing_is_refused(factor, words):
    result = run("--halving", factor)
    assert result.exit_code > 0
    assert words in result.stderr


def test_jobs_have_a_folder_each(tmp_path):
    (tmp_path / "a b.csv").write_text("x,y\n1,2\n")
    job = Job(None, None, None, ("sgd",), np.array([0.1]), 1, 10, 1, (4,), 8, Activation.RELU, 1.0)
    tabled = job._replace(data=tmp_path / "a b.csv", target="y")
    jobs = [
        job,
        job._replace(halving=3.0),
        job._replace(stop_lost=True),
        job._replace(steps=11),
        job._replace(seeds=[1]),
        job._replace(learning_rates=np.array([0.2])),
        tabled,
    ]
    folders = [str(each.folder()) for each in jobs]
    assert len(set(folders)) == len(folders)
    assert folders[0] == str(job._replace(learning_rates=np.array([0.1])).folder())
    assert re.fullmatch(r"runs.digits-[0-9a-f]{8}", folders[0])
    assert re.fullmatch(r"runs.a-b-[0-9a-f]{8}", folders[-1])
    (tmp_path / "a b.csv").write_text("x,y\n1,3\n")
    assert str(tabled.folder()) != folders[-1]


@pytest.mark.parametrize("name", ["a" * 250, "ü" * 120])
def test_a_long_name_of_a_file_is_shortened(tmp_path, name):
    (tmp_path / f"{name}.csv").write_text("x,y\n1,2\n")
    job = Job(tmp_path / f"{name}.csv", "y", None, ("sgd",), np.array([0.1]), 1, 10, 1, (4,), 8, Activation.RELU, 1.0)
    assert len(job.folder().name.encode()) <= 100
    assert job._replace(reading={"decimal": ","}).folder() != job.folder()


def test_how_a_table_is_read_is_asked_for_and_kept_for_new_rows(tmp_path):
    x = np.random.default_rng(0).normal(size=80)
    words = [f"{value:.3f}".replace(".", ",") for value in 10 + x]
    frame = pd.DataFrame(
        {"nr": range(80), "x": words, "z": ["none"] * 40 + ["A", "B"] * 20, "c": np.where(x > 0, 1, 0)}
    )
    frame["c"] = frame["c"].map({0: "down", 1: "up"})
    frame.to_csv("t.txt", index=False, sep="\t", encoding="utf-16")
    result = run(*TINY, "--optimizer", "sgd", "--out", "out", "--data", "t.txt", "--target", "c", "--separator", "tab",
                 "--encoding", "utf-16", "--decimal", ",", "--missing", "none", "--column", "z=category",
                 "--column", "nr=number", "--order", "nr", "--thousands", ".")  # fmt: skip
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert "mean and standard deviation: 'nr', 'x'." in said
    assert "in the order of 'nr'" in said
    assert "Missing text made a value of its own: 'z' (40)" in said
    frame.drop(columns="c").to_csv("new.txt", index=False, sep="\t", encoding="utf-16")
    assert predict("out", "--data", "new.txt").exit_code == 0
    assert len(pd.read_csv("out/predictions.csv")) == 80


def test_what_a_score_is_worth_stands_beside_it(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    frame = pd.DataFrame(
        {"x": x, "price": 500 + 100 * x, "c": np.where(np.arange(200) % 10, "ok", "fraud").astype(object)}
    )
    frame.loc[:9, "c"] = None
    frame.to_csv("t.csv", index=False)
    result = run(*TINY, "--optimizer", "sgd,adam", "--out", "c", "--data", "t.csv", "--target", "c", "--seeds", 2)
    lines = {line.split("  ")[0]: line.split()[-4:] for line in result.stdout.splitlines()}
    assert lines["always 'ok'"][2:] == ["50.00", "50.00"]
    assert "warning: 10 of 200 rows without a target were left out." in result.stdout
    assert max(map(len, result.stdout[result.stdout.index("beside it") :].split("What")[0].splitlines())) <= 80
    page = Path("c/report.html").read_text(encoding="utf-8")
    assert "10 of 200 rows without a target were left out." in page.split("Leaderboard")[0]
    assert "always &#39;ok&#39;" in page
    result = run(*TINY, "--optimizer", "sgd", "--out", "p", "--data", "t.csv", "--target", "price", "--column", "c=out")
    lines = {line.split("  ")[0]: line.split()[-4:] for line in result.stdout.splitlines()}
    validation_r2, test_r2, validation_rmse, test_rmse = map(float, lines["gradient boosting"])
    assert min(validation_r2, test_r2) > 0.9
    assert 0 < max(validation_rmse, test_rmse) < 30
    assert float(lines["always the mean"][2]) == pytest.approx(100, abs=30)
    assert float(lines["always the mean"][0]) == pytest.approx(0, abs=0.1)


def test_devices_are_left_alone_once_jax_runs():
    before = len(ch5jax.sweeps._sweep.jax.local_devices())
    start_devices(3)
    start_devices(None)
    assert len(ch5jax.sweeps._sweep.jax.local_devices()) == before


def test_the_command_from_a_shell(tmp_path, environment):
    """Twice: the second time everything is found, and the same comes out."""
    arguments = [*TINY, "--seeds", "2", "--optimizer", "adam"]
    first = shell(*arguments, cwd=tmp_path, env=environment)
    assert (first.returncode, "Traceback" in first.stderr) == (0, False), first.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert {"store", "table.csv", "table.parquet", "curves.parquet", "report.html"} <= {
        p.name for p in folder.iterdir()
    }
    table = pd.read_csv(folder / "table.csv")
    assert len(table) == 6
    means = table.groupby(["group", "learning_rate"]).best_validation_accuracy.agg(["mean", "std"])
    best = means.loc[means["mean"].idxmax()]
    line = next(line for line in first.stdout.splitlines() if line.startswith("1  "))
    assert f"{100 * best['mean']:.2f} ± {100 * best['std']:.2f}" in line
    assert max(map(len, first.stdout.splitlines())) <= 80
    assert "\x1b" not in first.stdout
    assert "report" in first.stdout
    assert str(folder.relative_to(tmp_path) / "report.html") in first.stdout

    before = (folder / "table.csv").read_bytes()
    second = shell(*arguments, cwd=tmp_path, env=environment)
    assert (second.returncode, second.stderr) == (0, "")
    found, *said = second.stdout.splitlines()
    assert found == f"6 trainings, all found in {folder.relative_to(tmp_path)}"
    assert said == first.stdout.splitlines()[1:]
    assert (folder / "table.csv").read_bytes() == before
    # other settings of JAX are another sweep
    third = shell(*arguments, cwd=tmp_path, env=environment | {"JAX_ENABLE_X64": "1"})
    assert (third.returncode, "belongs to another sweep" in third.stderr) == (1, True)


def a_table(path, rows=60, classes=2):
    draw = np.random.default_rng(rows)
    frame = pd.DataFrame({"a": draw.normal(size=rows), "b": draw.normal(size=rows), "gone": "x"})
    frame["kind"] = np.arange(rows) % classes
    frame.loc[0, "kind"] = np.nan
    frame.to_csv(path, index=False)


def found_without_training(monkeypatch, *arguments):
    """The command, where neither data are read nor a training is traced; None if it wanted to."""

    def refuse(job):
        raise ValueError("it reads the data again")

    with monkeypatch.context() as patch:
        patch.setattr("ch5jax.cli._training.prepare", refuse)
        result = run(*arguments)
    if "it reads the data again" in result.stderr:
        return None
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_a_finished_command_says_the_same_again_and_reads_nothing(tmp_path, monkeypatch):
    a_table("t.csv")
    arguments = [*TINY, "--optimizer", "sgd", "--data", "t.csv", "--target", "kind", "--out", tmp_path / "out"]
    first = run(*arguments)
    assert first.exit_code == 0, first.stderr
    assert "1 of 60 rows" in first.stdout  # has no target, a note
    assert "gradient boosting" in first.stdout

    def rest(said):
        return [line for line in said.splitlines() if not re.match(r"\d+ trainings", line)]

    again = found_without_training(monkeypatch, *arguments)
    assert again.startswith(f"3 trainings, all found in {tmp_path / 'out'}\n")
    assert rest(again) == rest(first.stdout)
    # and where it is not found, all is said too, and the same
    (tmp_path / "out" / "said.json").unlink()
    assert found_without_training(monkeypatch, *arguments) is None
    assert rest(run(*arguments).stdout) == rest(first.stdout)
    assert found_without_training(monkeypatch, *arguments) == again


def damage(text):
    return lambda out: (out / "said.json").write_text(text)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda out: (out / "table.csv").unlink(), id="the table is gone"),
        pytest.param(lambda out: (out / "report.html").write_text("mine"), id="another page"),
        pytest.param(lambda out: next(out.glob("store/*chunk*.npz")).unlink(), id="a chunk is gone"),
        pytest.param(lambda out: os.utime(out / "store" / "manifest.json", (1, 1)), id="a manifest copied there"),
        pytest.param(lambda out: a_table("t.csv", classes=3), id="other data"),
        pytest.param(damage("[" * 100_000), id="nested"),
        pytest.param(damage('{"said": "1"}'), id="a part of it"),
        pytest.param(damage("null"), id="nothing"),
        pytest.param(lambda out: (out / "said.json").unlink(), id="never kept"),
    ],
)
def test_nothing_that_has_changed_counts_as_found(tmp_path, monkeypatch, change):
    a_table("t.csv")
    out = tmp_path / "out"
    arguments = [*TINY, "--optimizer", "sgd", "--data", "t.csv", "--target", "kind", "--out", out]
    assert run(*arguments).exit_code == 0
    assert found_without_training(monkeypatch, *arguments)
    change(out)
    assert found_without_training(monkeypatch, *arguments) is None


def test_a_folder_is_looked_into(tmp_path):
    out = tmp_path / "out"
    assert run(*TINY, "--optimizer", "sgd,adam", "--width", 3, "--out", out).exit_code == 0

    def store(*arguments):
        return CliRunner().invoke(app, ["store", *map(str, arguments)], env={"COLUMNS": "80", "NO_COLOR": "1"})

    said = store(out)
    assert said.exit_code == 0, said.stderr
    assert said.stdout.startswith(f"{out / 'store'}: format ")
    rows = [line.split() for line in said.stdout.splitlines()]
    assert [row for row in rows if row[0] in ("sgd", "adam")] == [
        [name, "20", "3", "3", "0", "0"] for name in ("sgd", "adam")
    ]
    assert said.stdout.endswith("It is finished.\n")
    assert store(out / "store").stdout == said.stdout
    chunk = next(out.glob("store/group001-chunk*.npz"))
    chunk.write_bytes(chunk.read_bytes()[:-50])
    damaged = store(out)
    assert damaged.exit_code == 1
    assert "3 trainings to go: the same sweep goes on there." in damaged.stdout
    assert f"damaged: {chunk} is damaged" in damaged.stdout
    wrong = store(tmp_path)
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "must be the folder of a sweep" in wrong.stderr


def test_another_command_or_another_ch5jax_is_not_found(tmp_path, monkeypatch):
    arguments = [*TINY, "--optimizer", "sgd", "--out", tmp_path / "out"]
    assert run(*arguments).exit_code == 0
    assert found_without_training(monkeypatch, *arguments)
    assert found_without_training(monkeypatch, *arguments, "--steps", 21) is None
    assert found_without_training(monkeypatch, *arguments, "--width", 2) is None
    monkeypatch.setattr("ch5jax.cli._found._code", lambda: "a line was changed")
    assert found_without_training(monkeypatch, *arguments) is None


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to a process there")
def test_ctrl_c_says_what_is_safe_and_the_same_command_goes_on(tmp_path, environment):
    # so many steps that twelve chunks are not trained before the signal comes, on a busy machine either
    arguments = ["--steps", 2000, "--seeds", 1, "--learning-rate", "1e-3:1:log:48", "--hidden", 4, "--batch-size", 8,
                 "--optimizer", "sgd", "--width", 4, "--devices", 1]  # fmt: skip
    # what a shell starts in the background ignores the signal, and so would all that it starts
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command(*arguments), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*/store/*chunk*.npz")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    (folder,) = (tmp_path / "runs").iterdir()
    assert said.splitlines()[-1] == (
        f"Stopped. What is finished is safe in {folder.relative_to(tmp_path)}, and the same command goes on from there."
    )
    assert "Traceback" not in said
    kept = sum("state" not in file.name for file in folder.glob("store/*chunk*.npz"))
    assert 1 <= kept < 12
    resumed = shell(*arguments, cwd=tmp_path, env=environment)
    assert resumed.returncode == 0, resumed.stderr
    assert re.search(r"continuing \S+ \((\d+) of 48 trainings done\)", resumed.stderr)[1] == str(4 * kept)
    assert pd.read_csv(folder / "table.csv").validation_loss.notna().sum() == 48


def diagnose(*arguments):
    return CliRunner().invoke(app, ["diagnose", *map(str, arguments)], env={"COLUMNS": "80", "NO_COLOR": "1"})


def test_a_sweep_says_what_its_trainings_met_and_where(tmp_path):
    rates = ["--learning-rate", "1e-5,0.5,20", "--optimizer", "sgd", "--seeds", "2", "--steps", "400"]
    result = run(*rates, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    said = result.stdout
    assert "What they met first: 2 slow, 2 healthy, 2 saturated." in said
    for verdict, rate in (("slow", "1e-05"), ("healthy", "0.5"), ("saturated", "20")):
        assert re.search(rf"{verdict} +2 +{re.escape(rate)} *$", said, re.MULTILINE), said
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    assert table.verdict.tolist() == ["slow"] * 2 + ["healthy"] * 2 + ["saturated"] * 2


def test_diagnose_tells_one_setting_in_words_and_is_the_sweep_s_training(tmp_path):
    network = ["--hidden", "8", "--steps", "100", "--batch-size", "32"]
    result = diagnose("--optimizer", "sgd", "--learning-rate", "20", "--seed", "3", *network)
    assert result.exit_code == 0, result.stderr
    assert "64-8-10, relu; sgd, learning rate 20, seed 3; 100 steps" in result.stdout
    assert re.search(r"^SATURATED: \d+ % of the units of layer \[0\]\.kernel were flat", result.stdout, re.MULTILINE)
    assert "Curvature at the end: eigenvalues from" in result.stdout
    # at a rate at which a last bit does not decide what is learned
    result = diagnose("--optimizer", "sgd", "--learning-rate", "0.1", "--seed", "3", *network)
    run(*network, "--optimizer", "sgd", "--learning-rate", "0.1", "--seeds", "2,3", "--out", tmp_path / "out")
    accuracy = pd.read_csv(tmp_path / "out" / "table.csv").validation_accuracy[1]
    assert f"validation accuracy: {accuracy:.2%}".replace("%", " %") in result.stdout


def test_diagnose_takes_a_table_and_a_best(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x @ [1.0, -2.0]}).to_csv(tmp_path / "d.csv", index=False)
    table = ["--data", tmp_path / "d.csv", "--target", "y", "--hidden", "none", "--steps", "60", "--optimizer", "sgd"]
    unknown = diagnose(*table, "--learning-rate", "1e-5")
    assert "what could be reached is not known" in unknown.stdout
    known = diagnose(*table, "--learning-rate", "1e-5", "--best", "0")
    assert re.search("^SLOW: ", known.stdout, re.MULTILINE)


def test_remedies_are_tried_and_shown_beside_random_search():
    setting = ["--optimizer", "sgd", "--learning-rate", "1e-5", "--steps", "40", "--hidden", "none"]
    result = diagnose(*setting, "--treat")
    assert result.exit_code == 0, result.output
    assert re.search("^SLOW: ", result.stdout, re.MULTILINE)
    table = result.stdout.split("Each was trained over 3 seeds; * better than by chance.")[1]
    for tried in ("as it was", "Adam at 0.01", "rate × 100", "random: Adam at"):
        assert tried in table
    assert re.search(r"Adam at 0\.01 +\d\d\.\d+ +\+\d+\.?\d* ± \d+\.?\d* \*", table)
    assert "Go on with: Adam at 0.01" in table
    assert max(map(len, table.splitlines()[:-1])) <= 80


def test_diagnose_judges_a_log(tmp_path):
    at = np.arange(10, 1010, 10)
    log = {"Step": at, "my loss": 2 - at / 2000, "val_loss": 2.1 - at / 2000, "lr": 0.1}
    pd.DataFrame(log).to_csv(tmp_path / "log.csv", index=False)
    lost = diagnose("--log", tmp_path / "log.csv")
    assert lost.exit_code == 1
    assert "must have a column loss or train_loss" in lost.stderr
    assert "it has 'Step', 'my loss', 'val_loss', 'lr'" in lost.stderr
    result = diagnose("--log", tmp_path / "log.csv", "--loss-column", "my loss", "--best", "0")
    assert result.exit_code == 0, result.stderr
    assert "100 rows; my loss as losses, val_loss as validation, Step as steps; not used: lr" in result.stdout
    assert re.search("^SLOW: when it ended at step 1,000 the loss still fell", result.stdout, re.MULTILINE)
    assert "Validation loss: lowest at the end, 1.6 (step 1,000)." in result.stdout
    with (tmp_path / "log.csv").open("a") as file:
        file.write("1010,,,\n1020,nan,,\n")
    result = diagnose("--log", tmp_path / "log.csv", "--loss-column", "my loss")
    assert "1 row without a loss" in result.stdout
    assert re.search("^DIVERGED: from step 1,020 on", result.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--optimizer", "adm"], "did you mean adam"),
        (["--optimizer", "adam,sgd"], "one at a time"),
        (["--learning-rate", "nan"], "--learning-rate"),
        (["--seed", "-1"], "--seed"),
        (["--target", "y"], "--data"),
        (["--log", "x.csv", "--data", "d.csv", "--target", "y"], "--data, --target cannot be given with --log FILE"),
        (["--log", "x.csv", "--learning-rate", "0.01"], "--learning-rate cannot be given with --log FILE"),
        (["--step-column", "t"], "--step-column needs --log FILE"),
    ],
)
def test_wrong_usage_of_diagnose_exits_with_2(arguments, words):
    result = diagnose(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_help_of_diagnose_fits_80_columns():
    result = diagnose("--help")
    assert result.exit_code == 0
    assert "ch5jax diagnose --optimizer sgd --learning-rate 10" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.fixture
def table(tmp_path):
    """A table whose class a line tells, and whose number is one."""
    x = np.random.default_rng(0).normal(size=80)
    frame = pd.DataFrame({"x": x, "c": np.where(x > 0, "up", "down"), "y": 3 * x + 1})
    frame[["x", "c"]].to_csv(tmp_path / "classes.csv", index=False)
    frame[["x", "y"]].to_csv(tmp_path / "numbers.csv", index=False)
    pd.DataFrame({"x": [-2.0, 0.5, 2.0]}).to_csv(tmp_path / "new.csv", index=False)


def predict(*arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)], env={"COLUMNS": "80", "NO_COLOR": "1"})


def test_a_sweeps_winner_is_applied_to_new_rows(table, tmp_path):
    learning = ["--steps", "150", "--seeds", "2", "--learning-rate", "0.1,0.3", "--optimizer", "adam"]
    for name, target in (("classes", "c"), ("numbers", "y")):
        result = run("--data", f"{name}.csv", "--target", target, "--hidden", "none", "--out", name, *learning)
        assert result.exit_code == 0, result.output
        said = predict(name, "--data", "new.csv")
        assert said.exit_code == 0, said.output
        assert "3 rows by training" in said.stdout
    classes = pd.read_csv("classes/predictions.csv")
    assert classes["c"].tolist() == ["down", "up", "up"]
    assert (classes["probability"] > 0.5).all()
    np.testing.assert_allclose(pd.read_csv("numbers/predictions.csv")["y"], [-5, 2.5, 7], atol=0.2)
    said = predict("numbers", "--data", "new.csv", "--trial", "3", "--last", "--out", "mine.csv")
    assert "training 3 (adam, after 150 steps): mine.csv" in " ".join(said.stdout.split())
    assert len(pd.read_csv("mine.csv")) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda: Path("numbers.csv").write_text("x,y\n1,2\n"),
            "must hold what the sweep was made with, and has changed",
        ),
        (lambda: Path("numbers.csv").unlink(), "No such file"),
        (lambda: Path("runs/job.json").write_text("{"), "job.json is damaged"),
        (lambda: Path("runs/job.json").unlink(), "job.json is missing"),
        (lambda: Path("new.csv").write_text("z\n1\n"), "'x' is missing"),
        (lambda: Path("new.csv").unlink(), "there is no file new.csv"),
    ],
)
def test_what_cannot_be_predicted_is_said_in_a_line(table, change, words):
    run("--data", "numbers.csv", "--target", "y", "--out", "runs", "--optimizer", "sgd", *TINY)
    change()
    said = predict("runs", "--data", "new.csv")
    assert said.exit_code == 1
    assert words in " ".join(said.stderr.split())
    assert "Traceback" not in said.stderr


def test_a_sweep_of_digits_has_no_new_rows(table):
    run(*TINY, "--optimizer", "sgd", "--out", "digits")
    said = predict("digits", "--data", "new.csv")
    assert said.exit_code == 1
    assert "must be a sweep over a table" in " ".join(said.stderr.split())


def test_compiled_programs_serve_the_next_command(tmp_path, environment):
    """Another rate is the same programs, and nothing is compiled for it; without a folder nothing is kept."""
    kept = {**environment, "XDG_CACHE_HOME": str(tmp_path / "cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    del kept["JAX_COMPILATION_CACHE_DIR"]
    arguments = [*TINY, "--optimizer", "sgd", "--steps", "10"]
    assert shell(*arguments, "--no-cache", "--out", "a", cwd=tmp_path, env=kept).returncode == 0
    assert not (tmp_path / "cache").exists()
    first = shell(*arguments, "--out", "b", cwd=tmp_path, env=kept)
    folder = tmp_path / "cache" / "ch5jax" / "programs"
    assert str(folder) in "".join(first.stderr.split())

    def programs():
        return {file.name for file in folder.iterdir() if file.name.endswith("-cache")}

    before = programs()
    half = next(folder / name for name in before if name.startswith("jit_advance"))
    size = half.stat().st_size
    half.write_bytes(half.read_bytes()[: size // 2])  # as a process leaves it that is killed while it writes
    half.with_name(half.name.replace("-cache", "-atime")).unlink()
    assert {"jit_init", "jit_advance", "jit_evaluate"} <= {name.split("-")[0] for name in before}
    second = shell(*arguments, "--learning-rate", "0.02,0.05,0.2", cwd=tmp_path, env=kept)
    assert programs() == before
    assert "Warning" not in second.stderr
    assert abs(half.stat().st_size - size) < size / 10, "it is whole again"


def test_a_folder_for_programs_that_cannot_be_written_is_said_and_costs_nothing_else(tmp_path, environment):
    (tmp_path / "file").write_text("")
    without = {**environment, "XDG_CACHE_HOME": str(tmp_path / "file")}
    del without["JAX_COMPILATION_CACHE_DIR"]
    found = shell(*TINY, "--optimizer", "sgd", "--steps", "5", cwd=tmp_path, env=without)
    assert found.returncode == 0
    assert "compiled programs are not kept" in found.stderr
    assert "Warning" not in found.stderr
