"""A user's own images: class folders, an npz file, any data set of tensorflow-datasets. Imports no TensorFlow.

Classes, size, channels, mean and deviation are read off the data. Small images of one size are read into memory and
treated as CIFAR's are; others are photos, decoded when a batch needs them, and cut and resized to a square.
"""

import functools

import numpy as np

from sdarts_tf.data import folders, npz, pictures, prepared
from sdarts_tf.data.folders import FileExamples, parted
from sdarts_tf.data.source import Source
from sdarts_tf.errors import InputError

FORMS = ("npz:FILE", "tfds:NAME[/CONFIG]")
# Pixels of a side up to which images of one size are no photos.
SMALL = 96
# What the images of a data set may take in memory, in bytes.
MEMORY = 8 * 10**9


def matches(name: str) -> bool:
    """Whether a name has one of the `FORMS`.

    Example:
        >>> matches("npz:faces.npz"), matches("tfds:mnist"), matches("npz:"), matches("mnist")
        (True, True, False, False)
    """
    form, _, rest = name.partition(":")
    return form in ("npz", "tfds") and bool(rest)


def label(name: str) -> str:
    """What a data set is called in the names of folders.

    Example:
        >>> label("npz:~/data/faces.npz"), label("tfds:svhn/plain"), label("cifar10")
        ('faces', 'svhn-plain', 'cifar10')
    """
    form, _, rest = name.partition(":")
    if not matches(name):
        return name
    return rest.replace("\\", "/").rpartition("/")[2].removesuffix(".npz") if form == "npz" else rest.replace("/", "-")


def is_present(name: str, data_dir: str | None) -> bool:
    """Whether `get` would download nothing."""
    form, _, rest = name.partition(":")
    return form != "tfds" or prepared.is_present(rest, data_dir)


def get(name: str, data_dir: str | None, image_size: int | None, *, photo_size: int) -> Source:
    """The source of `folder`, `npz:FILE` or `tfds:NAME[/CONFIG]`.

    Args:
        name: as in `--dataset`.
        data_dir: folder of the data.
        image_size: side of the square that is cut out of each photo; None leaves small images of one size as they are.
        photo_size: the same for other images where `image_size` is None.

    Raises:
        InputError: there are no such data, or they cannot be used.
    """
    form, _, rest = name.partition(":")
    read = {"folder": _folder, "npz": _npz, "tfds": _tfds}[form]
    return read(name, rest, data_dir, image_size, photo_size)


def _folder(name, _, data_dir, image_size, photo_size):
    label_names = folders.class_names(data_dir)
    size = photo_size if image_size is None else image_size
    read = functools.partial(folders.read, image_size=size)
    train = read("train", data_dir)
    sizes, channels = pictures.headers(pictures.sample(train))
    if image_size is None and len(set(sizes)) == 1 and max(sizes[0]) <= SMALL:
        shape = (*sizes[0], channels)
        parts = {split: read(split, data_dir) for split in folders.splits(data_dir)}
        _check_memory(name, sum(map(len, parts.values())), shape)
        return measured(name, {split: _decoded(photos, shape) for split, photos in parts.items()}, label_names)
    return _photos(name, label_names, size, channels, read, folders.splits(data_dir), train)


def _decoded(photos: FileExamples, shape):
    images = np.empty((len(photos), *shape), np.uint8)
    for place in range(len(photos)):
        image = pictures.pixels(photos, place, shape[-1])
        if image.shape != shape:
            raise InputError(
                f"{photos.paths[place]} has {image.shape[0]} x {image.shape[1]} pixels, but the others {shape[0]} x "
                f"{shape[1]}; add --image_size=N, and a square of N pixels is cut out of each image."
            )
        images[place] = image
    return images, photos.labels


def _npz(name, path, data_dir, image_size, photo_size):
    parts, label_names = npz.read(path, data_dir)
    _refuse_size(name, image_size)
    parts = {"train" if split == "all" else split: part for split, part in parts.items()}
    return measured(name, {split: _mixed(*part) for split, part in parts.items()}, label_names)


def _tfds(name, tfds_name, data_dir, image_size, photo_size):
    found = prepared.find(tfds_name, data_dir)
    if image_size is None and None not in found.shape:
        _check_memory(name, sum(map(found.count, found.splits)), found.shape)
        return measured(name, {split: _mixed(*found.arrays(split)) for split in found.splits}, found.label_names)
    size = photo_size if image_size is None else image_size

    def read(split, data_dir, *, max_examples=None):
        if "test" in found.splits:
            return found.photos(split, size, max_examples)
        train, test = parted(everything().labels)
        return everything().take(train if split == "train" else test).part(0, max_examples)

    everything = functools.cache(lambda: found.photos("train", size))
    train = read("train", data_dir, max_examples=pictures.SAMPLE)
    _, channels = pictures.headers(train)
    splits = tuple(found.splits) if "test" in found.splits else ("train", "test")
    return _photos(name, found.label_names, size, channels, read, splits, train)


def _photos(name, label_names, size, channels, read, splits, train):
    """A source of photos in files, whose mean and deviation are those of a sample."""
    mean, std = pictures.photo_statistics(train, channels)

    def of_channels(split, data_dir, *, max_examples=None):
        photos = read(split, data_dir, max_examples=max_examples)
        return FileExamples(photos.paths, photos.labels, size, spans=photos.spans, channels=channels)

    shape = (size, size, channels)
    return Source(name, shape, label_names, mean, std, True, of_channels, photos=True, splits=splits)


def measured(name: str, parts: dict, label_names: tuple[str, ...]) -> Source:
    """A source of images in memory, whose mean and deviation are those of its training images.

    Args:
        name: as in `--dataset`.
        parts: split -> images uint8 `[n, H, W, C]` and labels `[n]`; a fifth of each class is tested where there is no
            split for it.
        label_names: the classes.
    """
    if "test" not in parts:
        images, labels = parts["train"]
        train, test = parted(labels)
        parts = parts | {"train": (images[train], labels[train]), "test": (images[test], labels[test])}
    images, _ = parts["train"]
    mean, std = pictures.array_statistics(images)

    def read(split, data_dir):
        return parts[split]

    return Source(name, images.shape[1:], label_names, mean, std, True, read, splits=tuple(parts))


def _mixed(images, labels):
    """In another order, which depends on their number alone: files are often sorted by class."""
    order = np.random.RandomState(0).permutation(len(labels))
    return images[order], labels[order]


def _refuse_size(name, image_size):
    if image_size is not None:
        raise InputError(
            f"--image_size={image_size} is for photos in files, but --dataset={name} has images of one size; leave it "
            "out."
        )


def _check_memory(name, count, shape):
    size = count * int(np.prod(shape))
    if size > MEMORY:
        raise InputError(
            f"--dataset={name} has {count:,} images of {' x '.join(map(str, shape))}, {size / 1e9:.0f} GB, but at most "
            f"{MEMORY / 1e9:.0f} GB are read into memory; add --image_size={shape[0]}, and each is decoded when it is "
            "needed."
        )
