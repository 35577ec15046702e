"""Signals beside the curves, at the steps that were looked at."""

import numpy as np
import pandas as pd

from ch5jax import report
from ch5jax.diagnostics import Signals
from tests.report.results import accuracies, made


def test_signals_are_columns_of_the_curves(tmp_path):
    result = made(accuracies(), {"sgd": ("learning_rate",)})
    noise = np.arange(15 * 3, dtype=np.float32).reshape(15, 3)
    ratios = np.arange(15 * 3 * 2, dtype=np.float32).reshape(15, 3, 2)
    signals = Signals(noise=noise, update_ratio=ratios)
    result.curves["sgd"] = result.curves["sgd"]._replace(probed_at=np.array([7, 50, 100]), signals=signals)
    curves = pd.read_parquet(report.write_files(result, tmp_path, title="A sweep").curves)
    assert list(curves)[5:] == ["signals.noise", "signals.update_ratio[0]", "signals.update_ratio[1]"]
    own = curves[curves.trial == 4]
    assert own.step.tolist() == [5, 7, *range(10, 105, 5)]
    probed_at = own.dropna(subset="signals.noise")
    assert probed_at.step.tolist() == [7, 50, 100]
    assert probed_at["signals.noise"].tolist() == noise[4].tolist()
    assert probed_at["signals.update_ratio[1]"].tolist() == ratios[4, :, 1].tolist()
    assert own.dropna(subset="loss").step.tolist() == list(range(5, 105, 5))
