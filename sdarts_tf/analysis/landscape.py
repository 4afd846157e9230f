"""The loss and the accuracy on planes through the mixture and through alpha."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from sdarts_tf.spaces.base import Mixture
from sdarts_tf.training.fixed_loss import FixedLoss


@dataclasses.dataclass(frozen=True)
class Plane:
    """Two orthogonal unit directions over all groups together.

    Args:
        names: what the directions are called.
        x, y: group -> `[rows, candidates]`.
    """

    names: tuple[str, str]
    x: Mixture
    y: Mixture


def random_direction(shapes, seed: int) -> Mixture:
    """A unit direction along which the rows of a mixture keep their sums; the same for the same seed.

    Example:
        >>> direction = random_direction({"cell": (3, 2)}, seed=1)["cell"]
        >>> abs(float(tf.norm(direction)) - 1) < 1e-6 and abs(float(tf.reduce_sum(direction[0]))) < 1e-6
        True
    """
    normal = {
        group: tf.random.stateless_normal(shape, (seed, index)) for index, (group, shape) in enumerate(shapes.items())
    }
    return _unit({group: values - tf.reduce_mean(values, -1, keepdims=True) for group, values in normal.items()})


def plane(names, first: Mixture, second: Mixture) -> Plane:
    """The plane of two directions: the first one as it is, of the second what is orthogonal to it; both of length one.

    Example:
        >>> diagonal = {"cell": tf.constant([[1.0, 1.0]])}
        >>> plane(("a", "b"), {"cell": tf.constant([[2.0, 0.0]])}, diagonal).y["cell"].numpy().tolist()
        [[0.0, 1.0]]
    """
    x = _unit(first)
    along = sum(tf.reduce_sum(x[group] * second[group]) for group in x)
    return Plane(tuple(names), x, _unit({group: second[group] - along * x[group] for group in x}))


def in_alpha(direction: Mixture, mixture: Mixture) -> Mixture:
    """The direction of alpha that moves the mixture along `direction`, whose rows sum to zero.

    A share p moves by p * (a - the mean of a over the row, weighed by p); a = direction / p does it.
    """
    return {group: direction[group] / tf.maximum(shares, 1e-6) for group, shares in mixture.items()}


def survey(loss: FixedLoss, at: Mixture, plane: Plane, *, radius: float, points: int, to_mixture: Callable) -> dict:
    """Loss and accuracy on a square grid around a point.

    Args:
        loss: over the fixed batches.
        at: the centre, a mixture or an alpha.
        plane: the directions.
        radius: half of the side of the square, in the L2 norm over all groups.
        points: on each side; odd numbers have the centre among them.
        to_mixture: turns a point of the plane into a mixture. Nothing is projected: shares may leave 0 to 1.

    Returns:
        `directions`, `x`, `y`, and `loss` and `accuracy` with one row for each y.
    """
    ticks = np.linspace(-radius, radius, points).tolist()
    rows = [
        [
            loss.figures(to_mixture({group: at[group] + x * plane.x[group] + y * plane.y[group] for group in at}))
            for x in ticks
        ]
        for y in ticks
    ]
    figures = {name: [[cell[i] for cell in row] for row in rows] for i, name in enumerate(("loss", "accuracy"))}
    return {"directions": list(plane.names), "x": ticks, "y": ticks, **figures}


def _unit(direction):
    norm = tf.linalg.global_norm(list(direction.values()))
    return {group: tf.math.divide_no_nan(values, norm) for group, values in direction.items()}
