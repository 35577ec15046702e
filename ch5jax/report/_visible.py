"""Text of anybody's, so that a page shows what stands in it and does nothing of what that says."""

import re

# signs that no reader sees, or that turn the text around them; joiners stay, which some scripts and emoji need
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    r"""A text in a line: signs that nobody sees stand as Python writes them, and lone surrogates, which no file holds.

    Args:
      text: any.

    Returns:
      The text, in which every sign is seen.

    Example:
      >>> import ch5jax.report
      >>> ch5jax.report.visible("bell \a, and right\u202eto left")
      'bell \\x07, and right\\u202eto left'
    """
    return _UNSEEN.sub(lambda sign: " " if sign[0] in "\t\n" else repr(sign[0])[1:-1], text)
