"""What is odd about a data set, before days are spent on it. Imports no TensorFlow."""

import collections
import dataclasses
import hashlib

import numpy as np

from sdarts_tf.data import pictures
from sdarts_tf.data.folders import FileExamples
from sdarts_tf.data.source import Examples, Source
from sdarts_tf.errors import InputError

_UNBALANCED = 2.0  # times as many images as the smallest class has
_FEW = 10  # images of a class
_LISTED = 20  # classes that are listed one by one


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What was found.

    Args:
        facts: lines that say what the data are.
        oddities: sentences about what may be wrong.
        usable: whether every split can be loaded.
    """

    facts: tuple[str, ...]
    oddities: tuple[str, ...]
    usable: bool

    def __str__(self):
        odd = [f"- {line}" for line in self.oddities] or ["nothing"]
        return "\n".join([*self.facts, "", "Odd:", *odd])


@dataclasses.dataclass(frozen=True)
class _Looked:
    """What was seen of a split.

    Args:
        digests: of pixels or files; none of what is broken.
        labels: of the same.
        constant: places of images with one color.
        colored: whether any image is.
        sizes: heights and widths.
        brightest: the largest pixel.
        broken: sentences about those that cannot be decoded.
    """

    digests: list[bytes]
    labels: list[int]
    constant: list[str]
    colored: bool
    sizes: set[tuple[int, int]]
    broken: list[str]
    brightest: int


def inspect(source: Source, data_dir: str | None, max_examples: int | None = None) -> Inspection:
    """Looks at all images in memory, or at `pictures.SAMPLE` photos of each split.

    Args:
        source: the data set.
        data_dir, max_examples: as for `Source.load`; the latter is of the training images.
    """
    facts, oddities, looked, usable = [], [], {}, True
    for split in source.splits:
        try:
            examples = source.load(split, data_dir, max_examples if split == "train" else None)
        except InputError as error:
            oddities.append(str(error))
            usable = False
            continue
        facts += _described(source, split, examples)
        looked[split] = _look(examples, source)
        oddities += _classes(source, split, examples.labels) + _images(source, split, looked[split], len(examples))
    oddities += _layout(source)
    facts.append(f"mean {_numbers(source.mean)}, deviation {_numbers(source.std)} of pixels in 0 to 1")
    return Inspection(tuple(facts), tuple(oddities + _repeated(looked)), usable)


def _described(source, split, examples):
    shape = " x ".join(map(str, source.image_shape))
    kind = f"photos, of which {shape} is cut out" if source.photos else f"images of {shape}"
    line = f"{split}: {len(examples):,} {kind}, {source.num_classes} classes"
    counts = np.bincount(examples.labels, minlength=source.num_classes)
    if source.num_classes <= _LISTED:
        named = ", ".join(f"{name} {count:,}" for name, count in zip(source.label_names, counts, strict=True))
        return [line, f"  {named}"]
    return [line, f"  {counts.min():,} to {counts.max():,} of each class, median {int(np.median(counts)):,}"]


def _look(examples: Examples | FileExamples, source) -> _Looked:
    photos = isinstance(examples, FileExamples)
    examples = pictures.sample(examples) if photos else examples
    found = _Looked([], [], [], False, set(), [], 0)
    colored, brightest = False, 0
    for place in range(len(examples)):
        name = examples.paths[place] if photos else f"number {place}"
        try:
            image = pictures.pixels(examples, place, source.image_shape[2]) if photos else examples.images[place]
        except InputError as error:
            found.broken.append(str(error))
            continue
        content = examples.content(place) if photos else image.tobytes()
        found.digests.append(hashlib.blake2b(content, digest_size=16).digest())
        found.labels.append(int(examples.labels[place]))
        found.sizes.add(image.shape[:2])
        colored |= bool((image != image[..., :1]).any())
        brightest = max(brightest, int(image.max()))
        if (image == image[:1, :1]).all() and image.size > 1:
            found.constant.append(name)
    return dataclasses.replace(found, colored=colored, brightest=brightest)


def _layout(source):
    """Channels that stand before the rows, and names that two classes share."""
    first, second, channels = source.image_shape
    names, lines = collections.Counter(source.label_names), []
    if first in (1, 3, 4) and second > 4 and channels > 4:
        lines.append(f"Images of {_size(source.image_shape)} look like [channels, H, W]; channels must come last.")
    if repeated := [name for name, count in names.items() if count > 1]:
        lines.append(f"Several classes are called {_list(repeated)}.")
    return lines


def _classes(source, split, labels):
    """Unbalanced, small and missing classes."""
    counts = np.bincount(labels, minlength=source.num_classes)
    order = np.argsort(counts)
    names, lines = source.label_names, []
    missing = [names[label] for label in order if not counts[label]]
    few = [f"{names[label]} ({counts[label]})" for label in order if 0 < counts[label] < _FEW]
    if missing:
        lines.append(f"{split} has no image of {_list(missing)}.")
    if few and split == "train":
        lines.append(f"{split} has fewer than {_FEW} images of {_list(few)}.")
    smallest, largest = counts[counts > 0].min(), counts.max()
    if largest > _UNBALANCED * smallest:
        least = names[next(label for label in order if counts[label])]
        lines.append(
            f"{split} is unbalanced: {largest:,} images of {names[order[-1]]}, {smallest:,} of {least}, "
            f"{largest / smallest:.1f} times as many."
        )
    return lines


def _images(source, split, looked, count):
    seen = len(looked.labels) + len(looked.broken)
    of = f"of {seen:,} of {count:,} photos in {split}" if source.photos else f"in {split}"
    lines = looked.broken[:3]
    if len(looked.broken) > 3:
        lines.append(f"{len(looked.broken) - 3} more cannot be decoded {of}.")
    if looked.constant:
        lines.append(
            f"{_images_that(len(looked.constant), 'has', 'have')} one color only {of}: {_list(looked.constant)}."
        )
    if source.image_shape[2] == 3 and looked.labels and not looked.colored:
        lines.append(f"All images are grey but stored in three channels {of}; one channel would do.")
    if source.photos and len(looked.sizes) > 1:
        smallest, largest = (tuple(side(sides) for sides in zip(*looked.sizes, strict=True)) for side in (min, max))
        lines.append(f"Sizes are mixed {of}: from {_size(smallest)} to {_size(largest)} pixels.")
    if looked.labels and looked.brightest <= 1:
        lines.append(f"The brightest pixel is {looked.brightest} of 255 {of}; multiply by 255 what counts from 0 to 1.")
    small = min((min(size) for size in looked.sizes), default=source.image_shape[0])
    if source.photos and small < source.image_shape[0]:
        lines.append(f"Some are smaller than the {source.image_shape[0]} pixels that a network sees {of}: {small}.")
    return lines


def _repeated(looked):
    """Images that are there twice: inside a split, in two splits, with two labels."""
    lines, labels = [], collections.defaultdict(set)
    for split, each in looked.items():
        repeated = len(each.digests) - len(set(each.digests))
        if repeated:
            lines.append(f"{_images_that(repeated, 'is', 'are')} in {split} more than once.")
        for digest, label in zip(each.digests, each.labels, strict=True):
            labels[digest].add(label)
    splits = list(looked)
    for first, second in ((a, b) for place, a in enumerate(splits) for b in splits[place + 1 :]):
        common = len(set(looked[first].digests) & set(looked[second].digests))
        if common:
            lines.append(f"{_images_that(common, 'is', 'are')} both in {first} and in {second}.")
    ambiguous = sum(len(found) > 1 for found in labels.values())
    if ambiguous:
        lines.append(f"{_images_that(ambiguous, 'has', 'have')} more than one label.")
    return lines


def _images_that(count, one, many):
    return f"1 image {one}" if count == 1 else f"{count:,} images {many}"


def _list(names, most=5):
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def _numbers(values):
    return ", ".join(f"{value:.4f}" for value in values)


def _size(shape):
    return " x ".join(map(str, shape))
