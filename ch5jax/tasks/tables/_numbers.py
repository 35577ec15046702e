"""Words that are numbers: 1,5 and 1,234.5 and $3 and 5 % and −4 and (4) and 1.5 kg."""

import re
import unicodedata
from typing import NamedTuple

import numpy as np

from ch5jax._extras import require

MARKS = frozenset((
    "?", "-", "--", ".", "*", "na", "n/a", "n.a.", "n.a", "nan", "null", "(null)", "none", "nil", "nd", "n.d.", "k.a.",
    "<na>", "nat", "\\n", "missing", "unknown", "#n/a", "#na", "#div/0!", "#value!", "#ref!", "#num!", "#name?",
    "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity", "∞", "-∞",
))  # fmt: skip
_MONEY = r"[$€£¥₹]|(?:USD|EUR|GBP|JPY|CHF|CNY|INR)\b"
_LETTERS = "[a-zµμ°Ω℃℉²³]{1,8}"
_UNIT = rf"%|‰|(?!(?:[ap]m|e|st|nd|rd|th)$){_LETTERS}(?:[/·*^]{_LETTERS})?[23]?"
_SHAPE = re.compile(
    rf"([+-]?) ?({_MONEY})? ?([+-]?)(\d[\d.,]*|[.,]\d+)(e[+-]?\d+(?!\w))? ?({_MONEY}|{_UNIT})?(-?)",
    re.IGNORECASE | re.ASCII,
)
_SPELT = {
    **dict.fromkeys("−–﹣－‐‑", "-"), "＋": "+", "٫": ".", "．": ".", "，": ",", "٬": "'", "％": "%", "٪": "%",
    **dict.fromkeys("\u00a0\u2007\u2009\u202f", " "), "\u061c": "",
}  # fmt: skip
_GROUP = re.compile(r"(?<=\d)[ '’](?=\d{3}(?!\d))")
_POINT = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+")
_COMMA = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?|\d+,?\d*|,\d+")
_CODE = re.compile(r"0\d+")


class Number(NamedTuple):
    """A number as it is written."""

    sign: str
    body: str  # digits, points and commas
    exponent: str
    mark: str  # a currency, a percent sign or a unit
    way: tuple[bool, ...]  # what of it computers do not write: groups, parentheses, other signs or digits

    def value(self, decimal: str) -> float:
        """What it is if the fraction comes after that sign; NaN if it cannot be so, or is beyond float64."""
        if not (_COMMA if decimal == "," else _POINT).fullmatch(self.body):
            return np.nan
        digits = self.body.replace("." if decimal == "," else ",", "").replace(",", ".")
        value = float(f"{self.sign}{digits}{self.exponent}")
        return value if np.isfinite(value) else np.nan


def number_in(word: str) -> Number | None:
    """A word's number, if it is one."""
    spelt = "".join(
        _SPELT.get(sign, sign) if sign.isascii() or not sign.isdecimal() else str(unicodedata.decimal(sign))
        for sign in word
    )
    bare = spelt[1:-1].strip() if spelt.startswith("(") and spelt.endswith(")") else spelt
    whole = _GROUP.sub("", bare)
    found = _SHAPE.fullmatch(whole)
    if found is None or (found[2] and found[6] and re.fullmatch(_MONEY, found[6], re.IGNORECASE)):
        return None
    signs = [sign for sign in (found[1], found[3], found[7], "(" if bare != spelt else "") if sign]
    if len(signs) > 1:
        return None
    way = (spelt != word, whole != bare, bare != spelt, bool(found[7]))
    sign = "-" if signs and signs[0] != "+" else ""
    mark = re.sub("[^M]+", lambda some: some[0].casefold(), (found[2] or "") + (found[6] or ""))  # mW is no MW
    return Number(sign, found[4], found[5] or "", mark, way)


