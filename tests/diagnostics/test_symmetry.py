"""Units with a twin, against all pairs one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax.diagnostics import duplicate_units
from tests.references import diagnostics as reference

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.mark.parametrize("seed", range(4))
def test_twins_are_found_among_many(seed):
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(30, 40)).astype(np.float32)
    kernel[:, 7] = kernel[:, 3]
    kernel[:, 20] = kernel[:, 31] * (1 + 1e-7)
    kernel[:, 8] = kernel[:, 9] = kernel[:, 10]
    kernel[:, 15] = -kernel[:, 16]
    kernel[:, 25] = kernel[:, 26] * 1.001
    assert reference.twins(kernel) == 7
    assert int(duplicate_units(kernel)) == 7


def test_the_tolerance_is_a_relative_distance():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(20, 6)) * 1e-6
    kernel[:, 1] = kernel[:, 0] + 1e-3 * np.linalg.norm(kernel[:, 0]) * rng.normal(size=20) / 20**0.5
    assert [int(duplicate_units(kernel, tolerance)) for tolerance in (1e-5, 1e-4, 1e-2)] == [0, 0, 2]


def test_constant_and_zero_kernels_are_symmetric_and_random_ones_are_not():
    assert int(duplicate_units(jnp.full((3, 5), 0.1))) == 5
    assert int(duplicate_units(jnp.zeros((3, 5)))) == 5
    assert int(duplicate_units(jax.nn.initializers.orthogonal()(jax.random.key(0), (512, 512)))) == 0
    assert int(duplicate_units(jnp.ones((3, 1)))) == 0


def test_convolutions_and_half_precision():
    kernel = jax.random.normal(jax.random.key(0), (3, 3, 4, 6), jnp.bfloat16)
    assert int(duplicate_units(kernel)) == 0
    assert int(duplicate_units(kernel.at[..., 2].set(kernel[..., 5]))) == 2


def test_vmap_over_models():
    kernel = jax.random.normal(jax.random.key(0), (2, 4, 5))
    kernel = kernel.at[1, :, 0].set(kernel[1, :, 3])
    np.testing.assert_array_equal(jax.vmap(duplicate_units)(kernel), [0, 2])


def test_vectors_are_refused():
    with pytest.raises(ValueError, match=r"kernel must have shape \(\.\.\., inputs, units\), got \(3,\)"):
        duplicate_units(jnp.ones(3))
    with pytest.raises(ValueError, match="kernel must be floating"):
        duplicate_units(jnp.ones((3, 3), int))
