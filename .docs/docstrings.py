"""Docstrings as the generator needs them: with formulas in MathML, which browsers draw, and with fields' comments."""

import re
import textwrap

import griffe
from latex2mathml.converter import convert

BLOCK = re.compile(r"^( *)\.\. math::(.*(?:\n(?:\1 +.*)?)*)", re.MULTILINE)  # with all lines that are further in
INLINE = re.compile(r":math:`([^`]+)`")
COMMENT = re.compile(r"#\s*(.+)$")


def drawn(text: str) -> str:
    """A docstring with its formulas as MathML, and its example under the heading that is read as one."""

    def block(found: re.Match[str]) -> str:
        formula = convert(" ".join(found[2].split()), display="block")
        return f"{found[1]}<div>{formula}</div>\n\n"

    text = BLOCK.sub(block, text)
    text = INLINE.sub(lambda found: convert(" ".join(found[1].split())), text)
    return re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites each docstring before it is parsed, and takes a field's comment where it has none."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Called for every object that has been read."""
        if obj.docstring:
            obj.docstring.value = drawn(textwrap.dedent(obj.docstring.value))
        elif obj.is_attribute and obj.parent is not None and obj.parent.is_class and obj.lineno:
            comment = COMMENT.search(obj.lines_collection[obj.filepath][obj.endlineno - 1])
            if comment:
                obj.docstring = griffe.Docstring(comment[1], parent=obj)
