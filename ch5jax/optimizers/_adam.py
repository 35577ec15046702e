"""Adam."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ch5jax import _trees
from ch5jax._hyperparameters import DECAY, NON_NEGATIVE, ScalarOrSchedule
from ch5jax._types import DType
from ch5jax.optimizers._transformation import (
    Transformation,
    apply_rule,
    check_state,
    defined_by,
    full_like,
    make,
    over_root,
    scalars,
    zero_count,
)


def _rule(
    g: jax.Array,
    mu: jax.Array,
    nu: jax.Array,
    *,
    learning_rate: jax.Array,
    b1: jax.Array,
    b2: jax.Array,
    eps: jax.Array,
    mu_weight: jax.Array | float = 1.0,
    nu_weight: jax.Array | float = 1.0,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    mu = b1 * mu + (1 - b1) * g
    nu = b2 * nu + (1 - b2) * _trees.abs_sq(g)
    # times the reciprocal: XLA rewrites a division by one number for all in two ways, on one device and on several
    return -learning_rate * over_root(mu * (1 / mu_weight), nu * (1 / nu_weight), eps), mu, nu


class AdamState(NamedTuple):
    """State of `adam`."""

    count: jax.Array  # t, shape (), int32: updates so far
    mu: optax.Updates  # the first moment, the chapter's v, like the parameters, float32 at least
    nu: optax.Updates  # the second moment, the chapter's r, like the parameters, real, float32 at least
    mu_weight: jax.Array  # 1 − Πβ₁, shape (), real: the sum of the weights of the gradients in mu
    nu_weight: jax.Array  # 1 − Πβ₂, shape (), real: likewise in nu


def _init(hyperparameters: dict[str, Any], params: optax.Params) -> AdamState:
    del hyperparameters
    nu = full_like(params, real=True)
    dtype = max((leaf.dtype for leaf in jax.tree.leaves(nu)), key=lambda dtype: dtype.itemsize, default=jnp.float32)
    # two zeros: one buffer in two places could not be donated
    return AdamState(zero_count(), full_like(params), nu, jnp.zeros([], dtype), jnp.zeros([], dtype))


def _update(
    hyperparameters: dict[str, Any], updates: optax.Updates, state: AdamState, params: optax.Params | None, **_: Any
) -> tuple[optax.Updates, AdamState]:
    del params
    state = _carried_over(hyperparameters, state)
    check_state(state, AdamState, "adam")
    count = optax.safe_increment(state.count)

    def weight(name: str, before: jax.Array, decay: jax.Array) -> jax.Array:
        """1 − Πβ after this step, from the very β that this dtype's average uses, so that both round alike."""
        if callable(hyperparameters[name]):
            return decay * before.astype(decay.dtype) + (1 - decay)
        return _one_minus_power(decay, count)

    def coefficients(dtype: DType) -> dict[str, jax.Array]:
        values = scalars(hyperparameters, state.count, dtype)
        if hyperparameters["bias_correction"]:
            values["mu_weight"] = weight("b1", state.mu_weight, values["b1"])
            values["nu_weight"] = weight("b2", state.nu_weight, values["b2"])
        return values

    updates, mu, nu = apply_rule(_rule, coefficients, updates, mu=state.mu, nu=state.nu)
    decays = scalars(hyperparameters, state.count, state.mu_weight.dtype)
    mu_weight = weight("b1", state.mu_weight, decays["b1"])
    nu_weight = weight("b2", state.nu_weight, decays["b2"])
    return updates, AdamState(count, mu, nu, mu_weight, nu_weight)


def _carried_over(hyperparameters: dict[str, Any], state: Any) -> Any:
    """The state of `optax.adam` and its kin as ours: their moments mean the same; anything else as it is.

    Raises:
      ValueError: if β₁ or β₂ is a schedule, whose past Optax's state does not tell.
    """
    parts = state if type(state) is tuple else (state,)
    moments = [part for part in parts if isinstance(part, optax.ScaleByAdamState)]
    rest = (optax.ScaleByAdamState, optax.EmptyState, optax.ScaleByScheduleState)
    if len(moments) != 1 or not all(isinstance(part, rest) for part in parts):
        return state
    count, mu, nu = moments[0]
    if callable(hyperparameters["b1"]) or callable(hyperparameters["b2"]):
        raise ValueError(
            "state must be AdamState where b1 or b2 is a schedule: optax.adam's does not say which values it had"
        )
    mu, nu = (jax.tree.map(lambda m: m.astype(_trees.accumulator_dtype(m.dtype)), tree) for tree in (mu, nu))
    mu_weight, nu_weight = _init(hyperparameters, mu)[3:]
    return AdamState(count, mu, nu, mu_weight, nu_weight)


