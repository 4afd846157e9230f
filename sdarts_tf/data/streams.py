"""Batches by step number: step g always sees the same batch, whether or not the run was interrupted before."""

import zlib

import tensorflow as tf

from sdarts_tf.data.augment import Augmentation
from sdarts_tf.data.sources import Examples
from sdarts_tf.errors import InputError


def split(examples: Examples, train_share: float) -> tuple[Examples, Examples]:
    """The first examples for the weights, the rest for alpha, in file order as officially.

    Args:
        examples: the training set.
        train_share: share of the first part, 0 to 1; `floor(train_share * n)` examples.

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

    The batch of a step depends on the seed, the purpose and the number of the step alone.

    Args:
        examples: images and labels; kept in memory once.
        batch_size: images in a batch, 1 to `len(examples)`.
        augmentation: of the images.
        seed: of all draws, 0 to 2**31 - 1.
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
        if not 1 <= batch_size <= len(examples):
            raise InputError(
                f"--batch_size={batch_size} is not between 1 and the {len(examples)} images for {purpose}; change it "
                "or give more images."
            )
        self._images, self._labels = _on_host(examples)
        self._count, self._batch_size, self._augmentation = len(examples), batch_size, augmentation
        key = zlib.crc32(purpose.encode()) & 0x7FFFFFFF
        self._order_seed, self._image_seed = tf.unstack(tf.random.split((seed, key), 2))
        self.steps_per_pass = len(examples) // batch_size

    def batches(self, start: int, stop: int) -> tf.data.Dataset:
        """The batches of the steps `start` to `stop - 1`, counted since the beginning of the run.

        Returns:
            A dataset of (images float32 `[B, H, W, 3]`, labels int32 `[B]`), prefetched.
        """
        passes = tf.data.Dataset.range(start // self.steps_per_pass, -(-stop // self.steps_per_pass))
        chosen = passes.flat_map(self._order).skip(start % self.steps_per_pass)
        steps = tf.data.Dataset.range(start, stop)
        return _mapped(tf.data.Dataset.zip(steps, chosen), self._batch)

    def sweep(self, seed) -> tf.data.Dataset:
        """Every example of the stream once, in file order: `sweep` below, without a second copy of the images."""
        return _sweep(self._images, self._labels, self._batch_size, self._augmentation, seed)

    def _order(self, index_of_pass):
        """The examples of each step of a pass: a permutation of all of them, cut into batches."""
        # Not index_shuffle, whose four rounds order consecutive passes alike (rank correlation 0.36 for 25,000 images).
        seed = tf.random.fold_in(self._order_seed, index_of_pass)
        order = tf.random.experimental.stateless_shuffle(tf.range(self._count), seed)
        whole_batches = order[: self.steps_per_pass * self._batch_size]
        return tf.data.Dataset.from_tensor_slices(tf.reshape(whole_batches, [self.steps_per_pass, self._batch_size]))

    def _batch(self, step, chosen):
        images = self._augmentation(tf.gather(self._images, chosen), tf.random.fold_in(self._image_seed, step))
        return images, tf.gather(self._labels, chosen)


def pairs(train: Stream, valid: Stream, start: int, stop: int) -> tf.data.Dataset:
    """The batches of both streams for the steps `start` to `stop - 1`: (train batch, valid batch)."""
    return tf.data.Dataset.zip(train.batches(start, stop), valid.batches(start, stop))


def sweep(examples: Examples, batch_size: int, augmentation: Augmentation, *, seed) -> tf.data.Dataset:
    """Every example once, in file order.

    The last batch is filled up with the first examples again, whose counts are 0, so that all batches have one shape.

    Args:
        examples: images and labels, at least one.
        batch_size: images in a batch, at least 1; it may exceed the number of examples.
        augmentation: of the images.
        seed: integers `[2]`; with the number of the batch it keys the augmentation.

    Returns:
        A dataset of (images float32 `[B, H, W, 3]`, labels int32 `[B]`, counts float32 `[B]`), prefetched.

    Example:
        >>> from sdarts_tf.data import sources
        >>> digits = sources.get("digits")
        >>> batches = sweep(digits.load("test"), 100, Augmentation(digits.mean, digits.std), seed=(0, 0))
        >>> [int(tf.reduce_sum(counts)) for images, labels, counts in batches]
        [100, 100, 100, 60]
    """
    return _sweep(*_on_host(examples), batch_size, augmentation, seed)


def _sweep(images, labels, batch_size, augmentation, seed):
    count = len(labels)

    def batch(index):
        places = index * batch_size + tf.range(batch_size, dtype=tf.int64)
        chosen = places % count
        augmented = augmentation(tf.gather(images, chosen), tf.random.fold_in(seed, index))
        return augmented, tf.gather(labels, chosen), tf.cast(places < count, tf.float32)

    return _mapped(tf.data.Dataset.range(-(-count // batch_size)), batch)


def _mapped(dataset, function):
    # The functions are stateless, so parallel calls in a fixed order are reproducible.
    return dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def _on_host(examples):
    # tf.data runs on the host: images on a GPU would be copied back for every dataset.
    with tf.device("/CPU:0"):
        return tf.constant(examples.images), tf.constant(examples.labels)
