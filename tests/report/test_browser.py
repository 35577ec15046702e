"""The page as a browser has it: nothing is fetched, every chart draws, and no name that it shows does anything."""

import types

import numpy as np
import pytest

from ch5jax import report
from ch5jax.report._visible import visible
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


DRAWN = """async (chart) => {
  chart.scrollIntoView();
  await new Promise((go) => setTimeout(go, 150));
  const marks = chart.querySelectorAll(".scatterlayer path, .heatmaplayer image, .bars path").length;
  const inked = [...chart.querySelectorAll("canvas")].some((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.some((value, k) => k % 4 === 3 && value > 100);
  });
  return marks > 0 || inked;
}"""


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["laptop, light", "phone, dark"])
def test_it_draws_without_a_network_and_without_complaint(browser, path, width, dark):
    with Visit(browser, path, width=width, dark=dark) as visit:
        charts = visit.page.query_selector_all(".chart")
        blank = [chart.get_attribute("aria-label") for chart in charts if not chart.evaluate(DRAWN)]
        assert len(charts) >= 8
        assert blank == []
        visit.page.locator("#evidence").evaluate("one => one.scrollIntoView()")
        visit.page.wait_for_selector("#evidence .chart")
        evidence = visit.page.query_selector_all("#evidence .chart")
        assert [one.get_attribute("aria-label") for one in evidence] == ["Training loss", "Validation accuracy"]
        assert all(one.evaluate(DRAWN) for one in evidence)
        assert visit.complaints == []
        assert visit.asked == [path.as_uri()]
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture
def page(browser, path):
    with Visit(browser, path) as visit:
        yield visit.page
        assert visit.complaints == []


def count(page):
    """How many trainings are selected, as the page says."""
    return int(page.inner_text("#selected-count").split()[0])


def listed(page):
    """The numbers of the trainings in the table."""
    page.wait_for_timeout(200)  # it follows when the hand rests
    return [int(row.get_attribute("data-trial")) for row in page.query_selector_all("#trainings tbody tr")]


WHERE = """([chart, rate, score]) => {
  const plot = document.querySelector(chart + " .plot"), { _size: size, xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect(), at = (range, value) => (value - range[0]) / (range[1] - range[0]);
  return [box.left + size.l + at(xaxis.range, Math.log10(rate)) * size.w,
          box.top + size.t + (1 - at(yaxis.range, score)) * size.h];
}"""


def drag(page, chart, start, end):
    """Draws a box between two places, each a learning rate and a score."""
    page.locator(chart).scroll_into_view_if_needed()
    for place, act in ((start, page.mouse.down), (end, page.mouse.up)):
        page.mouse.move(*page.evaluate(WHERE, [chart, *place]), steps=4)
        if act == page.mouse.up:
            page.wait_for_timeout(60)
        act()


def test_a_box_in_one_chart_filters_the_others_and_the_table(page):
    assert count(page) == len(listed(page)) == 30
    drag(page, "#score", (0.005, 0.85), (2, 1.0))
    assert set(listed(page)) == {*range(3, 12), *range(21, 24)}  # adam at 0.01, 0.1 and 1, and sgd at 0.1
    assert count(page) == 12
    page.locator("#curves").scroll_into_view_if_needed()
    page.wait_for_selector("#curves-said:has-text('12 selected trainings')")
    assert page.query_selector_all("#brushes .chip")
    page.mouse.move(300, 300)  # hovering changes nothing
    assert count(page) == 12
    page.keyboard.press("Escape")
    assert count(page) == len(listed(page)) == 30


