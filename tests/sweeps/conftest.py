"""Two devices for the sweeps' tests: enough to cut a chunk's lot in two, and quick to compile for."""

import jax
import pytest

from ch5jax.sweeps import _plan
from tests.conftest import quickly


@pytest.fixture(autouse=True, scope="package")
def two_devices():
    with pytest.MonkeyPatch.context() as patch:
        devices = jax.devices("cpu")[:2]
        patch.setattr(jax, "local_devices", lambda: devices)
        yield


@pytest.fixture(autouse=True, scope="module")
def programs_as_due(request):
    """Programs as users have them where it is about bits; elsewhere quickly compiled ones. None is left from before."""
    _plan.KEPT.clear()
    if request.module.__name__.endswith(".test_bits"):
        yield
    else:
        with quickly():
            yield
    _plan.KEPT.clear()
