"""Files in the forms in which people have them, and those that are damaged, locked or too large."""

import bz2
import gzip
import io
import lzma
import zipfile

import chex
import numpy as np
import pandas as pd
import pytest

from ch5jax import _memory
from ch5jax.tasks import read_table
from tests.tasks.tables import ROWS, column, frame, inputs, noted

NAMED = {"größe": np.arange(ROWS) % 7 * 1.5, "stadt": np.resize(["Köln", "Rom", "Zürich"], ROWS)}


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "T.TXT", "t.csv.gz", "t.tsv.bz2", "t.txt.xz"])
@pytest.mark.parametrize("encoding", [None, "utf-8-sig", "utf-16", "latin-1"])
def test_text_files_of_any_name_and_encoding(tmp_path, name, encoding):
    data, separator = frame(**NAMED), "\t" if ".tsv" in name else ";"
    text = data.to_csv(index=False, sep=separator).encode(encoding or "utf-8")
    pack = next((pack for end, pack in ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress))
                 if name.endswith(end)), bytes)  # fmt: skip
    (tmp_path / name).write_bytes(pack(text))
    due = read_table(data, "label")
    for options in ({}, {"encoding": encoding, "separator": separator}):
        prepared = read_table(tmp_path / name, "label", **options)
        assert prepared.features == due.features
        chex.assert_trees_all_close(prepared.parts, due.parts, rtol=1e-6)
        np.testing.assert_array_equal(prepared.encode(tmp_path / name), inputs(prepared))
    guessed = read_table(tmp_path / name, "label")
    assert noted(guessed, "was read as Windows-1252") == (encoding == "latin-1")
    assert noted(guessed, "in UTF-16") == (encoding == "utf-16")


def test_another_encoding_is_asked_for(tmp_path):
    data = frame(город=np.resize(["Москва", "Рим"], ROWS))
    (tmp_path / "t.csv").write_bytes(data.to_csv(index=False).encode("windows-1251"))
    prepared = read_table(tmp_path / "t.csv", "label", encoding="windows-1251")
    assert prepared.features == ("x", "город=Москва", "город=Рим")
    for encoding in ("ascii", "utf-99"):
        with pytest.raises(ValueError, match=rf"t\.csv is no CSV file in {encoding}"):
            read_table(tmp_path / "t.csv", "label", encoding=encoding)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("weight, kg;height;c", "{0};{1};{2}"),
        ('"weight, kg";height;c', "{0};{1};{2}"),
        ('"weight, kg",height,c', "{0},{1},{2}"),
        ("weight, kg\theight\tc", "{0}\t{1}\t{2}"),
        ("weight, kg|height|c", "{0}|{1}|{2}"),
        ("weight, kg;height;c", '"{0}";{1};"{2}"'),
        ("\n\nweight, kg;height;c", "{0};{1};{2}"),
        ("sep=|\nweight, kg|height|c", "{0}|{1}|{2}"),
        ('"weight, kg"  height c', "  {0}   {1} {2}"),
    ],
)
def test_the_separator_is_the_one_that_fits_names_and_rows(tmp_path, header, rows):
    lines = [rows.format(i, 2 * i, "ab"[i % 2]) for i in range(ROWS)]
    (tmp_path / "t.csv").write_text("\n".join([header, *lines]) + "\n")
    assert read_table(tmp_path / "t.csv", "c").features == ("weight, kg", "height")


def test_separators_inside_of_fields_do_not_count(tmp_path):
    lines = [f'{i},"a; b; c\nd, e",{"ab"[i % 2]}' for i in range(ROWS)]
    (tmp_path / "t.csv").write_text("\n".join(["x,text,c", *lines]))
    assert read_table(tmp_path / "t.csv", "c").features == ("x",)
    (tmp_path / "t.csv").write_text("x^c\n" + "1^a\n2^b\n" * 20)
    assert read_table(tmp_path / "t.csv", "c", separator="^").features == ("x",)


