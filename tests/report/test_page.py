import base64
import dataclasses
import hashlib
import json
import re
import statistics
from html.parser import HTMLParser

import numpy as np
import pytest

from ch5jax.report._page import render
from ch5jax.report._visible import visible
from tests.report.hostile import HOSTILE
from tests.report.results import RATES, accuracies, made

pytestmark = pytest.mark.smoke


class Page(HTMLParser):
    """A page as a browser takes it apart: elements with attributes, scripts, and the tables' cells."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.scripts, self.tables, self.words = [], [], {}, []
        self._table, self._open = None, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        self._open.append(tag)
        if tag == "script":
            self.scripts.append("")
        elif tag == "table":
            self._table = self.tables[attrs["id"]] = []
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._table[-1].append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if "script" in self._open:
            self.scripts[-1] += data
        elif "style" not in self._open:
            self.words.append(data)
            if "td" in self._open or "th" in self._open:
                self._table[-1][-1] += data

    @property
    def figures(self):
        return json.loads(self.scripts[0])["figures"]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def page(result, title="A sweep", notes=(), settings=None, units=None):
    return Page(render(result, title, notes, settings or {}, units or {}))


def unpacked(packed):
    """A column of a page's data, as its script reads it."""
    (kind,) = packed.keys() & {"f4", "f8", "u1", "u2", "u4"}
    return np.frombuffer(base64.b64decode(packed[kind]), f"<{kind}")


def named(chart, group):
    """A group's traces but for its band."""
    return [trace for trace in chart["data"] if trace.get("name") == group]


@pytest.fixture(scope="module")
def two_groups():
    rows = accuracies("adam", values=(0.5, 0.9, 0.955, 0.95, 0.2)) + accuracies(
        "sgd", values=(0.3, 0.4, 0.93, 0.5, 0.1)
    )
    rows[29] |= {"diverged_at": 50, "validation_accuracy": np.nan}
    return made(rows, {"adam": ("learning_rate",), "sgd": ("learning_rate",)}), rows


def test_leaderboard_shows_a_recomputation_in_plain_python(two_groups):
    result, rows = two_groups
    head, *body = page(result).tables["leaderboard"]
    assert head == ["#", "optimizer", "validation accuracy", "test accuracy", "best setting", "within 1 % of the best",
                    "validation loss", "test loss", "diverged"]  # fmt: skip
    for place, group, rate, good, diverged in (("1", "adam", 0.1, "40 % of the settings 0.1 to 1", "0 of 15"),
                                               ("2", "sgd", 0.1, "20 % of the settings 0.1", "1 of 15")):  # fmt: skip
        own = [r for r in rows if r["group"] == group and r["learning_rate"] == rate]
        mean = {n: statistics.mean(r[n] for r in own) for n in own[0] if n not in ("group",)}
        std = {n: statistics.stdev(r[n] for r in own) for n in own[0] if n not in ("group",)}
        shares = [f"{100 * mean[n]:.2f} ± {100 * std[n]:.2f} %" for n in ("validation_accuracy", "test_accuracy")]
        losses = [f"{mean[n]:.3f} ± {std[n]:.3f}" for n in ("validation_loss", "test_loss")]
        cells = [" ".join(cell.split()) for cell in body[int(place) - 1]]
        assert cells == [place, group, *shares, f"learning rate {rate}", good, *losses, diverged]


def test_objective_chart_holds_the_means_and_the_range_over_the_seeds(two_groups):
    result, rows = two_groups
    chart = page(result).figures[0]
    lines = {trace["name"]: trace for trace in chart["data"] if trace["mode"] == "lines+markers"}
    for group, trace in lines.items():
        assert trace["x"] == list(RATES)
        for rate, mean in zip(trace["x"], trace["y"], strict=True):
            own = [r["validation_accuracy"] for r in rows if r["group"] == group and r["learning_rate"] == rate]
            expected = None if np.isnan(own).any() else pytest.approx(statistics.mean(own), rel=1e-5)
            assert mean == expected
    band = next(trace for trace in chart["data"] if trace.get("fill") and trace["legendgroup"] == "adam")
    best = [r["validation_accuracy"] for r in rows if r["group"] == "adam" and r["learning_rate"] == 0.1]
    low_and_high = {y for x, y in zip(band["x"], band["y"], strict=True) if x == 0.1}
    assert sorted(low_and_high) == pytest.approx([min(best), max(best)], rel=1e-5)
    (crosses,) = [trace for trace in chart["data"] if trace.get("yaxis") == "y2"]
    assert (crosses["name"], crosses["x"]) == ("sgd", [10.0])
    assert chart["layout"]["xaxis"]["type"] == "log"
    assert chart["layout"]["xaxis"]["title"]["text"] == "learning rate, log scale"
    assert chart["layout"]["yaxis"]["title"]["text"] == "validation accuracy"


