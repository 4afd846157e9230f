"""RS and ADV on losses that are known in closed form."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.methods import perturbations, simplex


def _linear(gradient):
    """A loss that is linear in the mixture."""
    gradient = {"cell": tf.constant(gradient, tf.float32)}
    return lambda mixture: (tf.reduce_sum(mixture["cell"] * gradient["cell"]), gradient)


def _still(mixture, epsilon, seed):
    return tf.nest.map_structure(tf.zeros_like, mixture)


def _path(gradient, start, epsilon):
    seen = []

    def recording(mixture):
        seen.append(mixture["cell"].numpy())
        return _linear(gradient)(mixture)

    mixture = {"cell": tf.constant([start], tf.float32)}
    perturbations.adversarial(draw=_still)(mixture, recording, epsilon=epsilon, seed=(0, 0))
    return [step[0] for step in seen[1:]]


@pytest.mark.parametrize(
    ("gradient", "first", "last"),
    [
        ([[1.0, -1.0, 0.0]], [0.428571, 0.371429, 0.2], [0.5, 0.3, 0.2]),
        ([[1.0, 0.5, -1.0]], [0.416667, 0.416667, 0.166667], [0.452966, 0.452966, 0.094067]),
    ],
)
def test_steps_of_the_attack_on_a_linear_loss(gradient, first, last):
    path = _path(gradient, [0.4, 0.4, 0.2], 0.1)
    assert len(path) == 8
    np.testing.assert_allclose(path[1], first, atol=1e-6)
    np.testing.assert_allclose(path[-1], last, atol=1e-6)


def test_the_attack_climbs():
    """The sign: the attacked loss is the higher one, by what a box of that radius allows."""
    mixture, loss = {"cell": tf.constant([[0.4, 0.4, 0.2]])}, _linear([[1.0, -1.0, 0.0]])
    hard = perturbations.adversarial(draw=_still)(mixture, loss, epsilon=0.1, seed=(0, 0))
    assert float(loss(hard)[0]) == pytest.approx(0.2, abs=1e-6)
    assert float(loss(mixture)[0]) == pytest.approx(0.0, abs=1e-6)


def test_an_attack_that_lowers_the_loss_is_dropped():
    mixture = {"cell": tf.constant([[0.4, 0.6]])}

    def misleading(mixture):
        value, gradient = _linear([[1.0, -1.0]])(mixture)
        return value, {"cell": -gradient["cell"]}

    hard = perturbations.adversarial()(mixture, misleading, epsilon=0.1, seed=(0, 0))
    np.testing.assert_array_equal(hard["cell"], mixture["cell"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_attack_that_ends_in_a_loss_that_is_not_finite_is_dropped(bad):
    mixture = {"cell": tf.constant([[0.4, 0.6]])}

    def broken(moved):
        value, gradient = _linear([[1.0, -1.0]])(moved)
        return tf.where(tf.reduce_all(moved["cell"] == mixture["cell"]), value, bad), gradient

    hard = perturbations.adversarial()(mixture, broken, epsilon=0.1, seed=(0, 0))
    np.testing.assert_array_equal(hard["cell"], mixture["cell"])


def test_exact_projection_keeps_the_attack_in_the_box():
    mixture = {"cell": tf.nn.softmax(tf.random.stateless_normal([14, 7], (1, 2)))}
    gradient = tf.random.stateless_normal([14, 7], (3, 4))
    attack = perturbations.adversarial(project=simplex.exact)
    hard = attack(mixture, _linear(gradient), epsilon=0.05, seed=(5, 6))["cell"].numpy()
    assert np.abs(hard - mixture["cell"]).max() <= 0.05 + 1e-6
    np.testing.assert_allclose(hard.sum(axis=-1), 1, atol=1e-5)


def test_random_moves_every_share_and_averages_out():
    mixture = {"cell": tf.fill([2000, 5], 0.2)}
    moved = perturbations.random()(mixture, None, epsilon=0.1, seed=(1, 1))["cell"].numpy()
    assert np.all(moved != 0.2)
    np.testing.assert_allclose(moved.mean(axis=0), 0.2, atol=0.005)
    assert 0.02 < np.abs(moved - 0.2).mean() < 0.1


@pytest.mark.parametrize(("candidates", "expected"), [(2, 0.102), (3, 0.186), (5, 0.233), (7, 0.216), (8, 0.205)])
def test_how_far_the_official_rule_moves_a_row(candidates, expected):
    """Mean largest move of a uniform row at epsilon .2946, as measured on the official rule."""
    mixture = {"cell": tf.fill([20000, candidates], 1 / candidates)}
    moved = perturbations.random()(mixture, None, epsilon=0.2946, seed=(1, 1))["cell"].numpy()
    assert np.abs(moved - 1 / candidates).max(axis=-1).mean() == pytest.approx(expected, abs=0.002)
