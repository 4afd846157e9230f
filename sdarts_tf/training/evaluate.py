"""Loss and accuracy of a network over a whole data set."""

import tensorflow as tf

from sdarts_tf.training import replicas
from sdarts_tf.training.objective import cross_entropy


class Evaluation:
    """Mean loss and accuracy of `predict` over the examples of a data set, traced once.

    Args:
        predict: function of images, seed and further arguments -> logits, in evaluation mode.
        ranks: for each k an accuracy, the share of the examples whose label has one of the k largest logits.
    """

    def __init__(self, predict, ranks=(1,)):
        self._predict, self._ranks = predict, ranks
        self._sums = tf.function(self._batch_sums)

    def __call__(self, dataset, *args, seed) -> tuple[float, ...]:
        """Runs over `dataset` of (images, labels, counts); counts are 0 for examples that only fill up a batch.

        Args:
            dataset: the batches; with several processes this one's parts of them.
            *args: passed on to `predict`.
            seed: int32 `[2]`; every batch gets one of its own from it.

        Returns:
            Mean loss, and the accuracy of each rank in 0 to 1.
        """
        totals = None
        for index, batch in enumerate(dataset):
            sums = self._sums(replicas.per_replica(batch), tf.random.fold_in(seed, index), *args)
            totals = sums if totals is None else tf.nest.map_structure(tf.add, totals, sums)
        *sums, count = (float(total) for total in totals)
        return tuple(total / count for total in sums)

    def _batch_sums(self, batch, seed, *args):
        def on_replica(images, labels, counts):
            logits = self._predict(images, seed, *args)
            losses = cross_entropy(labels, logits)
            # A count of 0 must also silence a loss that is not finite.
            losses = tf.where(counts > 0, losses, 0)
            correct = [tf.cast(_is_among(k, labels, logits), tf.float32) for k in self._ranks]
            return tf.reduce_sum(losses), *(tf.reduce_sum(c * counts) for c in correct), tf.reduce_sum(counts)

        return replicas.sum_over_replicas(on_replica, batch)


def _is_among(k, labels, logits):
    """Whether each label has one of the k largest logits; of equal ones the first class is the larger."""
    return tf.reduce_any(tf.equal(tf.math.top_k(logits, k).indices, labels[:, tf.newaxis]), axis=-1)
