"""What a found network may cost. Pure; imports no TensorFlow."""

import math

KINDS = ("latency_ms", "params", "madds")


def unsteered(space: str) -> str:
    """The sentence for a space whose costs are not known."""
    return f"--target is for DARTS cells and nasbench201; leave it away with --space={space}."


def parse(text: str) -> tuple[str, float]:
    """Kind and value of a target.

    Args:
        text: `KIND:VALUE`, a kind of `KINDS` and a number above 0.

    Raises:
        ValueError: it is something else.

    Example:
        >>> parse("latency_ms:3"), parse("params:1.5e6")
        (('latency_ms', 3.0), ('params', 1500000.0))
    """
    kind, _, value = text.partition(":")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if kind not in KINDS or not 0 < number < math.inf:
        raise ValueError(
            f"--target={text} is no target; write {', '.join(f'{kind}:X' for kind in KINDS)}, where X is above 0."
        )
    return kind, number
