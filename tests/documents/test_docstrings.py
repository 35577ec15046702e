"""Docstrings: their examples run as they stand, and all that is public has one."""

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

import ch5jax
import ch5jax.exports

PACKAGES = [module.name for module in pkgutil.walk_packages(ch5jax.__path__, "ch5jax.")]
MODULES = sorted(name for name in PACKAGES if not name.endswith("__main__"))


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
        ch5jax.exports,
        ch5jax.initializers,
        ch5jax.models,
        ch5jax.networks,
        ch5jax.optimizers,
        ch5jax.populations,
        ch5jax.problems,
        ch5jax.searches,
        ch5jax.sweeps,
        ch5jax.tasks,
        ch5jax.treatment,
        ch5jax.verdicts,
    ):
        for name, value in vars(module).items():
            if not name.startswith("_") and callable(value) and getattr(value, "__module__", "").startswith("ch5jax"):
                yield f"{module.__name__}.{name}", value


@pytest.mark.parametrize(("name", "value"), sorted(dict(public()).items()))
def test_what_is_public_is_documented(name, value):
    text = inspect.getdoc(value) or ""
    assert text, f"{name} has no docstring"
    empty = re.search(r"Args:\n +None\.|Returns:\n +(Nothing|None)\.|Raises:\n.*\bnever\.", text)
    assert not empty, f"{name} has a section that says nothing: leave it out"
    if inspect.isfunction(value) and inspect.signature(value).parameters:
        gives = inspect.signature(value).return_annotation is not None
        for part in ("Args:", "Example:", *(["Returns:"] if gives else [])):
            assert part in text, f"{name} says nothing of {part}"
        described = re.findall(r"^  \*{0,2}(\w+):", text, re.MULTILINE)
        missing = set(inspect.signature(value).parameters) - set(described)
        assert not missing, f"{name} does not describe {missing}"
