"""Trees in files: what was saved comes back, what is damaged or another tree is refused, nothing is unpickled."""

import contextlib
import os

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax import checkpoints

pytestmark = pytest.mark.smoke

TREE = {
    "params": [jnp.ones((2, 3), jnp.bfloat16), {"b": jnp.arange(3)}],
    "opt": optax.adam(0.1).init(jnp.ones(3)),
    "keys": jax.random.split(jax.random.key(3), 2),
    "count": 7,
    "none": None,
    "half": np.float16(0.5),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 4)),
    "text": np.array(["sgd", "adam"]),
}


def same(one, other):
    if hasattr(one, "dtype") and jax.dtypes.issubdtype(one.dtype, jax.dtypes.prng_key):
        one, other = jax.random.key_data(one), jax.random.key_data(other)
    assert np.asarray(one).dtype == np.asarray(other).dtype
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_a_tree_comes_back_bit_for_bit(tmp_path):
    file = tmp_path / "tree.npz"
    ch5jax.save(file, TREE)
    back = ch5jax.load(file, like=TREE)
    assert jax.tree.structure(back) == jax.tree.structure(TREE)
    jax.tree.map(same, back, TREE)
    by_path = ch5jax.load(file)
    assert {"params/0", "params/1/b", "opt/0/mu", "keys", "count"} <= by_path.keys()
    same(by_path["params/0"], TREE["params"][0])


def test_a_single_array_is_a_tree_too(tmp_path):
    ch5jax.save(tmp_path / "one.npz", np.arange(4))
    np.testing.assert_array_equal(ch5jax.load(tmp_path / "one.npz", like=np.zeros(4, int)), np.arange(4))


def test_shapes_will_do_and_what_differs_is_named(tmp_path):
    file = tmp_path / "w.npz"
    ch5jax.save(file, {"w": jnp.ones((2, 3))})
    like = jax.eval_shape(lambda: {"w": jnp.ones((2, 3))})
    chex.assert_trees_all_equal(ch5jax.load(file, like), {"w": np.ones((2, 3), np.float32)})
    for wrong, message in [
        ({"w": jnp.ones((3, 2))}, r"must hold at \['w'\] an array of shape \(3, 2\) and dtype float32, got \(2, 3\)"),
        ({"w": jnp.ones((2, 3), jnp.int32)}, "dtype int32, got .* float32"),
        ({"v": jnp.ones((2, 3))}, r"w.npz must hold v, got w"),
    ]:
        with pytest.raises(ValueError, match=message):
            ch5jax.load(file, wrong)


def test_every_damaged_byte_is_found(tmp_path):
    file = tmp_path / "w.npz"
    ch5jax.save(file, {"w": np.arange(50.0)})
    whole, passed = file.read_bytes(), 0
    for place in np.random.default_rng(0).integers(0, len(whole), 60):
        for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]):
            file.write_bytes(content)
            back = None
            with contextlib.suppress(ValueError):
                back = ch5jax.load(file)
            if back is not None:  # bytes that say nothing, such as dates in the archive
                np.testing.assert_array_equal(back["w"], np.arange(50.0))
                passed += 1
    assert passed < 12


def test_nothing_is_unpickled_and_objects_are_refused(tmp_path):
    file = tmp_path / "o.npz"
    np.savez(file, w=np.array([{"a": 1}], object))
    with pytest.raises(ValueError, match="damaged"):
        ch5jax.load(file)
    for bad in (np.array([object()]), "text", lambda: 1):
        with pytest.raises(ValueError, match="tree must hold arrays and numbers, got at bad"):
            ch5jax.save(file, {"bad": bad})


def test_what_stood_there_stays_until_the_new_file_is_whole(tmp_path, monkeypatch):
    file = tmp_path / "w.npz"
    ch5jax.save(file, {"w": np.ones(3)})

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        ch5jax.save(file, {"w": np.zeros(3)})
    monkeypatch.undo()
    np.testing.assert_array_equal(ch5jax.load(file)["w"], np.ones(3))
    assert [path.name for path in tmp_path.iterdir()] == ["w.npz"]
    assert checkpoints.by_path({"w": 1}) == {"w": 1}


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        ch5jax.load(tmp_path / "none.npz")


def test_names_and_byte_orders_that_would_collide_or_turn_over(tmp_path):
    file = tmp_path / "odd.npz"
    tree = {"file": np.ones(2), "allow_pickle": np.zeros(3), "a": np.arange(2), "a.npy": np.arange(4)}
    tree["big"] = np.array([1.0, 2.0], ">f4")
    ch5jax.save(file, tree)
    back = ch5jax.load(file)
    assert back.keys() == tree.keys()
    for name, array in tree.items():
        np.testing.assert_array_equal(back[name], array)
    with pytest.raises(ValueError, match="a path of its own for every leaf, got 'a/b' twice"):
        ch5jax.save(file, {"a/b": np.ones(2), "a": {"b": np.zeros(3)}})
    with pytest.raises(ValueError, match="got at s dtype"):
        ch5jax.save(file, {"s": np.zeros(2, [("x", int)])})
    assert ch5jax.load(file).keys() == tree.keys()


def test_an_array_in_the_place_of_another_is_found(tmp_path):
    file = tmp_path / "w.npz"
    ch5jax.save(file, {"w": np.arange(5.0)})
    with np.load(file) as content:
        stored = dict(content)
    np.savez(file, **{**stored, "w": stored["w"] + 1})  # whole as an archive
    with pytest.raises(ValueError, match=r"w\.npz is damaged \(its hash does not fit\)"):
        ch5jax.load(file)
