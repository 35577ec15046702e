"""NPZ files: arrays with a row an example."""

import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ch5jax._extras import require
from ch5jax._memory import check_memory
from ch5jax._types import DataFrame

_DAMAGED = (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def read_npz(path: Path) -> DataFrame:
    """The arrays' columns; a 2-D array stays one block of numbers. Nothing is unpickled."""
    pd = require("pandas", "sweep", "tasks.table")
    try:
        with path.open("rb") as raw:
            if raw.read(6) == b"\x93NUMPY":
                raise ValueError("it holds a single array without a name")
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if locked := next((member.filename for member in members if member.flag_bits & 1), None):
                raise ValueError(f"{locked!r} in it is encrypted")
            for member in members:
                check_memory(max(member.file_size, _header_bytes(archive, member)), f"{member.filename!r} of {path}")
            check_memory(sum(member.file_size for member in members), str(path))
    except _DAMAGED as error:
        raise ValueError(f"{path} cannot be read as an NPZ file of arrays with names: {error}") from None
    arrays: dict[str, np.ndarray] = {}
    with np.load(path, allow_pickle=False) as file:
        for name in file.files:
            try:
                array = file[name]
            except _DAMAGED as error:
                raise ValueError(f"array {name!r} of {path} cannot be read without unpickling it: {error}") from None
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufUM" or array.ndim not in (1, 2):
                got = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else "no array"
                raise ValueError(
                    f"array {name!r} of {path} must have one or two axes, (rows,) or (rows, columns), of numbers, "
                    f"truth values, text or dates, got {got}"
                )
            arrays[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
    if len({len(array) for array in arrays.values()}) > 1:
        found = ", ".join(f"{len(array)} in {name!r}" for name, array in arrays.items())
        raise ValueError(f"the arrays of {path} must have the same number of rows, got {found}")
    frames = [_frame(pd, name, array) for name, array in arrays.items()]
    return pd.concat(frames, axis=1) if frames else pd.DataFrame()


def _frame(pd: Any, name: str, array: np.ndarray) -> DataFrame:
    if array.ndim == 1 or array.shape[1] == 1:
        return pd.DataFrame({name: array.reshape(len(array))}, copy=False)
    return pd.DataFrame(array, columns=[f"{name}[{i}]" for i in range(array.shape[1])], copy=False)


def _header_bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """How many bytes an array has by its own header; 0 of what is none."""
    if not member.filename.endswith(".npy") or not member.file_size:
        return 0
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    count = 1
    for length in shape:
        count *= length
    return count * dtype.itemsize
