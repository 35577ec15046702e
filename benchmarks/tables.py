"""Fills the tables of this folder's README from `results/*.json`: `python -m benchmarks.tables`.

A table stands between `<!-- rows of NAME -->` and `<!-- end -->`, below a line of what they were measured on. After a
colon come words, one of which a row's third column has to begin with for it to be shown.
"""

import json
import re
from pathlib import Path

PACKAGES = {
    "python": "Python",
    "jax": "JAX",
    "optax": "Optax",
    "flax": "Flax",
    "torch": "PyTorch",
    "pandas": "pandas",
    "optuna": "Optuna",
    "hyperoptax": "hyperoptax",
}
HERE = Path(__file__).parent
PLACE = re.compile(r"(<!-- rows of (\w+)(?:: ([^>]*?))? -->\n).*?(<!-- end -->)", re.DOTALL)


def table(rows: list[dict[str, object]]) -> str:
    """Rows as a Markdown table."""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def measured_on(machine: dict[str, object]) -> str:
    """Machine, versions and date in a line."""
    versions = ", ".join(f"{label} {machine[name]}" for name, label in PACKAGES.items() if name in machine)
    date = f", {machine['date']}" if "date" in machine else ""
    device = str(machine.get("device", "cpu"))
    if device.startswith("gpu "):
        return f"{device.removeprefix('gpu ')}; {versions}{date}."
    return f"{machine['cores']} cores of {machine['processor']}; {versions}{date}."


def filled(text: str) -> str:
    """The text with its tables as the results have them."""

    def one(place: re.Match[str]) -> str:
        begin, name, words, end = place.groups()
        content = json.loads((HERE / "results" / f"{name}.json").read_text())
        shown = tuple(words.split(", ")) if words else ("",)
        rows = [row for row in content["rows"] if str([*row.values()][2]).startswith(shown)]
        return f"{begin}{measured_on(content['machine'])}\n\n{table(rows)}\n{end}"

    return PLACE.sub(one, text)


if __name__ == "__main__":
    readme = HERE / "README.md"
    readme.write_text(filled(readme.read_text()))
