"""Batches by step number: step g always sees the same batch, whether or not the run was interrupted before."""

import functools
import zlib
from collections.abc import Callable, Iterator

import tensorflow as tf

from sdarts_tf.data import formats
from sdarts_tf.data.decoding import center, decode, distorted
from sdarts_tf.data.folders import FileExamples
from sdarts_tf.data.sources import Examples
from sdarts_tf.errors import InputError, RunError


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


class Batches:
    """Batches that can be iterated over any number of times; a photo that cannot be decoded is named.

    Args:
        dataset: the batches.
        examples: from which they are made.
        places: function of the number of a batch, counted from 0 -> places of its examples, integers.
    """

    def __init__(self, dataset: tf.data.Dataset, examples: Examples | FileExamples, places: Callable):
        self._dataset, self._examples, self._places = dataset, examples, places

    @property
    def element_spec(self):
        """Shapes and types of a batch."""
        return self._dataset.element_spec

    def __iter__(self) -> Iterator:
        """Raises RunError, which names the file, where one cannot be decoded."""
        number, iterator = 0, iter(self._dataset)
        while True:
            try:
                batch = next(iterator)
            except StopIteration:
                return
            except tf.errors.OpError as error:
                if isinstance(self._examples, FileExamples):
                    _name_broken(self._examples, self._places(number))
                raise error
            yield batch
            number += 1


def _name_broken(examples, places):
    for place in places:
        try:
            decode(examples.content(place))
        except (OSError, tf.errors.OpError) as error:
            name, remedy = examples.paths[place], "put a whole image in its place"
            if examples.spans is not None:
                name, remedy = f"The image at byte {examples.spans[place, 0]} of {name}", "prepare or copy it again"
            raise RunError(
                f"{name} cannot be decoded ({formats.reason(error)}); {remedy} and run the command again, a training "
                "with --resume."
            ) from error


