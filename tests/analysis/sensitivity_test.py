"""Shifts of a mixture under losses that are known."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.analysis.sensitivity import sensitivity
from sdarts_tf.methods import simplex

MIXTURE = {"cell": tf.constant([[0.4, 0.4, 0.2]])}


class _Linear:
    """The loss is the slope times the mixture, the accuracy 1 minus it."""

    slope = tf.constant([[2.0, -1.0, -1.0]])

    def loss_and_gradient(self, mixture):
        return tf.reduce_sum(self.slope * mixture["cell"]), {"cell": self.slope}

    def figures(self, mixture):
        loss = float(self.loss_and_gradient(mixture)[0])
        return loss, 1 - loss


def _measure(draws=20, epsilons=(0.0, 0.05, 0.1, 0.2)):
    return sensitivity(_Linear(), MIXTURE, project=simplex.exact, pgd_steps=7, draws=draws, epsilons=epsilons)


def test_the_attack_finds_the_corner_and_random_shifts_average_out():
    found = _measure()
    assert found["epsilon"] == [0.0, 0.05, 0.1, 0.2]
    assert found["clean_loss"] == pytest.approx(0.2, abs=1e-6) and found["clean_accuracy"] == pytest.approx(0.8)
    # The first share grows by epsilon, the others shrink as much.
    np.testing.assert_allclose(found["adversarial_loss"], [0.2, 0.35, 0.5, 0.8], atol=1e-5)
    np.testing.assert_allclose(found["adversarial_accuracy"], [0.8, 0.65, 0.5, 0.2], atol=1e-5)
    assert found["random_spread"][0] == pytest.approx(0, abs=1e-6)
    for epsilon, mean, spread in zip(*(found[k] for k in ("epsilon", "random_loss", "random_spread")), strict=True):
        assert abs(mean - 0.2) <= 4 * spread / np.sqrt(20) + 1e-6
        assert spread <= 3 * epsilon + 1e-6
    assert np.all(np.diff(found["random_spread"]) > 0)
    np.testing.assert_allclose(found["random_accuracy_spread"], found["random_spread"], atol=1e-6)


def test_one_draw_has_no_spread():
    assert _measure(draws=1)["random_spread"] == [0.0] * 4
