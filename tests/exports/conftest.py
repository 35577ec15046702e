"""One sweep that all tests of exports share."""

import pytest

from tests.conftest import quickly
from tests.exports.sweeps import trained


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs") / "digits"


@pytest.fixture(scope="session")
def result(folder):
    with quickly():
        return trained(folder)