class Stream:
    """An endless stream of augmented batches; each pass is shuffled anew and its partial last batch dropped.

    The batch of a step depends on the seed, the purpose and the number of the step alone.

    Args:
        examples: images and labels; arrays are kept in memory once, photos are decoded when they are needed.
        batch_size: images in a batch, 1 to `len(examples)`.
        augmentation: function of images uint8 `[B, H, W, 3]` and a seed -> the images of a batch.
        part: which of a batch's images are made here; default all. The same images come out, whatever the part.
        seed: of all draws, 0 to 2**31 - 1.
        purpose: tells streams of one seed apart.

    Raises:
        InputError: `batch_size` is larger than the number of examples.

    Example:
        >>> from sdarts_tf.data import sources
        >>> from sdarts_tf.data.augment import Augmentation
        >>> digits = sources.get("digits")
        >>> plain = Augmentation(digits.mean, digits.std)
        >>> stream = Stream(digits.load("train"), 64, plain, seed=0, purpose="weights")
        >>> stream.steps_per_pass
        22
        >>> [images.shape for images, labels in stream.batches(21, 23)]
        [TensorShape([64, 8, 8, 3]), TensorShape([64, 8, 8, 3])]
    """

    def __init__(
        self,
        examples: Examples | FileExamples,
        batch_size: int,
        augmentation,
        *,
        seed: int,
        purpose: str,
        part: slice = slice(None),
    ):
        if not 1 <= batch_size <= len(examples):
            raise InputError(
                f"--batch_size={batch_size} is not between 1 and the {len(examples)} images for {purpose}; change it "
                "or give more images."
            )
        self._reader, self._batch_size = _reader(examples, augmentation, part), batch_size
        self._count = len(examples)
        key = zlib.crc32(purpose.encode()) & 0x7FFFFFFF
        self._order_seed, self._image_seed = tf.unstack(tf.random.split((seed, key), 2))
        self.steps_per_pass = len(examples) // batch_size

    def batches(self, start: int, stop: int) -> Batches:
        """The batches of the steps `start` to `stop - 1`, counted since the beginning of the run.

        Returns:
            Pairs of images float32 `[B, H, W, 3]` and labels int32 `[B]`, or `part` of them, prefetched.
        """
        passes = tf.data.Dataset.range(start // self.steps_per_pass, -(-stop // self.steps_per_pass))
        chosen = passes.flat_map(self._order).skip(start % self.steps_per_pass)
        steps = tf.data.Dataset.range(start, stop)
        numbered = tf.data.Dataset.zip(steps, chosen)
        dataset = self._reader.batches(numbered, self._batch_size, self._image_seed)
        return Batches(dataset, self._reader.examples, lambda number: next(iter(chosen.skip(number))).numpy())

    def sweep(self, seed) -> Batches:
        """Every example of the stream once, in file order: `sweep` below, without a second copy of the images."""
        return _sweep(self._reader, self._batch_size, seed)

    def _order(self, index_of_pass):
        """The examples of each step of a pass: a permutation of all of them, cut into batches."""
        # Not index_shuffle, whose four rounds order consecutive passes alike (rank correlation 0.36 for 25,000 images).
        seed = tf.random.fold_in(self._order_seed, index_of_pass)
        order = tf.random.experimental.stateless_shuffle(tf.range(self._count), seed)
        whole_batches = order[: self.steps_per_pass * self._batch_size]
        return tf.data.Dataset.from_tensor_slices(tf.reshape(whole_batches, [self.steps_per_pass, self._batch_size]))


def pairs(train: Stream, valid: Stream, start: int, stop: int) -> Iterator:
    """The batches of both streams for the steps `start` to `stop - 1`: (train batch, valid batch)."""
    return zip(train.batches(start, stop), valid.batches(start, stop), strict=True)


def sweep(examples: Examples | FileExamples, batch_size: int, transform, *, seed, part: slice = slice(None)) -> Batches:
    """Every example once, in file order.

    The last batch is filled up with the first examples again, whose counts are 0, so that all batches have one shape.

    Args:
        examples: images and labels, at least one.
        batch_size: images in a batch, at least 1; it may exceed the number of examples.
        transform: function of images uint8 `[B, H, W, 3]` and a seed -> the images of a batch, e.g. an `Augmentation`.
        seed: integers `[2]`; with the number of the batch it keys the transform.
        part: as of a `Stream`.

    Returns:
        Triples of images `[B, H, W, 3]`, labels int32 `[B]` and counts float32 `[B]`, prefetched.

    Example:
        >>> from sdarts_tf.data import sources
        >>> batches = sweep(sources.get("digits").load("test"), 100, lambda images, seed: images, seed=(0, 0))
        >>> [int(tf.reduce_sum(counts)) for images, labels, counts in batches]
        [100, 100, 100, 60]
    """
    return _sweep(_reader(examples, transform, part), batch_size, seed)


def _sweep(reader, batch_size, seed):
    count = len(reader.examples)

    def places(index):
        return index * batch_size + tf.range(batch_size, dtype=tf.int64)

    numbers = tf.data.Dataset.range(-(-count // batch_size))
    numbered = numbers.map(lambda index: (index, places(index) % count))
    counts = numbers.map(lambda index: tf.cast(places(index)[reader.part] < count, tf.float32))
    batches = tf.data.Dataset.zip(reader.batches(numbered, batch_size, seed), counts)
    dataset = batches.map(lambda batch, counts: (*batch, counts)).prefetch(2)
    return Batches(dataset, reader.examples, lambda number: places(number).numpy() % count)


def _reader(examples, transform, part):
    return (_FileReader if isinstance(examples, FileExamples) else _ArrayReader)(examples, transform, part)


def _transformed(transform, images, seed, batch_size):
    """What the transform makes of `images`, part of a batch, when it draws for the whole batch.

    Args:
        transform: function of the images of a batch and a seed, which treats each image on its own.
        images: `[n, ...]`, those with the numbers k * n to k * n + n - 1 in the batch, for some k.
        seed: integers `[2]`.
        batch_size: a multiple of n.

    Returns:
        The whole batch, right at the places of `images`; at the others they stand once more.
    """
    copies = batch_size // images.shape[0]
    return transform(images if copies == 1 else tf.concat([images] * copies, 0), seed)


class _ArrayReader:
    """Makes batches of images in memory."""

    def __init__(self, examples, transform, part):
        self.examples, self.part, self._transform = examples, part, transform
        # tf.data runs on the host: images on a GPU would be copied back for every dataset.
        with tf.device("/CPU:0"):
            self._images, self._labels = tf.constant(examples.images), tf.constant(examples.labels)

    def batches(self, numbered, batch_size, seed):
        """Images and labels of a dataset of (number of the batch, places of its examples)."""
        return _mapped(numbered, functools.partial(self.batch, seed=seed)).prefetch(2)

    def batch(self, number, places, seed):
        """Images and labels of one batch."""
        here = places[self.part]
        images, seed = tf.gather(self._images, here), tf.random.fold_in(seed, number)
        images = _transformed(self._transform, images, seed, places.shape[0])[self.part]
        return images, tf.gather(self._labels, here)


class _FileReader:
    """Makes batches of photos, which are decoded one by one and in parallel."""

    def __init__(self, examples, transform, part):
        self.examples, self.part, self._transform = examples, part, transform
        with tf.device("/CPU:0"):
            self._labels = tf.constant(examples.labels)
            self._paths = tf.constant(examples.paths) if examples.spans is None else None

    def batches(self, numbered, batch_size, seed):
        """Images and labels of a dataset of (number of the batch, places of its examples)."""
        distortion_seed, transform_seed = tf.unstack(tf.random.split(seed, 2))

        def one_by_one(number, places):
            seeds = tf.random.split(tf.random.fold_in(distortion_seed, number), batch_size)
            return tf.data.Dataset.from_tensor_slices((places[self.part], seeds[self.part]))

        def batch(numbered_places, images):
            number, places = numbered_places
            images = _transformed(self._transform, images, tf.random.fold_in(transform_seed, number), batch_size)
            return images[self.part], tf.gather(self._labels, places[self.part])

        images = _mapped(numbered.flat_map(one_by_one), self._image)
        images = images.batch(len(range(batch_size)[self.part]), drop_remainder=True)
        return _mapped(tf.data.Dataset.zip(numbered, images), batch).prefetch(2)

    def _image(self, place, seed):
        image, size = decode(self._content(place), self.examples.channels), self.examples.image_size
        if self.examples.distortion is None:
            return center(image, size)
        return distorted(image, size, seed, self.examples.distortion)

    def _content(self, place):
        if self._paths is not None:
            return tf.io.read_file(tf.gather(self._paths, place))
        # Deterministic kernels would call a stateful function one image after the other.
        return tf.numpy_function(self.examples.content, [place], tf.string, stateful=False)


def _mapped(dataset, function):
    # The functions are stateless, so parallel calls in a fixed order are reproducible.
    return dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
