"""The separator of a text file is the one that fits its first line and those below, whatever its fields hold."""

import csv
import io

import hypothesis
import pytest
from hypothesis import strategies as st

from ch5jax.tasks import read_table
from ch5jax.tasks.tables._csv import Reading
from ch5jax.tasks.tables._files import read_frame
from ch5jax.tasks.tables._words import tidy


def read(path, text):
    path.write_bytes(text.encode())
    notes = []
    return read_frame(path, notes, Reading())[0], notes


@pytest.mark.parametrize(
    ("header", "row", "names", "second"),
    [
        ("w|note;s|c", "{0}|a;b|x", ["w", "note;s", "c"], ["1", "a;b", "x"]),
        ("w|note|c", "{0}|a;b|x", ["w", "note", "c"], ["1", "a;b", "x"]),
        ('"weight, kg";"height; cm";c', "{0},5;{0};a", ["weight, kg", "height; cm", "c"], ["1.5", "1", "a"]),
        ("weight, kg;height, cm;c", "{0},5;{0},7;a", ["weight, kg", "height, cm", "c"], ["1.5", "1.7", "a"]),
        ("weight, kg|height, cm|c", "{0}|{0}|a", ["weight, kg", "height, cm", "c"], ["1", "1", "a"]),
        ("a, n;b", "{0};x, y", ["a, n", "b"], ["1", "x, y"]),
        ("a, b\tc, d", "{0}, z\tx, y", ["a, b", "c, d"], ["1, z", "x, y"]),
        ('"a;b","c;d"', '"{0};z","x;y"', ["a;b", "c;d"], ["1;z", "x;y"]),
        ("t;v", "2023-01-01 10:00:00,5;{0}", ["t", "v"], ["2023-01-01 10:00:00,5", "1"]),
        ("a|b|c", "{0}|x,y,z|{0};{0}", ["a", "b", "c"], ["1", "x,y,z", "1;1"]),
        ("a;b;", "{0},5;{0};z", ["a", "b", "Unnamed: 2"], ["1.5", "1", "z"]),
        ("a;b", '"x\ny, {0}";{0}', ["a", "b"], ["x\ny, 1", "1"]),
        ("a,b", '"say ""hi"", {0}",{0}', ["a", "b"], ['say "hi", 1', "1"]),
        ("a,b", "it's; ok,{0}", ["a", "b"], ["it's; ok", "1"]),
        ("a,b", '5" disk,{0}', ["a", "b"], ['5" disk', "1"]),
        ("id;data", '{0};{{"a": 1, "b": 2}}', ["id", "data"], ["1", '{"a": 1, "b": 2}']),
        ("id,data", '{0},"{{""a"": 1; ""b"": 2}}"', ["id", "data"], ["1", '{"a": 1; "b": 2}']),
        ("a, b, c", "{0}, 2, x;y", ["a", "b", "c"], ["1", "2", "x;y"]),
        ("a\tb c\td", "{0}\tx y\tz", ["a", "b c", "d"], ["1", "x y", "z"]),
        ("x", "{0}", ["x"], ["1"]),
        ("x", "{0},5", ["x"], ["1.5"]),
        ("x", "hello, world {0}", ["x"], ["hello, world 1"]),
        ("x", "hello, wor;ld {0}", ["x"], ["hello, wor;ld 1"]),
        ('"a, b"', '"hello, world {0}"', ["a, b"], ["hello, world 1"]),
        ("a,b", '"{0}' + 40_000 * "x," + '",{0}', ["a", "b"], ["1" + 40_000 * "x,", "1"]),
    ],
    ids=range(25),
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_files_that_mislead(tmp_path, header, row, names, second, end):
    text = end.join([header, *(row.format(i) for i in range(20))]) + end
    frame, notes = read(tmp_path / "t.csv", text)
    assert list(frame.columns) == names
    assert [str(value).replace("\r\n", "\n") for value in frame.iloc[1]] == second
    assert len(frame) == 20
    assert len(names) > 1 or not any("separated" in note for note in notes)


def test_a_row_that_is_too_short_is_no_reason_for_another_separator(tmp_path):
    rows = [f"{i};x, y;z" if i != 7 else f"{i};x, y" for i in range(20)]
    frame, notes = read(tmp_path / "t.csv", "\n".join(["a;b, c;d", *rows]))
    assert list(frame.columns) == ["a", "b, c", "d"]
    assert any("1 of 20 rows have fewer fields" in note for note in notes)


def test_a_line_above_the_names_is_said(tmp_path):
    (tmp_path / "t.csv").write_text("My table\na,b\n" + "1,2\n" * 20)
    with pytest.raises(ValueError, match="which has 'My table', got 'b'; the first line must hold the columns' names"):
        read_table(tmp_path / "t.csv", "b")


FIELDS = st.text(alphabet="ab1 ,;\t|\"'\n", max_size=6).map(lambda text: f"w{text}")
TABLES = st.integers(2, 4).flatmap(
    lambda columns: st.lists(st.lists(FIELDS, min_size=columns, max_size=columns), min_size=5, max_size=9)
)


def fits(text, separator):
    """Whether a separator gives every line as many fields as the first."""
    widths = {len(row) for row in csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True) if row}
    return len(widths) == 1 and widths != {1}


@hypothesis.settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.filter_too_much, hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(TABLES, st.sampled_from(",;\t|"))
def test_any_table_comes_back_from_a_file(tmp_path, rows, separator):
    hypothesis.assume(len({*map(tidy, rows[0])}) == len(rows[0]))
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator="\n").writerows(rows)
    hypothesis.assume(not any(fits(file.getvalue(), other) for other in ",;\t|" if other != separator))
    frame, notes = read(tmp_path / "t.csv", file.getvalue())
    assert list(frame.columns) == [tidy(name) for name in rows[0]]
    assert [[tidy(cell) for cell in row] for row in frame.to_numpy()] == [
        [tidy(cell) for cell in row] for row in rows[1:]
    ]
    assert (f"The file is separated by {separator!r}." in notes) == (separator != ",")
