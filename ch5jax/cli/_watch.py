"""A sweep's page while it trains: written anew as trainings are done, and served to this machine alone."""

import email.utils
import http.server
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from ch5jax import report
from ch5jax._command import say_at_the_end
from ch5jax.cli._console import say
from ch5jax.cli._job import STORE, Prepared, counted
from ch5jax.sweeps import open_sweep

EVERY = 5.0  # seconds between two looks at the store
SHARE = 10  # and at least so many times what the last page took to write: it takes a tenth of a core at most

_NOTHING_YET = (
    b"<!doctype html><meta charset='utf-8'><meta http-equiv='refresh' content='3'><title>ch5jax</title>"
    b"<p style='font: 1rem system-ui'>The first trainings are under way; this page follows by itself.</p>"
)


@contextmanager
def watching(folder: Path, prepared: Prepared) -> Iterator[None]:
    """Keeps `report.html` of a run current inside, and serves it.

    Args:
      folder: the run's.
      prepared: what its page says of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    since = time.time()
    server = _Server(page, since)
    done = threading.Event()
    writer = threading.Thread(target=_keep_current, args=(folder, prepared, done), daemon=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    writer.start()
    say(f"watch it at http://127.0.0.1:{server.server_port}/", stderr=True)
    try:
        yield
    finally:
        done.set()
        writer.join()  # or it would write over the last page
    # the caller has the last page written, and what is served is the file as it is


def serve_on(folder: Path) -> None:
    """Goes on serving until Ctrl-C, where somebody sits at a terminal."""
    if sys.stdout.isatty():
        say_at_the_end(f"Stopped. The page is {folder / 'report.html'}.")
        say("Served until Ctrl-C.", stderr=True)
        threading.Event().wait()


def _keep_current(folder: Path, prepared: Prepared, done: threading.Event) -> None:
    store, written, took = folder / STORE, set[str](), 0.0
    while not done.wait(max(EVERY, SHARE * took)):
        chunks = {file.name for file in store.glob("*-chunk*")}
        if not chunks - written:
            continue
        began = time.monotonic()
        try:
            result = open_sweep(store, unfinished=True)
            report.write_page(
                result,
                folder / "report.html",
                title=prepared.title,
                notes=prepared.notes,
                settings=prepared.settings,
                units=prepared.units,
                warnings=[f"not finished: {counted(len(result), 'training')} so far"],
                watched=True,
            )
        except (ValueError, OSError):  # only begun, or written to just now: the next look sees more
            continue
        written, took = chunks, time.monotonic() - began


class _Server(http.server.ThreadingHTTPServer):
    """Serves one file, to this machine."""

    daemon_threads = True

    def __init__(self, page: Path, since: float):
        self.page, self.since = page, since
        super().__init__(("127.0.0.1", 0), _Answer)


class _Answer(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer(with_page=True)

    def do_HEAD(self) -> None:
        self._answer(with_page=False)

    def log_message(self, *_: object) -> None:
        """Nothing: the terminal has a bar."""

    def _answer(self, with_page: bool) -> None:
        # a page of anybody's may ask this machine, under a name that it has sent here: not under these two
        if self.headers.get("Host") not in {f"{host}:{self.server.server_port}" for host in ("127.0.0.1", "localhost")}:
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        if self.path == "/favicon.ico":  # which browsers ask for by themselves
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()
            return
        if self.path != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content, changed = _NOTHING_YET, 0.0
        try:
            if (modified := self.server.page.stat().st_mtime) >= self.server.since - 1:  # not an earlier sweep's
                content, changed = self.server.page.read_bytes(), modified
        except OSError:
            pass  # there is none yet
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", email.utils.formatdate(changed, usegmt=True))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if with_page:
            self.wfile.write(content)
