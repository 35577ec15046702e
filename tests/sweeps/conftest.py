"""Two devices for the sweeps' tests: enough to cut a chunk's lot in two, and quick to compile for."""

import jax
import pytest


@pytest.fixture(autouse=True, scope="package")
def two_devices():
    with pytest.MonkeyPatch.context() as patch:
        devices = jax.devices()[:2]
        patch.setattr(jax, "local_devices", lambda: devices)
        yield
