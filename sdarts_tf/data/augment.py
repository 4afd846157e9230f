"""Augmentation of a whole batch at once, each image on its own. Pure functions of tensors and a seed."""

import dataclasses

import tensorflow as tf


def normalize(images, mean, std):
    """uint8 `[..., 3]` -> float32 with mean 0 and deviation 1 over the data set; `mean`, `std` are of pixels in 0 to 1."""
    pixels = tf.cast(images, tf.float32) / 255.0
    return (pixels - tf.constant(mean, tf.float32)) / tf.constant(std, tf.float32)


def random_crop(images, padding, seed):
    """Shifts every image by up to `padding` pixels in each direction; what comes in from outside is zero.

    Args:
        images: `[N, H, W, C]`.
        padding: pixels of zeros around the image.
        seed: int32 `[2]`.
    """
    count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    padded = tf.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
    offsets = tf.random.stateless_uniform([2, count], seed, 0, 2 * padding + 1, tf.int32)
    # One offset per image: Keras's RandomCrop draws one per batch.
    rows = tf.gather(padded, offsets[0][:, tf.newaxis] + tf.range(height), axis=1, batch_dims=1)
    return tf.ensure_shape(
        tf.gather(rows, offsets[1][:, tf.newaxis] + tf.range(width), axis=2, batch_dims=1), images.shape
    )


def random_flip(images, seed):
    """Mirrors each image with probability one half."""
    mirrored = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed) < 0.5
    return tf.where(mirrored, tf.reverse(images, [2]), images)


def cutout(images, length, seed):
    """Blanks a square of `length` pixels in each image, its centre anywhere; the square is cut at the border.

    Source: DeVries & Taylor, 2017; `Cutout` in `optimizers/darts/utils.py` of the official code.
    """
    count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    seeds = tf.random.split(seed, 2)

    def inside(size, seed):
        center = tf.random.stateless_uniform([count, 1], seed, 0, size, tf.int32)
        pixels = tf.range(size)
        return (pixels >= center - length // 2) & (pixels < center + length // 2)

    square = inside(height, seeds[0])[:, :, tf.newaxis] & inside(width, seeds[1])[:, tf.newaxis]
    return tf.where(square[..., tf.newaxis], tf.zeros_like(images), images)


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """uint8 images `[N, H, W, 3]` and a seed -> float32 `[N, H, W, 3]`, as the official code augments.

    Crop with zeros around (black, before normalization), mirror, normalize, cutout last (zero in normalized units).

    Args:
        mean, std: of the data set, three numbers each, of pixels in 0 to 1.
        crop_padding: pixels of zeros around the image before the crop; 0 switches it off.
        flip: mirror half of the images.
        cutout_length: side of the blanked square in pixels; 0 switches it off.

    Example:
        >>> plain = Augmentation(mean=(0.5,) * 3, std=(0.5,) * 3)
        >>> plain(tf.constant([[[[0, 255, 255]]]], tf.uint8), (0, 0)).numpy().ravel().tolist()
        [-1.0, 1.0, 1.0]
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    crop_padding: int = 0
    flip: bool = False
    cutout_length: int = 0

    def __call__(self, images, seed):
        """Augments a batch; the same `seed` (int32 `[2]`) gives the same images."""
        crop_seed, flip_seed, cutout_seed = tf.unstack(tf.random.split(seed, 3))
        if self.crop_padding:
            images = random_crop(images, self.crop_padding, crop_seed)
        if self.flip:
            images = random_flip(images, flip_seed)
        images = normalize(images, self.mean, self.std)
        return cutout(images, self.cutout_length, cutout_seed) if self.cutout_length else images
