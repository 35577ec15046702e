"""Examples run as they stand, without a warning; found by glob, not by list."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHAPTER = sorted((ROOT / "examples").glob("chapter_*.py"))  # tests/chapter/ runs these, and looks at their numbers
EXAMPLES = sorted({*(ROOT / "examples").glob("*.py")} - {*CHAPTER})
SECTIONS = {*(f"5_1_{i}" for i in range(1, 7)), *(f"5_{i}" for i in range(2, 8))}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_without_a_warning(path, tmp_path, monkeypatch, capsys, compiled_quickly):
    """In this process: starting Python and JAX for each took 3 s of its 10; the README's commands show that part."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


def test_every_section_of_the_chapter_has_a_program_and_every_program_a_test_and_a_picture():
    names = [path.stem.removeprefix("chapter_") for path in CHAPTER]
    sections = {"_".join(part for part in name.split("_") if part.isdigit()) for name in names}
    assert sections == SECTIONS
    tests = " ".join(path.read_text() for path in (ROOT / "tests" / "chapter").glob("test_*.py"))
    told = (ROOT / "docs" / "chapter.md").read_text()
    assert not [name for name in names if f'chapter("{name}")' not in tests]
    assert not [name for name in names if f"chapter_{name}.png" not in told or f"chapter_{name}.py" not in told]
