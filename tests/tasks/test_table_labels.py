"""A label is a label, and every class is in every part if it can be."""

import re

import jax
import numpy as np
import pandas as pd
import pytest

import ch5jax
from ch5jax.tasks import read_table, table
from ch5jax.tasks._losses import balanced_accuracy
from tests.tasks.tables import ROWS, frame, noted, targets


def written(tmp_path, labels):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels)))
    return path


def test_of_four_rows_of_a_class_each_part_has_one(tmp_path):
    labels = np.where(np.isin(np.arange(200), [3, 50, 120, 180]), "fraud", "fine")
    prepared = read_table(written(tmp_path, labels), "y")
    frauds = [int(part.targets[:, prepared.classes.index("fraud")].sum()) for part in prepared.parts]
    assert frauds == [2, 1, 1]
    assert [len(part.inputs) for part in prepared.parts] == [120, 40, 40]
    assert prepared.warnings == ()
    for rows, part in zip(prepared.rows, prepared.parts, strict=True):
        assert (labels[rows] == np.array(prepared.classes)[part.targets.argmax(axis=1)]).all()
    assert sorted(np.concatenate(prepared.rows)) == list(range(200))


@pytest.mark.parametrize(("counts", "due"), [((20, 10), [18, 6, 6]), ((3, 30), [19, 7, 7]), ((1, 2, 10), [9, 2, 2])])
def test_each_class_gives_a_fifth_to_either_part(counts, due):
    labels = np.repeat([f"c{i}" for i in range(len(counts))], counts)
    prepared = read_table(pd.DataFrame({"x": np.random.default_rng(0).normal(size=len(labels)), "y": labels}), "y")
    assert [len(part.inputs) for part in prepared.parts] == due
    for i, count in enumerate(counts):
        assert prepared.parts.test.targets[:, i].sum() == max(round(count / 5), int(count >= 3))


def test_the_other_key_draws_other_rows_of_the_same_classes():
    one, other = (read_table(frame(), "label", split_key=jax.random.key(i)) for i in (0, 1))
    assert {*one.rows[1].tolist()} != {*other.rows[1].tolist()}
    assert [part.targets.sum(0).tolist() for part in one.parts] == [
        part.targets.sum(0).tolist() for part in other.parts
    ]


def test_accuracy_of_skewed_classes_has_balanced_accuracy_beside_it():
    labels = np.where(np.arange(60) % 10 == 0, "rare", "often")
    data = pd.DataFrame({"x": np.random.default_rng(0).normal(size=60), "y": labels})
    prepared = read_table(data, "y")
    assert prepared.skewed
    assert not read_table(frame(), "label").skewed
    assert not read_table(data, "x").skewed
    task = table(prepared, hidden=())
    state = task.init(jax.random.key(0), ch5jax.sgd(0.1))
    always = state._replace(params=jax.tree.map(lambda leaf: 0 * leaf, state.params))  # class 0, "often"
    found = task.evaluate(ch5jax.sgd(0.1), always)
    assert found["validation_balanced_accuracy"] == found["test_balanced_accuracy"] == 0.5
    assert found["test_accuracy"] == pytest.approx(1 - prepared.parts.test.targets[:, 1].mean())
    assert "validation_balanced_accuracy" not in table(frame(), target="label", hidden=()).evaluate(
        ch5jax.sgd(0.1), table(frame(), target="label", hidden=()).init(jax.random.key(0), ch5jax.sgd(0.1))
    )


def test_balanced_accuracy_is_the_mean_over_the_classes_that_there_are():
    targets = np.array([0, 0, 0, 0, 2, 2])
    outputs = np.eye(4)[[0, 0, 0, 1, 2, 3]].astype(np.float32)
    for shown in (targets, np.eye(4, dtype=np.float32)[targets]):
        assert balanced_accuracy(outputs, shown) == (3 / 4 + 1 / 2) / 2
    outputs[4] = np.nan
    assert balanced_accuracy(outputs, targets) == (3 / 4 + 0) / 2


