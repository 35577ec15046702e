"""`ch5jax sweep --watch`: the page follows the store, and nobody but this machine sees it."""

import shutil
import urllib.error
import urllib.request

import jax
import numpy as np
import pytest
from typer.testing import CliRunner

import ch5jax
from ch5jax import report
from ch5jax.cli import _watch
from ch5jax.cli._app import app
from ch5jax.cli._job import Prepared
from tests.report.browser import Visit, launched

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")
TASK = ch5jax.tasks.surface(ch5jax.problems.beale())


@pytest.fixture
def watched(tmp_path, monkeypatch, capsys):
    """A run of which half is done, its result when all is, and where it is served while it is watched."""
    monkeypatch.setattr(_watch, "EVERY", 0.2)
    monkeypatch.setattr(_watch, "SHARE", 0)
    opts = ch5jax.grid(ch5jax.sgd, learning_rate=np.geomspace(1e-6, 1e-2, 40))
    result = ch5jax.sweep(TASK, opts, steps=20, key=jax.random.key(0), store=tmp_path / "whole", width=2)
    folder = tmp_path / "run"
    shutil.copytree(tmp_path / "whole", folder / "store")
    later = sorted((folder / "store").glob("*-chunk*"))[1:]
    for file in later:
        file.unlink()
    with _watch.watching(folder, Prepared(TASK, "Half of it", [], {}, {}, None)):
        address = capsys.readouterr().err.split()[-1]
        yield folder, result, address


def asked(address, **headers):
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
        return answer.read().decode()


def test_only_the_page_is_served_and_only_under_this_machines_own_names(watched):
    folder, _, address = watched
    assert address.startswith("http://127.0.0.1:")
    port = address.rstrip("/").rpartition(":")[2]
    assert "title" in asked(address, Host=f"localhost:{port}")
    for path, host, code in (("", "evil.example", 403), ("", f"evil.example:{port}", 403), ("store", None, 404),
                             ("../run/store/manifest.json", None, 404), ("?a", None, 404)):  # fmt: skip
        with pytest.raises(urllib.error.HTTPError) as refused:
            asked(address + path, **({"Host": host} if host else {}))
        assert refused.value.code == code
        refused.value.close()
    assert (folder / "store").exists()


def test_the_page_follows_and_keeps_what_is_filtered(watched):
    folder, result, address = watched
    with launched() as browser, Visit(browser, address, offline=False) as visit:
        page = visit.page
        page.wait_for_selector("text=not finished:", timeout=60_000)
        some = int(page.inner_text("#selected-count").split()[2])
        assert 0 < some < 40
        page.click("summary")
        page.fill("[aria-label='learning rate to']", "1e-5")
        page.keyboard.press("Tab")
        page.wait_for_timeout(1500)  # the header says whole seconds
        report.write_page(result, folder / "report.html", title="All of it", watched=True)
        page.wait_for_selector("h1:has-text('All of it')", timeout=60_000)
        page.wait_for_selector("html[data-ready]", state="attached")
        assert page.inner_text("#selected-count").endswith("of 40 trainings selected")
        assert page.is_enabled("#all")  # something is filtered still
        assert visit.complaints == []


def test_a_sweep_that_is_watched_ends_with_the_page_of_all_and_draws_the_loss_around_the_best(tmp_path):
    few = ("--optimizer", "sgd", "--learning-rate", "0.1,0.3", "--seeds", "2", "--steps", "8", "--hidden", "none")
    options = ["sweep", *few, "--no-cache", "--out", str(tmp_path / "out"), "--watch", "--landscape"]
    found = CliRunner().invoke(app, options, env={"COLUMNS": "80", "NO_COLOR": "1"})
    assert found.exit_code == 0, found.output
    assert "watch it at http://127.0.0.1:" in found.output
    page = (tmp_path / "out" / "report.html").read_text()
    assert "4 trainings, none of which diverged" in page
    assert "not finished:" not in page
    assert "connect-src" not in page  # the last one asks nobody
    around = (tmp_path / "out" / "landscape.html").read_text()
    assert "<title>The loss around training" in around
