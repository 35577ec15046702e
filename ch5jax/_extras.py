"""Packages that only some parts need, with a clear message when one is missing."""

import importlib
from typing import Any


def require(module: str, extra: str, what: str) -> Any:
    """Imports a module of an extra.

    Args:
      module: what to import, such as "sklearn.datasets".
      extra: the extra of ch5jax that installs it.
      what: who needs it, for the message.

    Raises:
      ImportError: if it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ImportError(
            f'{what} needs {error.name}, which is not installed: pip install "ch5jax[{extra}]"', name=error.name
        ) from None
