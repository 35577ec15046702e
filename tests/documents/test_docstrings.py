"""Docstrings: their examples run as they stand, and all that is public has one."""

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

import ch5jax
from tests.test_signatures import PUBLIC

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
    """Every function and class that ch5jax or a public module of it exports, and the methods of those classes."""
    for module in PUBLIC:
        for name, value in vars(module).items():
            home = getattr(value, "__module__", None) or ""
            if name.startswith("_") or not callable(value) or not re.match(r"ch5jax(?!\._)", home):
                continue
            yield f"{home}.{name}", value
            for attribute, method in vars(value).items() if inspect.isclass(value) else ():
                if not attribute.startswith("_") and inspect.isfunction(method):
                    yield f"{home}.{name}.{attribute}", method


@pytest.mark.parametrize(("name", "value"), sorted(dict(public()).items()))
def test_what_is_public_is_documented(name, value):
    text = inspect.getdoc(value) or ""
    assert text, f"{name} has no docstring"
    empty = re.search(r"Args:\n +None\.|Returns:\n +(Nothing|None)\.|Raises:\n.*\bnever\.", text)
    assert not empty, f"{name} has a section that says nothing: leave it out"
    if inspect.isfunction(value) and set(inspect.signature(value).parameters) - {"self"}:
        gives = inspect.signature(value).return_annotation is not None
        method = "self" in inspect.signature(value).parameters  # its class has the example
        for part in ("Args:", *(["Returns:"] if gives else []), *([] if method else ["Example:"])):
            assert part in text, f"{name} says nothing of {part}"
        described = re.findall(r"^  \*{0,2}(\w+):", text, re.MULTILINE)
        missing = set(inspect.signature(value).parameters) - {"self"} - set(described)
        assert not missing, f"{name} does not describe {missing}"
