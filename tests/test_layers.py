"""Imports go one way: a module may import only from those above its own in this list."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ch5jax

pytestmark = pytest.mark.smoke

PACKAGE = Path(ch5jax.__file__).parent
LAYERS = [
    "_command",
    "_forked",
    "_types",
    "_extras",
    "_memory",
    "_trees",
    "_keys",
    "checkpoints",
    "_hyperparameters",
    "schedules",
    "optimizers",
    "initializers",
    "normalization",
    "networks",
    "problems",
    "tracing",
    "tapping",
    "diagnostics",
    "models",
    "tasks",
    "training",
    "populations",
    "pretraining",
    "verdicts",
    "sweeps",
    "searches",
    "treatment",
    "report",
    "exports",
    "cli",
]
CORE = LAYERS[: LAYERS.index("normalization") + 1]
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem not in ("__init__", "__main__")
)


def layer(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """The modules that a file names in its imports, wherever they stand in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            if node.module == "ch5jax":
                yield from (f"ch5jax.{name.name}" for name in node.names)
            else:
                yield node.module


def shown(path):
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_a_module_imports_only_from_layers_above(path):
    own = LAYERS.index(layer(path))
    for name in imported(path):
        if name == "ch5jax":
            assert layer(path) == "cli", f"{shown(path)} imports all of ch5jax"
        elif name.split(".")[0] == "ch5jax":
            other = name.split(".")[1]
            assert LAYERS.index(other) <= own, f"{shown(path)} imports {name}, which lies below it"
            if LAYERS.index(other) == own and path.stem not in ("__init__", "__main__"):
                assert name.split(".")[-1].startswith("_"), (
                    f"{shown(path)} imports {name}: name the file, not the package"
                )


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_a_packages_private_files_are_its_own(path):
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "ch5jax" and len(parts) > 2 and parts[1] != layer(path):
            assert not parts[2].startswith("_"), f"{shown(path)} imports {name}: name the package"


@pytest.mark.parametrize("path", [path for path in FILES if layer(path) in CORE], ids=shown)
def test_the_core_imports_jax_optax_chex_and_numpy_only(path):
    allowed = {"ch5jax", "jax", "optax", "chex", "numpy"} | sys.stdlib_module_names
    assert {name.split(".")[0] for name in imported(path)} <= allowed


def test_every_layer_is_listed():
    assert {layer(path) for path in FILES} <= set(LAYERS)


def test_importing_ch5jax_needs_no_extra_and_configures_nothing():
    """In a process of its own, where the extras cannot be imported."""
    program = """
import sys
for name in ("pandas", "sklearn", "plotly", "jinja2", "typer", "rich", "tqdm", "pyarrow", "torch", "optuna",
             "tensorboard", "mlflow", "wandb"):
    sys.modules[name] = None
import jax
before = dict(jax.config.values)
import ch5jax
assert dict(jax.config.values) == before
import jax._src.xla_bridge as bridge
assert not bridge.backends_are_initialized(), "importing ch5jax started JAX's backend"
"""
    subprocess.run([sys.executable, "-c", program], check=True)
