"""The course of a sweep's trials."""

from typing import NamedTuple

import numpy as np

from ch5jax.diagnostics import Signals
from ch5jax.verdicts import Names

# which names a signal's last axis has
_NAMED_BY = {
    "update_ratio": "matrices",
    "duplicate_units": "matrices",
    "layer_gradient_norms": "layers",
    "flat_units": "activations",
}


class Curves(NamedTuple):
    """The course of a group's trials; row i belongs to the group's i-th row in the table."""

    steps: np.ndarray  # shape (records,): steps taken at each record of `metrics`
    metrics: dict[str, np.ndarray]  # the step's metrics, shape (trials, records)
    evaluated_at: np.ndarray  # shape (evaluations,): steps taken at each evaluation
    evaluations: dict[str, np.ndarray]  # the metrics of `evaluate`, shape (trials, evaluations)
    probed_at: np.ndarray = np.zeros(0, int)  # shape (probes,): steps taken, the one probed too, at each of `signals`
    signals: Signals | None = None  # of the difficulties, shape (trials, probes, ...); None if none were taken
    names: Names = Names()  # of the layers and weight matrices that signals speak of

    def signal_columns(self) -> dict[str, np.ndarray]:
        """The signals as columns of shape (trials, probes): such as `signals.noise`.

        What there is one of for each layer, or weight matrix, has its name, as in `signals.update_ratio['kernel']`; its
        number where names are not known.
        """
        columns = {}
        for signal, values in (self.signals._asdict() if self.signals is not None else {}).items():
            if values is None:
                continue
            if values.ndim == 2:
                columns[f"signals.{signal}"] = values
                continue
            count = values.shape[2]
            names = getattr(self.names, _NAMED_BY[signal]) if signal in _NAMED_BY else ()
            shown = names if len(names) == count else [f"[{i}]" for i in range(count)]
            columns |= {
                f"signals.{signal}{name if name[:1] in ('[', '.') else f'.{name}'}": values[:, :, i]
                for i, name in enumerate(shown)
            }
        return columns
