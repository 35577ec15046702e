"""Names and numbers as people read them."""

import math


def is_share(metric: str) -> bool:
    """Whether a metric is a share of right answers, which reads as a percentage.

    Args:
      metric: its name.

    Returns:
      Whether it is.

    Example:
      >>> from ch5jax.report import is_share
      >>> is_share("validation_accuracy"), is_share("validation_loss")
      (True, False)
    """
    return "accuracy" in metric


def label(name: str) -> str:
    """A column's name in words.

    Args:
      name: the column's.

    Returns:
      The words.

    Example:
      >>> from ch5jax.report import label
      >>> label("validation_accuracy"), label("optimizer.learning_rate")
      ('validation accuracy', 'optimizer learning rate')
    """
    return name.replace("optimizer.", "optimizer ").replace("_", " ").strip()


def better_with(remedy: str) -> str:
    """A table's remedy, a hyperparameter and its value, in words."""
    name, _, value = remedy.partition(" ")
    return f"better with {label(name)} {value}"


def number(value: object, digits: int = 4) -> str:
    """A hyperparameter's value in words.

    Args:
      value: a number, text or truth value.
      digits: how many significant digits a number has.

    Returns:
      The words; "–" for NaN, as tables have it where a group has no such hyperparameter.

    Example:
      >>> from ch5jax.report import number
      >>> number(0.0316227), number(1e-7), number(float("nan"))
      ('0.03162', '1e-7', '–')
    """
    if isinstance(value, str) or not hasattr(value, "__float__"):
        return str(value)
    if not math.isfinite(value):
        return "–" if math.isnan(value) else str(float(value))
    text = f"{float(f'{value:.{digits}g}'):.6g}"  # 1000, not 1e+03
    return text if "e" not in text else text.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def amount(metric: str, value: float) -> str:
    """A metric's value in words: a share as a percentage to two decimals, anything else to four significant digits.

    Args:
      metric: its name, which says whether it is a share, as `is_share` has it.
      value: a number.

    Returns:
      The words.

    Example:
      >>> from ch5jax.report import amount
      >>> amount("test_accuracy", 0.97221), amount("loss", 0.0123456)
      ('97.22 %', '0.01235')
    """
    return f"{100 * value:.2f} %" if is_share(metric) and math.isfinite(value) else number(value)


def with_spread(metric: str, mean: float, std: float) -> str:
    """A mean and its standard deviation over the seeds, if there is one, to as many digits as that tells."""
    if not math.isfinite(mean) or math.isnan(std):
        return amount(metric, mean)
    if is_share(metric):
        return f"{100 * mean:.2f} ± {100 * std:.2f} %"
    if not 1e-6 < std < 1e6:
        return f"{number(mean)} ± {std:.2g}"
    decimals = max(0, 1 - math.floor(math.log10(std)))  # two digits of the spread, and of the mean no more than these
    return f"{mean:.{decimals}f} ± {std:.{decimals}f}"