def test_a_word_far_down_makes_a_column_text_from_the_beginning(tmp_path):
    """Else pandas has 1 as a number in the first part of a long file and as a word in the last."""
    rows = 300_000
    words = np.array(["1", "2"] * (rows // 2), object)
    words[-1] = words[-2] = "1x"
    pd.DataFrame({"a": words, "b": np.arange(rows), "y": ["u", "v"] * (rows // 2)}).to_csv(
        tmp_path / "t.csv", index=False
    )
    prepared = read_table(tmp_path / "t.csv", "y", columns={"a": "category"})
    assert prepared.features == ("b", "a=1", "a=1x", "a=2")


def test_leading_zeros_are_codes_and_stay(tmp_path):
    zips = np.resize(["01067", "99084", "10115"], ROWS)
    frame(area=zips, n=np.arange(ROWS)).to_csv(tmp_path / "t.csv", index=False)
    prepared = read_table(tmp_path / "t.csv", "label")
    assert prepared.features == ("x", "n", "area=01067", "area=10115", "area=99084")
    np.testing.assert_array_equal(prepared.encode(tmp_path / "t.csv"), inputs(prepared))


def test_names_composed_and_decomposed_are_the_same(tmp_path):
    data = frame(y=np.arange(ROWS) + 0.5).drop(columns="label").rename(columns={"y": "gro\u0308ße"})
    prepared = read_table(data, "gr\u00f6ße")
    assert prepared.target == "gr\u00f6ße"
    data.to_csv(tmp_path / "t.csv", index=False)
    assert read_table(tmp_path / "t.csv", "gr\u00f6ße").target == "gr\u00f6ße"
    other = read_table(data, "x")
    new = pd.DataFrame({"gr\u00f6ße": data["gro\u0308ße"]})
    np.testing.assert_array_equal(other.encode(new), inputs(other))
    values = np.resize(["Ko\u0308ln", "K\u00f6ln", "Rom"], ROWS)
    assert read_table(frame(city=values), "label").features == ("x", "city=K\u00f6ln", "city=Rom")


@pytest.mark.parametrize("name", ["Unnamed: 0", "", "id", "customer_id", "PassengerId", "row number", "uuid"])
def test_names_of_rows_are_left_out_and_said(tmp_path, name):
    numbers = np.random.default_rng(0).permutation(9000)[:ROWS]
    frame(**{name: numbers}).to_csv(tmp_path / "t.csv", index=False)
    prepared = read_table(tmp_path / "t.csv", "label")
    shown = name or "Unnamed: 2"
    assert prepared.features == ("x",)
    assert noted(prepared, "Left out, names of rows")
    kept = read_table(tmp_path / "t.csv", "label", columns={shown: "number"})
    due = (numbers - numbers[kept.rows[0]].mean()) / numbers[kept.rows[0]].std()
    np.testing.assert_allclose(column(kept, shown), due, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["zip", "zip_code", "PLZ", "store_id", "Postal Code"])
def test_codes_are_no_quantities(name):
    prepared = read_table(frame(**{name: np.resize([10115, 99084, 80331], ROWS)}), "label")
    assert prepared.features[1:] == (f"{name}=10115", f"{name}=80331", f"{name}=99084")
    assert read_table(frame(**{name: np.resize([10115, 99084], ROWS)}), "label", columns={name: "number"}).features == (
        "x",
        name,
    )


NAMES = [
    "Kundennummer", "Kunden-Nr.", "account number", "Account No", "CP", "customerNumber", "numéro client", "Konto",
]  # fmt: skip
CODES = ["pincode", "Postleitzahl", "code postal", "codice cliente", "Código Postal", "SSN", "ISBN", "IBAN", "phone"]


@pytest.mark.parametrize("name", [*NAMES, *CODES])
@pytest.mark.parametrize("form", ["whole", "hole", "text"])
def test_identifiers_are_no_quantities_whatever_they_are_called(tmp_path, name, form):
    rng = np.random.default_rng(0)
    each, few = rng.permutation(np.arange(100_000, 999_999))[:ROWS], rng.choice([10115, 99084, 80331], ROWS)
    for values in (each, few):
        cells = pd.Series(values, dtype=object if form == "text" else float if form == "hole" else int)
        if form == "text":
            cells = cells.astype(str)
        if form != "whole":
            cells[3] = "?" if form == "text" else np.nan
        data = frame(**{name: cells})
        data.to_csv(tmp_path / "t.csv", index=False)
        for source in (data, tmp_path / "t.csv"):
            prepared = read_table(source, "label")
            made = {feature.split("=")[-1] for feature in prepared.features[1:]}
            assert made - {"?", "(missing)"} == ({*map(str, few)} if values is few else set())
            assert noted(prepared, repr(name))
            np.testing.assert_array_equal(prepared.encode(source), inputs(prepared))
            assert name in read_table(source, "label", columns={name: "number"}).features


@pytest.mark.parametrize("repeated", [False, True])
def test_numbers_that_look_like_names_are_said(repeated):
    rng = np.random.default_rng(0)
    values = rng.choice([10115, 99084, 80331], ROWS) if repeated else rng.permutation(np.arange(1e5, 1e6))[:ROWS]
    prepared = read_table(frame(mystery=values), "label")
    assert prepared.features == ("x", "mystery")
    assert noted(prepared, "If they only name something, as whole numbers of ")
    assert noted(prepared, "columns={'mystery': 'category'} or 'out' (--column mystery=category)")
    assert not noted(read_table(frame(mystery=values), "label", columns={"mystery": "number"}), "name something")


def test_an_index_written_more_than_once_is_left_out(tmp_path):
    data = pd.concat([frame().iloc[:20], frame().iloc[:20]])
    data.to_csv(tmp_path / "t.csv")
    prepared = read_table(tmp_path / "t.csv", "label")
    assert prepared.features == ("x",)
    assert noted(prepared, "Left out, names of rows")
    odd = frame(**{"": np.random.default_rng(0).integers(0, 50, ROWS)})
    assert noted(read_table(odd.rename(columns={"": "Unnamed: 2"}), "label"), "'Unnamed: 2' has no name")


QUANTITIES = {
    "price": np.random.default_rng(1).integers(100, 900, ROWS) * 1000,
    "population": (10 ** np.random.default_rng(1).uniform(3, 7, ROWS)).astype(int),
    "salary": np.random.default_rng(1).integers(300, 990, ROWS) * 100,
    "year": np.random.default_rng(1).integers(1950, 2024, ROWS),
    "count": np.random.default_rng(1).poisson(100, ROWS),
    "area": np.random.default_rng(1).integers(1000, 9999, ROWS),
    "atomic number": np.arange(1, ROWS + 1),
    "number of rooms": np.random.default_rng(1).integers(1, 9, ROWS),
    "capital": np.random.default_rng(1).integers(1000, 9999, ROWS) * 10.5,
    "encoded": np.random.default_rng(1).integers(0, 9, ROWS),
    "steps": np.random.default_rng(1).integers(900, 30_000, ROWS),
    "nobody": np.arange(1000, 1000 + ROWS),
}


@pytest.mark.parametrize("name", QUANTITIES)
def test_quantities_are_numbers_without_a_word(name):
    prepared = read_table(frame(**{name: QUANTITIES[name]}), "label")
    assert prepared.features == ("x", name)
    assert not noted(prepared, "name something")


def test_whole_numbers_that_all_differ_are_numbers_and_so_are_measured_ones():
    columns = {"population": np.arange(ROWS) ** 2, "uv_index": np.arange(ROWS) / 3, "number of rooms": np.arange(ROWS)}
    assert read_table(frame(**columns), "label").features == ("x", *columns)


def test_a_column_may_be_left_out():
    prepared = read_table(frame(a=np.arange(ROWS)), "label", columns={"a": "out"})
    assert prepared.features == ("x",)
    assert noted(prepared, "Left out, as asked for: 'a'.")


def test_of_many_values_the_most_frequent_have_an_input_each():
    values = np.repeat([f"v{i:03}" for i in range(200)], np.r_[np.full(99, 20), np.full(101, 3)])
    data = pd.DataFrame(
        {"x": np.random.default_rng(0).normal(size=len(values)), "v": values, "y": np.resize([0, 1], len(values))}
    )
    prepared = read_table(data, "y")
    assert prepared.features == ("x", *(f"v=v{i:03}" for i in range(99)), "v=(other)")
    new = prepared.encode(pd.DataFrame({"x": [0.0, 0, 0], "v": ["v000", "v199", "never seen"]}))
    np.testing.assert_array_equal(new[:, 1:].argmax(axis=1), [0, 99, 99])
    np.testing.assert_array_equal(new[:, 1:].sum(axis=1), 1)
    assert noted(prepared, "All but the 99 most frequent values became one, '(other)': 'v'")


def test_text_that_would_fill_the_memory_is_refused():
    text = {f"t{i}": np.resize([f"{i} {j}" for j in range(8)], ROWS) for i in range(3000)}
    with pytest.raises(
        ValueError,
        match=r"text in the data frame must have 10,000 different .* got 24,000 in 3,000 columns, such as 't0'",
    ):
        read_table(pd.DataFrame({**text, "y": np.resize([0, 1], ROWS)}), "y")


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path.read_bytes()


def test_an_array_of_eight_terabytes_by_its_header_is_not_read(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(ValueError, match=r"'x\.npy' of .*t\.npz would take 8e\+03 GB, more than half"):
        read_table(tmp_path / "t.npz", "y")


@pytest.mark.parametrize("name", ["t.npz", "t.csv", "t.csv.gz", "t.parquet"])
def test_what_unpacks_to_more_than_the_memory_is_not_read(tmp_path, monkeypatch, name):
    monkeypatch.setattr(_memory, "memory", lambda: 1 << 20)
    monkeypatch.setattr("ch5jax.tasks.tables._csv.memory", lambda: 1 << 20)
    if name == "t.npz":
        np.savez_compressed(tmp_path / name, x=np.zeros((1000, 100)), y=np.arange(1000))
    elif name == "t.parquet":
        pd.DataFrame({"x": np.random.default_rng(0).normal(size=100_000), "y": 1}).to_parquet(tmp_path / name)
    else:
        pack = gzip.compress if name.endswith(".gz") else bytes
        (tmp_path / name).write_bytes(pack(b"x,y\n" + b"0,1\n" * 1_000_000))
    with pytest.raises(ValueError, match=rf"{name}.* would take .* GB, more than half of this machine's memory"):
        read_table(tmp_path / name, "y")


def test_a_locked_file_is_named(tmp_path):
    content = bytearray(npz(tmp_path / "t.npz", x=np.arange(9), y=np.arange(9)))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 1)
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"t\.npz cannot be read as an NPZ file .* 'x\.npy' in it is encrypted"):
        read_table(tmp_path / "t.npz", "y")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_npz_file_is_read_or_named(tmp_path, compressed):
    path, rng = tmp_path / "t.npz", np.random.default_rng(0)
    (np.savez_compressed if compressed else np.savez)(path, x=np.arange(12.0).reshape(6, 2), y=np.arange(6))
    whole = path.read_bytes()
    refused = []
    for trial in range(400):
        content = bytearray(whole)
        if trial % 4 == 0:
            del content[rng.integers(len(content)) :]
        for at in rng.integers(len(content), size=3) if content else ():
            content[at] = rng.integers(256)
        path.write_bytes(content)
        try:
            read_table(path, "y")
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert all(str(path) in words or "'y'" in words for words in refused)


@pytest.mark.parametrize(
    "content", [b"\x1f\x8b junk", gzip.compress(b"x,y\n1,2\n" * 99, mtime=0)[:28]], ids=["junk", "cut"]
)
def test_a_damaged_packed_file_is_named(tmp_path, content):
    (tmp_path / "t.csv.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"t\.csv\.gz cannot be unpacked"):
        read_table(tmp_path / "t.csv.gz", "y")


def test_an_array_stays_whole(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (ROWS, 30)).astype(np.uint8), rng.integers(0, 2, ROWS)
    np.savez(tmp_path / "t.npz", x=x, y=y, sex=np.resize(["f", "m"], ROWS), age=rng.normal(size=ROWS))
    prepared = read_table(tmp_path / "t.npz", "y")
    assert [len(block.names) for block in prepared.encoder.blocks] == [30, 1, 2]
    train = x[prepared.rows[0]].astype(float)
    np.testing.assert_allclose(inputs(prepared)[:, :30], (x - train.mean(0)) / train.std(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(prepared.encode(tmp_path / "t.npz"), inputs(prepared))


@pytest.mark.parametrize(("separator", "quoted"), [(",", "a"), (";", '"a;b\nc"')])
def test_rows_that_are_too_short_are_said(tmp_path, separator, quoted):
    rows = [[str(i % 7), quoted, str(i % 3)] for i in range(40)]
    rows[4], rows[9], rows[11] = rows[4][:2], rows[9][:1], [*rows[11][:2], ""]
    lines = [["y", "w", "x"], *rows]
    (tmp_path / "t.csv").write_text("\n".join(separator.join(line) for line in lines) + "\n\n")
    notes = read_table(tmp_path / "t.csv", "y", columns={"x": "category"}).notes
    assert "2 of 40 rows have fewer fields than the first line; the rest counts as missing." in notes
    (tmp_path / "t.csv").write_text("\n".join(separator.join(line) for line in lines[:5] + lines[6:10] * 4))
    notes = read_table(tmp_path / "t.csv", "y", columns={"x": "category"}).notes
    assert not [note for note in notes if "fewer fields" in note]
