"""Saturated and dead units: those whose activation is flat wherever the batch meets it."""

from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax.tapping import Site, counts, in_sequence


def flat_units(gradients: Sequence[Site | chex.Array], tolerance: jax.typing.ArrayLike = 0.01) -> jax.Array:
    r"""The share of each layer's units that pass no gradient on, for any example of the batch.

    .. math:: \text{unit } j \text{ is flat if } |\phi'(z_{ij})| \le \tau \text{ for every example } i,
       \qquad \phi'(z_{ij}) = \frac{\partial L/\partial z_{ij}}{\partial L/\partial h_{ij}}

    A ReLU is flat where z < 0: a unit that is so for all examples is dead. A sigmoid or tanh is flat where it is
    saturated; at τ = 0.01, beyond |z| = 4.6 and 3.0.

    Args:
      gradients: the gradient of a loss tapped with `activations=True` (`ch5jax.tap`) with respect to its zeros. Layers
        without an activation, such as an output layer, are left out. The batch is all axes but the units', and time.
      tolerance: τ ≥ 0, how small a slope counts as flat, dimensionless.

    Returns:
      Shares from 0 to 1, shape (layers with an activation,), in the order of `activation_names`, float32. A unit that
      no gradient reaches at all (∂L/∂h = 0 for every example) is not known to be flat, and counts as not flat.

    Raises:
      ValueError: if no layer has an activation.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> net = ch5jax.networks.mlp((2, 4, 1))
      >>> params = net.init(jax.random.key(0))
      >>> dead = params[0]._replace(bias=jnp.array([0.0, 0.0, -9.0, -9.0]))  # two ReLUs that never open
      >>> params, x = (dead, params[1]), jax.random.uniform(jax.random.key(1), (16, 2))
      >>> tapped = ch5jax.tap(lambda params: net.apply(params, x).sum(), activations=True)
      >>> gradients = jax.grad(tapped, argnums=1)(params, tapped.zeros(params))
      >>> bool(ch5jax.diagnostics.flat_units(gradients)[0] >= 0.5)
      True

    Source: the chapter, section 5.6 no. 3; Glorot and Bengio (2010), section 3, on saturation; Maas, Hannun and Ng,
    *Rectifier nonlinearities improve neural network acoustic models* (2013), on units that never activate.
    """
    _trees.check_inexact(gradients, "gradients")
    active = [site for site in gradients if isinstance(site, Site) and site.after is not None]
    if not active:
        raise ValueError("gradients must hold a layer with an activation at least once: ch5jax.tap(activations=True)")
    shares = [_share(site, tolerance) for site in active]
    return jnp.stack([shares[i][at] for i, at in in_sequence(active, over_time=False)])


def _share(site: Site, tolerance: jax.typing.ArrayLike) -> jax.Array:
    """The share of flat units, an axis for each loop over depth."""
    z, h = jnp.abs(site.z if site.before is None else site.before), jnp.abs(site.after)
    loops = len(site.loops)
    kept = [axis for axis, loop in enumerate(site.loops) if counts(loop, over_time=False)]
    units = [loops + axis for axis in site.active_units]
    batch = tuple(axis for axis in range(h.ndim) if axis not in (*kept, *units))
    passes = jnp.any(z > jnp.asarray(tolerance, h.dtype) * h, axis=batch)
    reached = jnp.any(h > 0, axis=batch)
    return jnp.mean(reached & ~passes, axis=tuple(range(len(kept), passes.ndim)), dtype=jnp.float32)