def numbers_in(words: np.ndarray, decimal: str) -> np.ndarray:
    """Words' values, NaN where they are no numbers, shape (words,); fractions come after the sign `decimal`."""
    if decimal == ",":
        found = [number_in(word) for word in words]
        return np.array([one.value(",") if one else np.nan for one in found], np.float64)
    values = _plain(words)
    for i in np.flatnonzero(np.isnan(values)):
        if one := number_in(words[i]):
            values[i] = one.value(".")
    return values


def decimal_of(words: np.ndarray, told: str | None, where: str) -> str:
    """The sign before the fractions of words, of which some are numbers.

    Args:
      words: different words, objects of shape (words,).
      told: what the user or the rest of the file says, for numbers such as 1,234 that can be read in two ways.
      where: the column, for messages.

    Raises:
      ValueError: if they can be read in two ways and nobody has said which.
    """
    if told != "," and not any("," in word or word.count(".") > 1 for word in words):
        return "."
    numbers = [(word, one) for word in words if (one := number_in(word))]
    found = [one for _, one in numbers if "," in one.body or "." in one.body]
    if not found:
        return "."
    point, comma = (np.mean([not np.isnan(one.value(sign)) for one in found]) for sign in ".,")
    if point != comma:
        return "." if point > comma else ","
    if told is not None:
        return told
    unclear = [(word, one) for word, one in numbers if "," in one.body]
    others = sum(word.casefold() not in MARKS for word in words) - len(numbers)
    if point < 1 or not unclear or others > len(numbers):  # no way to read it is right, there is no question, or text
        return "."
    word, one = unclear[0]
    raise ValueError(
        f"{where} must say which sign its fractions have, and {word!r} can be {one.value(','):g} or "
        f"{one.value('.'):g}: give decimal=',' or thousands=',' (--decimal or --thousands)"
    )


def units(words: np.ndarray) -> list[str]:
    """The different units of numbers, "" for none; a currency may be left out."""
    odd = not_plain(words)
    marks = {one.mark for word in words[odd] if (one := number_in(word))}
    marks |= {""} if not odd.all() else set()
    money = [mark for mark in marks if re.fullmatch(_MONEY, mark, re.IGNORECASE)]
    return sorted(marks - {""} if len(money) == 1 and marks == {"", *money} else marks)


def not_plain(words: np.ndarray) -> np.ndarray:
    """Which words are no numbers as computers write them, shape (words,)."""
    return np.isnan(_plain(words)) | np.array([not word.isascii() for word in words], bool)


def _plain(words: np.ndarray) -> np.ndarray:
    """The values of words that are numbers as computers write them, NaN for others."""
    values = require("pandas", "sweep", "tasks.table").to_numeric(words, errors="coerce")
    values = np.array(values, np.float64)
    values[~np.isfinite(values)] = np.nan  # a word such as inf is a mark for a value that is missing
    return values


def holes_among(words: np.ndarray, counts: np.ndarray, numeric: np.ndarray) -> bool:
    """Whether words are numbers, beside which the other words can only say that a value is missing.

    So it is where they are marks such as "?" or "NA"; where one other word comes again and again; and where nine in ten
    values are numbers. Numbers with leading zeros are codes.

    Args:
      words: different words, objects of shape (words,).
      counts: how often each comes, shape (words,).
      numeric: whether each is a number, shape (words,).
    """
    if not counts[numeric].sum() or any(_CODE.fullmatch(words[i]) for i in np.flatnonzero(numeric)):
        return False
    if len(units(words[numeric])) > 1:
        return False
    others = [i for i in np.flatnonzero(~numeric & (counts > 0)) if words[i].casefold() not in MARKS]
    if not others or counts[numeric].sum() >= 0.9 * counts.sum():
        return True
    word = words[others[0]]
    single = len(others) == 1 and counts[others[0]] > 1 and not any(sign.isdigit() for sign in word)
    return bool(single and counts[numeric].sum() >= counts.sum() / 2)
