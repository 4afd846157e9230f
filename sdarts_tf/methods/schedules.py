"""Schedules: progress of the search in [0, 1) -> a number. Progress is `epoch / epochs`, epoch counted from 0."""

import math


def cosine(start, end):
    """From `start` down to `end` along half a cosine.

    Example:
        >>> round(cosine(0.025, 0.001)(25 / 50), 6)
        0.013
    """
    return lambda progress: end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def linear(start, end):
    """From `start` to `end` in proportion. As in the official code the last epoch stays short of `end`.

    Example:
        >>> round(linear(0.03, 0.3)(49 / 50), 4)
        0.2946
    """
    return lambda progress: start + (end - start) * progress
