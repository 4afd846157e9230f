"""The loss over a fixed set of batches: what landscapes, gaps and shifts look at from different sides."""

from collections.abc import Callable

import tensorflow as tf

from sdarts_tf.spaces.base import Mixture


class FixedLoss:
    """Loss and accuracy of a supernet over fixed batches, as functions of the mixture; moves no batch statistics.

    Each function is traced once, for all mixtures and all weights that the supernet is given.

    Args:
        objective: function of a batch -> the loss on it, an `Objective` or its like.
        batches: as `SearchTask.fixed_batches` makes them.

    Example:
        >>> from sdarts_tf import spaces
        >>> from sdarts_tf.spaces.base import Architecture
        >>> from sdarts_tf.training.curvature import image_objective
        >>> space = spaces.get("s2")
        >>> supernet = space.build_supernet(num_classes=3, channels=2, cells=3)
        >>> mixture = Architecture(space.alpha_shapes(), seed=0).mixture()
        >>> batches = [(tf.zeros([2, 8, 8, 3]), tf.constant([0, 0]), tf.constant([0, 0]))]
        >>> objective = lambda batch: image_objective(supernet, batch, training=True)
        >>> loss, accuracy = FixedLoss(objective, batches).figures(mixture)
        >>> loss > 0 and accuracy in (0.0, 1.0)
        True
    """

    def __init__(self, objective: Callable, batches):
        self.objective, self.batches = objective, batches
        self._figures = tf.function(lambda batch, mixture: self.objective(batch).loss_and_accuracy(mixture))
        self._gradient = tf.function(lambda batch, mixture: self.objective(batch).loss_and_gradient(mixture))

    def figures(self, mixture: Mixture) -> tuple[float, float]:
        """Loss and accuracy, averaged over the batches."""
        loss, accuracy = self._mean(self._figures, mixture)
        return float(loss), float(accuracy)

    def loss_and_gradient(self, mixture: Mixture) -> tuple[tf.Tensor, Mixture]:
        """The loss and its gradient by the mixture, averaged over the batches, as an attack needs them."""
        return self._mean(self._gradient, mixture)

    def _mean(self, function, mixture):
        values = [function(batch, mixture) for batch in self.batches]
        return tf.nest.map_structure(lambda *parts: tf.add_n(parts) / len(parts), *values)
