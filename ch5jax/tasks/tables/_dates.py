"""Words that are dates or times, and the numbers that say what matters of them."""

import datetime
import re
from collections.abc import Iterable

import numpy as np

from ch5jax._extras import require
from ch5jax._types import Series

PARTS = ("", ".year", ".month", ".day_of_week", ".hour")  # of a column's name; the first is days since 1970
CLOCK = "clock"  # times of day without a date
LENGTH = "length"  # such as 3 days 01:30:00
EPOCH = "epoch"  # seconds or milliseconds since 1970
DAY_FIRST, MONTH_FIRST = "day first", "month first"  # of dates such as 1/2/2024; all others are read alike
_MONTHS = {
    name: 1 + number
    for number, names in enumerate((
        "january januar jan", "february februar feb", "march märz mar mär mrz", "april apr", "may mai", "june juni jun",
        "july juli jul", "august aug", "september sept sep", "october oktober oct okt", "november nov",
        "december dezember dec dez",
    ))
    for name in names.split()
}  # fmt: skip
_NAME = rf"(?P<m>{'|'.join(_MONTHS)})\.?"
_D, _M, _Y, _YY = r"(?P<d>\d{1,2})", r"(?P<m>\d{1,2})", r"(?P<y>\d{4})", r"(?P<y>(?:\d\d){1,2})"
_BETWEEN = r"(?:[-/. ]|, |\. )"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? +)?"
_ZONE = r"(?P<zone> ?(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)\b)?"
_TIME = rf"(?P<hour>\d{{1,2}}):(?P<minute>\d\d)(?P<second>:\d\d(?:[.,]\d+)?)?(?: ?(?P<half>[ap])\.?m\.?)?{_ZONE}"


def _shapes(*dates: str) -> list[re.Pattern[str]]:
    return [re.compile(rf"{_WEEKDAY}{date}(?:[ T:,]+{_TIME})?", re.IGNORECASE | re.ASCII) for date in dates]


_ALIKE = [
    *_shapes(
        rf"{_Y}(?P<s>[-/. ]){_M}(?P=s){_D}",
        r"(?P<y>(?:19|20)\d\d)(?P<m>\d\d)(?P<d>\d\d)?(?:\.0)?",
        rf"{_Y}[-/.](?P<m>\d\d)",
        rf"{_M}[-/.]{_Y}",
        rf"{_D}(?:st|nd|rd|th)?{_BETWEEN}{_NAME}{_BETWEEN}{_YY}",
        rf"{_NAME} +{_D}(?:st|nd|rd|th)?,? +{_Y}",
        rf"{_Y}{_BETWEEN}{_NAME}{_BETWEEN}{_D}",
        rf"{_NAME}{_BETWEEN}{_Y}",
        rf"{_D}\.(?:{_M})\.{_Y}",
        r"(?P<d>\d\d)\.(?P<m>\d\d)\.(?P<y>\d\d)",
        r"Q(?P<q>[1-4])[-/ ]?(?P<y>\d{4})",
        r"(?P<y>\d{4})[-/ ]?Q(?P<q>[1-4])",
        r"(?P<y>\d{4})-?W(?P<w>\d\d)(?:-?(?P<d>[1-7]))?",
    ),
    re.compile(rf"{_WEEKDAY}{_NAME} +{_D} +{_TIME} +{_Y}", re.IGNORECASE | re.ASCII),  # asctime
    re.compile(
        r"(?P<y>(?:19|20)\d\d)(?P<m>\d\d)(?P<d>\d\d)T?(?P<hour>\d\d)(?P<minute>\d\d)(?P<seconds>\d\d)?(?:Z|\.0)?",
        re.ASCII,
    ),
]
_SLASHED = {
    DAY_FIRST: _shapes(rf"{_D}(?P<s>[-/]){_M}(?P=s){_Y}", rf"{_D}/{_M}/(?P<y>\d\d)"),
    MONTH_FIRST: _shapes(rf"{_M}(?P<s>[-/]){_D}(?P=s){_Y}", rf"{_M}/{_D}/(?P<y>\d\d)"),
}
_PLAIN = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2})(:\d\d)?(:\d\d(?:\.\d+)?)?(?: ?([ap])\.?m\.?)?", re.IGNORECASE | re.ASCII)
_LENGTH = re.compile(r"-?\d+ days?(?:,? \+?\d{1,2}:\d\d:\d\d(?:\.\d+)?)?|-?P(?=[\dT])(?:\d+D)?(?:T(?:\d+[HMS])+)?")
_OFFSET = re.compile(r".*\d ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)", re.IGNORECASE)


def format_of(words: np.ndarray) -> str | None:
    """How nine in ten words are dates, times or lengths of time; "unclear" where days and months may be swapped."""
    if not len(words):
        return None
    first = words[:50]
    if sum(_clock(word) is not None for word in first) >= 0.9 * len(first):
        return CLOCK
    if sum(_LENGTH.fullmatch(word) is not None for word in first) >= 0.9 * len(first):
        return LENGTH
    if max(sum(word is not None for word in _iso(first, order)) for order in _SLASHED) < 0.9 * len(first):
        return None
    read = {order: dates_in(words, order) for order in _SLASHED}
    shares = {order: dates.notna().mean() for order, dates in read.items()}
    if max(shares.values()) < 0.9:
        return None
    if shares[DAY_FIRST] == shares[MONTH_FIRST] and not read[DAY_FIRST].equals(read[MONTH_FIRST]):
        return "unclear"
    return max(shares, key=lambda order: shares[order])