def test_a_stroke_along_an_axis_filters_and_several_add_up(page):
    page.locator("#parallel").scroll_into_view_if_needed()
    box = page.locator("#parallel canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 56, box["y"] + 42)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 56, box["y"] + 150, steps=4)
    page.wait_for_timeout(60)
    page.mouse.up()
    above = count(page)
    assert 0 < above < 30
    page.click("summary")
    page.fill("[aria-label='learning rate to']", "0.5")
    page.keyboard.press("Tab")
    assert 0 < count(page) < above
    page.click("#brushes .chip >> nth=0")
    assert count(page) > 0
    page.click("#all")
    assert count(page) == 30


def test_a_click_on_a_point_and_a_row_shows_that_training(page):
    page.locator("#score").scroll_into_view_if_needed()
    page.mouse.click(*page.evaluate(WHERE, ["#score", 0.001, 0.5]))
    assert page.inner_text("#training-name") == "Training 1: adam"
    assert "slow" in page.inner_text("#words")
    assert "Seen to work among its siblings: learning rate 0.1" in page.inner_text("#words")
    page.click("text=Show training 7")
    assert page.inner_text("#training-name") == "Training 7: adam"
    page.locator("#trainings tbody tr >> nth=4").focus()
    page.keyboard.press("Enter")
    shown = page.locator("#trainings tr[aria-selected=true]").get_attribute("data-trial")
    assert page.inner_text("#training-name").startswith(f"Training {shown}:")


def test_verdicts_and_ranks_are_filters_that_outlast_a_reload(page):
    page.click("#verdicts .chip:has-text('slow')")
    assert count(page) == 18
    page.select_option("#top", "10")
    assert count(page) == 10
    listed(page)
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert count(page) == 10
    assert page.input_value("#top") == "10"
    page.click("#all")
    assert count(page) == 30


def test_the_colours_of_a_number_have_a_scale(page):
    assert page.is_hidden("#scale")
    page.select_option("#colour", "validation_accuracy")
    page.wait_for_selector("#scale", state="visible")
    low, high = (float(text.split()[0]) for text in page.inner_text("#scale").split("%")[:2])
    assert 9 < low < 30
    assert 94 < high < 97


def test_what_diverged_has_no_score_and_a_heading_sorts(page):
    page.click("#trainings th button:has-text('validation accuracy')")
    page.click("#trainings th button:has-text('validation accuracy')")
    assert listed(page)[-1] == 29
    assert page.inner_text("#trainings tbody tr:last-child td:nth-child(5)") == "–"
    page.click("#trainings th button:has-text('seed')")
    seeds = page.eval_on_selector_all("#trainings tbody tr td:nth-child(4)", "cells => cells.map(c => c.textContent)")
    assert seeds == sorted(seeds)


def test_light_and_dark_differ(page):
    seen = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(600)  # charts are drawn anew
        seen.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        seen.append(page.evaluate("getComputedStyle(document.querySelector('.xtick text')).fill"))
    assert seen == ["rgb(255, 255, 255)", "rgb(28, 30, 33)", "rgb(22, 24, 27)", "rgb(230, 232, 235)"]


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
        visit.page.locator("#heat").scroll_into_view_if_needed()
        visit.page.select_option("#heat-y", "group")
        texts = visit.page.eval_on_selector_all("#heat .ytick text", "all => all.map((one) => one.textContent)")
        cut = [name if len(name) <= 22 else name[:21] + "…" for name in map(visible, HOSTILE)]
        assert {text.strip() for text in texts} >= {
            name.strip() for name in cut
        }  # as they stand, no markup of Plotly's
        shown = visit.page.inner_text("body")
        for name in HOSTILE[:7]:
            assert name in shown
        assert not any(sign in shown for sign in "\x07\x00\x1b\u202e\u2066")


def test_what_was_tried_on_a_training_is_shown_with_it(browser, tmp_path):
    tried = {"what": ["as it was", HOSTILE[2], "learning_rate × 3"], "validation_accuracy": [0.5, np.nan, 0.93],
             "gain": [0.0, np.nan, 0.43], "error": [0.0, np.nan, 0.01], "better": [False, False, True],
             "verdict": ["slow", "diverged", "healthy"]}  # fmt: skip
    treatment = types.SimpleNamespace(
        columns={name: np.array(values) for name, values in tried.items()},
        objective="validation_accuracy",
        chosen=types.SimpleNamespace(name="learning_rate × 3"),
        diagnosis="SADDLE: at the end.\nCurvature at the end: -2 to 3.",
    )
    result = made(accuracies(), {"sgd": ("learning_rate",)})
    page = report.write_page(result, tmp_path / "report.html", title="Treated", treatments={4: treatment})
    with Visit(browser, page) as visit:
        assert visit.page.inner_text("#training-name") == "Training 4: sgd"  # the page begins with it
        rows = [row.inner_text().split("\t") for row in visit.page.query_selector_all(".tried tr")]
        assert rows[1:] == [
            ["as it was", "50.00 %", "+0.00 % ± 0.00 %", "slow"],
            [HOSTILE[2], "–", "–", "diverged"],
            ["learning_rate × 3", "93.00 %", "+43.00 % ± 1.00 % *", "healthy"],
        ]
        assert "Curvature at the end: -2 to 3." in visit.page.inner_text("#words")
        visit.page.click("#trainings tbody tr[data-trial='5']")
        assert visit.page.query_selector(".tried") is None
        assert "Curvature" not in visit.page.inner_text("#words")
        assert visit.complaints == []
        assert visit.page.evaluate("window.hit") is None


def test_a_training_keeps_its_number_as_others_are_done_and_so_does_a_link_to_it(browser, tmp_path):
    """As under `ch5jax sweep --watch`: rows shift, and words come in another order."""
    rows = [row | {"verdict": verdict, "difficulties": verdict, "remedy": ""}
            for row, verdict in zip(accuracies(), ("slow", "healthy", "noise") * 5, strict=True)]  # fmt: skip
    whole = made(rows, {"sgd": ("learning_rate",)})
    half = made(rows[1::2], {"sgd": ("learning_rate",)})
    half.columns["trial"] = np.arange(1, 15, 2)
    page = report.write_page(half, tmp_path / "report.html", title="Half")
    with Visit(browser, page) as visit:
        assert listed(visit.page) == [7, 11, 9, 5, 3, 1, 13]
        visit.page.click("#verdicts .chip:has-text('noise')")
        visit.page.click("#trainings tbody tr[data-trial='9']")
        assert visit.page.inner_text("#training-name") == "Training 9: sgd"
        report.write_page(whole, page, title="Whole")
        visit.page.wait_for_timeout(200)
        visit.page.reload()
        visit.page.wait_for_selector("html[data-ready]", state="attached")
        assert visit.page.inner_text("#training-name") == "Training 9: sgd"
        pressed = {chip.inner_text().split()[0]: chip.get_attribute("aria-pressed")
                   for chip in visit.page.query_selector_all("#verdicts .chip")}  # fmt: skip
        assert pressed == {"slow": "true", "healthy": "true", "noise": "false"}
        assert visit.complaints == []


def test_on_paper_every_chart_has_its_place_and_is_light(browser, path):
    with Visit(browser, path, dark=True) as visit:
        visit.page.evaluate("""addEventListener("beforeprint", () => { window.printed = {
          text: getComputedStyle(document.querySelector(".xtick text")).fill,
          paper: getComputedStyle(document.body).backgroundColor,
          sizes: [...document.querySelectorAll(".chart")].map((one) => {
            const svg = one.querySelector(".main-svg, canvas").getBoundingClientRect();
            return [svg.width - one.clientWidth, svg.height - one.clientHeight].map(Math.abs);
          }),
        }; })""")
        visit.page.pdf()
        printed = visit.page.evaluate("window.printed")
        assert (printed["text"], printed["paper"]) == ("rgb(28, 30, 33)", "rgb(255, 255, 255)")
        assert len(printed["sizes"]) >= 8
        assert all(max(one) <= 1 for one in printed["sizes"])
        visit.page.wait_for_timeout(300)
        assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
        visit.page.locator("#score").scroll_into_view_if_needed()
        visit.page.wait_for_timeout(300)
        assert visit.page.evaluate("document.querySelector('#score .main-svg').clientWidth") > 1000
        assert visit.complaints == []


def test_the_bar_stays_above_the_parts_that_it_filters(page):
    for part in ("where", "how", "difficulties-part"):
        page.click(f"nav a[href='#{part}']")
        page.wait_for_timeout(300)
        bar, heading = page.locator(".bar").bounding_box(), page.locator(f"#{part} h2").bounding_box()
        assert 0 <= bar["y"] < 20
        assert bar["y"] + bar["height"] <= heading["y"] < 300


def test_ticks_of_logarithms_are_whole_numbers_of_one_size(page):
    page.click("label:has-text('log steps')")
    page.wait_for_timeout(300)
    found = page.eval_on_selector_all(
        ".chart .xtick text, .chart .ytick text", "all => all.map((one) => [one.textContent, one.style.fontSize])"
    )
    assert {size for _, size in found} == {"12.5px"}
    rates = page.eval_on_selector_all("#score .xtick text", "all => all.map((one) => Number(one.textContent))")
    assert sorted(set(rates) & {0.001, 0.01, 0.1, 1, 10}) == [0.001, 0.01, 0.1, 1, 10]


def test_a_phone_reads_the_leaderboard_without_scrolling_aside(browser, path):
    with Visit(browser, path, width=390, height=844) as visit:
        wide = visit.page.evaluate("document.querySelector('#leaderboard').scrollWidth")
        assert wide <= visit.page.evaluate("document.querySelector('#leaderboard').parentElement.clientWidth")
        cell = visit.page.locator("#leaderboard td[data-label='best setting'] >> nth=0")
        assert cell.evaluate("(one) => getComputedStyle(one, '::before').content") == '"best setting"'


def test_the_map_shows_every_training_of_the_same_values(browser, tmp_path):
    """Two rates, two decays, six seeds: the healthy one lies beside the five that were not, and hides none."""
    rows = [row | {"decay": decay, "verdict": verdict, "difficulties": verdict, "remedy": ""}
            for decay in (0.5, 0.9)
            for row in accuracies(rates=(0.1, 1.0), values=(0.5, 0.9), seeds=6)
            for verdict in ["healthy" if row["seed"] == 5 else "slow"]]  # fmt: skip
    result = made(rows, {"sgd": ("learning_rate", "decay")})
    page = report.write_page(result, tmp_path / "report.html", title="A plane")
    with Visit(browser, page) as visit:
        visit.page.locator("#map").scroll_into_view_if_needed()
        visit.page.wait_for_timeout(200)
        amber = visit.page.evaluate("""() => {
          const canvas = document.querySelector("#map .over"), pen = canvas.getContext("2d");
          const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
          const found = { slow: 0, healthy: 0 };
          for (let k = 0; k < data.length; k += 4) if (data[k + 3] > 150) {
            if (data[k] > 200 && data[k + 2] < 80) found.slow += 1;
            if (data[k] < 40 && data[k + 1] > 130) found.healthy += 1;
          }
          return found;
        }""")
        assert amber["slow"] > 2 * amber["healthy"] > 0
        assert visit.page.inner_text("#map-marks").split() == ["slow", "healthy"]
        assert visit.complaints == []
