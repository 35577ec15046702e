"""What a report says of the difficulties that trials met, and where."""

import numpy as np
import pytest

from ch5jax.report import difficulties
from ch5jax.report._difficulty_chart import difficulty_chart
from ch5jax.report._plotly import Look
from ch5jax.report._settings import gather
from tests.report.results import RATES, accuracies, made
from tests.report.test_page import Page, page

SGD = {"sgd": ("learning_rate",)}


def met(verdicts, group="sgd", **options):
    """Rows of three seeds a learning rate, with a verdict for each trial."""
    rows = accuracies(group, **options)
    for row, verdict in zip(rows, verdicts, strict=True):
        row |= {"verdict": verdict, "difficulties": "" if verdict in ("healthy", "unknown") else verdict}
    return rows


VERDICTS = ["slow"] * 4 + ["healthy"] * 5 + ["healthy", "saturated", "saturated"] + ["saturated"] * 3


def test_counts_are_of_trials_and_ranges_of_settings_most_of_whose_seeds_agree():
    found = difficulties(made(met(VERDICTS), SGD))
    assert [(one.verdict, one.trials) for one in found] == [("slow", 4), ("healthy", 6), ("saturated", 5)]
    assert [one.where["learning_rate"] for one in found] == [
        (RATES[0],) * 2,
        (RATES[1], RATES[2]),
        (RATES[3], RATES[4]),
    ]


def test_a_verdict_that_is_nowhere_most_frequent_has_the_range_of_all_its_trials():
    verdicts = ["healthy"] * 15
    verdicts[2] = verdicts[10] = "noise"
    (noise,) = [one for one in difficulties(made(met(verdicts), SGD)) if one.verdict == "noise"]
    assert (noise.trials, noise.where["learning_rate"]) == (2, (RATES[0], RATES[3]))


def test_groups_come_in_their_order_and_verdicts_by_place():
    high = ["saturated"] * 6 + ["healthy"] * 9
    rows = met(VERDICTS) + met(high, "adam")
    found = difficulties(made(rows, {**SGD, "adam": ("learning_rate",)}))
    assert [(one.group, one.verdict) for one in found[3:]] == [("adam", "saturated"), ("adam", "healthy")]


def test_without_signals_nothing_is_said():
    result = made(accuracies(), SGD)
    assert difficulties(result) == ()
    assert difficulty_chart(result, {"sgd": Look("sgd", 0)}, {"sgd": gather(result, "sgd")}) is None
    assert "difficulties" not in page(result).tables


def test_the_page_has_a_table_with_a_row_a_group():
    rows = met(VERDICTS) + met(["local_optimum"] * 15, "adam")
    parsed = page(made(rows, {**SGD, "adam": ("learning_rate",)}))
    assert isinstance(parsed, Page)
    head, *body = parsed.tables["difficulties"]
    assert set(head) == {"optimizer", "slow", "healthy", "saturated", "local optimum"}
    cells = dict(zip(head, body[0], strict=True))
    assert cells["optimizer"] == "sgd"
    assert cells["healthy"].split() == ["6", "learning", "rate", "0.01", "to", "0.1"]
    assert cells["local optimum"] == "–"
    assert dict(zip(head, body[1], strict=True))["local optimum"].split()[0] == "15"


def test_the_chart_has_a_point_for_every_training_coloured_by_its_verdict():
    result = made(met(VERDICTS), SGD)
    chart = difficulty_chart(result, {"sgd": Look("sgd", 0)}, {"sgd": gather(result, "sgd")})
    assert [(trace["name"], len(trace["x"])) for trace in chart.figure["data"]] == [
        ("healthy", 6),
        ("saturated", 5),
        ("slow", 4),
    ]
    assert len({trace["marker"]["color"] for trace in chart.figure["data"]}) == 3
    slow = chart.figure["data"][2]
    assert sorted(set(slow["x"])) == [RATES[0], RATES[1]]
    assert len(set(slow["y"])) == 3  # seeds lie side by side, within the group's row
    assert max(map(abs, slow["y"])) <= 0.25
    assert "seed 2" in " ".join(slow["text"])


