"""Looks at images without TensorFlow: sizes, colors, pixels and their statistics."""

import io
import pathlib

import numpy as np
from PIL import Image

from sdarts_tf.data import formats
from sdarts_tf.data.folders import FileExamples
from sdarts_tf.errors import InputError

# Of photos in files that many are looked at: their sizes, their colors, their mean and deviation. They are evenly
# spread over class folders; of a tfds data set, which mixes what it writes, they are the first ones.
SAMPLE = 1000
_AT_ONCE = 1000  # images whose pixels are counted together


def sample(examples: FileExamples) -> FileExamples:
    """At most `SAMPLE` of the photos, evenly spread over all of them."""
    return examples.take(np.unique(np.linspace(0, len(examples) - 1, SAMPLE).astype(int)))


def headers(examples: FileExamples) -> tuple[list[tuple[int, int]], int]:
    """Heights and widths of photos, and the number of their channels: 1 if all of them are grey, else 3.

    Raises:
        InputError: one is no image; the sentence names it.
    """
    sizes, gray = [], True
    for place in range(len(examples)):
        with _opened(examples, place) as image:
            sizes.append((image.height, image.width))
            gray &= image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I")
    return sizes, 1 if gray else 3


def pixels(examples: FileExamples, place: int, channels: int, size: int | None = None) -> np.ndarray:
    """uint8 `[H, W, channels]` of one photo, or `[size, size, channels]` of what a resized one would be.

    Raises:
        InputError: it cannot be decoded; the sentence names it.
    """
    with _opened(examples, place) as image:
        try:
            if image.mode.startswith("I"):  # of 16 bits, which Pillow would clip
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            image = image.convert("L" if channels == 1 else "RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise _broken(examples, place, error) from error
        if size is not None:
            image = image.resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(image).reshape(image.height, image.width, channels)


def statistics(batches) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, of pixels in 0 to 1, rounded to four decimals.

    Pixels are counted, not summed: the numbers do not depend on the order of the images or on how they are grouped.

    Args:
        batches: arrays uint8 `[n, H, W, C]`.

    Returns:
        Two tuples of C numbers; a deviation is at least 1 / 255, for images that are all the same.

    Example:
        >>> images = np.zeros((2, 1, 2, 1), np.uint8)
        >>> images[0] = 255
        >>> statistics([images])
        ((0.5,), (0.5,))
    """
    counts = 0
    for batch in batches:
        channels = np.moveaxis(batch, -1, 0).reshape(batch.shape[-1], -1)
        counts = counts + np.stack([np.bincount(channel, minlength=256) for channel in channels])
    levels = np.arange(256) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ levels
    std = np.sqrt(np.maximum(shares @ levels**2 - mean**2, 1 / 255**2))
    return tuple(mean.round(4).tolist()), tuple(std.round(4).tolist())


def array_statistics(images: np.ndarray):
    """`statistics` of images in memory, `[n, H, W, C]`, without a copy of all of them."""
    return statistics(images[start : start + _AT_ONCE] for start in range(0, len(images), _AT_ONCE))


def photo_statistics(examples: FileExamples, channels: int):
    """`statistics` of a sample of photos at the size that a network sees."""
    chosen = sample(examples)
    return statistics(pixels(chosen, place, channels, examples.image_size)[None] for place in range(len(chosen)))


def _opened(examples, place):
    try:
        if examples.spans is None:
            return Image.open(pathlib.Path(examples.paths[place]))
        return Image.open(io.BytesIO(examples.content(place)))
    except OSError as error:
        raise _broken(examples, place, error) from error


def _broken(examples, place, error):
    return InputError(
        f"{examples.paths[place]} cannot be decoded ({formats.reason(error)}); put a whole image in its place."
    )
