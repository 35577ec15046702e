"""Two devices for the searches' sweeps, and programs that are compiled quickly."""

import jax
import pytest

from ch5jax.sweeps import _plan
from tests.conftest import quickly


@pytest.fixture(autouse=True, scope="module")
def two_devices():
    with pytest.MonkeyPatch.context() as patch, quickly():
        devices = jax.devices("cpu")[:2]
        patch.setattr(jax, "local_devices", lambda: devices)
        _plan.KEPT.clear()
        yield
        _plan.KEPT.clear()
