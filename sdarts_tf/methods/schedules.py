"""Schedules: progress of a run in [0, 1) -> a number. Progress is `epoch / epochs`, epoch counted from 0.

What depends on numbers of epochs maps the epoch instead.
"""

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


def slow_end(start, epochs, *, last=5):
    """From `start` to nearly 0 by epoch, with a smaller slope in the `last` epochs: the official one for ImageNet.

    Args:
        start: value at epoch 0.
        epochs: length of the training, more than `last`.
        last: number of epochs that share the final step of the steep part.

    Source: `adjust_lr` of the official `train_imagenet.py`.

    Example:
        >>> [slow_end(0.5, 15)(epoch) for epoch in (0, 5, 9, 10, 14)]
        [0.5, 0.25, 0.05, 0.05, 0.01]
    """

    def schedule(epoch):
        steep = epochs - last
        return start * ((steep - epoch) if epoch < steep else (epochs - epoch) / last) / steep

    return schedule


def warm_up(schedule, peak, epochs):
    """`schedule`, whose first `epochs` epochs are replaced by a linear growth that reaches `peak` in the last of them.

    Example:
        >>> [warm_up(lambda epoch: 0.4, 0.5, 5)(epoch) for epoch in (0, 4, 5)]
        [0.1, 0.5, 0.4]
    """
    return lambda epoch: peak * (epoch + 1) / epochs if epoch < epochs else schedule(epoch)