def test_nothing_is_loaded_from_elsewhere(two_groups):
    text = render(two_groups[0], "A sweep", (), {}, {})
    parsed = Page(text)
    for tag, attrs in parsed.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        assert not {"src", "srcset", "action"} & attrs.keys()
        assert attrs.get("href", "#").startswith("#")
        assert not any(name.startswith("on") for name in attrs)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(attrs["content"] for tag, attrs in parsed.elements if attrs.get("http-equiv"))
    assert "default-src 'none'" in policy
    for script in parsed.scripts[1:]:  # the first is data
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy


def test_plotly_is_inlined_once_and_the_page_stays_small(two_groups):
    text = render(two_groups[0], "A sweep", (), {}, {})
    assert len(Page(text).scripts) == 3
    assert len(re.findall(r"\* plotly\.js v", text)) == 1
    assert len(text) < 5.5e6


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_and_nothing_else(name):
    def swept(group, column):
        rows = [row | {column: i % 2} for i, row in enumerate(accuracies(group) + accuracies("fine"))]
        return made(rows, {group: ("learning_rate", column), "fine": ("learning_rate", column)})

    harmless = page(swept("name", "x name"), "name", ["name"], {"name": "name"}, {"validation_accuracy": "name"})
    parsed = page(swept(name, f"x {name}"), name, [name], {name: name}, {"validation_accuracy": name})
    assert [tag for tag, _ in parsed.elements] == [tag for tag, _ in harmless.elements]
    assert [attrs.keys() for _, attrs in parsed.elements] == [attrs.keys() for _, attrs in harmless.elements]
    assert parsed.scripts[1:] == harmless.scripts[1:]
    assert parsed.words.count(visible(name)) >= 4
    assert not set("<>&") & set(parsed.scripts[0])  # nothing in the data can end the script or begin a comment
    for figure in parsed.figures:  # Plotly reads markup in texts: there, too, only its own
        texts = [t for trace in figure["data"] for t in (trace.get("name", ""), *trace.get("text", ()))]
        texts += [axis.get("title", {}).get("text", "") for key, axis in figure["layout"].items() if "axis" in key]
        assert set(re.findall(r"<[^>]*>", " ".join(texts))) <= {"<b>", "</b>", "<br>"}
        assert not any("<b>bold" in text for text in texts)


def test_notes_settings_and_warnings_are_shown(two_groups):
    result = made(accuracies(values=(0.96, 0.9, 0.9, 0.9, 0.2)), {"sgd": ("learning_rate",)})
    text = page(result, "The title", ["A note on the data."], {"network": "64-32-10"}).text
    for words in ("The title", "A note on the data.", "network 64-32-10", "15 trainings, none of which diverged",
                  "sgd: the best learning rate, 0.001, is the lowest of the 5 tried", "over 3 seeds",
                  "sgd 5 settings: learning rate 0.001 to 10, 5 values"):  # fmt: skip
        assert words in text


def test_the_best_setting_is_what_was_swept_and_the_rest_is_told_once():
    rows = [row | {"decay": 0.9} for row in accuracies()]
    parsed = page(made(rows, {"sgd": ("learning_rate", "decay")}))
    assert parsed.tables["leaderboard"][1][4].strip() == "learning rate 0.1"
    assert parsed.text.count("decay 0.9") == 1


def test_everything_diverged_still_makes_a_page():
    parsed = page(made(accuracies(diverged_at=7), {"sgd": ("learning_rate",)}))
    assert "every setting failed" in parsed.text
    assert len(parsed.figures) == 1  # no best of any effort, and nothing that decides


def test_regression_and_a_single_seed():
    rows = [
        {"group": "g", "learning_rate": rate, "seed": 0, "loss": 1.0, "validation_loss": loss, "test_loss": 2 * loss,
         "validation_r2": 1 - loss, "test_r2": 1 - 2 * loss}
        for rate, loss in ((0.1, 0.5), (0.2, 0.02), (0.3, 30.0))
    ]  # fmt: skip
    parsed = page(made(rows, {"g": ("learning_rate",)}, objective="validation_loss", maximize=False))
    head, best = parsed.tables["leaderboard"]
    assert dict(zip(head, best, strict=True))["test loss"] == "0.04"
    assert dict(zip(head, best, strict=True))["test r2"] == "0.96"
    assert "a single seed, so that small differences may be chance" in parsed.text
    assert parsed.figures[0]["layout"]["yaxis"]["type"] == "log"
    assert "type" not in parsed.figures[0]["layout"]["xaxis"]  # evenly spaced values belong on a linear axis


