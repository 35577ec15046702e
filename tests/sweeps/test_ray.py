"""A sweep on a Ray cluster: the table of one at home, whatever dies on the way."""

import subprocess
import sys
from pathlib import Path

import pytest

import ch5jax
from ch5jax.sweeps import Ray
from tests.sweeps.small import run


def test_on_a_cluster_of_three_nodes(tmp_path, quick_environment):
    environment = {**quick_environment, "PYTHONPATH": ".", "RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
    program = [sys.executable, "-m", "tests.sweeps.on_ray", str(tmp_path)]
    done = subprocess.run(
        program, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    same, deadly, refused, nowhere = (tmp_path / "said").read_text().splitlines()  # Ray writes to the terminal too
    assert same == "a worker and a node were killed: same bits"
    assert "1 chunks could not be trained, and all others are stored: trials 1 to 1, group 'sgd'" in deadly
    assert "this task has no place here" in refused
    assert "address must be that of a Ray cluster that can be reached, got '127.0.0.1:1'" in nowhere


@pytest.mark.parametrize(
    "given", [{"address": ""}, {"address": 3}, {"retries": -1}, {"retries": 1.5}, {"retries": True}, {"options": 3}]
)
def test_what_is_no_engine(given):
    with pytest.raises(ValueError, match=f"{next(iter(given))} must be"):
        Ray(**given)


@pytest.mark.parametrize(
    "given", [{"engine": "ray"}, {"rungs": ch5jax.Rungs([12]), "engine": Ray()}, {"keep_states": True, "engine": Ray()}]
)
def test_what_an_engine_does_not_do(given, tmp_path):
    with pytest.raises(ValueError, match=r"engine must be a ch5jax\.sweeps\.Ray\(\), without rungs and keep_states"):
        run(**given, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()
