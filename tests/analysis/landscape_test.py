"""Planes and surveys on losses that are known."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.analysis import landscape

MIXTURE = {"cell": tf.constant([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])}


class _Quadratic:
    """The loss is |mixture - target|^2, the accuracy the first share."""

    def __init__(self, target):
        self.target = target

    def figures(self, mixture):
        return float(tf.reduce_sum((mixture["cell"] - self.target["cell"]) ** 2)), float(mixture["cell"][0, 0])


def test_random_directions_are_orthonormal_and_keep_the_sums_of_rows():
    shapes = {"normal": (14, 3), "reduce": (14, 5)}
    first, second = (landscape.random_direction(shapes, seed) for seed in (1, 2))
    plane = landscape.plane(("a", "b"), first, second)
    x, y = (np.concatenate([np.ravel(group) for group in side.values()]) for side in (plane.x, plane.y))
    assert x @ x == pytest.approx(1, rel=1e-5) and y @ y == pytest.approx(1, rel=1e-5)
    assert x @ y == pytest.approx(0, abs=1e-6)
    for group in shapes:
        np.testing.assert_allclose(plane.y[group].numpy().sum(axis=-1), 0, atol=1e-6)
        np.testing.assert_array_equal(plane.x[group], landscape.random_direction(shapes, 1)[group])


def test_survey_of_a_bowl():
    plane = landscape.plane(
        ("a", "b"), landscape.random_direction({"cell": (2, 3)}, 1), landscape.random_direction({"cell": (2, 3)}, 2)
    )
    centre = {"cell": MIXTURE["cell"] + 0.5 * plane.x["cell"]}
    found = landscape.survey(_Quadratic(centre), MIXTURE, plane, radius=1.0, points=5, to_mixture=lambda point: point)
    assert found["x"] == found["y"] == [-1.0, -0.5, 0.0, 0.5, 1.0] and found["directions"] == ["a", "b"]
    expected = [[(x - 0.5) ** 2 + y**2 for x in found["x"]] for y in found["y"]]
    np.testing.assert_allclose(found["loss"], expected, atol=1e-6)
    assert found["accuracy"][2][2] == pytest.approx(0.2)


def test_direction_of_alpha_moves_the_mixture_along_the_given_one():
    direction = {"cell": tf.constant([[0.1, -0.3, 0.2], [-0.2, 0.0, 0.2]])}
    step = landscape.in_alpha(direction, MIXTURE)["cell"]
    alpha = tf.math.log(MIXTURE["cell"])
    moved = (tf.nn.softmax(alpha + 1e-2 * step) - tf.nn.softmax(alpha - 1e-2 * step)) / 2e-2
    np.testing.assert_allclose(moved, direction["cell"], atol=1e-4)
