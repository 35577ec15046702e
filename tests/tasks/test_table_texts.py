"""Free text: what it says can be learnt, from the training rows alone."""

import jax
import numpy as np
import pandas as pd
import pytest

import ch5jax
from ch5jax.tasks import read_table
from tests.tasks.tables import ROWS, frame, inputs, noted

RNG = np.random.default_rng(0)
GOOD, BAD = ["lovely", "clean", "friendly", "quiet", "excellent"], ["dirty", "noisy", "rude", "broken", "terrible"]


def review(good, i):
    one, other = RNG.choice(GOOD if good else BAD, 2, replace=False)
    return f"The room was {one} and the staff {other} on day {i}"


TEXTS = pd.DataFrame(
    {"x": RNG.normal(size=400), "text": [review(i % 2, i) for i in range(400)], "y": np.resize(["bad", "good"], 400)}
)


def test_what_sentences_say_is_learnt(tmp_path):
    TEXTS.to_csv(tmp_path / "t.csv", index=False)
    prepared = read_table(tmp_path / "t.csv", "y")
    assert prepared.features == ("x", *(f"text[{i}]" for i in range(24)))
    assert noted(prepared, "The text in 'text' became numbers, 24 of its first singular vectors")
    task = ch5jax.tasks.table(prepared, hidden=())
    run = ch5jax.train(task, ch5jax.adam(0.03), jax.random.key(0), 200)
    assert run.evaluations["test_accuracy"][-1] > 0.95
    rows = np.concatenate(prepared.rows)
    own = np.concatenate([part.inputs for part in prepared.parts])
    np.testing.assert_array_equal(prepared.encode(tmp_path / "t.csv")[rows], own)
    for row in (0, 7):
        np.testing.assert_array_equal(prepared.encode(TEXTS.iloc[[row]])[0], own[np.flatnonzero(rows == row)[0]])


def test_only_the_training_rows_fit_the_text():
    prepared = read_table(TEXTS, "y")
    other = TEXTS.copy()
    other.loc[np.concatenate(prepared.rows[1:]), "text"] = "Nothing of the sort has been seen anywhere"
    np.testing.assert_array_equal(read_table(other, "y").parts.train.inputs, prepared.parts.train.inputs)


def test_missing_text_is_the_mean():
    gaps = TEXTS.copy()
    gaps.loc[::9, "text"] = None
    prepared = read_table(gaps, "y")
    encoded = prepared.encode(gaps)
    np.testing.assert_allclose(encoded[::9, 1:], 0, atol=1e-6)
    assert noted(prepared, "mean of the training part: 'text' (45)")


@pytest.mark.parametrize("words", ["name {}", "A-{}", "{}", "K {} 7", "user{}@example.org", "{}, {}"])
def test_names_and_codes_are_no_text(words):
    prepared = read_table(frame(a=[words.format(f"{i:04}", i) for i in range(ROWS)]), "label")
    assert prepared.features == ("x",)
    assert noted(prepared, "too few words to be text (columns={'NAME': 'text'}, --column NAME=text): 'a'")


def test_text_is_what_is_told_so():
    values = np.resize(["red wine", "white wine", "beer"], ROWS)
    assert read_table(frame(a=values), "label", columns={"a": "text"}).features == ("x", "a[0]", "a[1]")
    numbers = read_table(frame(a=np.arange(ROWS)), "label", columns={"a": "text"})
    np.testing.assert_array_equal(numbers.encode(frame(a=np.arange(ROWS))), inputs(numbers))
    left = read_table(TEXTS, "y", columns={"text": "out"})
    assert left.features == ("x",)
