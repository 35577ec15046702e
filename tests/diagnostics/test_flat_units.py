"""Saturated and dead units."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax import Site
from ch5jax.diagnostics import flat_units
from ch5jax.networks import mlp
from ch5jax.tapping import Loop
from tests.tapping.networks import site_gradients

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def gradients_of(activation, bias, x):
    """The gradients at the layers of a net 1-units-1 whose units have weight 1 and these biases."""
    units = len(bias)
    net = mlp((1, units, 1), activation)
    params = net.init(jax.random.key(0))
    first = params[0]._replace(kernel=jnp.ones((1, units)), bias=jnp.asarray(bias))
    params = (first, params[1]._replace(kernel=jnp.ones((units, 1))))
    x = jnp.asarray(x)[:, None]
    return site_gradients(lambda params: jnp.sum(net.apply(params, x)), params)


def site(z, h, loops=()):
    return Site(z, None, h, "", loops, (1,), (1,))


def test_a_relu_is_dead_if_no_example_opens_it():
    x = [-1.0, 0.0, 1.0]
    gradients = gradients_of(jax.nn.relu, [0.0, -0.5, -1.0, -2.0, 5.0], x)  # the third is shut at 1 exactly
    np.testing.assert_allclose(flat_units(gradients), [2 / 5])


@pytest.mark.parametrize(
    ("activation", "limit"),
    [(jax.nn.sigmoid, 4.5849), (jnp.tanh, 2.9932)],  # where the slope is 0.01
)
def test_a_unit_is_saturated_where_its_slope_is_a_hundredth(activation, limit):
    biases = [limit + 0.01, limit - 0.01, -limit - 0.01, -limit + 0.01, 0.0]
    np.testing.assert_allclose(flat_units(gradients_of(activation, biases, [0.0])), [2 / 5])
    # both ends of one unit count as flat, though its output is 0 for one example and 1 for the other
    np.testing.assert_allclose(flat_units(gradients_of(activation, [0.0], [-limit - 0.1, limit + 0.1])), [1])
    np.testing.assert_allclose(flat_units(gradients_of(activation, [0.0], [-limit - 0.1, 1.0])), [0])


def test_the_tolerance_is_the_slope_and_may_be_traced():
    gradients = gradients_of(jnp.tanh, [0.0, 1.0, 2.0], [0.0])  # slopes 1, 0.42, 0.071
    shares = jax.vmap(lambda tolerance: flat_units(gradients, tolerance))(jnp.array([0.0, 0.1, 0.5, 1.1]))
    np.testing.assert_allclose(shares[:, 0], [0, 1 / 3, 2 / 3, 1], rtol=1e-6)


def test_a_unit_that_no_gradient_reaches_accuses_nobody():
    silent = jnp.zeros((4, 2))
    some = jnp.array([[0.0, 1.0]] * 4)
    np.testing.assert_array_equal(flat_units([site(silent, silent), site(silent, some)]), [0, 0.5])


def test_over_time_a_unit_is_flat_if_it_is_so_at_every_step():
    h = jnp.ones((3, 2, 4))
    z = jnp.zeros((3, 2, 4)).at[2, 1, 0].set(0.5)
    np.testing.assert_array_equal(flat_units([site(z, h, (Loop(0, 3, False, "time"),))]), [0.75])
    # over depth, each iteration is a layer of its own
    np.testing.assert_array_equal(flat_units([site(z, h, (Loop(0, 3, False, "depth"),))]), [1, 1, 0.75])
    backwards = site(z, h, (Loop(0, 3, True, "depth"),))
    np.testing.assert_array_equal(flat_units([backwards]), [0.75, 1, 1])


def test_layers_without_an_activation_are_left_out_or_refused():
    ones = jnp.ones((2, 3))
    assert flat_units([site(ones, ones), ones, site(ones, None)]).shape == (1,)
    with pytest.raises(ValueError, match="must hold a layer with an activation at least once"):
        flat_units([ones, site(ones, None)])
