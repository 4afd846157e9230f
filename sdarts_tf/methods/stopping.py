"""When a search should have stopped: rules on what its epochs recorded. Imports no TensorFlow.

Each rule is asked after every epoch and answers with the earlier epoch to which the search goes back, or None.
"""

import functools
from collections.abc import Callable, Mapping

import numpy as np


def by_eigenvalue(
    eigenvalues: Mapping[int, float], *, window: int = 5, ratio: float = 1.3, distance: int = 4, start: int = 10
) -> int | None:
    """R-DARTS-ES: goes back if the largest eigenvalue of the Hessian by alpha has grown too fast.

    Eigenvalues are averaged over a window of measurements, which is cut at the first one. The latest average is
    compared with the one a few measurements earlier.

    Args:
        eigenvalues: epoch -> eigenvalue, at equal distances, ascending, the latest last.
        window: measurements in an average, odd.
        ratio: growth that is still allowed.
        distance: measurements between the averages that are compared.
        start: the first epoch to which it goes back.

    Returns:
        The epoch in the middle of the earlier average, or None.

    Source: Zela et al., "Understanding and Robustifying Differentiable Architecture Search", ICLR 2020, section 4.3.

    Example:
        >>> values = [0.179, 0.148, 0.170, 0.146, 0.121, 0.249, 0.231, 0.359, 0.225, 0.386, 0.208, 0.430]
        >>> measured = dict(zip(range(0, 24, 2), values))
        >>> by_eigenvalue(measured)
        10
        >>> measured.popitem(), by_eigenvalue(measured)
        ((22, 0.43), None)
    """
    epochs, values = list(eigenvalues), list(eigenvalues.values())
    half = window // 2
    latest = len(values) - 1 - half
    earlier = latest - distance
    if earlier < 0 or epochs[earlier] < start:
        return None
    now, then = (np.mean(values[max(0, center - half) : center + half + 1]) for center in (latest, earlier))
    return epochs[earlier] if now > ratio * then else None


def by_skips(skips: Mapping[int, int], *, limit: int) -> int | None:
    """DARTS+: goes back to the last genotype with fewer skip connections than the limit, once there are as many.

    Args:
        skips: epoch -> number of skip connections, ascending, the latest last.
        limit: number of skip connections that is too many.

    Returns:
        The latest epoch with fewer; None while the latest genotype has fewer, and where none has had.

    Source: Liang et al., "DARTS+: Improved Differentiable Architecture Search with Early Stopping", 2019.

    Example:
        >>> by_skips({1: 3, 2: 1, 3: 0, 4: 2}, limit=2), by_skips({1: 3, 2: 1}, limit=2), by_skips({1: 3}, limit=2)
        (3, None, None)
    """
    *_, latest = skips.values()
    fewer = [epoch for epoch, count in skips.items() if count < limit]
    return fewer[-1] if latest >= limit and fewer else None


def parse(text: str) -> tuple[str, Callable]:
    """The rule that `text` names.

    Args:
        text: `"eigenvalue"` or `"skips:N"`, N at least 1.

    Returns:
        What the rule looks at, `"eigenvalue"` or `"skips"`, and the rule: a function of epoch -> value.

    Raises:
        ValueError: the rule is unknown, or N is missing or no such number.

    Example:
        >>> what, rule = parse("skips:2")
        >>> what, rule({1: 0, 2: 2})
        ('skips', 1)
    """
    name, _, number = text.partition(":")
    if text == "eigenvalue":
        return name, by_eigenvalue
    if name == "skips" and number.isdecimal() and int(number) >= 1:
        return name, functools.partial(by_skips, limit=int(number))
    raise ValueError(f"--stop={text} is not known; write eigenvalue, or skips:N with a number N of at least 1.")
