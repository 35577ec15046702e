"""Names and texts of anybody's, as a tool takes them: none is lost, and no two become one."""

import html
import re
from collections.abc import Callable, Iterable

from ch5jax.report import visible

LONGEST = 250  # signs of a name, which MLflow allows

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>])")


def fitted(names: Iterable[str], clean: Callable[[str], str]) -> dict[str, str]:
    """Each name as a tool takes it: those that it takes as they are stay, others get a number where two become one.

    Args:
      names: different ones.
      clean: makes a name that the tool takes of any.
    """
    cleaned = {name: clean(name)[:LONGEST] or "unnamed" for name in names}
    found = {name: name for name, new in cleaned.items() if name == new}
    taken = set(found)
    for name, new in cleaned.items():
        if name not in found:
            free, count = new, 1
            while free in taken:
                count += 1
                free = f"{new[: LONGEST - 8]}_{count}"
            found[name] = free
            taken.add(free)
    return {name: found[name] for name in cleaned}


def cut(text: str, longest: int) -> str:
    """A text in a line, with how long it was where it is too long."""
    text = visible(text)
    if len(text) <= longest:
        return text
    end = f"… ({len(text):,} characters)"
    return text[: longest - len(end)] + end


def as_markdown(text: str) -> str:
    """Lines of text that Markdown shows as they are, each a paragraph of its own."""
    lines = (_MARKUP.sub(r"\\\1", html.escape(visible(line), quote=False)) for line in text.splitlines())
    return "\n\n".join(lines)
