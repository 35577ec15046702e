"""A real browser that looks at pages, cut off from the network."""

import contextlib
import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@contextlib.contextmanager
def launched():
    """A browser, without a window; the test is skipped where none is to be had."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pages are tried in a browser by playwright")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    with playwright.sync_playwright() as started:
        path = found or started.chromium.executable_path
        if not os.path.exists(path):
            pytest.skip(f"no browser: neither {', '.join(NAMES)} on the path, nor what `playwright install` brings")
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page that is open, and what it complained of."""

    def __init__(self, browser, path, *, width=1280, height=800, dark=False, offline=True, wait="html[data-ready]"):
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", offline=offline
        )
        self.page = self.context.new_page()
        self.complaints, self.asked = [], []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path if isinstance(path, str) else path.as_uri())
        if wait:
            self.page.wait_for_selector(wait, state="attached")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()
