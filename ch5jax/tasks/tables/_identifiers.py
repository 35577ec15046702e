"""Columns whose cells only name something: rows, customers, places. They are no quantities."""

import re
import unicodedata

import numpy as np

from ch5jax._extras import require
from ch5jax._types import Series

_IDENTIFIER = {"id", "ids", "uuid", "guid", "identifier", "identifiant", "kennung", "rownames", "rowid"}
_COUNTER = {"index", "row", "key", "no", "nr", "number"}  # only where the name has no other word
_CODES = frozenset((
    "id", "uuid", "guid", "identifier", "code", "codes", "codigo", "codice", "zip", "zipcode", "postal", "postcode",
    "plz", "postleitzahl", "pincode", "phone", "telephone", "telefon", "telefono", "ssn", "isbn", "issn", "gtin",
    "iban", "imei", "siren", "siret", "fips", "naics", "barcode", "sku",
))  # fmt: skip
_PERHAPS = frozenset((  # words, and endings of words, that say so where the numbers look like it
    "number", "nummer", "numero", "num", "no", "nr", "cp", "cap", "cep", "pin", "tel", "mobile", "fax", "account",
    "konto", "ref", "reference", "serial", "code", "ean", "upc", "vin", "nif", "matricola", "matricule", "kennzahl",
    "schlussel",
))  # fmt: skip


def identifier(column: Series) -> str:
    """What a column is, if its cells only name something: "row" if its rows, "code" if something else, and else ""."""
    types = require("pandas", "sweep", "tasks.table").api.types
    if types.is_bool_dtype(column) or not types.is_numeric_dtype(column) or types.is_complex_dtype(column):
        named = not _unnamed(column.name) or types.is_bool_dtype(column) or column.count() < 2
        return "" if named or not column.dropna().is_unique else "row"
    plain = isinstance(column.dtype, np.dtype)  # without a copy: of most columns a few rows are looked at
    return names_something(column.name, column.to_numpy() if plain else column.to_numpy(np.float64, na_value=np.nan))


def names_something(name: object, values: np.ndarray) -> str:
    """The same of numbers, by the column's name and their look; shape (rows,), NaN where missing."""
    if (np.nan_to_num(values[:1000].astype(np.float64)) % 1).any():
        return ""
    ascii_name = unicodedata.normalize("NFKD", str(name)).encode("ascii", "ignore").decode()
    words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", ascii_name).lower()))
    names_rows = _unnamed(name) or bool(words & _IDENTIFIER) or (bool(words) and words <= _COUNTER)
    code = bool(words & _CODES)
    perhaps = any(word in _PERHAPS or word.endswith(("nummer", "number", "code", "schlussel")) for word in words)
    if not (names_rows or code or (perhaps and digits_alike(values) >= 4)):
        return ""
    present = values[np.isfinite(values)].astype(np.float64)
    different = len(np.unique(present))
    if different < 2 or (present % 1).any():
        return ""
    if different == len(present) or (_unnamed(name) and (np.diff(present) == 1).mean() > 0.5):
        return "row" if names_rows or not code else "code"
    return "code" if code or perhaps else ""


def digits_alike(values: np.ndarray) -> int:
    """How many digits whole numbers have, if nearly all have as many and few are round; else 0."""
    for some in (values[:1000], values):  # most columns are known by their first rows
        present = some[np.isfinite(some)].astype(np.float64)
        if not len(present) or (present < 1).any() or (present % 1).any() or (present % 10 == 0).mean() > 0.3:
            return 0
        digits = int(np.log10(np.median(present))) + 1
        if ((present >= 10.0 ** (digits - 1)) & (present < 10.0**digits)).mean() < 0.95:
            return 0
    return digits


def look_of_numbers(name: str, values: np.ndarray) -> list[str]:
    """A sentence on numbers that may be something else, by their look: none on most."""
    if _unnamed(name) and np.isfinite(values[:1000].astype(np.float64)).any():
        return [f"{name!r} has no name, and was taken for numbers: columns={{{name!r}: 'out'}} leaves it out."]
    some = values[:1000].astype(np.float64)
    for unit, scale in (("seconds", 1), ("milliseconds", 1000)):
        if len(some) and (~np.isfinite(some) | ((some >= 1e9 * scale) & (some < 2.1e9 * scale))).all():
            return [
                f"{name!r} was taken for numbers. If they are {unit} since 1970: "
                f"columns={{{name!r}: 'date'}} (--column {name}=date)."
            ]
    if not (some >= 1e4).any() or (digits := digits_alike(values)) < 5 or len(values) < 10:
        return []
    return [
        f"{name!r} was taken for numbers. If they only name something, as whole numbers of {digits} digits that are "
        f"not round often do: columns={{{name!r}: 'category'}} or 'out' (--column {name}=category)."
    ]


def _unnamed(name: object) -> bool:
    return str(name).startswith("Unnamed: ")
