"""What is missing is named, with the command that installs it; what only looks missing is not hidden."""

import subprocess
import sys

import numpy as np
import pytest

import ch5jax
from ch5jax._extras import require


def block(monkeypatch, package):
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


def test_what_is_installed_is_imported():
    assert require("numpy.linalg", "sweep", "this") is np.linalg


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(module):
    with pytest.raises(ImportError) as caught:
        require(module, "ray", "sweeping on a cluster")
    message = 'sweeping on a cluster needs no_such_package, which is not installed: pip install "ch5jax[ray]"'
    assert (str(caught.value), caught.value.name) == (message, "no_such_package")


@pytest.mark.parametrize("missing", ["something_else", "broken"])
def test_a_package_that_misses_a_package_of_its_own_speaks_for_itself(monkeypatch, tmp_path, missing):
    (tmp_path / "broken_package.py").write_text(f"import {missing}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=f"No module named '{missing}'"):
        require("broken_package", "sweep", "this")


def test_digits_without_scikit_learn(monkeypatch):
    block(monkeypatch, "sklearn")
    with pytest.raises(ImportError, match=r'tasks\.digits needs sklearn.*pip install "ch5jax\[sweep\]"'):
        ch5jax.tasks.digits()


@pytest.mark.parametrize(("package", "file"), [("pandas", "t.csv"), ("pyarrow", "t.parquet")])
def test_table_without_its_packages(monkeypatch, tmp_path, package, file):
    (tmp_path / file).write_text("a,b\n" + "1,2\n2,3\n" * 10)
    block(monkeypatch, package)
    with pytest.raises(ImportError, match=rf'tasks\.table.* needs {package}.*pip install "ch5jax\[sweep\]"'):
        ch5jax.tasks.read_table(tmp_path / file, "b")


def test_search_without_optuna(monkeypatch):
    block(monkeypatch, "optuna")
    task = ch5jax.tasks.surface(ch5jax.problems.beale())
    with pytest.raises(ImportError, match=r'search needs optuna.*pip install "ch5jax\[optuna\]"'):
        ch5jax.search(task, ch5jax.sgd, None, count=1, per_round=1, steps=1, key=None, learning_rate=[0.1])


def test_the_library_is_imported_without_any_extra():
    extras = ("filelock", "jinja2", "optuna", "pandas", "plotly", "pyarrow", "rich", "sklearn", "tqdm", "typer")
    program = f"import sys; sys.modules.update(dict.fromkeys({extras})); import ch5jax; ch5jax.adam(1e-3)"
    subprocess.run([sys.executable, "-c", program], check=True)
