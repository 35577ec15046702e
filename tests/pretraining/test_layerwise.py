"""Greedy pretraining against a NumPy one, and what it promises of keys, batches of settings and bad input."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax.networks import Layer, mlp
from ch5jax.pretraining import _layerwise, pretrain_layerwise
from tests.references import pretraining as reference

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh}
KEY = jax.random.key(11)
WIDTHS, STEPS, BATCH = (5, 4, 3, 2), 6, 7
CORRUPTION = (0.3, 0.6)


def data(low=0.0, rows=12):
    return np.random.default_rng(0).uniform(low, 1, (rows, WIDTHS[0]))


def drawn(key):
    """The rows and the hidden numbers of every step of every layer, from the keys that the docstring names."""
    batches, hidden = [], []
    for layer, p in enumerate(CORRUPTION):
        keys = jax.random.fold_in(jax.random.fold_in(key, np.uint32(2**32 - 2)), layer)
        pairs = [jax.random.split(jax.random.fold_in(keys, i)) for i in range(STEPS)]
        batches.append([np.asarray(jax.random.randint(pair[0], (BATCH,), 0, 12)) for pair in pairs])
        hidden.append([np.asarray(jax.random.uniform(pair[1], (BATCH, WIDTHS[layer]))) < p for pair in pairs])
    return batches, hidden


@pytest.mark.parametrize(
    ("loss", "activation", "tied"),
    [("cross_entropy", "sigmoid", True), ("squared_error", "tanh", False)],
)
def test_equals_numpys(x64, loss, activation, tied):
    x = data(0 if loss == "cross_entropy" else -2)
    params = mlp(WIDTHS).init(KEY, 2.0)
    params = tuple(Layer(kernel, bias + 0.1 * i) for i, (kernel, bias) in enumerate(params))
    got = pretrain_layerwise(
        params, x, ch5jax.momentum(0.1, 0.8), KEY, STEPS, activation=ACTIVATIONS[activation],
        batch_size=BATCH, corruption=CORRUPTION, loss=loss, tied=tied,
    )  # fmt: skip
    layers, losses, before, after = reference.pretrain(params, x, *drawn(KEY), loss, activation, tied, 0.1, 0.8)
    expected = _layerwise.Pretrained(tuple(Layer(*layer) for layer in layers), losses, before, after)
    chex.assert_trees_all_close(got, expected, rtol=1e-11, atol=1e-13)
    chex.assert_trees_all_equal(got.params[-1], params[-1])


@pytest.fixture(scope="module")
def pretrain():
    """(key, optimizer, corruption, scale) -> Pretrained, one program in several tests."""
    network, x = mlp(WIDTHS, jax.nn.sigmoid), data().astype(np.float32)

    def pretrain(key, optimizer, corruption=CORRUPTION, scale=1.0):
        start = network.init(key, scale)
        return pretrain_layerwise(start, x, optimizer, key, STEPS, activation=jax.nn.sigmoid, corruption=corruption)

    return pretrain


def test_is_one_program_and_maps_over_keys_optimizers_corruptions_and_scales(pretrain):
    keys = jax.random.split(KEY, 3)
    opts = ch5jax.grid(ch5jax.momentum, learning_rate=[0.1, 0.2, 0.4], decay=0.9)
    corruptions = np.array([[0.0, 0.0], [0.3, 0.5], [0.9, 0.1]])
    scales = jnp.array([[1.0, 1.0, 1.0], [0.5, 2.0, 1.0], [3.0, 1.0, 0.0]])
    before = _layerwise._pretrain._cache_size()
    loop = [pretrain(keys[i], opt, corruptions[i], scales[i]) for i, opt in enumerate(ch5jax.unstack(opts))]
    assert _layerwise._pretrain._cache_size() == before + 1
    mapped = jax.jit(jax.vmap(pretrain))(keys, opts, corruptions, scales)
    chex.assert_trees_all_close(mapped, jax.tree.map(lambda *leaves: jnp.stack(leaves), *loop), rtol=1e-4, atol=1e-6)


def test_without_training_it_is_the_networks_own_start(pretrain):
    got = pretrain(KEY, ch5jax.momentum(0.0, 0.5), scale=(0.5, 3.0, 2.0))
    chex.assert_trees_all_equal(got.params, mlp(WIDTHS).init(KEY, (0.5, 3.0, 2.0)))
    np.testing.assert_array_equal(got.error_before, got.error_after)
    assert len(np.unique(got.losses)) == got.losses.size  # every step has a batch of its own


def test_one_corruption_serves_all_layers_and_may_have_any_dtype(pretrain):
    opt = ch5jax.momentum(0.1, 0.5)
    due = pretrain(KEY, opt, (0.25, 0.25))
    for same in (0.25, np.float64(0.25), jnp.bfloat16(0.25)):
        chex.assert_trees_all_equal(pretrain(KEY, opt, same), due)


def test_differentiates_in_the_hyperparameters(x64):
    network, x = mlp((5, 3, 2)), data()

    def final(optimizer):
        start = network.init(KEY)
        return pretrain_layerwise(start, x, optimizer, KEY, 4, activation=jax.nn.sigmoid).error_after.sum()

    opt = ch5jax.momentum(0.3, 0.9)
    slope = jax.grad(final)(opt)
    for name in ("learning_rate", "decay"):
        value, step = getattr(opt, name), 1e-5
        ends = [final(opt.replace(**{name: value + sign * step})) for sign in (1, -1)]
        np.testing.assert_allclose(getattr(slope, name), (ends[0] - ends[1]) / (2 * step), rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_parameters_keep_their_dtype_and_nothing_is_promoted(dtype):
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), mlp(WIDTHS).init(KEY))
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        got = jax.eval_shape(
            lambda params, corruption: pretrain_layerwise(
                params, data(), ch5jax.adam(0.1), KEY, 3, activation=jax.nn.sigmoid, corruption=corruption, tied=False
            ),
            params,
            jnp.float32(0.3),
        )
    chex.assert_trees_all_equal_shapes_and_dtypes(got.params, params)
    assert [(leaf.shape, leaf.dtype) for leaf in got[1:]] == [((2, 3), dtype), ((2,), dtype), ((2,), dtype)]


def layers(*shapes, dtype=np.float32):
    return [Layer(np.ones(shape, dtype), np.ones(shape[1:], dtype)) for shape in shapes]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"params": layers((5, 2))}, r"params must be those of an mlp with a hidden layer at least, got 1 layer"),
        ({"params": layers((5, 4), (3, 2))}, r"params\[1\].kernel must have shape \(4, units\), got \(3, 2\)"),
        ({"params": layers((5,), (5, 2))}, r"params\[0\].kernel must have shape \(inputs, units\), got \(5,\)"),
        ({"params": layers((5, 4), (4, 2), dtype=int)}, r"params\[0\].kernel must be floating, got dtype int32"),
        (
            {"params": [Layer(np.ones((5, 4)), np.ones(3)), *layers((4, 2))]},
            r"params\[0\].bias must have shape \(4,\), got \(3,\)",
        ),
        (
            {"params": mlp((5, 4, 2), batch_norm=True).init(KEY)},
            r"params\[0\] must be a Layer, as in an mlp without BatchNorm, got NormalizedLayer",
        ),
        ({"inputs": np.ones((3, 4))}, r"inputs must have shape \(examples, 5\), one example at least, got \(3, 4\)"),
        ({"inputs": np.ones(5)}, r"inputs must have shape \(examples, 5\), one example at least, got \(5,\)"),
        ({"inputs": np.ones((0, 5))}, r"inputs must have shape \(examples, 5\), one example at least, got \(0, 5\)"),
        ({"inputs": np.ones((3, 5), complex)}, "inputs must be real numbers, got dtype complex128"),
        ({"inputs": np.full((3, 5), "a")}, "inputs must be real numbers, got dtype str"),
        ({"inputs": np.full((3, 5), 1.5)}, r"inputs must stay in \[0, 1\] for the cross-entropy, got 1.5 to 1.5"),
        ({"inputs": jnp.full((3, 5), -0.5)}, r"inputs must stay in \[0, 1\] for the cross-entropy, got -0.5 to -0.5"),
        ({"inputs": [[np.nan] * 5]}, r"inputs must stay in \[0, 1\] for the cross-entropy, got nan"),
        ({"activation": jnp.tanh}, r"activation must stay in \[0, 1\] for the cross-entropy, got -1 to 1"),
        ({"activation": jax.nn.relu}, r"activation must stay in \[0, 1\] for the cross-entropy, got 0 to 100"),
        ({"optimizer": 0.1}, "optimizer must be an Optax transformation, such as ch5jax.adam.*, got 0.1"),
        ({"optimizer": optax.sgd(0.1)}, "optimizer.* must be data, got the function .*ch5jax.lift"),
        ({"steps": 0}, "steps must be a positive integer, got 0"),
        ({"batch_size": 2.0}, "batch_size must be a positive integer, got 2.0"),
        ({"corruption": 1.0}, r"corruption must be in \[0, 1\), got 1.0"),
        ({"corruption": (0.1, -0.1)}, r"corruption must be in \[0, 1\), got array"),
        ({"corruption": "0.1"}, r"corruption must be a number, in \[0, 1\), got '0.1'"),
        (
            {"corruption": (0.1, 0.1, 0.1)},
            r"corruption must be a number or one for each of 2 hidden layers, got shape \(3,\)",
        ),
        ({"loss": "mse"}, "loss must be 'cross_entropy' or 'squared_error', got 'mse'"),
    ],
)
def test_bad_input_is_refused(changes, message):
    arguments = {
        "params": layers((5, 4), (4, 3), (3, 2)),
        "inputs": np.ones((3, 5)),
        "optimizer": ch5jax.sgd(0.1),
        "key": KEY,
        "steps": 3,
        "activation": jax.nn.sigmoid,
    }
    with pytest.raises(ValueError, match=message):
        pretrain_layerwise(**arguments | changes)


def test_what_is_never_scored_may_leave_the_unit_interval():
    """A single hidden layer's activations are nobody's inputs; traced inputs cannot be looked at."""
    for activation, x in ((jnp.tanh, np.ones((3, 5))), (jax.nn.sigmoid, jax.ShapeDtypeStruct((3, 5), jnp.float32))):
        jax.eval_shape(
            lambda x, activation=activation: pretrain_layerwise(
                layers((5, 4), (4, 2)), x, ch5jax.sgd(0.1), KEY, 1, activation=activation
            ),
            x,
        )
    many = jnp.ones((3, 5))
    shapes = jax.eval_shape(
        jax.vmap(
            lambda key: (
                pretrain_layerwise(
                    layers((5, 4), (4, 3), (3, 2)), many, ch5jax.sgd(0.1), key, 1, activation=jax.nn.sigmoid
                ).losses
            )
        ),
        jax.random.split(KEY, 4),
    )
    assert shapes.shape == (4, 2, 1)
