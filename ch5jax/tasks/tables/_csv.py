"""Text files of tables: how they are written, and their columns."""

import bz2
import csv
import gzip
import io
import itertools
import lzma
import re
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ch5jax._extras import require
from ch5jax._memory import check_memory, memory
from ch5jax._types import DataFrame
from ch5jax.tasks.tables._words import tidy

PACKED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_SEPARATORS = ",;\t|"
_SAMPLE = 1 << 16  # bytes that a separator is chosen by
_AT_ONCE = 1 << 22
_NUMBER = re.compile(r"[+\-−]?\d[\d.,]*|")
_FRACTION = re.compile(r"[+\-−]?\d+,\d+")
_GROUPED = re.compile(r"[+\-−]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")


class Reading(NamedTuple):
    """How a file is to be read, as far as the user says."""

    separator: str | None = None
    encoding: str | None = None
    missing: tuple[str, ...] = ()
    decimal: str | None = None  # the sign before fractions, of numbers in text too


class Head(NamedTuple):
    """What the beginning of a file says."""

    names: list[str]
    lines: int  # that they take; one that a quoted name breaks is one
    separator: str
    comma: bool  # whether numbers are written such as 1,5


def read_csv(
    path: Path, options: Reading, text: Collection[str], label: str, notes: list[str]
) -> tuple[DataFrame, str | None]:
    """A text file's columns, and the sign before fractions, where it is known.

    The columns of `text` stay text, whatever they hold; so do whole numbers with leading zeros, which are codes, and
    truth values and infinity in the column `label`.
    """
    pd = require("pandas", "sweep", "tasks.table")
    content = _content(path, options, notes)
    try:
        try:
            head = _head(content, path, options)
            frame = _columns(pd, content, head, text, label)
        except UnicodeDecodeError as error:
            content = _in_windows_1252(path, content, error, notes)
            head = _head(content, path, options)
            frame = _columns(pd, content, head, text, label)
    except pd.errors.EmptyDataError:
        raise ValueError(f"{path} has no rows") from None
    except pd.errors.ParserWarning:
        raise ValueError(
            f"the lines of {path} must have as many fields as its first, which holds the columns' names: got more"
        ) from None
    except (pd.errors.ParserError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a CSV file: {error}") from None
    if frame[head.names[-1]].isna().any() and (short := _short_rows(content, head)):
        notes.append(f"{short} of {len(frame)} rows have fewer fields than the first line; the rest counts as missing.")
    if len(head.names) > 1 and head.separator != ("\t" if ".tsv" in path.suffixes else ","):
        notes.append(f"The file is separated by {head.separator!r}.")
    if head.comma and options.decimal is None:
        notes.append("Numbers are written with a comma before the fraction, such as 1,5.")
    by_point = any(dtype.kind == "f" for dtype in frame.dtypes if isinstance(dtype, np.dtype))
    return frame, options.decimal or ("," if head.comma else "." if by_point else None)


def _content(path: Path, options: Reading, notes: list[str]) -> Path | bytes:
    """The file itself where it is plain UTF-8, else what it holds in that."""
    packed, encoding = path.suffix.lower() in PACKED, options.encoding
    try:
        if not packed:
            check_memory(path.stat().st_size, str(path))
            with path.open("rb") as file:
                begin = file.read(4)
        else:
            with PACKED[path.suffix.lower()](path, "rb") as file:
                content = file.read(memory() // 2 + 1)
            check_memory(len(content), f"{path}, unpacked,")
            begin = content[:4]
    except (OSError, EOFError, lzma.LZMAError) as error:
        if not packed:
            raise
        raise ValueError(f"{path} cannot be unpacked: {error}") from None
    if encoding is None and begin.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
        notes.append("The file is in UTF-16.")
    if encoding is None:
        return content if packed else path
    check_memory(2 * path.stat().st_size, str(path))
    try:
        return (content if packed else path.read_bytes()).decode(encoding).encode()
    except (UnicodeError, LookupError) as error:
        raise ValueError(f"{path} is no CSV file in {encoding}: {error}") from None


def _in_windows_1252(path: Path, content: Path | bytes, error: UnicodeDecodeError, notes: list[str]) -> bytes:
    raw = content.read_bytes() if isinstance(content, Path) else content
    try:
        if re.search(rb"[\0-\x08\x0e-\x1f]", raw):
            raise error
        decoded = raw.decode("windows-1252")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no CSV file in UTF-8 (encoding, --encoding): {error}") from None
    notes.append("The file is no UTF-8, and was read as Windows-1252 (encoding, --encoding).")
    return decoded.encode()


def _opened(content: Path | bytes) -> io.BufferedIOBase:
    return content.open("rb") if isinstance(content, Path) else io.BytesIO(content)


def _head(content: Path | bytes, path: Path, options: Reading) -> Head:
    """The names in the first line, and the separator that fits them and the lines below."""
    with _opened(content) as file:
        sample = file.read(_SAMPLE)
        while sample.lstrip(b"\xef\xbb\xbf\r\n ").count(b"\n") < 3 and (more := file.read(_SAMPLE)):
            sample += more
        whole = not file.read(1)
    if not whole:
        sample = sample[: sample.rindex(b"\n") + 1]
    lines = sample.decode("utf-8-sig")
    told = re.match(r"sep=(.)\r?\n", lines)  # Excel's way to say it
    lines = lines[told.end() :] if told else lines
    if not lines.strip():
        raise ValueError(f"{path} is empty; a CSV file holds the columns' names in its first line")

    def rows(separator: str) -> tuple[list[list[str]], int]:
        reader = csv.reader(io.StringIO(lines, newline=""), delimiter=separator, skipinitialspace=True)
        line, header = next((i, row) for i, row in enumerate(reader, 1) if "".join(row).strip())
        below = [row for row in reader if row]
        return [header, *(below if whole or len(below) < 3 else below[:-1])][:1000], line

    def fit(separator: str) -> tuple[bool, bool, bool, float, float, int, int]:
        """How well the first line's fields fit the lines below; then what speaks for it where several fit."""
        header, *below = rows(separator)[0]
        fitting = [row for row in below if len(row) == len(header)]
        loose = lines.lstrip().split("\n")[0].count(f"{separator} ") * 2 > len(header)  # as commas in prose are
        numeric = sum(all(_NUMBER.fullmatch(cell.strip()) for cell in cells) for cells in zip(*fitting, strict=True))
        share, width, place = len(fitting) / max(1, len(below)), len(header), -_SEPARATORS.find(separator)
        return width > 1, share >= 0.9, not loose, numeric / width, round(share, 2), width, place

    separator = options.separator or (told[1] if told else max(_SEPARATORS, key=fit))
    if not (options.separator or told or fit(separator)[0]) and fit(" ")[0] and fit(" ")[4] == 1:
        separator = " "
    (header, *below), line = rows(separator)
    line += bool(told)
    names = [tidy(name) or f"Unnamed: {i}" for i, name in enumerate(header)]
    refuse_repeated(names, f"the first line of {path}")
    if options.decimal is not None:
        return Head(names, line, separator, options.decimal == ",")
    cells = [cell.strip() for row in below for cell in row if "," in cell]
    comma = separator != "," and any(_FRACTION.fullmatch(cell) and not _GROUPED.fullmatch(cell) for cell in cells)
    return Head(names, line, separator, comma and not any(re.search(r",\d{3}[,.]", cell) for cell in cells))


def _columns(pd: Any, content: Path | bytes, head: Head, text: Collection[str], label: str) -> DataFrame:
    """The columns, with nothing but an empty cell for missing."""

    def read(text: Collection[str], only: list[str] | None = None, rows: int | None = None) -> DataFrame:
        with warnings.catch_warnings(), _opened(content) as file:
            # without index_col=False the first of too many fields becomes an index, with it the last ones get lost
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("error", pd.errors.DtypeWarning)
            return pd.read_csv(
                file,
                sep=r"\s+" if head.separator == " " else head.separator,
                skipinitialspace=True,
                index_col=False,
                encoding="utf-8-sig",
                header=None,
                names=head.names,
                skiprows=head.lines,
                usecols=only,
                nrows=rows,
                decimal="," if head.comma else ".",
                keep_default_na=False,
                na_values=[""],
                dtype=dict.fromkeys(text, str),
            )

    text = {*text} & {*head.names}
    try:
        frame = read(text)
    except pd.errors.DtypeWarning as warning:  # numbers at first and words below: as text, or 1 and 1.0 would be two
        mixed = {head.names[int(i)] for i in re.findall(r"\b(\d+)(?:[:,]|\b)", str(warning).split("have")[0])}
        frame = read(text | mixed)
    whole = [name for name in frame.columns if frame[name].dtype.kind == "i"]
    if whole and _has_leading_zeros(content, head.separator):
        words = read(whole, whole)
        for name in whole:
            if words[name].str.fullmatch(r"[+-]?0\d+").any():
                frame[name] = words[name]
    if label in frame and (
        frame[label].dtype.kind in "bO" or (frame[label].dtype.kind == "f" and np.isinf(frame[label]).any())
    ):
        frame[label] = read([label], [label])[label]  # a label is as it is written
    return frame


def _short_rows(content: Path | bytes, head: Head) -> int:
    """How many rows have fewer fields than the first line: pandas fills them up, and does not say so."""
    if head.separator == " ":
        return 0
    with _opened(content) as file:
        lines = (line.decode("utf-8-sig") for line in file)
        rows = csv.reader(lines, delimiter=head.separator, skipinitialspace=True)
        return sum(0 < len(row) < len(head.names) for row in itertools.islice(rows, head.lines, None))


def _has_leading_zeros(content: Path | bytes, separator: str) -> bool:
    """Whether a field somewhere begins with 0 and another digit."""
    buffer = bytearray(_AT_ONCE)
    before = np.frombuffer(bytes([*separator.encode()[:1], *b'\n" +-']), np.uint8)
    begins = np.zeros(256, bool)
    begins[before] = True
    with _opened(content) as file:
        while count := file.readinto(buffer):
            some = np.frombuffer(buffer, np.uint8, count)
            if ((some[1:-1] == ord("0")) & (some[2:] - ord("0") < 10) & begins[some[:-2]]).any():
                return True
            if count == _AT_ONCE:
                file.seek(-2, io.SEEK_CUR)
    return False


def refuse_repeated(names: Collection[str], where: str) -> None:
    """Refuses columns of one name."""
    if len({*names}) < len(names):
        repeated = [name for name in dict.fromkeys(names) if list(names).count(name) > 1]
        found = ", ".join(f"{name!r} {list(names).count(name)} times" for name in repeated[:5])
        raise ValueError(f"every column of {where} must have a name of its own, got {found}")
