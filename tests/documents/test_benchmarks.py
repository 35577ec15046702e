"""The benchmarks' tables are what was measured."""

import json
from pathlib import Path

import pytest

from benchmarks import tables

README = Path(tables.__file__).parent / "README.md"


def test_the_readmes_tables_are_those_of_the_results():
    text = README.read_text()
    assert tables.filled(text) == text
    assert len(tables.PLACE.findall(text)) >= 4


@pytest.mark.parametrize("shown", ["", ": ours", ": peer, ours"])
def test_a_table_is_filled_with_the_rows_that_are_asked_for(tmp_path, monkeypatch, shown):
    machine = {"processor": "P", "cores": 2, "python": "3.12", "jax": "0.12", "date": "2026-01-02"}
    rows = [{"shape": 1, "dtype": "f", "": who, "ms": ms} for who, ms in (("ours", 1.23456), ("peer", 20.0))]
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "one.json").write_text(json.dumps({"machine": machine, "rows": rows}))
    monkeypatch.setattr(tables, "HERE", tmp_path)
    text = tables.filled(f"before\n<!-- rows of one{shown} -->\nold\n<!-- end -->\nafter\n")
    assert "2 cores of P; Python 3.12, JAX 0.12, 2026-01-02." in text
    assert "| 1 | f | ours | 1.23 |" in text
    assert ("| 1 | f | peer | 20 |" in text) == ("peer" in shown or not shown)
    assert "old" not in text
    assert text.startswith("before")
    assert text.endswith("after\n")