def _one_minus_power(decay: jax.Array, count: jax.Array) -> jax.Array:
    """1 − βᵗ to the last bits: by logarithms where β is near 1 and the difference would cancel.

    Below one half nothing cancels, and a logarithm of β = 0 would make its hypergradient NaN.
    """
    steps = count.astype(decay.dtype)
    near_one = decay > 0.5
    by_logarithm = -jnp.expm1(steps * jnp.log1p(-(1 - jnp.where(near_one, decay, 0.75))))
    return jnp.where(near_one, by_logarithm, 1 - jnp.where(near_one, 0.25, decay) ** steps)


@defined_by(_init, _update)
def adam(
    learning_rate: ScalarOrSchedule,
    b1: ScalarOrSchedule = 0.9,
    b2: ScalarOrSchedule = 0.999,
    eps: ScalarOrSchedule = 1e-7,
    bias_correction: bool = True,
) -> Transformation:
    r"""Adam: momentum over RMSProp, both corrected for their start at zero.

    .. math::

        v \leftarrow \beta_1 v + (1-\beta_1)\, g, \qquad r \leftarrow \beta_2 r + (1-\beta_2)\, g^2, \qquad
        u = -\alpha\, \frac{v / (1-\beta_1^t)}{\sqrt{r / (1-\beta_2^t)} + \delta}

    These are the chapter's symbols: v, the decayed gradient, is `mu` in the state, and r, the decayed square, is `nu`;
    its v_b and r_b are the two corrected quotients. t counts from 1 at the first update. Under a schedule, βᵗ is the
    product of the β used so far. For complex parameters g² means |g|².

    Args:
      learning_rate: α ≥ 0, a number or a schedule of the step count.
      b1: β₁ in [0, 1), a number or a schedule.
      b2: β₂ in [0, 1), a number or a schedule.
      eps: δ ≥ 0, outside the root, a number or a schedule. At 0, 0/0 counts as 0, and the first step is α·sign(g).
      bias_correction: whether to divide by 1−βᵗ; without it u = −α v / (√r + δ).

    Returns:
      A `Transformation`: an Optax transformation and a pytree of the four numbers. Its state is
      `AdamState(count, mu, nu, mu_weight, nu_weight)`; its updates have the gradient's dtype. `update` also takes a
      state of `optax.adam`, `adamw` or `nadam`, and goes on from its moments: what comes back is an `AdamState`.

    Raises:
      ValueError: if a hyperparameter is no number or is known and out of range; in the update, if the gradients do not
        match the state, or that is another optimizer's.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> opt = ch5jax.adam(learning_rate=1e-3, eps=0.0)
      >>> params = jnp.array([5.0, -1e-12, 0.0])
      >>> update, state = opt.update(params, opt.init(params))
      >>> [round(float(u), 6) for u in update]
      [-0.001, 0.001, -0.0]

    Source: the chapter, section 5.5, procedure no. 2; Kingma and Ba (2015); Goodfellow, Bengio and Courville, *Deep
    Learning* (2016), algorithm 8.7. Optax's δ is 1e-8; its first step in float32 is 7e-6 short, since it rounds 1−β₂
    and 1−β₂ᵗ differently.
    """
    if not isinstance(bias_correction, bool):
        raise ValueError(f"bias_correction must be True or False, got {bias_correction!r}")
    return make(
        adam,
        learning_rate=(learning_rate, NON_NEGATIVE),
        b1=(b1, DECAY),
        b2=(b2, DECAY),
        eps=(eps, NON_NEGATIVE),
        bias_correction=bias_correction,
    )
