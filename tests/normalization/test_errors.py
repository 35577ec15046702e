"""What a user got wrong is a ValueError that names it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax import BatchNormParams, BatchNormState

X = jnp.ones((4, 3))
PARAMS, STATE = ch5jax.batch_norm_init(3)

BATCH_NORM = {
    "empty batch": ((jnp.ones((0, 3)),), {}, r"x must have a sample at least, got the empty batch of shape \(0, 3\)"),
    "empty second axis": ((jnp.ones((4, 0, 3)),), {}, r"x must have a sample at least, got .*\(4, 0, 3\)"),
    "no batch axis": ((jnp.ones(3),), {}, r"x must have a batch axis beside its features, got shape \(3,\)"),
    "all axes are features": (
        (X,),
        {"axis": (0, 1)},
        r"x must have a batch axis beside its features, got shape \(4, 3\)",
    ),
    "a scalar": ((jnp.ones(()),), {}, r"axis must name axes of x, whose shape is \(\), got -1"),
    "a list": (([[1.0, 2.0, 3.0]],), {}, "x must be an array, got list"),
    "integers": ((jnp.ones((4, 3), int),), {}, "x must be floating, got dtype int32; convert it with x.astype"),
    "complex numbers": ((jnp.ones((4, 3), complex),), {}, "x must be floating, got dtype complex64"),
    "booleans": ((jnp.ones((4, 3), bool),), {}, "x must be floating, got dtype bool"),
    "no such axis": ((X,), {"axis": 2}, r"axis must name axes of x, whose shape is \(4, 3\), got 2"),
    "no axis": ((X,), {"axis": ()}, r"axis must name axes of x, .* got \(\)"),
    "an axis twice": ((X,), {"axis": (1, -1)}, r"axis must name every axis once, got \(1, -1\)"),
    "half an axis": ((X,), {"axis": 0.5}, "axis must be an integer or several, got 0.5"),
    "other features": ((jnp.ones((4, 2)),), {}, r"state.mean must have shape \(2,\), the features .* got \(3,\)"),
    "other scale": (
        (X, BatchNormParams(jnp.ones(2), jnp.ones(3))),
        {},
        r"params.scale must have shape \(3,\), the features of an array of shape \(4, 3\).*got \(2,\)",
    ),
    "scalar bias": (
        (X, BatchNormParams(jnp.ones(3), jnp.ones(()))),
        {},
        r"params.bias must have shape \(3,\).*got \(\)",
    ),
    "integer scale": (
        (X, BatchNormParams(jnp.ones(3, int), None)),
        {},
        "params.scale must be floating, got dtype int32",
    ),
    "other parameters": ((X, (jnp.ones(3), jnp.ones(3))), {}, r"params must be BatchNormParams\(scale, bias\) or None"),
    "exchanged arguments": ((X, STATE, PARAMS), {}, "state must be a BatchNormState, .* got BatchNormParams"),
    "half-precision state": (
        (X, PARAMS, BatchNormState(*(leaf.astype(jnp.bfloat16) for leaf in STATE))),
        {},
        "state.mean must be float32 or float64, got bfloat16; a slow average stands still",
    ),
    "lists as parameters": ((X, BatchNormParams([1.0] * 3, None)), {}, "params.scale must be an array, got list"),
    "lists as state": ((X, PARAMS, BatchNormState([0.0], [1.0], [0.0])), {}, "state.mean must be an array, got list"),
    "uneven state": (
        (X, PARAMS, STATE._replace(weight=jnp.ones(()))),
        {},
        r"state.weight must have state.mean's shape",
    ),
    "momentum above 1": ((X,), {"momentum": 1.1}, r"momentum must be in \[0, 1\], got 1.1"),
    "negative momentum": ((X,), {"momentum": -0.1}, r"momentum must be in \[0, 1\], got -0.1"),
    "NaN momentum": ((X,), {"momentum": np.nan}, r"momentum must be in \[0, 1\], got nan"),
    "momentum for each feature": ((X,), {"momentum": jnp.ones(3)}, r"momentum must be a scalar, got shape \(3,\)"),
    "momentum as a word": ((X,), {"momentum": "high"}, r"momentum must be a number, in \[0, 1\], got 'high'"),
    "eps 0": ((X,), {"eps": 0.0}, "eps must be > 0, got 0.0"),
    "eps that float32 rounds to 0": ((X,), {"eps": 1e-46}, "eps must be 1.18e-38 or more, which float32 can hold"),
    "negative eps": ((X,), {"eps": -1e-5}, "eps must be > 0, got -1e-05"),
    "mask of rows": (
        (X,),
        {"mask": jnp.ones(4, bool)},
        r"mask must broadcast to x of shape \(4, 3\), got shape \(4,\)",
    ),
    "mask of more": ((X,), {"mask": jnp.ones((2, 4, 3), bool)}, r"mask must broadcast to x of shape \(4, 3\)"),
    "weights": ((X,), {"mask": jnp.ones((4, 3))}, "mask must be boolean, got dtype float32; .* write mask != 0"),
}


@pytest.mark.parametrize(("arguments", "options", "message"), BATCH_NORM.values(), ids=BATCH_NORM)
@pytest.mark.parametrize("compiled", [False, True], ids=["op by op", "while tracing"])
def test_batch_norm_refuses(arguments, options, message, compiled):
    x, params, state = (*arguments, *(X, PARAMS, STATE)[len(arguments) :])

    def call(x):
        return ch5jax.batch_norm(x, params, state, **options)

    call = jax.jit(call) if compiled and isinstance(x, jax.Array) else call
    with pytest.raises(ValueError, match=message):
        call(x)


@pytest.mark.parametrize("name", ["integers", "no such axis", "other features", "other scale", "exchanged arguments",
                                  "half-precision state", "eps 0", "mask of rows", "weights"])  # fmt: skip
def test_inference_refuses_the_same(name):
    arguments, options, message = BATCH_NORM[name]
    x, params, state = (*arguments, *(X, PARAMS, STATE)[len(arguments) :])
    with pytest.raises(ValueError, match=message):
        ch5jax.batch_norm_inference(x, params, state, **options)


def test_inference_takes_an_empty_batch_and_a_single_vector():
    assert ch5jax.batch_norm_inference(jnp.ones((0, 3)), PARAMS, STATE).shape == (0, 3)
    assert ch5jax.batch_norm_inference(jnp.ones(3), PARAMS, STATE).shape == (3,)


def test_numbers_that_are_not_known_are_not_checked():
    y, state = jax.jit(lambda m: ch5jax.batch_norm(X, PARAMS, STATE, momentum=m))(2.0)
    assert y.shape == X.shape
    assert state.mean.shape == (3,)


@pytest.mark.parametrize("features", [0, -1, 2.0, True, (), (3, 0), "3", None])
def test_init_refuses_what_is_no_number_of_features(features):
    with pytest.raises(ValueError, match="features must be a positive integer, or several, got"):
        ch5jax.batch_norm_init(features)


def test_init_refuses_a_dtype_that_is_not_floating():
    with pytest.raises(ValueError, match="dtype must be floating, got int32"):
        ch5jax.batch_norm_init(3, jnp.int32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(3), np.ones(2)), r"var must have mean's shape \(3,\), got \(2,\)"),
        ((np.zeros(3), np.array([1.0, -1.0, 1.0])), "var must be ≥ 0, got -1.0 among its values"),
        ((np.zeros(3), np.array([1.0, np.nan, 1.0])), "var must be ≥ 0, got nan among its values"),
        ((np.zeros(3), np.ones(3), -1.0), "weight must be ≥ 0, got -1.0"),
        ((np.zeros(3), np.ones(3), np.ones(2)), r"weight must be a number or have mean's shape \(3,\), got \(2,\)"),
        ((np.zeros(3, complex), np.ones(3)), "mean must hold real numbers, got dtype complex128"),
        ((["a"], [1.0]), "mean must hold real numbers, got dtype <U1|mean must hold real numbers, got dtype str"),
    ],
)
def test_imported_statistics_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        ch5jax.batch_norm_state(*arguments)


def test_merge_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"other must have state's shape \(3,\), got \(2,\)"):
        ch5jax.batch_norm_merge(STATE, ch5jax.batch_norm_init(2)[1])
    with pytest.raises(ValueError, match="other must be a BatchNormState"):
        ch5jax.batch_norm_merge(STATE, PARAMS)


def test_fold_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"state.mean must have shape \(5,\), the features .* got \(3,\)"):
        ch5jax.batch_norm_fold(PARAMS, STATE, jnp.ones((3, 5)))
    with pytest.raises(ValueError, match=r"bias must have shape \(3,\).* got \(5,\)"):
        ch5jax.batch_norm_fold(PARAMS, STATE, jnp.ones((5, 3)), jnp.ones(5))
    with pytest.raises(ValueError, match="kernel must be floating, got dtype int32"):
        ch5jax.batch_norm_fold(PARAMS, STATE, jnp.ones((5, 3), int))


def test_backward_stages_refuse_a_gradient_of_another_shape():
    stages = ch5jax.batch_norm_forward_stages(X, PARAMS)
    with pytest.raises(ValueError, match=r"stages.mu must have shape \(4,\), .* got \(3,\)"):
        ch5jax.batch_norm_backward_stages(X, stages, PARAMS, axis=0)
    with pytest.raises(ValueError, match=r"dout must have the shape of y, \(4, 3\), got \(5, 3\)"):
        ch5jax.batch_norm_backward_stages(jnp.ones((5, 3)), stages, PARAMS)


def test_batch_norm_works_where_jax_refuses_all_promotion():
    def everything(x, mask, momentum):
        y, state = ch5jax.batch_norm(x, PARAMS, STATE, mask=mask, momentum=momentum, unbiased=True)
        slopes = jax.grad(lambda p: ch5jax.batch_norm(x, p, STATE)[0].astype("float32").sum())(PARAMS)
        return y, slopes, ch5jax.batch_norm_inference(x, PARAMS, state, mask=mask)

    def the_rest():
        stages = ch5jax.batch_norm_forward_stages(jnp.ones((4, 3)), PARAMS)
        ch5jax.batch_norm_backward_stages(jnp.ones((4, 3)), stages, PARAMS)
        return ch5jax.batch_norm_fold(PARAMS, STATE, jnp.ones((2, 3)), jnp.ones(3))

    # JAX refuses while it traces
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        mask = jnp.ones((300, 1), bool)
        for x in (jnp.ones((300, 3)), jnp.ones((300, 3), jnp.bfloat16)):
            for momentum in (0.9, None):
                y, slopes, inferred = jax.eval_shape(lambda x, mask, m=momentum: everything(x, mask, m), x, mask)
                assert inferred.dtype == y.dtype == x.dtype
                assert slopes.scale.dtype == jnp.float32
        jax.eval_shape(the_rest)
