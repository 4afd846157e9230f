"""Batches by step number: step g always sees the same batch, whether or not the run was interrupted before."""

import zlib

import tensorflow as tf

from sdarts_tf.data.augment import Augmentation
from sdarts_tf.data.sources import Examples
from sdarts_tf.errors import InputError


def split(examples: Examples, train_share: float) -> tuple[Examples, Examples]:
    """The first `train_share` of the examples for the weights, the rest for alpha, in file order as officially.

    Raises:
        InputError: one of the parts would be empty.
    """
    count = int(train_share * len(examples))
    if not 0 < count < len(examples):
        raise InputError(
            f"--train_share={train_share} of {len(examples)} images leaves one of the two parts empty; choose a share "
            "nearer to 0.5."
        )
    return examples.part(0, count), examples.part(count, len(examples))


class Stream:
    """An endless stream of augmented batches; each pass is shuffled anew and its partial last batch dropped.

    Args:
        examples: images and labels; kept in memory once.
        batch_size: images in a batch.
        augmentation: of the images.
        seed: of all draws.
        purpose: tells streams of one seed apart.

    Raises:
        InputError: `batch_size` is larger than the number of examples.

    Example:
        >>> from sdarts_tf.data import sources
        >>> digits = sources.get("digits")
        >>> plain = Augmentation(digits.mean, digits.std)
        >>> stream = Stream(digits.load("train"), 64, plain, seed=0, purpose="weights")
        >>> stream.steps_per_pass
        22
        >>> [images.shape for images, labels in stream.batches(21, 23)]
        [TensorShape([64, 8, 8, 3]), TensorShape([64, 8, 8, 3])]
    """

    def __init__(self, examples: Examples, batch_size: int, augmentation: Augmentation, *, seed: int, purpose: str):
        if batch_size > len(examples):
            raise InputError(
                f"--batch_size={batch_size} is larger than the {len(examples)} images for {purpose}; lower it or give more "
                "images."
            )
        self._images, self._labels = tf.constant(examples.images), tf.constant(examples.labels)
        self._count, self._batch_size, self._augmentation = len(examples), batch_size, augmentation
        key = zlib.crc32(purpose.encode()) & 0x7FFFFFFF
        self._order_seed, self._image_seed = tf.unstack(tf.random.split((seed, key), 2))
        self.steps_per_pass = len(examples) // batch_size

    def batches(self, start: int, stop: int) -> tf.data.Dataset:
        """(images `[B, H, W, 3]` float32, labels `[B]` int32) of the steps `start` to `stop - 1` since the beginning."""
        steps = tf.data.Dataset.range(start, stop)
        return steps.map(self._batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2)

    def _batch(self, step):
        index_of_pass, position = step // self.steps_per_pass, step % self.steps_per_pass
        seed = tf.random.fold_in(self._order_seed, tf.cast(index_of_pass, tf.int32))
        places = position * self._batch_size + tf.range(self._batch_size, dtype=tf.int64)
        # A permutation of all examples, of which only this batch's part is computed.
        chosen = tf.random.experimental.index_shuffle(places, seed, self._count - 1)
        images, labels = tf.gather(self._images, chosen), tf.gather(self._labels, chosen)
        return self._augmentation(images, tf.random.fold_in(self._image_seed, tf.cast(step, tf.int32))), labels

    def sweep(self, seed) -> tf.data.Dataset:
        """Every example once, in file order: (images, labels, counts `[B]` float32).

        The last batch is filled up with the first examples again, whose counts are 0, so that all batches have one
        shape.

        Args:
            seed: int32 `[2]`, of the augmentation.
        """

        def batch(index):
            places = index * self._batch_size + tf.range(self._batch_size, dtype=tf.int64)
            chosen = places % self._count
            images = self._augmentation(
                tf.gather(self._images, chosen), tf.random.fold_in(seed, tf.cast(index, tf.int32))
            )
            return images, tf.gather(self._labels, chosen), tf.cast(places < self._count, tf.float32)

        batches = tf.data.Dataset.range(-(-self._count // self._batch_size))
        return batches.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def pairs(train: Stream, valid: Stream, start: int, stop: int) -> tf.data.Dataset:
    """The batches of both streams, step by step."""
    return tf.data.Dataset.zip((train.batches(start, stop), valid.batches(start, stop)))
