"""Files, arrays and data frames as tables, and those that are none."""

import re

import chex
import numpy as np
import pandas as pd
import pytest

from ch5jax.tasks import read_table
from tests.tasks.tables import ROWS, frame, noted


def test_the_frame_given_stays_as_it_is():
    data = frame(city=["Rome", None] * (ROWS // 2), a=[np.nan, 1.0] * (ROWS // 2))
    before = data.copy(deep=True)
    read_table(data, "label")
    pd.testing.assert_frame_equal(data, before)


def test_an_index_is_not_used_and_names_are_text():
    data = frame()
    odd = data.set_axis([0, 1], axis=1).set_index(np.arange(ROWS)[::-1])
    prepared = read_table(odd, 1)
    assert (prepared.target, prepared.features) == ("1", ("0",))
    chex.assert_trees_all_equal(prepared.parts, read_table(data, "label").parts)


@pytest.mark.parametrize("form", ["comma", "semicolon", "tab", "bom", "capital", "index", "spaces", "parquet"])
def test_files_hold_what_a_frame_holds(tmp_path, form):
    data = frame(
        city=["Rome", None, "Oslo", "Rome"] * (ROWS // 4),
        a=[1, 2, None, 4] * (ROWS // 4),
        flag=[True, False] * (ROWS // 2),
    )
    path = tmp_path / {"parquet": "t.parquet", "capital": "T.CSV"}.get(form, "t.csv")
    if form == "parquet":
        data.to_parquet(path)
    elif form == "spaces":
        path.write_text(data.to_csv(index=False).replace(",", ", "))
    else:
        separator = {"semicolon": ";", "tab": "\t"}.get(form, ",")
        encoding = "utf-8-sig" if form == "bom" else "utf-8"
        data.to_csv(path, sep=separator, index=form == "index", encoding=encoding)
    got, expected = read_table(str(path) if form == "tab" else path, "label"), read_table(data, "label")
    assert got.features == expected.features
    chex.assert_trees_all_close(got.parts, expected.parts, rtol=1e-6)
    assert noted(got, "names of rows rather than") == (form == "index")


def test_arrays_of_an_npz_file_are_columns(tmp_path):
    rng = np.random.default_rng(1)
    x, sex, y = rng.normal(size=(ROWS, 2)), np.array(["f", "m"] * (ROWS // 2)), rng.normal(size=(ROWS, 1))
    np.savez(tmp_path / "t.npz", x=x.astype(">f4"), sex=sex, y=y)
    prepared = read_table(tmp_path / "t.npz", "y")
    assert prepared.features == ("x[0]", "x[1]", "sex=f", "sex=m")
    data = pd.DataFrame({"x[0]": x[:, 0].astype("f4"), "x[1]": x[:, 1].astype("f4"), "sex": sex, "y": y[:, 0]})
    same = read_table(data, "y")
    chex.assert_trees_all_equal(prepared.parts, same.parts)
    assert (prepared.features, prepared.notes) == (same.features, same.notes)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.array([{}, 1], object)}, "array 'x' of .* cannot be read without unpickling it"),
        ({"x": np.zeros((5, 2, 2))}, r"array 'x' .* one or two axes, .* got float64 of shape \(5, 2, 2\)"),
        ({"x": np.float64(3)}, r"array 'x' .* got float64 of shape \(\)"),
        ({"x": np.zeros(5, complex)}, "array 'x' .* got complex128"),
        ({"x": np.zeros(5), "y": np.zeros(6)}, "same number of rows, got 5 in 'x', 6 in 'y'"),
        ({}, "has no rows"),
    ],
)
def test_arrays_that_are_no_columns_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / "t.npz", "y")


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the file was unpickled",))

    np.savez(tmp_path / "t.npz", x=np.array([Trap()], object))
    pd.to_pickle(Trap(), tmp_path / "raw.npz", compression=None)
    for name in ("t.npz", "raw.npz"):
        with pytest.raises(ValueError, match="cannot be read"):
            read_table(tmp_path / name, "y")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty; a CSV file holds the columns' names in its first line"),
        ("t.csv", b"\n\n", "is empty"),
        ("t.csv", b"a,b\n", "has no rows"),
        ("t.csv", b"\x89PNG\r\n\xff\xfe\x00", "is no CSV file in UTF-8"),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "cannot be read as a CSV file"),
        ("t.csv", b"a,b\n1,2,3\n1,2,3\n", "must have as many fields as its first"),
        ("t.csv", b"a,b,a\n1,2,3\n", "first line of .* must have a name of its own, got 'a' 2 times"),
        ("t.csv", b"1.5,2,0.1\n3,4,5\n", "got 'y'; the first line must hold the columns' names"),
        ("t.csv", b"a,yy\n3,4\n", "which has 'a', 'yy', got 'y'; did you mean 'yy'"),
        ("t.parquet", b"a,b\n1,2\n", "cannot be read as a Parquet file"),
        ("t.npz", b"a,b\n1,2\n", "cannot be read as an NPZ file"),
        ("t.npz", b"", "cannot be read as an NPZ file"),
        ("t.xlsx", b"", r"must end in \.csv, .* \.parquet or \.npz, got .*t\.xlsx"),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / name, "y")


def test_an_array_without_a_name_is_refused(tmp_path):
    with (tmp_path / "t.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="as an NPZ file of arrays with names: it holds a single array"):
        read_table(tmp_path / "t.npz", "y")


def test_a_file_that_is_not_there_is_named(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises((FileNotFoundError, ValueError), match=re.escape(str(path))):
            read_table(path, "y")


@pytest.mark.parametrize(("data", "got"), [([[1, 2]], "list"), (None, "NoneType"), (np.zeros((3, 2)), "ndarray")])
def test_what_is_no_table_is_refused(data, got):
    with pytest.raises(ValueError, match=f"data must be the path of .* got {got}"):
        read_table(data, "y")


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(ValueError, match="every column of the data frame must have a name of its own, got '1' 2 times"):
        read_table(frame().set_axis(["1", 1], axis=1), "1")
