"""State and optimizers survive being written to disk, in Orbax's format and in NumPy's."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

import ch5jax
from tests.optimizers.registry import CASES, params_like, run

pytestmark = pytest.mark.usefixtures("compiled_quickly")

OPTS = {
    **{key: case.make() for key, case in CASES.items()},
    "chain": ch5jax.chain(optax.clip(1.0), ch5jax.adam(0.1)),
    "lift": ch5jax.lift(optax.adamw, 0.1),
    "master_weights": ch5jax.master_weights(ch5jax.momentum(0.1)),
}
for_every_composition = pytest.mark.parametrize("opt", OPTS.values(), ids=OPTS)


def trained(opt):
    params = params_like(jnp.float16)
    gradients = jax.tree.map(lambda p: jnp.stack([p, -p, p / 2]), params)
    return params, jax.jit(run)(opt, gradients, params)[1]


def assert_continues_alike(opt, params, state, restored):
    chex.assert_trees_all_equal(restored, state)
    chex.assert_trees_all_equal_shapes_and_dtypes(restored, state)
    chex.assert_trees_all_equal(opt.update(params, restored, params), opt.update(params, state, params))


@for_every_composition
def test_state_through_orbax(opt, tmp_path):
    params, state = trained(opt)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", {"state": state, "opt": opt})
        checkpointer.wait_until_finished()
        abstract = jax.eval_shape(lambda: {"state": opt.init(params), "opt": jax.tree.map(jnp.asarray, opt)})
        restored = checkpointer.restore(tmp_path / "state", abstract)
    assert_continues_alike(opt, params, state, restored["state"])
    chex.assert_trees_all_close(restored["opt"], opt, rtol=1e-6)
    assert jax.tree.structure(restored["opt"]) == jax.tree.structure(opt)


@for_every_composition
def test_state_through_npz(opt, tmp_path):
    params, state = trained(opt)
    leaves = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(state)}
    np.savez(tmp_path / "state.npz", **leaves)
    with np.load(tmp_path / "state.npz") as file:
        like = opt.init(params)
        restored = jax.tree_util.tree_map_with_path(lambda path, _: jnp.asarray(file[jax.tree_util.keystr(path)]), like)
    assert_continues_alike(opt, params, state, restored)
