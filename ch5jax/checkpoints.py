"""Pytrees of arrays in a file: written whole or not at all, read without unpickling."""

import contextlib
import hashlib
import io
import json
import os
import threading
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ch5jax._types import PyTree

_ABOUT = "__about__"  # what the file says of itself: a hash of its arrays, and the dtypes that NumPy has no name for


def save(path: str | os.PathLike[str], tree: PyTree) -> None:
    """Writes a pytree of arrays: parameters, a state, whatever a training carries.

    Each array stands in an NPZ file under its path in the tree (`params/Dense_0/kernel`), with a hash of them all; keys
    as their data, bfloat16 and its likes as their bits. The file is written beside its place, flushed to the disk and
    renamed, so that what stood there before stays until the new one is whole.

    Args:
      path: the file, by convention with the ending .npz.
      tree: any pytree of arrays and numbers.

    Raises:
      ValueError: if a leaf is neither array nor number, naming it.
      OSError: if the file cannot be written.

    Example:
      >>> import ch5jax, jax, os, tempfile
      >>> file = os.path.join(tempfile.mkdtemp(), "net.npz")
      >>> ch5jax.save(file, {"w": jax.numpy.ones(3, "bfloat16"), "key": jax.random.key(0)})
      >>> ch5jax.load(file)["w"].dtype.name
      'bfloat16'
    """
    write_bytes(Path(path), packed(tree))


def load(path: str | os.PathLike[str], like: PyTree = None) -> PyTree:
    """Reads what `save` has written. Nothing is unpickled.

    Args:
      path: the file.
      like: a pytree of the structure that was saved, of arrays or shapes (`jax.eval_shape(task.init, key, opt)`); by
        default a dict of the arrays by their paths comes back.

    Returns:
      The pytree, of NumPy's arrays; keys are JAX's.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file is damaged, or holds another structure, shape or dtype than `like`.

    Example:
      >>> import ch5jax, numpy as np, os, tempfile
      >>> file = os.path.join(tempfile.mkdtemp(), "pair.npz")
      >>> ch5jax.save(file, (np.ones(2), {"b": np.zeros(3)}))
      >>> ch5jax.load(file, like=(np.ones(2), {"b": np.ones(3)}))
      (array([1., 1.]), {'b': array([0., 0., 0.])})
    """
    arrays = unpacked(Path(path).read_bytes(), path)
    if like is None:
        return arrays
    tree = restored(arrays, like, path)
    dues = [leaf if hasattr(leaf, "dtype") else np.asarray(leaf) for leaf in jax.tree.leaves(like)]
    for (where, one), due in zip(jax.tree_util.tree_leaves_with_path(tree), dues, strict=True):
        if (np.shape(one), one.dtype) != (np.shape(due), due.dtype):
            raise ValueError(
                f"{path} must hold at {jax.tree_util.keystr(where)} an array of shape {np.shape(due)} and dtype "
                f"{due.dtype}, got {np.shape(one)} and {one.dtype}"
            )
    return tree


def packed(tree: PyTree, of: str = "") -> bytes:
    """A pytree's arrays as the content of an NPZ file, which says what they are of."""
    arrays: dict[str, np.ndarray] = {}
    dtypes: dict[str, str] = {}
    for path, leaf in by_path(tree).items():
        if not isinstance(leaf, jax.Array | np.ndarray | np.generic | bool | int | float | complex):
            raise ValueError(f"tree must hold arrays and numbers, got at {path} {leaf!r}")
        if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            arrays[path], dtypes[path] = np.asarray(jax.random.key_data(leaf)), f"key {jax.random.key_impl(leaf)}"
            continue
        array = np.asarray(leaf)
        if array.dtype.hasobject or array.dtype.fields:
            raise ValueError(f"tree must hold arrays and numbers, got at {path} dtype {array.dtype}")
        if array.dtype.type.__module__ != "numpy":  # bfloat16 and its likes
            dtypes[path] = array.dtype.name
            array = array.view(f"u{array.dtype.itemsize}")
        arrays[path] = array
    about = json.dumps({"digest": _digest(arrays, dtypes, of), "dtypes": dtypes, "of": of})
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:  # not savez, which has arguments of its own among the names
        for path, array in {_ABOUT: np.array(about), **arrays}.items():
            with archive.open(f"{path}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
    return content.getvalue()


def unpacked(content: bytes, where: Any, of: str = "") -> dict[str, Any]:
    """The arrays in a file's content, by their paths.

    Args:
      content: the file's bytes.
      where: its name, for the message.
      of: what the arrays have to be of.

    Raises:
      ValueError: if the content is damaged, or of something else, naming the file.
    """
    try:
        arrays: dict[str, Any] = {}
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    arrays[name.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
        about = json.loads(str(arrays.pop(_ABOUT)))
        fits = about["digest"] == _digest(arrays, about["dtypes"], about["of"])
    except Exception:  # in a damaged archive nothing is too strange to be raised, and NumPy's words advise unpickling
        raise ValueError(f"{where} is damaged (it is no whole file of arrays that ch5jax wrote)") from None
    if not fits:
        raise ValueError(f"{where} is damaged (its hash does not fit)")
    if about["of"] != of:
        raise ValueError(f"{where} must hold {of or 'a pytree of its own'}, got {about['of'] or 'a pytree of its own'}")
    for name, dtype in about["dtypes"].items():
        array = arrays[name]
        key = dtype.removeprefix("key ")
        arrays[name] = array.view(np.dtype(dtype)) if key == dtype else jax.random.wrap_key_data(array, impl=key)
    return arrays


def restored(arrays: dict[str, Any], like: PyTree, where: Any) -> Any:
    """A pytree of the structure of `like`."""
    due = by_path(like)
    if arrays.keys() != due.keys():
        raise ValueError(f"{where} must hold {', '.join(due) or 'nothing'}, got {', '.join(arrays) or 'nothing'}")
    return jax.tree.unflatten(jax.tree.structure(like), [arrays[path] for path in due])


def by_path(tree: PyTree) -> dict[str, Any]:
    """A tree's leaves under their paths; "value" where the tree is a leaf itself."""
    found: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = jax.tree_util.keystr(path, simple=True, separator="/") or "value"
        if name in found or name == _ABOUT:
            raise ValueError(f"tree must have a path of its own for every leaf, got {name!r} twice")
        found[name] = leaf
    return found


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_native_id()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _digest(arrays: dict[str, np.ndarray], dtypes: dict[str, str], of: str) -> str:
    digest = hashlib.sha256(json.dumps([of, dtypes], sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
