"""What tests share: eight CPU devices; double precision, quick compilation and examples for those that ask."""

import contextlib
import ctypes
import functools
import gc
import os
import resource
import runpy
import sys
import types
from pathlib import Path

import jax
import pytest
import xdist.scheduler
from jax._src import compiler
from jax.experimental.compilation_cache import compilation_cache

from ch5jax import tracing
from ch5jax.sweeps import _plan

jax.config.update("jax_num_cpu_devices", 8)
ON_CPU = jax.default_backend() == "cpu"
if not ON_CPU:
    jax.config.update("jax_default_matmul_precision", "highest")  # else a GPU's products have ten bits

# LLVM's passes and the emitters of fused loops are two thirds of the time that XLA takes to compile a small program.
QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_parallel_codegen_split_count": 1,
    "xla_cpu_use_fusion_emitters": False,
}
APART = ("tests/documents/", "tests/verdicts/test_battery.py")  # long tests that have no program in common
STATM = Path("/proc/self/statm")
ROOM = types.SimpleNamespace(limit=1.2)  # GB
PEAKS = []  # of the workers that have ended
_quickly = jax.make_user_context()  # part of what JAX keeps programs by: those compiled so serve no other test


@functools.cache
def quick_options():
    """Those of the options that this version of XLA has; none on a GPU, where its lowest level breaks some programs."""

    def known(name, value):
        try:
            jax.jit(lambda: 0, compiler_options={name: value})()
        except jax.errors.JaxRuntimeError:
            return False
        return True

    return {name: value for name, value in QUICK.items() if ON_CPU and known(name, value)}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file's tests stay on one worker, where what one compiles serves the next; those of files apart fill the end."""

    class Scheduling(xdist.scheduler.LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.split("::")[0]
            return nodeid if path.startswith(APART) else path

    return Scheduling(config, log)


def pytest_sessionfinish(session):
    """A worker tells how much memory it took at most."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    PEAKS.append(getattr(node, "workeroutput", {}).get("peak", float("nan")))


def pytest_terminal_summary(terminalreporter):
    if PEAKS:
        terminalreporter.write_line(f"peak memory of the workers, GB: {', '.join(f'{peak:.2f}' for peak in PEAKS)}")


def memory():
    """What this process holds now, in GB; unknown where there is no /proc."""
    if not STATM.exists():
        return 0.0
    return int(STATM.read_text().split()[1]) * resource.getpagesize() / 1e9


@pytest.fixture(autouse=True)
def small_worker():
    """Compiled programs go when they fill a worker: kept for good, they filled 5 to 7 GB in each."""
    yield
    if memory() > ROOM.limit:
        jax.clear_caches()
        tracing.clear_caches()
        _plan.KEPT.clear()
        gc.collect()
        if sys.platform == "linux":  # else glibc keeps what is free
            ctypes.CDLL(None).malloc_trim(0)
        ROOM.limit = max(ROOM.limit, memory() + 0.3)  # never at every test, however much JAX itself has come to hold


@contextlib.contextmanager
def compiled_with(options, always):
    """Within it, XLA compiles with these options: always, or where a program does not say another."""
    plain = compiler.get_compile_options

    def get_compile_options(*args, env_options_overrides=None, **rest):
        given = env_options_overrides or {}
        return plain(*args, env_options_overrides={**given, **options} if always else {**options, **given}, **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "get_compile_options", get_compile_options)
        yield


@contextlib.contextmanager
def quickly():
    """Within it, XLA hardly optimizes what is compiled."""
    with compiled_with(quick_options(), always=True), _quickly(True):
        yield


@pytest.fixture(scope="session", autouse=True)
def second_level():
    """LLVM's third level took a quarter of the time of tests of bits, and shows nothing that the second does not."""
    with compiled_with({"xla_backend_optimization_level": 2} if ON_CPU else {}, always=False):
        yield


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder for compiled programs that is nobody's."""
    folder = tmp_path_factory.mktemp("programs")
    options = {"jax_compilation_cache_dir": str(folder), "jax_persistent_cache_min_compile_time_secs": 0.1}
    before = {name: getattr(jax.config, name) for name in options}
    for name, value in options.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield folder
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture
def compiled_quickly():
    """Programs that XLA hardly optimizes: for tests of formulas and behaviour, not of last bits or float32's errors."""
    with quickly():
        yield


@pytest.fixture(scope="module")
def module_compiled_quickly():
    """The same for a whole file, with the fixtures that it shares."""
    with quickly():
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
def torch():
    """PyTorch, an independent reference; the test extra has it below Python 3.13 only."""
    return pytest.importorskip("torch", reason="PyTorch comes with the test extra below Python 3.13 only")


@pytest.fixture
def chapter(compiled_quickly, tmp_path, monkeypatch):
    """Runs a program of the chapter, `examples/chapter_<name>.py`, and gives its global names; it has to draw."""

    def run(name):
        monkeypatch.chdir(tmp_path)
        found = runpy.run_path(str(Path(__file__).parents[1] / "examples" / f"chapter_{name}.py"))
        assert (tmp_path / f"chapter_{name}.png").stat().st_size > 0
        return found

    return run
