"""Perturbations: a mixture -> a harder mixture nearby, at which the weights are trained.

Source: Chen & Hsieh, "Stabilizing Differentiable Architecture Search via Perturbation-based Regularization", ICML 2020,
section 4; `attacker/perturb.py` of the official code.
"""

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from sdarts_tf.methods.simplex import renormalize, uniform_noise

Mixture = dict[str, tf.Tensor]
LossAndGradient = Callable[[Mixture], tuple[tf.Tensor, Mixture]]


class Perturbation(Protocol):
    """Moves a mixture; pure: tensors and a seed in, tensors out."""

    def __call__(
        self, mixture: Mixture, loss_and_gradient: LossAndGradient, *, epsilon: tf.Tensor, seed: tf.Tensor
    ) -> Mixture:
        """Returns the mixture at which the weights are trained.

        Args:
            mixture: `{group: [rows, candidates]}`, rows sum to one.
            loss_and_gradient: the training loss of a mixture, a scalar, and its gradient by that mixture.
            epsilon: radius of the perturbation, a scalar; 0 leaves the mixture as it is, up to rounding.
            seed: int32 `[2]`.
        """


def none(mixture, loss_and_gradient, *, epsilon, seed):
    """DARTS: leaves the mixture as it is."""
    return mixture


def random(draw=uniform_noise, project=renormalize):
    """SDARTS-RS: a uniform shift of every share, brought back to the simplex.

    Example:
        >>> mixture = {"cell": tf.constant([[0.5, 0.5]])}
        >>> shift = lambda mixture, epsilon, seed: {"cell": tf.constant([[0.1, -0.1]])}
        >>> random(draw=shift)(mixture, None, epsilon=0.1, seed=(0, 0))["cell"].numpy().astype(float).round(2).tolist()
        [[0.6, 0.4]]
    """

    def perturb(mixture, loss_and_gradient, *, epsilon, seed):
        shifted = _add(mixture, draw(mixture, epsilon, seed))
        return project(shifted, center=mixture, radius=epsilon)

    return perturb


def adversarial(steps=7, draw=uniform_noise, project=renormalize):
    """SDARTS-ADV: projected gradient ascent (PGD) on the training loss, from a random start.

    Every step moves each share by 2 * epsilon / steps in the direction of its gradient's sign. An attack that does not
    raise the loss, or ends in a loss that is not finite, is dropped.

    Args:
        steps: number of ascent steps.
        draw: the random start, as `uniform_noise`; a test may feed recorded noise.
        project: back to the simplex near the clean mixture, as `renormalize`.

    Example:
        >>> mixture = {"cell": tf.constant([[0.4, 0.4, 0.2]])}
        >>> gradient = {"cell": tf.constant([[1.0, -1.0, 0.0]])}
        >>> loss = lambda mixture: (tf.reduce_sum(mixture["cell"] * gradient["cell"]), gradient)
        >>> start = lambda mixture, epsilon, seed: {"cell": tf.zeros([1, 3])}
        >>> attacked = adversarial(draw=start)(mixture, loss, epsilon=0.1, seed=(0, 0))
        >>> attacked["cell"].numpy().astype(float).round(4).tolist()
        [[0.5, 0.3, 0.2]]
    """

    def perturb(mixture, loss_and_gradient, *, epsilon, seed):
        clean_loss, _ = loss_and_gradient(mixture)
        attacked = project(_add(mixture, draw(mixture, epsilon, seed)), center=mixture, radius=epsilon)
        for _ in tf.range(steps):
            _, gradient = loss_and_gradient(attacked)
            attacked = _add(attacked, _scaled_signs(gradient, 2 * epsilon / steps))
            attacked = project(attacked, center=mixture, radius=epsilon)
        attacked_loss, _ = loss_and_gradient(attacked)
        succeeded = tf.math.is_finite(attacked_loss) & (attacked_loss >= clean_loss)
        return tf.nest.map_structure(lambda hard, clean: tf.where(succeeded, hard, clean), attacked, mixture)

    return perturb


def _add(mixture, shift):
    return tf.nest.map_structure(tf.add, mixture, shift)


def _scaled_signs(gradient, size):
    return tf.nest.map_structure(lambda g: size * tf.sign(g), gradient)
