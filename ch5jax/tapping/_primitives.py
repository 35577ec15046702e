"""What a primitive does: calls that are looked into, linear maps, reductions, and functions element by element."""

from typing import Any

import jax.extend.core as jex

from ch5jax.tracing import CALLS, all_eqns, jaxprs_of

CUSTOM = frozenset({"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"})
LINEAR = frozenset({"dot_general", "conv_general_dilated", "ragged_dot", "ragged_dot_general"})
LOOKUP = frozenset({"gather", "dynamic_slice"})
REDUCTIONS = frozenset(
    {
        *("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "argmax", "argmin"),
        *("reduce", "sort", "top_k"),
    }
)
ADDITIONS = frozenset({"add", "add_any"})
# Where every element of the result depends on one element of each operand.
AFFINE = frozenset({"add", "sub", "neg", "mul", "div", "convert_element_type", "copy", "add_any", "reduce_precision"})
BENT = frozenset(
    {"max", "min", "clamp", "select_n", "abs", "tanh", "logistic", "erf", "erfc", "sin", "cos", "atan", "asinh", "sign"}
)
ELEMENTWISE = (
    AFFINE
    | BENT
    | frozenset(
        {
            *("exp", "exp2", "expm1", "log", "log1p", "pow", "integer_pow", "square", "sqrt", "rsqrt", "cbrt"),
            *("gt", "lt", "ge", "le", "eq", "ne", "and", "or", "not", "is_finite", "floor", "ceil", "round", "sinh"),
            *("cosh", "tan", "atan2", "acosh", "atanh", "lgamma", "digamma", "erf_inv", "rem", "stop_gradient"),
        }
    )
)


def is_elementwise_call(eqn: Any) -> bool:
    """Whether a call, or a function with a derivative of its own, is elementwise as a whole."""
    if eqn.primitive.name not in CALLS | CUSTOM or len(eqn.outvars) != 1:
        return False
    shape = eqn.outvars[0].aval.shape
    if any(atom.aval.shape not in (shape, ()) for atom in eqn.invars):
        return False
    names = {one.primitive.name for one in all_eqns(jaxprs_of(eqn)[0].jaxpr)} - CALLS - CUSTOM
    return names <= ELEMENTWISE | {"broadcast_in_dim"}  # of scalars, as in full_like


def is_activation(eqn: Any) -> bool:
    """Whether a call is one elementwise function of one array that bends it: a composite such as SiLU."""
    if not is_elementwise_call(eqn):
        return False
    arrays = [a for a in eqn.invars if a.aval.shape == eqn.outvars[0].aval.shape and not isinstance(a, jex.Literal)]
    return len(arrays) == 1 and bends(eqn)


def bends(eqn: Any) -> bool:
    """Whether a function has a kink or flattens somewhere; a square or an exponential has neither."""
    return eqn.primitive.name in BENT or any(bends(one) for sub in jaxprs_of(eqn) for one in sub.jaxpr.eqns)
