"""The page of the chapter names what there is: functions, their arguments, programs, tests, pictures and stages."""

import importlib
import inspect
import re
from pathlib import Path

import ch5jax

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "chapter.md").read_text()
PARTS_OF_THE_PAGE = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
SECTIONS = ["5.1", *(f"5.1.{i}" for i in range(1, 7)), *(f"5.{i}" for i in range(2, 8))]


def rows(title, header):
    """The rows of a table in a part of the page, as lists of cells."""
    tables = re.findall(r"(?:^\|.*\n)+", PARTS_OF_THE_PAGE[title], re.MULTILINE)
    (table,) = (table for table in tables if table.startswith(f"| {header} |"))
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]


def found(name):
    """What stands under a name such as ch5jax.tasks.digits."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def test_every_function_that_the_page_names_exists():
    names = set(re.findall(r"`(ch5jax\.[\w.]+)`", TEXT))
    assert len(names) > 40
    for name in names:
        assert callable(found(name)), name


def test_every_section_has_a_function_a_program_a_test_and_a_picture():
    table = rows("Section by section: where each statement is", "section")
    assert {row[0].split(" no")[0] for row in table} == set(SECTIONS)
    for section, _, functions, program, test, picture in table:
        assert functions.startswith("`ch5jax."), section
        (path,) = re.findall(r"\]\(\.\./(examples/\w+\.py)\)", program)
        assert (ROOT / path).is_file(), path
        assert (ROOT / test.strip("`")).is_file(), test
        assert picture == "–" or (ROOT / "docs" / re.search(r"\((.+)\)", picture)[1]).is_file(), picture
    with_picture = {row[0].split(" no")[0] for row in table if row[5] != "–"}
    assert with_picture == set(SECTIONS)


def test_every_argument_and_field_in_the_table_of_symbols_exists():
    claims = 0
    for symbol, _, here in rows("Symbols", "chapter"):
        for names, of in re.findall(r"((?:`\w+(?:=[^`]*)?`(?:, )?)+) of `(ch5jax\.[\w.]+)`", here):
            value = found(of)
            known = {*inspect.signature(value).parameters, *getattr(value, "_fields", ())}
            for name in re.findall(r"`(\w+)", names):
                assert name in known, f"{symbol}: {of} has no {name}"
                claims += 1
        if "`eps`" in here and " of " not in here:
            for rule in (ch5jax.adagrad, ch5jax.rmsprop, ch5jax.adam):
                assert inspect.signature(rule).parameters["eps"].default == 1e-7
                claims += 1
    assert claims > 25


def test_the_nine_stages_are_those_of_the_code():
    table = rows("Symbols", "stage")
    assert [row[0] for row in table] == [str(i) for i in range(1, 10)]
    forward = tuple(re.search(r"`(\w+)`", row[2])[1] for row in table)
    backward = {name for row in table for name in re.findall(r"`(\w+)`", row[4])}
    assert forward == inspect.signature(ch5jax.batch_norm_forward_stages).return_annotation._fields
    assert backward == set(inspect.signature(ch5jax.batch_norm_backward_stages).return_annotation._fields)


def test_formulas_are_of_every_section_that_has_some():
    assert {row[0] for row in rows("Formulas", "section")} == {"5.2", "5.3", "5.4", "5.5", "5.7"}
