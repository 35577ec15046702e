"""All cheap signals of one step of training."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from ch5jax.diagnostics._cliff import inner, norm, update_ratio, weight_matrices
from ch5jax.diagnostics._depth import layer_gradient_norms
from ch5jax.diagnostics._flat_units import flat_units
from ch5jax.diagnostics._noise import noise_of_pair
from ch5jax.diagnostics._start import distance
from ch5jax.diagnostics._symmetry import duplicate_units
from ch5jax.tapping import Site, counts

# With fewer examples in a batch, units are flat over all of it by chance: of a batch of one, every inactive ReLU is.
FEWEST_EXAMPLES = 8


class Signals(NamedTuple):
    """The signals of one step, or of many with leading axes. A signal that cannot be taken is None.

    The first five come from the metrics of every step, the others from the step that is probed.
    """

    spike: jax.Array | None = None  # (): the largest gradient norm since the last probe, over its running quantile
    alternation: jax.Array | None = None  # (): of late, the share of steps at which the loss turned
    mean_loss: jax.Array | None = None  # (): the mean of the finite losses since the last probe, or NaN
    first_loss: jax.Array | None = None  # (): the first finite loss of all; NaN before it
    lost_since: jax.Array | None = None  # (), int32: the step, from 0, since which the loss is lost; −1 if it is not
    gradient_norm: jax.Array | None = None  # (): ‖g‖
    noise: jax.Array | None = None  # (): tr Σ/B, the variance of the mini-batch gradient
    squared_norm: jax.Array | None = None  # (): ‖G‖², the squared norm of the expected gradient; may be negative near 0
    update_norm: jax.Array | None = None  # (): ‖u‖
    predicted_decrease: jax.Array | None = None  # (): −G·u, by how much the step lowers the loss, to first order
    update_ratio: jax.Array | None = None  # (matrices,): ‖u‖/‖w‖ of each weight matrix
    duplicate_units: jax.Array | None = None  # (matrices,): units with a twin, of each weight matrix
    distance: jax.Array | None = None  # (): ‖w − w₀‖/‖w₀‖
    layer_gradient_norms: jax.Array | None = None  # (layers,): ‖∂L/∂z‖
    flat_units: jax.Array | None = None  # (layers with an activation,): share of units flat over the whole batch


def observe(
    params: chex.ArrayTree,
    new_params: chex.ArrayTree,
    start: chex.ArrayTree,
    gradient: chex.ArrayTree,
    other_gradient: chex.ArrayTree | None = None,
    site_gradients: Sequence[Site] = (),
) -> Signals:
    """All cheap signals of one step of a loop of your own; `train` and `sweep` take them by themselves.

    Args:
      params: the parameters before the step.
      new_params: the parameters after the step.
      start: the parameters before the first step.
      gradient: the step's gradient, like the parameters.
      other_gradient: another mini-batch's at the same parameters, for noise, ‖G‖² and predicted decrease (the step
        depends on its own batch, so that an independent one has to judge it); None leaves these out.
      site_gradients: the gradient of the tapped loss (`ch5jax.tap`) with respect to its zeros, for
        `layer_gradient_norms` and `flat_units`; () leaves these out. Flat units are looked for in batches of eight
        examples or more.

    Returns:
      `Signals`, all but those that need more than one step (see `watch_update`). Without a leaf
      of two axes or more there are no update_ratio and duplicate_units.

    Raises:
      ValueError: if trees do not match.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> net = ch5jax.networks.mlp((3, 4, 1))
      >>> params, x = net.init(jax.random.key(0)), jnp.ones((8, 3))
      >>> tapped = ch5jax.tap(lambda params: net.apply(params, x).mean(), activations=True)
      >>> gradients = jax.grad(tapped, (0, 1))(params, tapped.zeros(params))
      >>> new_params = jax.tree.map(lambda w, g: w - 0.1 * g, params, gradients[0])
      >>> signals = ch5jax.diagnostics.observe(params, new_params, params, gradients[0], site_gradients=gradients[1])
      >>> signals.update_ratio.shape, signals.layer_gradient_norms.shape, signals.noise
      ((2,), (2,), None)
    """
    matrices = weight_matrices(params)
    noise = None if other_gradient is None else noise_of_pair(gradient, other_gradient)
    updates = jax.tree.map(lambda new, old: new - old, new_params, params)
    active = any(_tells_flat(site) for site in site_gradients)
    return Signals(
        gradient_norm=norm(gradient),
        noise=noise and noise.noise,
        squared_norm=noise and noise.squared_norm,
        update_norm=norm(updates),
        predicted_decrease=None if other_gradient is None else -inner(other_gradient, updates),
        update_ratio=update_ratio(updates, params) if matrices else None,
        duplicate_units=jnp.stack([duplicate_units(matrix) for matrix in matrices]) if matrices else None,
        distance=distance(new_params, start),
        layer_gradient_norms=layer_gradient_norms(site_gradients) if site_gradients else None,
        flat_units=flat_units(site_gradients) if active else None,
    )


def _tells_flat(site: Site) -> bool:
    """Whether a layer has an activation behind it, and examples enough for a unit to show that it is flat."""
    if site.after is None:
        return False
    apart = [loop.length for loop in site.loops if counts(loop, over_time=False)]
    units = [site.after.shape[len(site.loops) + axis] for axis in site.active_units]
    return site.after.size >= FEWEST_EXAMPLES * math.prod([*apart, *units])
