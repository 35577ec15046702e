"""`ch5jax race`: the ways are those of the optimizers, and the player plays."""

import shutil
import sys

import imageio_ffmpeg
import numpy as np
import optax
import pytest
from PIL import Image
from typer.testing import CliRunner

import ch5jax
from ch5jax import report
from ch5jax.cli._app import app
from ch5jax.report._descents import contours
from tests.report.browser import Visit, launched
from tests.report.hostile import HOSTILE

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")
BEALE = ch5jax.problems.beale()


def run(*arguments):
    return CliRunner().invoke(app, ["race", *map(str, arguments)], env={"COLUMNS": "80", "NO_COLOR": "1"})


def test_ways_are_those_of_a_loop_by_hand():
    found = report.descents(
        BEALE, {"sgd": ch5jax.sgd(0.01), "lion": ch5jax.lift(optax.lion, learning_rate=0.1)}, steps=5
    )
    (x, y), way = BEALE.start, [BEALE.start]
    for _ in range(5):
        a, b, c = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
        dx = 2 * (a * (y - 1) + b * (y**2 - 1) + c * (y**3 - 1))
        dy = 2 * x * (a + 2 * b * y + 3 * c * y**2)
        x, y = x - 0.01 * dx, y - 0.01 * dy
        way.append((x, y))
    assert found.paths["sgd"] == pytest.approx(np.array(way), rel=1e-4)
    assert found.values["sgd"][0] == pytest.approx(14.203125)
    signs = np.diff(found.paths["lion"], axis=0)[1:]  # along x the first gradient is 0
    assert np.abs(signs) == pytest.approx(0.1, rel=0.01)


def test_who_diverges_is_not_drawn_from_there_on():
    found = report.descents(BEALE, {"sgd": ch5jax.sgd(10.0)}, steps=50)
    lost = np.isnan(found.values["sgd"])
    assert lost[-1]
    assert np.isnan(found.paths["sgd"][lost]).all()
    surface = contours(found)  # stays around the problem's box, however far somebody went
    assert (np.ptp(surface.x), np.ptp(surface.y)) < (25, 25)


def test_what_is_no_surface_is_refused():
    for arguments, words in (
        ((ch5jax.problems.quadratic_deep(), {"sgd": ch5jax.sgd(0.1)}), "quadratic_deep has 100"),
        ((BEALE, {}), "got none"),
        ((ch5jax.problems.beale, {"sgd": ch5jax.sgd(0.1)}), "must be a Problem"),
    ):
        with pytest.raises(ValueError, match=words):
            report.descents(*arguments, steps=5)
    with pytest.raises(ValueError, match="steps must be"):
        report.descents(BEALE, {"sgd": ch5jax.sgd(0.1)}, steps=0)


def test_the_player_plays_pauses_and_scrubs(tmp_path):
    ways = {"adam": ch5jax.adam(0.1), "sgd": ch5jax.sgd(10.0), HOSTILE[0]: ch5jax.momentum(0.001)}
    path = report.write_race(report.descents(BEALE, ways, steps=300), tmp_path / "race.html", title=HOSTILE[2])
    with launched() as browser, Visit(browser, path, width=390) as visit:
        page = visit.page
        page.click("#play")  # it plays from the start
        assert page.inner_text("#play") == "Play"
        page.fill("#scrub", "300")
        assert page.inner_text("#step") == "step 300"
        cells = [row.inner_text() for row in page.query_selector_all("#now tbody tr")]
        assert "3.000" in cells[0]
        assert "diverged" in cells[1]
        assert HOSTILE[0] in cells[2]
        page.fill("#scrub", "0")
        page.click("#play")
        page.wait_for_timeout(600)
        page.click("#play")
        at = int(page.input_value("#scrub"))
        assert 5 < at < 150
        page.wait_for_timeout(200)
        assert int(page.input_value("#scrub")) == at
        page.locator("#stage").focus()
        page.keyboard.press("Space")
        assert page.inner_text("#play") == "Pause"
        assert page.evaluate("window.hit") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert (visit.complaints, visit.asked) == ([], [path.as_uri()])


def test_an_animation_has_as_many_pictures_as_frames(tmp_path):
    found = report.descents(BEALE, {"adam": ch5jax.adam(0.1), "sgd": ch5jax.sgd(10.0)}, steps=40)
    with Image.open(report.write_animation(found, tmp_path / "race.gif", frames=5)) as film:
        assert film.n_frames == 5
    assert [file.name for file in tmp_path.iterdir()] == ["race.gif"]
    with pytest.raises(ValueError, match=r"must end in \.gif or .mp4, got 'race.avi'"):
        report.write_animation(found, tmp_path / "race.avi")


def test_a_film_has_as_many_pictures_as_frames(tmp_path):
    found = report.descents(BEALE, {"adam": ch5jax.adam(0.1)}, steps=40)
    path = report.write_animation(found, tmp_path / "race.MP4", frames=6, frames_per_second=3)
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert (frames, seconds) == (6, 2.0)
    assert [file.name for file in tmp_path.iterdir()] == ["race.MP4"]


def test_a_film_without_ffmpeg_says_what_brings_one(tmp_path, monkeypatch):
    found = report.descents(BEALE, {"adam": ch5jax.adam(0.1)}, steps=40)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ValueError, match=r"got 'race.mp4'; pip install \"ch5jax\[film\]\" brings one"):
        report.write_animation(found, tmp_path / "race.mp4")
    assert not list(tmp_path.iterdir())
    assert report.write_animation(found, tmp_path / "race.gif", frames=2).exists()


def test_the_command_writes_a_page_and_says_where_each_ended(tmp_path):
    page = tmp_path / "new" / "beale.html"
    found = run("--optimizer", "sgd,adam", "--steps", 100, "--learning-rate", "0.01,0.1", "--out", page)
    assert found.exit_code == 0, found.output
    assert "sgd, rate 0.01" in found.output
    assert "<title>beale: sgd, adam</title>" in page.read_text()
    for arguments, words in (
        (("--problem", "deep"), "function of two variables"),
        (("--problem", "quadratic_deep"), "function of two variables"),
        (("--start", "1"), "must be two numbers"),
        (("--learning-rate", "0.1,0.2,0.3"), "one for each of 5"),
        (("--out", "race.png"), "must end in .html, .gif or .mp4"),
    ):
        refused = run(*arguments)
        assert (refused.exit_code, words in " ".join(refused.output.replace("│", " ").split())) == (2, True)


def test_the_best_rate_of_each_is_found(tmp_path):
    found = run("--optimizer", "momentum", "--steps", 60, "--out", tmp_path / "a.html")
    assert found.exit_code == 0, found.output
    assert float(found.output.split()[2]) < 0.1  # at 0.001, Optax's usual, it is at 2