@pytest.mark.parametrize(
    "word",
    ["None", "NA", "null", "nan", "NaN", "N/A", "n/a", "?", "-", "missing", "NULL", "inf", "-inf", "Infinity", "∞"],
)
def test_a_label_may_say_anything(tmp_path, word):
    labels = np.resize(["good", word, "bad", word], ROWS)
    for data in (written(tmp_path, labels), pd.DataFrame({"x": np.arange(ROWS), "y": labels})):
        prepared = read_table(data, "y")
        assert {*prepared.classes} == {"good", "bad", word}
        assert sum(len(part.inputs) for part in prepared.parts) == ROWS
        missing = read_table(data, "y", missing=[word])
        assert missing.classes == ("bad", "good")
        assert missing.warnings == (f"{ROWS // 2} of {ROWS} rows without a target were left out.",)


def test_a_word_beside_whole_numbers_is_a_class_and_beside_others_a_hole(tmp_path):
    classes = read_table(written(tmp_path, np.resize(["0", "1", "1", "none"], ROWS)), "y")
    assert classes.classes == ("0", "1", "none")
    numbers = np.array([f"{0.5 + i}" for i in range(ROWS)], object)
    numbers[::8] = "none"
    prepared = read_table(written(tmp_path, numbers), "y")
    assert prepared.kind == "regression"
    assert noted(prepared, "No numbers, and so counted as missing, in 'y': 'none'")
    assert prepared.warnings == (f"5 of {ROWS} rows without a target were left out.",)
    kept = {i for i in range(ROWS) if i % 8}
    assert {*np.concatenate(prepared.rows).tolist()} == kept


@pytest.mark.parametrize("labels", [("inf", "-inf"), ("Infinity", "-Infinity"), ("inf", "1", "0"), ("inf", "nan", "1")])
def test_infinity_is_a_label(tmp_path, labels):
    values = np.resize(labels, ROWS)
    for data in (written(tmp_path, values), pd.DataFrame({"x": np.arange(ROWS), "y": values})):
        assert {*read_table(data, "y").classes} == {*labels}


def test_infinity_beside_fractions_is_a_hole(tmp_path):
    numbers = np.array([f"{0.5 + i}" for i in range(ROWS)], object)
    numbers[::8] = "inf"
    prepared = read_table(written(tmp_path, numbers), "y")
    assert prepared.kind == "regression"
    assert noted(prepared, "No numbers, and so counted as missing, in 'y': 'inf'")


@pytest.mark.parametrize(
    "labels",
    [("5 mg", "10 mg"), ("−1", "+1"), ("$5", "$10"), ("5 %", "10 %"), ("2023-01-01", "2024-01-01"), ("Jan", "Feb"),
     ("8:00", "9:00"), ("20230101", "20230102"), ("１", "２"), ("1-5", "6-10"), ("Q1 2023", "Q2 2023"), ("(1)", "(2)")],
)  # fmt: skip
def test_a_label_is_as_it_is_written(tmp_path, labels):
    values = np.resize(labels, ROWS)
    for data in (written(tmp_path, values), pd.DataFrame({"x": np.arange(ROWS), "y": values})):
        for kind in (None, "classification"):
            assert {*read_table(data, "y", kind).classes} == {*labels}
    days = pd.to_datetime(np.resize(["2023-01-01", "2024-01-01"], ROWS))
    assert read_table(frame(y=days), "y").classes == ("2023-01-01 00:00:00", "2024-01-01 00:00:00")


