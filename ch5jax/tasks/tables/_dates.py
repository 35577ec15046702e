"""Words that are dates or times, and the numbers that say what matters of them."""

import itertools
import re

import numpy as np

from ch5jax._extras import require
from ch5jax._types import Series

PARTS = ("", ".year", ".month", ".day_of_week", ".hour")  # of a column's name; the first is days since 1970
CLOCK = "clock"  # times of day without a date
_LOOKS = re.compile(r"\d{1,4}[-/. ]+\w{1,9}[-/., ]+\d{1,4}.*|[A-Za-z]{3,9} \d{1,2},? \d{4}.*|\d{4}-\d\d")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
_DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y",
         "%B %d, %Y")  # fmt: skip
_FORMATS = ("ISO8601", *map("".join, itertools.product(_DAYS, ("", " %H:%M", " %H:%M:%S"))))


def format_of(words: np.ndarray) -> str | None:
    """The format of which nine in ten words are, if there is one; "unclear" where days and months may be swapped."""
    if not len(words):
        return None
    first = words[:50]
    if sum(map(bool, map(_CLOCK.fullmatch, first))) >= 0.9 * len(first):
        return CLOCK
    if sum(map(bool, map(_LOOKS.fullmatch, first))) < 0.9 * len(first):
        return None
    fits = {form: dates_in(words, form).notna().mean() for form in _FORMATS if dates_in(first, form).notna().any()}
    best = max(fits.values(), default=0.0)
    if best < 0.9:
        return None
    forms = [form for form, share in fits.items() if share == best]
    swapped = any(form.startswith(("%d/%m", "%d-%m")) for form in forms) and any(
        form.startswith(("%m/%d", "%m-%d")) for form in forms
    )
    return "unclear" if swapped else forms[0]


def dates_in(words: np.ndarray, form: str) -> Series:
    """Words as dates in UTC, or times of day as such lengths; missing where they are none."""
    pd = require("pandas", "sweep", "tasks.table")
    text = pd.Series(words, dtype=object)
    if form == CLOCK:
        text = text.where(text.map(lambda word: bool(_CLOCK.fullmatch(word))))
        return pd.to_timedelta(text.map(lambda word: f"{word}:00" if word.count(":") == 1 else word), errors="coerce")
    return pd.to_datetime(text, format=form, errors="coerce", utc=True)


def date_numbers(dates: Series) -> np.ndarray:
    """Days since 1970, year, month, day of the week (Monday is 0) and hour, shape (dates, 5); NaN where missing."""
    pd = require("pandas", "sweep", "tasks.table")
    dates = pd.to_datetime(dates, utc=True)
    days = (dates.dt.tz_localize(None).to_numpy() - np.datetime64(0, "s")) / np.timedelta64(1, "D")
    parts = (dates.dt.year, dates.dt.month, dates.dt.day_of_week, dates.dt.hour + dates.dt.minute / 60)
    return np.stack([days, *(part.to_numpy(np.float64, na_value=np.nan) for part in parts)], axis=1)


def days_of(lengths: Series) -> np.ndarray:
    """Lengths of time in days, shape (lengths,); NaN if missing."""
    pd = require("pandas", "sweep", "tasks.table")
    return (lengths / pd.Timedelta(days=1)).to_numpy(np.float64, na_value=np.nan)
