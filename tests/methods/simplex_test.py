"""Projections and noise against closed forms."""

import numpy as np
import tensorflow as tf
from scipy import optimize

from sdarts_tf.methods import simplex


def _mixture(rows):
    return {"cell": tf.constant(rows, tf.float32)}


def test_clip_divides_by_the_sum_of_what_is_left():
    clipped = simplex.clip(_mixture([[0.5, -0.2, 0.9], [2.0, 0.5, 0.5]]))["cell"].numpy()
    np.testing.assert_allclose(clipped, [[0.5 / 1.4, 0, 0.9 / 1.4], [0.5, 0.25, 0.25]], rtol=1e-6)


def test_clip_of_a_row_without_anything_positive_is_one_hot_at_its_largest():
    np.testing.assert_array_equal(simplex.clip(_mixture([[-0.1, -0.05, -0.3]]))["cell"], [[0, 1, 0]])


def test_clip_to_box():
    boxed = simplex.clip_to_box(_mixture([[0.9, 0.0]]), center=_mixture([[0.5, 0.1]]), radius=0.2)
    np.testing.assert_allclose(boxed["cell"], [[0.7, 0.0]], rtol=1e-6)


def test_noise_is_uniform_and_differs_between_groups_and_seeds():
    groups = {"normal": tf.zeros([100, 50]), "reduce": tf.zeros([100, 50])}
    noise = simplex.uniform_noise(groups, 0.3, (1, 2))
    values = noise["normal"].numpy()
    assert np.abs(values).max() <= 0.3 and np.abs(values).max() > 0.299
    assert abs(values.mean()) < 0.01 and abs(values.std() - 0.3 / np.sqrt(3)) < 0.005
    assert abs(np.corrcoef(values.ravel(), noise["reduce"].numpy().ravel())[0, 1]) < 0.05
    other = simplex.uniform_noise(groups, 0.3, (1, 3))["normal"].numpy()
    assert abs(np.corrcoef(values.ravel(), other.ravel())[0, 1]) < 0.05
    np.testing.assert_array_equal(simplex.uniform_noise(groups, 0.3, (1, 2))["normal"], values)


def test_official_projection_may_leave_the_box():
    """The known case: three shares, official (.736842, .263158, 0), although the radius is .1 around (.6, .3, .1)."""
    center, moved = _mixture([[0.6, 0.3, 0.1]]), _mixture([[0.8, 0.25, -0.15]])
    official = simplex.renormalize(moved, center=center, radius=0.1)["cell"].numpy()
    np.testing.assert_allclose(official, [[0.736842, 0.263158, 0]], atol=1e-6)


def test_exact_projection_is_the_nearest_point():
    """Against a solver of the quadratic problem."""
    random = np.random.RandomState(3)
    center = random.dirichlet([1, 1, 1, 1], size=6)
    moved = center + random.uniform(-0.5, 0.5, center.shape)
    ours = simplex.exact(_mixture(moved), center=_mixture(center), radius=0.15)["cell"].numpy()
    np.testing.assert_allclose(ours.sum(axis=-1), 1, atol=1e-6)
    assert np.abs(ours - center).max() <= 0.15 + 1e-6 and ours.min() >= 0
    for row, start, point in zip(ours, center, moved, strict=True):
        bounds = [(max(0, c - 0.15), min(1, c + 0.15)) for c in start]
        solution = optimize.minimize(
            lambda p, point=point: np.sum((p - point) ** 2),
            start,
            bounds=bounds,
            constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
            tol=1e-12,
        )
        np.testing.assert_allclose(row, solution.x, atol=2e-4)


def test_exact_projection_leaves_what_is_inside():
    center = _mixture([[0.25, 0.25, 0.5]])
    np.testing.assert_allclose(simplex.exact(center, center=center, radius=0.0)["cell"], center["cell"], atol=1e-6)
