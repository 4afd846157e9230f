"""Hypergradients: how the validation loss changes with the mixture when the weights follow it.

Source: Liu et al., "DARTS", ICLR 2019, section 2.3; `optimizers/darts/architect.py` of the official code.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import tensorflow as tf

Mixture = dict[str, tf.Tensor]
Weights = Sequence[tf.Tensor]


class Loss(Protocol):
    """The loss on one batch, without side effects where weights are given."""

    def loss_and_gradient(self, mixture: Mixture) -> tuple[tf.Tensor, Mixture]:
        """The loss at the current weights, and its gradient by the mixture."""

    def loss_and_gradients(self, weights: Weights, mixture: Mixture) -> tuple[tf.Tensor, Weights, Mixture]:
        """The loss at any weights, and its gradients by the weights and by the mixture."""


class Hypergradient(Protocol):
    """A gradient of the validation loss by the mixture."""

    def __call__(
        self,
        train: Loss,
        valid: Loss,
        weights: Weights,
        mixture: Mixture,
        *,
        learning_rate: tf.Tensor,
        lookahead: Callable[[Weights], Weights],
    ) -> tuple[tf.Tensor, Mixture]:
        """Returns the validation loss and its hypergradient. AutoGraph does not convert it.

        Args:
            train: the loss on the training batch.
            valid: the loss on the validation batch.
            weights: the supernet's trainable weights.
            mixture: the clean mixture.
            learning_rate: of the weights' optimizer at this step.
            lookahead: gradient of the weights -> the weights after one step of their optimizer, momentum and decay
                included, clipping excluded. The optimizer is not touched.
        """


def first_order(train, valid, weights, mixture, *, learning_rate, lookahead):
    """The weights are taken as they are."""
    return valid.loss_and_gradient(mixture)


def second_order(train, valid, weights, mixture, *, learning_rate, lookahead, gradient_clip=None):
    """The weights are taken one training step ahead; the Hessian term by central differences of size 0.01 / |v|.

    Moves no batch statistics.

    Args:
        train, valid, weights, mixture, learning_rate, lookahead: as `Hypergradient` says.
        gradient_clip: largest norm of the training gradient, whose step is shorter by that, and of v; None clips
            neither. The official code clips for recurrent cells only.
    """
    _, train_gradient, _ = train.loss_and_gradients(weights, mixture)
    step_share = _clip_factor(tf.linalg.global_norm(train_gradient), gradient_clip)
    ahead = lookahead([gradient * tf.cast(step_share, gradient.dtype) for gradient in train_gradient])
    valid_loss, direction, direct = valid.loss_and_gradients(ahead, mixture)

    norm = tf.linalg.global_norm(direction)
    # A validation loss that does not depend on the weights has no implicit term: direction and product are zero.
    distance = tf.math.divide_no_nan(0.01, norm)
    _, _, plus = train.loss_and_gradients(_moved(weights, direction, distance), mixture)
    _, _, minus = train.loss_and_gradients(_moved(weights, direction, -distance), mixture)

    # Scaling v changes neither of the two places, only the product, which is linear in v.
    size = learning_rate * step_share * _clip_factor(norm, gradient_clip)
    factor = tf.math.divide_no_nan(size, 2 * distance)
    total = tf.nest.map_structure(lambda d, p, m: d - factor * (p - m), direct, plus, minus)
    return valid_loss, total


def _clip_factor(norm, limit):
    """PyTorch's: what brings a gradient of that norm to the limit, at most 1."""
    return tf.ones_like(norm) if limit is None else tf.minimum(1.0, limit / (norm + 1e-6))


def _moved(weights, direction, distance):
    return [w + distance * tf.cast(d, w.dtype) for w, d in zip(weights, direction, strict=True)]