def test_hovering_tells_all_that_was_met_and_what_is_unknown_is_not_healthy():
    rows = met(["slow"] * 3 + ["unknown"] * 3 + ["healthy"] * 6 + ["saturated"] * 3)
    rows[-1]["difficulties"] = "saturated, vanishing"
    result = made(rows, SGD)
    chart = difficulty_chart(result, {"sgd": Look("sgd", 0)}, {"sgd": gather(result, "sgd")})
    said = {trace["name"]: [text.split("<br>")[-1] for text in trace["text"]] for trace in chart.figure["data"]}
    assert said["unknown"] == ["unknown"] * 3
    assert said["healthy"] == ["healthy"] * 6
    assert said["saturated"][-1] == "saturated, vanishing"


def test_what_siblings_have_seen_to_work_is_told_on_hovering_and_in_the_table():
    rows = met(VERDICTS)
    for row in rows:
        row["remedy"] = "learning_rate 0.03" if row["verdict"] == "slow" else ""
    rows[-1]["remedy"] = "weight_decay 1e-05"  # of one saturated training in five
    result = made(rows, SGD)
    chart = difficulty_chart(result, {"sgd": Look("sgd", 0)}, {"sgd": gather(result, "sgd")})
    said = {trace["name"]: [text.split("<br>")[2:] for text in trace["text"]] for trace in chart.figure["data"]}
    assert said["slow"] == [["slow", "better with learning rate 0.03"]] * 4
    assert said["healthy"] == [["healthy"]] * 6
    assert said["saturated"] == [["saturated"]] * 4 + [["saturated", "better with weight decay 1e-05"]]
    assert [one.remedy for one in difficulties(result)] == ["learning_rate 0.03", "", ""]
    head, row = page(result).tables["difficulties"]
    cells = {name: " ".join(cell.split()) for name, cell in zip(head, row, strict=True)}
    assert cells["slow"].endswith("better with learning rate 0.03")
    assert "better" not in cells["healthy"] + cells["saturated"]


def test_a_hostile_remedy_is_text_too():
    rows = met(VERDICTS)
    for row in rows:
        row["remedy"] = "rule <img src=x onerror=alert(3)>" if row["verdict"] == "slow" else ""
    result = made(rows, SGD)
    chart = difficulty_chart(result, {"sgd": Look("sgd", 0)}, {"sgd": gather(result, "sgd")})
    assert all("<img" not in text for trace in chart.figure["data"] for text in trace["text"])


def test_a_hostile_group_is_text_in_the_chart():
    name = "<img src=x onerror=alert(2)>"
    result = made(met(VERDICTS, name), {name: ("learning_rate",)})
    chart = difficulty_chart(result, {name: Look(name, 0)}, {name: gather(result, name)})
    assert all("<img" not in text for trace in chart.figure["data"] for text in trace["text"])
    assert all("<img" not in text for text in chart.figure["layout"]["yaxis"]["ticktext"])


def test_very_many_trials_are_thinned():
    rates = np.geomspace(1e-3, 1, 5000)
    rows = met(["slow"] * 5000, values=rates, rates=rates, seeds=1)
    result = made(rows, SGD)
    chart = difficulty_chart(result, {"sgd": Look("sgd", 0)}, {"sgd": gather(result, "sgd")})
    assert sum(len(trace["x"]) for trace in chart.figure["data"]) == 1600
    assert difficulties(result)[0].trials == 5000


@pytest.mark.parametrize("name", ["learning_rate", "width"])
def test_any_swept_number_is_an_axis(name):
    rows = met(VERDICTS)
    for row in rows:
        row["width"] = row["learning_rate"] * 1000
        if name == "width":
            row["learning_rate"] = 0.1
    result = made(rows, {"sgd": ("learning_rate", "width")})
    chart = difficulty_chart(result, {"sgd": Look("sgd", 0)}, {"sgd": gather(result, "sgd")})
    assert name.replace("_", " ") in chart.heading
