"""What tests share: eight CPU devices; double precision, quick compilation and examples for those that ask."""

import functools
import os
import runpy
from pathlib import Path

import jax
import pytest
from jax._src import compiler

jax.config.update("jax_num_cpu_devices", 8)

# LLVM's passes and the emitters of fused loops are two thirds of the time that XLA takes to compile a small program.
QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_parallel_codegen_split_count": 1,
    "xla_cpu_use_fusion_emitters": False,
}
_quickly = jax.make_user_context()  # part of what JAX keeps programs by: those compiled so serve no other test


@functools.cache
def quick_options():
    """Those of the options that this version of XLA has."""

    def known(name, value):
        try:
            jax.jit(lambda: 0, compiler_options={name: value})()
        except jax.errors.JaxRuntimeError:
            return False
        return True

    return {name: value for name, value in QUICK.items() if known(name, value)}


@pytest.fixture
def compiled_quickly(monkeypatch):
    """Programs that XLA hardly optimizes: for tests of formulas and behaviour, not of last bits or float32's errors."""
    options, plain = quick_options(), compiler.get_compile_options

    def quick(*args, env_options_overrides=None, **rest):
        return plain(*args, env_options_overrides={**options, **(env_options_overrides or {})}, **rest)

    monkeypatch.setattr(compiler, "get_compile_options", quick)
    with _quickly(True):
        yield


@pytest.fixture
def quick_environment():
    """The environment of a process that compiles so."""
    flags = [f"--{name}={str(value).lower()}" for name, value in quick_options().items()]
    return {**os.environ, "XLA_FLAGS": " ".join([os.environ.get("XLA_FLAGS", ""), *flags]).strip()}


@pytest.fixture
def x64(compiled_quickly):
    """Double precision, in which a wrong formula shows however it is compiled."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def chapter(compiled_quickly, tmp_path, monkeypatch):
    """Runs a program of the chapter, `examples/chapter_<name>.py`, and gives its global names; it has to draw."""

    def run(name):
        monkeypatch.chdir(tmp_path)
        found = runpy.run_path(str(Path(__file__).parents[1] / "examples" / f"chapter_{name}.py"))
        assert (tmp_path / f"chapter_{name}.png").stat().st_size > 0
        return found

    return run
