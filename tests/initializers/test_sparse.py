"""Sparse initial weights: how many, where, and that none is lost."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

import ch5jax
from ch5jax.initializers import gaussian, sparse
from tests.initializers.test_draws import distance

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(5)


@pytest.mark.parametrize(
    ("shape", "axes", "incoming"),
    [
        ((20, 10), {}, (0,)),
        ((10, 20), {"out_axis": 0}, (1,)),
        ((2, 2, 5, 10), {}, (0, 1, 2)),  # a convolution's HWIO kernel
        ((20, 2, 5), {"out_axis": (-1, 1)}, (0,)),  # several heads
        ((4, 10, 5), {"out_axis": 1}, (0, 2)),
        ((5, 1, 20, 2), {"out_axis": -4, "batch_axis": (1, -1)}, (2,)),  # stacks of kernels
    ],
)
def test_every_unit_has_exactly_so_many_weights(shape, axes, incoming):
    for k in (1, 15, 20):
        counts = (np.asarray(sparse(k, 0.5, **axes)(KEY, shape)) != 0).sum(incoming)
        np.testing.assert_array_equal(counts, np.full(counts.shape, k))


def test_every_set_of_positions_is_as_probable_as_another():
    kernel = np.asarray(sparse(3, 1.0)(KEY, (6, 20_000)))
    sets = list(itertools.combinations(range(6), 3))
    found = [tuple(np.flatnonzero(column)) for column in kernel.T]
    counts = np.array([found.count(positions) for positions in sets])
    assert counts.sum() == 20_000
    expected = 20_000 / len(sets)
    assert ((counts - expected) ** 2 / expected).sum() < special.chdtri(len(sets) - 1, 1e-3)
    repeats = np.mean([a == b for a, b in itertools.pairwise(found)])  # neighbours agree by chance only
    np.testing.assert_allclose(repeats, 1 / len(sets), atol=4 * np.sqrt(1 / len(sets) / 20_000))


def test_units_and_kernels_have_positions_of_their_own():
    kernel = np.asarray(sparse(15, 1.0, batch_axis=0)(KEY, (2, 100, 100)))
    assert len({tuple(np.flatnonzero(unit)) for unit in np.moveaxis(kernel, 1, 2).reshape(200, 100)}) == 200


def test_the_weights_are_gaussian():
    kernel = np.asarray(sparse(50, 2.0)(KEY, (100, 100)))
    drawn = kernel[kernel != 0]
    assert distance(drawn, lambda x: special.ndtr(x / 2)) < 2
    np.testing.assert_allclose(drawn.std(), 2, rtol=0.02)


@pytest.mark.parametrize(("dtype", "std"), [(jnp.float16, 1e-7), (jnp.float32, 2e-38), (jnp.float8_e5m2, 1e-6)])
def test_rounding_takes_no_weight_away(dtype, std):
    """A Gaussian of this deviation rounds to 0 in a good part of its draws; none of them is lost, or changes side."""
    assert np.mean(np.asarray(gaussian(std)(KEY, (100, 100), dtype)) == 0) > 0.2
    kernel = np.asarray(sparse(30, std)(KEY, (100, 100), dtype))
    np.testing.assert_array_equal((kernel != 0).sum(0), np.full(100, 30))
    np.testing.assert_array_equal(np.sign(kernel), np.sign(sparse(30, 1.0)(KEY, (100, 100), dtype)))


def test_rounding_changes_nothing_else():
    kernel = np.asarray(sparse(30, 1e-6)(KEY, (100, 100), jnp.float16))
    plain = np.asarray(sparse(30, 1e-6)(KEY, (100, 100))).astype(np.float16)
    np.testing.assert_array_equal(kernel[plain != 0], plain[plain != 0])
    assert np.abs(kernel[(plain == 0) & (kernel != 0)]).max() == np.finfo(np.float16).smallest_subnormal


def test_complex_weights():
    kernel = np.asarray(sparse(30, 2.0)(KEY, (100, 100), jnp.complex64))
    np.testing.assert_array_equal((kernel != 0).sum(0), np.full(100, 30))
    np.testing.assert_allclose((np.abs(kernel) ** 2).mean(), 0.3 * 4, rtol=0.05)
    assert np.all(kernel.imag[kernel != 0] != 0)


def test_the_number_of_weights_is_data():
    batch = ch5jax.grid(sparse, nonzeros=[1, 4, 20], std=0.5)
    kernels = jax.vmap(lambda init: init(KEY, (20, 10)))(batch)
    np.testing.assert_array_equal((kernels != 0).sum(1), [[1] * 10, [4] * 10, [20] * 10])
    np.testing.assert_array_equal(kernels[1], sparse(4, 0.5)(KEY, (20, 10)))


def test_what_is_traced_is_not_checked_but_defined():
    counts = jax.jit(lambda k, std: (sparse(k, std)(KEY, (20, 10)) != 0).sum(0))
    assert counts(2.9, 1.0).tolist() == [2] * 10
    assert counts(21, 1.0).tolist() == [20] * 10
    assert counts(3, 0.0).tolist() == [0] * 10


def test_axes_belong_to_the_structure():
    init = sparse(2, 1.0, out_axis=[0, np.int64(1)])
    assert len(jax.tree.leaves(init)) == 2
    assert init.out_axis == (0, 1)
    assert init != sparse(2, 1.0)
    assert jax.tree.structure(init) != jax.tree.structure(sparse(2, 1.0))


@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [
        ({}, (4, 3), "nonzeros must be at most the 4 incoming weights that a unit has in shape (4, 3), got 5"),
        ({"out_axis": (0, 1)}, (9, 9), "shape must have an axis of incoming weights beside the units', got (9, 9)"),
        ({}, (9,), "shape must have an axis of incoming weights beside the units', got (9,)"),
        ({}, (), "out_axis must be an axis of the shape (), got -1"),
        ({"out_axis": 2}, (9, 9), "out_axis must be an axis of the shape (9, 9), got 2"),
        ({"batch_axis": -3}, (9, 9), "batch_axis must be an axis of the shape (9, 9), got -3"),
        ({"batch_axis": 1}, (9, 9), "batch_axis must be another axis than the other units', got 1 in shape (9, 9)"),
        ({"out_axis": (0, -2)}, (9, 9), "out_axis must be another axis than the other units', got -2 in shape (9, 9)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(axes, shape, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        sparse(5, 1.0, **axes)(KEY, shape)


@pytest.mark.parametrize("axis", [None, 1.0, "0", True, (0, None)])
def test_axes_that_are_none_are_refused(axis):
    for name in ("out_axis", "batch_axis"):
        with pytest.raises(ValueError, match=f"{name} must be an integer or several, got"):
            sparse(5, 1.0, **{name: axis})
