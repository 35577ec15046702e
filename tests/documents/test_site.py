"""The site is whole: all pages are in its navigation, all public names on an API page. The generator is not needed."""

import importlib
import inspect
import re
import tomllib
from pathlib import Path

from tests.test_signatures import PUBLIC

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NAVIGATION = re.findall(r"([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1], re.MULTILINE)
API = "".join(page.read_text() for page in sorted(DOCS.glob("api/*.md")))
ENTRIES = re.findall(r"^::: (\S+)$", API, re.MULTILINE)
OF_THE_REPOSITORY = dict(re.findall(r'"([\w/.-]+)": "([\w/.-]+\.md)",', (ROOT / ".docs" / "hooks.py").read_text()))


def test_every_page_in_the_navigation_exists_and_is_there_once():
    assert len(set(NAVIGATION)) == len(NAVIGATION) > 20
    sources = {place: ROOT / source for source, place in OF_THE_REPOSITORY.items()}
    assert not [page for page in NAVIGATION if not sources.get(page, DOCS / page).is_file()]


def test_every_page_of_docs_is_in_the_navigation():
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} | set(OF_THE_REPOSITORY.values())
    assert not pages - set(NAVIGATION), "a page needs a line in mkdocs.yml"


def found(name):
    """What stands under a name such as ch5jax.tasks.Table."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def test_every_public_name_is_on_an_api_page():
    shown = {id(found(name)) for name in ENTRIES}
    missing = {
        f"{module.__name__}.{name}"
        for module in PUBLIC
        for name, value in vars(module).items()
        if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value))
        if value.__module__.startswith("ch5jax.") and not value.__module__.startswith("ch5jax._")
        if id(value) not in shown
    }
    assert not missing, "each needs a line `::: name` on a page of docs/api/"


def test_no_name_is_on_two_api_pages():
    values = [id(found(name)) for name in ENTRIES]
    assert len(values) == len(set(values)) > 150


def test_the_version_is_the_same_wherever_it_stands():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == version
    assert re.search(r"version = \{(.+)\}", (DOCS / "citing.md").read_text())[1] == version
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version
