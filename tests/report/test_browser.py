"""The page as a browser has it: nothing is fetched, every chart draws, and no name that it shows does anything."""

import numpy as np
import pytest

from ch5jax import report
from tests.report.browser import Visit, launched
from tests.report.hostile import HOSTILE
from tests.report.results import accuracies, made


@pytest.fixture(scope="module")
def browser():
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rows = accuracies("adam") + accuracies("sgd", values=(0.3, 0.4, 0.93, 0.5, 0.1))
    rows[29] |= {"diverged_at": 50, "validation_accuracy": np.nan}
    verdicts = ["slow", "slow", "healthy", "healthy", "diverged"]
    for row in rows:
        verdict = verdicts[(0.001, 0.01, 0.1, 1.0, 10.0).index(row["learning_rate"])]
        row |= {
            "verdict": verdict,
            "difficulties": verdict,
            "remedy": "" if verdict == "healthy" else "learning_rate 0.1",
        }
    result = made(rows, {"adam": ("learning_rate",), "sgd": ("learning_rate",)})
    return report.write_page(result, tmp_path_factory.mktemp("page") / "report.html", title="A sweep")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_draws_without_a_network_and_without_complaint(browser, path, width, dark):
    with Visit(browser, path, width=width, dark=dark) as visit:
        assert visit.complaints == []
        assert visit.asked == [path.as_uri()]
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        for chart in visit.page.query_selector_all(".chart"):
            assert chart.query_selector_all(".point, .js-line"), (
                f"nothing is drawn in {chart.get_attribute('aria-label')}"
            )


def test_light_and_dark_differ(browser, path):
    paper = []
    for dark in (False, True):
        with Visit(browser, path, dark=dark) as visit:
            paper.append(visit.page.evaluate("getComputedStyle(document.body).backgroundColor"))
            paper.append(visit.page.evaluate("getComputedStyle(document.querySelector('.xtick text')).fill"))
    light, light_text, dark, dark_text = paper
    assert light == dark_text.replace("230, 232, 235", "255, 255, 255")
    assert light != dark
    assert light_text != dark_text


def test_hostile_names_are_shown_and_do_nothing(browser, tmp_path):
    """As groups, hyperparameters, words among their values, metrics, verdicts, remedies, title, notes and settings."""
    rows = []
    for i, name in enumerate(HOSTILE):
        other = HOSTILE[i - 1]
        for row in accuracies(name):
            rows.append(row | {f"x {other}": other, f"y {other}": row["learning_rate"], "verdict": "slow",
                               "difficulties": other, "remedy": f"{other} 0.1"})  # fmt: skip
            rows[-1][f"test_{name}"] = rows[-1][f"validation_{name}"] = row["validation_accuracy"]
    columns = {
        name: ("learning_rate", f"x {other}", f"y {other}")
        for name, other in zip(HOSTILE, (HOSTILE[-1], *HOSTILE), strict=False)
    }
    result = made(rows, columns)
    page = report.write_page(
        result, tmp_path / "report.html", title=HOSTILE[0], notes=HOSTILE, warnings=HOSTILE,
        settings={name: name for name in HOSTILE}, units=dict.fromkeys(("loss", "validation_accuracy"), HOSTILE[0]),
    )  # fmt: skip
    with Visit(browser, page) as visit:
        visit.page.mouse.move(400, 300)
        assert visit.complaints == []
        assert visit.asked == [page.as_uri()]
        assert visit.page.evaluate("window.hit") is None
        assert visit.page.title() == HOSTILE[0]
        assert visit.page.evaluate("document.compatMode") == "CSS1Compat"
        for tag in ("img", "a[href^=javascript]", "[onmouseover]", "[onfocus]", "iframe", "textarea"):
            assert visit.page.query_selector(f"body {tag}:not(.js-plotly-plot *)") is None
        shown = visit.page.inner_text("body")
        for name in HOSTILE[:7]:
            assert name in shown
        assert not any(sign in shown for sign in "\x07\x00\x1b\u202e\u2066")
