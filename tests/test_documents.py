"""README, docstrings and examples run as they stand; found by glob, not by list."""

import doctest
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ch5jax

ROOT = Path(__file__).parents[1]
CHAPTER = sorted((ROOT / "examples").glob("chapter_*.py"))  # tests/chapter/ runs these, and looks at their numbers
EXAMPLES = sorted({*(ROOT / "examples").glob("*.py")} - {*CHAPTER})
DOCUMENTS = sorted(ROOT.glob("*.md"))
PACKAGES = [module.name for module in pkgutil.walk_packages(ch5jax.__path__, "ch5jax.")]
MODULES = sorted(name for name in PACKAGES if not name.endswith("__main__"))


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_code_in_a_document_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
        exec(compile(block, str(path), "exec"), namespace)


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_run(name):
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder().find(module, name):
        failures = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
        assert not failures.failed, f"{test.name}: see the captured output"


def public():
    """Every public function and class that ch5jax exports, or a public module of it does."""
    for module in (
        ch5jax,
        ch5jax.diagnostics,
        ch5jax.initializers,
        ch5jax.networks,
        ch5jax.problems,
        ch5jax.sweeps,
        ch5jax.tasks,
        ch5jax.verdicts,
    ):
        for name, value in vars(module).items():
            if not name.startswith("_") and callable(value) and getattr(value, "__module__", "").startswith("ch5jax"):
                yield f"{module.__name__}.{name}", value


@pytest.mark.parametrize(("name", "value"), sorted(dict(public()).items()))
def test_what_is_public_is_documented(name, value):
    text = inspect.getdoc(value) or ""
    assert text, f"{name} has no docstring"
    if inspect.isfunction(value) and inspect.signature(value).parameters:
        for part in ("Args:", "Returns:", "Raises:", "Example:"):
            assert part in text, f"{name} says nothing of {part}"
        described = re.findall(r"^  \*{0,2}(\w+):", text, re.MULTILINE)
        missing = set(inspect.signature(value).parameters) - set(described)
        assert not missing, f"{name} does not describe {missing}"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_without_a_warning(path, tmp_path):
    environment = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_program_of_the_chapter_is_tested():
    tests = " ".join(path.read_text() for path in (ROOT / "tests" / "chapter").glob("test_*.py"))
    missing = [path.stem for path in CHAPTER if f'chapter("{path.stem.removeprefix("chapter_")}")' not in tests]
    assert len(CHAPTER) == 12, "one program for each of sections 5.1.1 to 5.1.6 and 5.2 to 5.7"
    assert not missing
