"""A page that needs nothing beside it: a template, scripts, Plotly's among them, and data, in one file."""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from ch5jax._extras import require
from ch5jax.report._visible import visible


def document(
    template: str, scripts: Sequence[str], data: dict[str, Any], *, connects: bool = False, **values: Any
) -> str:
    """A page as text; everything that comes from outside is escaped, in the markup and in the data.

    Args:
      template: the name of a file in `page/`, for Jinja2.
      scripts: the names of the page's own scripts there, in the order in which they run, as one.
      data: what they read, JSON.
      connects: whether they may ask where the page came from.
      values: what the template puts in.

    Raises:
      ImportError: without Jinja2 and Plotly (`ch5jax[sweep]`).
    """
    jinja2 = require("jinja2", "sweep", "a report")
    plotly = require("plotly.offline", "sweep", "a report")
    ours = '(() => {\n"use strict";\n' + "\n".join(_asset(f"{name}.js") for name in scripts) + "})();\n"
    scripts = [plotly.get_plotlyjs(), ours]
    loader = jinja2.FunctionLoader(_asset)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    return str(
        environment.get_template(template).render(
            policy=" ".join(f"'sha256-{_digest(script)}'" for script in scripts),
            connects=connects,
            style=_asset("page.css"),
            data=_json(data),
            scripts=scripts,
            **values,
        )
    )


def _asset(name: str) -> str:
    return resources.files("ch5jax.report").joinpath("page", name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """What the page's policy lets run: these very scripts, and nothing that found its way in."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _json(value: Any) -> str:
    """JSON that is safe inside a script element: no tag or comment can begin in it."""
    text = json.dumps(_all_shown(value), allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _shown(value: Any) -> Any:
    """What the template puts in, as it is to be seen; scripts and styles, which are markup, as they are."""
    return visible(value) if type(value) is str else value


def _all_shown(value: Any) -> Any:
    """The same, for every text in data."""
    if isinstance(value, dict):
        return {visible(str(name)): _all_shown(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_all_shown(one) for one in value]
    return visible(value) if isinstance(value, str) else value