def test_only_an_empty_cell_is_no_label(tmp_path):
    prepared = read_table(written(tmp_path, np.resize(["a", "b", "", " "], ROWS)), "y")
    assert (prepared.classes, sum(map(len, prepared.rows))) == (("a", "b"), ROWS // 2)


def test_a_few_rows_without_a_target_are_no_warning():
    labels = np.resize(["a", "b"], 200).astype(object)
    labels[:6] = None
    data = pd.DataFrame({"x": np.arange(200.0), "y": labels})
    assert read_table(data, "y").warnings == ()
    data.loc[6, "y"] = None
    assert read_table(data, "y").warnings == ("7 of 200 rows without a target were left out.",)


def test_blanks_and_unicode_make_no_classes_and_leading_zeros_do(tmp_path):
    assert read_table(written(tmp_path, np.resize(["yes", "yes ", " no"], ROWS)), "y").classes == ("no", "yes")
    assert read_table(written(tmp_path, np.resize(["gr\u00fcn", "gru\u0308n", "rot"], ROWS)), "y").classes == (
        "gr\u00fcn",
        "rot",
    )
    assert read_table(
        written(tmp_path, np.resize(["New  York", "New\u00a0York", "Rome\u200b"], ROWS)), "y"
    ).classes == (
        "New York",
        "Rome",
    )
    cases = read_table(written(tmp_path, np.resize(["yes", "Yes", "no"], ROWS)), "y")
    assert cases.classes == ("Yes", "no", "yes")
    assert noted(cases, "Classes that differ in upper and lower case alone: 'Yes', 'yes'.")
    codes = np.resize(["007", "7", "07"], ROWS)
    for data in (written(tmp_path, codes), pd.DataFrame({"x": np.arange(ROWS), "y": codes})):
        assert read_table(data, "y").classes == ("007", "07", "7")


def test_classes_that_would_fill_the_memory_are_named(tmp_path):
    labels = np.repeat([f"c{i}" for i in range(60_000)], 2)
    for data, name in (
        (pd.DataFrame({"x": np.arange(120_000.0), "y": labels}), "the data frame"),
        (path := written(tmp_path, labels), re.escape(str(path))),
    ):
        message = f"target 'y' of {name} must have 1,000 classes at most, got 60,000, such as c0, c1, c10; kind"
        with pytest.raises(ValueError, match=message):
            read_table(data, "y")


@pytest.mark.parametrize("how", ["date", "text", "number"])
def test_parts_may_be_in_the_order_of_time(how):
    later = np.random.default_rng(1).permutation(ROWS)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(later, unit="D")
    values = {"date": when, "text": when.strftime("%d.%m.%Y"), "number": later}[how]
    prepared = read_table(frame(when=values), "label", order="when")
    assert [sorted(later[rows].tolist()) for rows in prepared.rows] == [
        list(range(24)), list(range(24, 32)), list(range(32, 40))
    ]  # fmt: skip
    assert noted(prepared, "24 rows are for training, 8 for validation, 8 for the test, in the order of 'when'")
    np.testing.assert_array_equal(targets(prepared)[:, 0], frame()["label"] == "high")


@pytest.mark.parametrize(
    ("columns", "order", "message"),
    [
        ({"a": ["u", "v"] * 20}, "a", "a column of numbers or dates, got 'a' of the data frame, which holds text"),
        ({"a": [1.0, None] * 20}, "a", "a column with a value in every row, got 'a' of the data frame with 20 missing"),
        ({}, "when", "order must be a column of the data frame, which has 'x', 'label', got 'when'"),
    ],
)
def test_what_gives_no_order_is_refused(columns, order, message):
    with pytest.raises(ValueError, match=message):
        read_table(frame(**columns), "label", order=order)


def test_the_error_is_in_the_targets_own_unit():
    data = frame(y=1000 + 20 * frame()["x"]).drop(columns="label")
    prepared = read_table(data, "y")
    task = table(prepared, hidden=())
    state = task.init(jax.random.key(0), ch5jax.sgd(0.1))
    mean = state._replace(params=jax.tree.map(lambda leaf: 0 * leaf, state.params))
    rows = prepared.rows[1]
    due = np.sqrt(((data["y"].to_numpy()[rows] - prepared.target_mean) ** 2).mean())
    np.testing.assert_allclose(task.evaluate(ch5jax.sgd(0.1), mean)["validation_rmse"], due, rtol=1e-5)


@pytest.mark.parametrize("words", [("TRUE", "FALSE"), ("true", "false"), ("True", "False")])
@pytest.mark.parametrize("missing", [0, 2])
def test_truth_values_are_labels_as_they_are_written(tmp_path, words, missing):
    rows = "".join(f"{i},{words[i % 2]},{words[i % 3 == 0]}\n" for i in range(40))
    (tmp_path / "t.csv").write_text("x,y,z\n" + "1,,\n" * missing + rows)
    table = ch5jax.tasks.read_table(tmp_path / "t.csv", "y")
    assert table.classes == tuple(sorted(words))
    assert table.parts.train.targets[:, table.classes.index(words[0])].mean() == pytest.approx(0.5, abs=0.1)