def test_another_number_than_the_learning_rate_is_the_axis():
    rows = [row | {"width": row.pop("learning_rate") * 1000} for row in accuracies()]
    chart = page(made(rows, {"sgd": ("width",)})).figures[0]
    assert chart["layout"]["xaxis"]["title"]["text"] == "width, log scale"


def test_a_group_without_the_swept_number_is_a_level():
    rows = accuracies() + [{**row, "group": "none", "learning_rate": np.nan} for row in accuracies()[6:9]]
    chart = page(made(rows, {"sgd": ("learning_rate",), "none": ()})).figures[0]
    (level,) = named(chart, "none")
    assert (level["x"], level["y"]) == ([0.001, 10.0], pytest.approx([0.955, 0.955]))


def test_nothing_numeric_varies_makes_a_strip_of_seeds():
    rows = [{"group": "g", "kind": kind, "seed": s, "score": s + len(kind)} for kind in ("a", "bcd") for s in range(2)]
    chart = page(made(rows, {"g": ("kind",)}, objective="score")).figures[0]
    assert chart["layout"]["xaxis"]["type"] == "category"
    points = {(x, y) for trace in chart["data"] for x, y in zip(trace["x"], trace["y"], strict=True)}
    assert points >= {("g, a", 1.0), ("g, a", 2.0), ("g, bcd", 3.0), ("g, bcd", 4.0)}


def test_two_swept_numbers_draw_the_best_of_the_other():
    rows = [
        row | {"b1": b1, "validation_accuracy": row["validation_accuracy"] - penalty * (row["learning_rate"] < 0.5)}
        for b1, penalty in ((0.8, 0.1), (0.9, 0.0))
        for row in accuracies()
    ]
    chart = page(made(rows, {"sgd": ("learning_rate", "b1")})).figures[0]
    (line,) = [trace for trace in chart["data"] if trace["mode"] == "lines+markers"]
    assert line["y"] == pytest.approx([0.5, 0.9, 0.955, 0.95, 0.2])


def test_very_many_random_trials_make_no_larger_page():
    count = 100_000
    rng = np.random.default_rng(0)
    small = made(accuracies(rates=RATES), {"sgd": ("learning_rate",)})
    rates, score = 10 ** rng.uniform(-4, 0, count), rng.uniform(size=count)
    columns = {
        "trial": np.arange(count),
        "group": np.full(count, "sgd"),
        "learning_rate": rates,
        "b1": rng.uniform(size=count),
        "seed": np.arange(count),
        "diverged_at": np.where(score < 0.2, 5, -1),
        "validation_accuracy": score,
        "test_accuracy": score,
    }
    curves = small.curves["sgd"]
    zeros = {"loss": np.zeros((count, 20), np.float32)}
    evaluations = {"validation_accuracy": np.zeros((count, 4), np.float32)}
    result = dataclasses.replace(
        small,
        columns=columns,
        curves={"sgd": curves._replace(metrics=zeros, evaluations=evaluations)},
        hyperparameters={"sgd": ("learning_rate", "b1")},
    )
    parsed = page(result)
    data = json.loads(parsed.scripts[0])
    kept = sum(unpacked(part["trials"]).size for part in data["curves"]["metrics"][0]["of"])
    assert kept == data["curves"]["kept"] < count / 3
    assert unpacked(data["columns"][2]["values"]) == pytest.approx(rates, rel=1e-6)
    assert len(parsed.scripts[0]) < 8e6
    assert "Of 100,000, the 1,600 best settings of each group are shown." in parsed.text
    best = np.argmax(score)
    assert f"learning rate {rates[best]:.4g}" in " ".join(parsed.tables["leaderboard"][1][4].split())


def test_more_groups_than_colours():
    groups = [f"g{i}" for i in range(15)]
    rows = [row for i, g in enumerate(groups) for row in accuracies(g, values=(0.5, 0.6, 0.8 + i / 100, 0.7, 0.2))]
    parsed = page(made(rows, dict.fromkeys(groups, ("learning_rate",))))
    assert "The charts of the answer show the 12 best of 15 groups." in parsed.text
    names = {trace["name"] for trace in parsed.figures[0]["data"] if "name" in trace}
    assert names == set(groups[3:])
    assert len(parsed.tables["leaderboard"]) == 16