def dates_in(words: np.ndarray, form: str) -> Series:
    """Words as dates in UTC, or times of day and lengths of time as such; missing where they are none."""
    pd = require("pandas", "sweep", "tasks.table")
    if form == CLOCK:
        return pd.to_timedelta(pd.Series([_clock(word) for word in words], dtype=object), errors="coerce")
    if form == LENGTH:
        text = pd.Series([word if _LENGTH.fullmatch(word) else None for word in words], dtype=object)
        return pd.to_timedelta(text, errors="coerce")
    if form == EPOCH:
        seconds = pd.to_numeric(pd.Series(words, dtype=object), errors="coerce").astype(float)
        return pd.to_datetime(seconds.where(seconds.abs() < 1e11, seconds / 1000), unit="s", utc=True, errors="coerce")
    return pd.to_datetime(pd.Series(_iso(words, form), dtype=object), format="ISO8601", errors="coerce", utc=True)


def how_written(words: np.ndarray, form: str) -> str:
    """A sentence's end on words whose date is not plain to see; "" if it is."""
    said = ", with time zones in UTC" if any(_OFFSET.fullmatch(word) for word in words) else ""
    if form not in (CLOCK, LENGTH) and (odd := next((word for word in words if not _PLAIN.fullmatch(word)), None)):
        date = dates_in(np.array([odd], object), form).dt.tz_localize(None)[0]
        said += f"; {odd!r} is {str(date).removesuffix(' 00:00:00')}"
    return said


def whole_dates(numbers: np.ndarray) -> bool:
    """Whether whole numbers are dates from 1900 to 2100: 20230105, 202301051530, or 202301 if six months differ."""
    some = numbers[:1000]
    if not (some[np.isfinite(some)] >= 1900_01).all():  # most columns are known by their first rows
        return False
    different = np.unique(numbers[np.isfinite(numbers)])
    digits = len(f"{different[-1]:.0f}") if len(different) else 0
    if digits not in (6, 8, 12, 14) or (digits == 6 and len(different) < 6) or (different % 1).any():
        return False
    months = different // 10 ** (digits - 6)
    if months[0] < 1900_01 or months[-1] > 2100_12 or not ((months % 100 >= 1) & (months % 100 <= 12)).all():
        return False
    few = different[:: 1 + len(different) // 10_000]
    return bool(dates_in(np.array([f"{one:.0f}" for one in few], object), DAY_FIRST).notna().all())


def _iso(words: Iterable[str], order: str) -> list[str | None]:
    """Dates in ISO 8601, None for words that are none."""
    shapes = [*_ALIKE, *_SLASHED[order]]

    def one(word: str) -> str | None:
        if _PLAIN.fullmatch(word):
            return word
        for i, shape in enumerate(shapes):
            if found := shape.fullmatch(word):
                shapes.insert(0, shapes.pop(i))  # the next one is likely to be written so too
                return _date({name: value for name, value in found.groupdict().items() if value is not None})
        return None

    return [one(word) for word in words]


def _date(part: dict[str, str]) -> str | None:
    """The parts of a date as they are written, in ISO 8601."""
    year = part["y"] if len(part["y"]) == 4 else f"{20 if int(part['y']) < 69 else 19}{part['y']}"  # as POSIX has it
    month = part.get("m") or str(3 * int(part.get("q", 1)) - 2)
    date = f"{year}-{_MONTHS.get(month.lower()) or int(month):02}-{int(part.get('d', 1)):02}"
    if "w" in part:
        try:
            date = datetime.date.fromisocalendar(int(year), int(part["w"]), int(part.get("d", 1))).isoformat()
        except ValueError:
            return None
    if "hour" not in part:
        return date
    if (hour := _hour(part["hour"], part.get("half"))) is None:
        return None
    zone = re.sub("UTC|GMT", "Z", part.get("zone", "").strip().upper())
    second = f":{part['seconds']}" if "seconds" in part else part.get("second", ":00").replace(",", ".")
    return f"{date}T{hour:02}:{part['minute']}{second}{zone}"


def _hour(written: str, half: str | None) -> int | None:
    """The hour of the day, if there is such a one in that half of it."""
    hour = int(written)
    if half is None:
        return hour
    return hour % 12 + 12 * (half.lower() == "p") if 1 <= hour <= 12 else None


def _clock(word: str) -> str | None:
    """A time of day as pandas reads it, if the word is one."""
    found = _CLOCK.fullmatch(word)
    if found is None or not (found[2] or found[4]):
        return None
    hour = _hour(found[1], found[4])
    return None if hour is None else f"{hour}{found[2] or ':00'}{found[3] or ':00'}"


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
