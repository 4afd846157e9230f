"""Methods as sums of ingredients, schedules, hypergradients."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.methods import hypergradients, perturbations, schedules
from sdarts_tf.methods.method import Method, parse


def test_every_ingredient_sets_its_choice():
    assert parse("darts") == Method()
    assert parse("second_order") == Method(hypergradient=hypergradients.second_order)
    mixture = {"cell": tf.constant([[0.5, 0.5]])}
    assert parse("darts").perturbation(mixture, None, epsilon=0.3, seed=(0, 0)) is mixture
    shifted = parse("rs+second_order").perturbation(mixture, None, epsilon=0.3, seed=(0, 0))
    assert np.abs(shifted["cell"] - 0.5).max() > 0.001
    assert parse("rs").perturbation is not perturbations.none


def test_number_of_attack_steps():
    calls = []

    def loss(mixture):
        calls.append(1)
        return tf.reduce_sum(mixture["cell"]), {"cell": tf.ones_like(mixture["cell"])}

    parse("adv", pgd_steps=3).perturbation({"cell": tf.constant([[0.5, 0.5]])}, loss, epsilon=0.1, seed=(0, 0))
    assert len(calls) == 3 + 2  # and one before, one after


@pytest.mark.parametrize("text", ["rs+adv", "darts+rs", "second_order+second_order", "bogus", "", "rs+", "adv+bogus"])
def test_wrong_sums(text):
    with pytest.raises(ValueError, match=r"^--method=.*(twice|unknown)"):
        parse(text)


def test_schedules():
    rate = schedules.cosine(0.025, 0.001)
    assert [round(rate(e / 50), 7) for e in (0, 25, 49)] == [0.025, 0.013, 0.0010237]
    epsilon = schedules.linear(0.03, 0.3)
    assert [round(epsilon(e / 50), 4) for e in (0, 25, 49)] == [0.03, 0.165, 0.2946]


class Quadratic:
    """L = 1/2 |w|^2 c + w . p, whose mixed derivatives are known."""

    def __init__(self, curvature):
        self.curvature = curvature

    def loss_and_gradients(self, weights, mixture):
        w, p = weights[0], mixture["cell"][0]
        loss = 0.5 * self.curvature * tf.reduce_sum(w * w) + tf.reduce_sum(w * p)
        return loss, [self.curvature * w + p], {"cell": w[tf.newaxis]}


def test_second_order_is_the_exact_derivative_of_a_quadratic():
    """d/dp of L_val(w - r (c w + p), p): the direct term minus r times d2L/dw dp = identity times dL_val/dw."""
    weights, mixture, rate = [tf.constant([0.3, -0.2])], {"cell": tf.constant([[0.6, 0.4]])}, 0.1
    train, valid = Quadratic(2.0), Quadratic(3.0)
    _, gradient = hypergradients.second_order(
        train,
        valid,
        weights,
        mixture,
        learning_rate=tf.constant(rate),
        lookahead=lambda gradients: [w - rate * g for w, g in zip(weights, gradients, strict=True)],
    )
    ahead = weights[0] - rate * (2.0 * weights[0] + mixture["cell"][0])
    expected = ahead - rate * (3.0 * ahead + mixture["cell"][0])
    np.testing.assert_allclose(gradient["cell"][0], expected, rtol=1e-4)
