"""A data set: what a network must know of it, and how its images are loaded. Imports no TensorFlow."""

import dataclasses
import zlib
from collections.abc import Callable

import numpy as np

from sdarts_tf.data import formats
from sdarts_tf.data.description import DataDescription
from sdarts_tf.data.folders import FileExamples
from sdarts_tf.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Labelled images.

    Args:
        images: uint8 `[n, H, W, C]`.
        labels: int32 `[n]`.

    Example:
        >>> examples = Examples(np.zeros((5, 8, 8, 3), np.uint8), np.arange(5, dtype=np.int32))
        >>> len(examples), examples.part(3, 5).labels.tolist()
        (5, [3, 4])
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def checksum(self) -> int:
        """32 bits that change with the labels or their order."""
        return zlib.crc32(self.labels.tobytes())

    def part(self, start: int, stop: int | None) -> "Examples":
        """The examples `start` to `stop - 1`, or to the last, without a copy."""
        return Examples(self.images[start:stop], self.labels[start:stop])

    def take(self, places) -> "Examples":
        """The examples at `places`, in that order, as a copy."""
        return Examples(self.images[places], self.labels[places])


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set.

    Args:
        name: as in `--dataset`.
        image_shape: height, width, channels.
        label_names: the classes, in the order of their labels.
        mean, std: of each channel over the training images, whose pixels count from 0 to 1.
        flip: whether training mirrors images unless it is told otherwise.
        read: function of (split, data_dir) -> images and labels as arrays, or, with `max_examples`, photos in files.
        photos: whether images lie in files and differ in size, so that training cuts a random part out of each.
        splits: what `load` knows; `"valid"` are images that a training may judge its epochs by.
    """

    name: str
    image_shape: tuple[int, int, int]
    label_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    read: Callable
    photos: bool = False
    splits: tuple[str, ...] = ("train", "test")

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.label_names)

    @property
    def crop_padding(self) -> int:
        """Pixels of zeros around an image before training crops it, unless it is told otherwise: an eighth of it."""
        return 0 if self.photos else min(self.image_shape[:2]) // 8

    @property
    def cutout_length(self) -> int:
        """Side in pixels of the square that retraining blanks, unless it is told otherwise: half of the image's."""
        return 0 if self.photos else min(self.image_shape[:2]) // 2

    @property
    def description(self) -> DataDescription:
        """What a network trained on this data must know of it."""
        return DataDescription(self.name, self.image_shape, self.label_names, self.mean, self.std, self.photos)

    def load(self, split: str, data_dir: str | None = None, max_examples: int | None = None) -> Examples | FileExamples:
        """The examples of one split, always in the same order.

        Args:
            split: one of `splits`.
            data_dir: folder with the data set's files or with prepared tensorflow-datasets; default
                `$TFDS_DATA_DIR` or `~/tensorflow_datasets`.
            max_examples: only the first ones, which may be found faster.

        Raises:
            InputError: a file is damaged, or there is neither a file nor a network.
            RunError: the download failed.
        """
        if split not in self.splits:
            raise InputError(f"{self.name} has no split {split!r}; choose {' or '.join(self.splits)}.")
        if self.photos:
            return self.read(split, data_dir, max_examples=max_examples)
        images, labels = self.read(split, data_dir)
        arrays = formats.checked(self.name, images, labels, shape=self.image_shape, num_classes=self.num_classes)
        return Examples(*arrays).part(0, max_examples)
