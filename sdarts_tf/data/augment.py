"""Augmentation of a whole batch at once, each image on its own. Pure functions of tensors and a seed."""

import dataclasses

import tensorflow as tf


def normalize(images, mean, std):
    """Pixels on the scale on which the data set has mean 0 and deviation 1.

    Args:
        images: uint8 `[..., W, C]`, 0 to 255, with static `W` and `C`.
        mean, std: `C` numbers each, of pixels in 0 to 1; `std` above 0.

    Returns:
        float32 of the shape of `images`, `(images / 255 - mean) / std`.

    Example:
        >>> black_red_green = tf.constant([[0, 0], [255, 0], [0, 255]], tf.uint8)
        >>> normalize(black_red_green, mean=(0.5, 0.0), std=(0.5, 0.25)).numpy().tolist()
        [[-1.0, 0.0], [1.0, 0.0], [-1.0, 4.0]]
    """
    width = images.shape[-2]
    # Whole rows of pixels: broadcasting over three channels takes three times as long.
    rows = tf.reshape(tf.cast(images, tf.float32) / 255.0, [-1, width * images.shape[-1]])
    rows = (rows - tf.constant(tuple(mean) * width, tf.float32)) / tf.constant(tuple(std) * width, tf.float32)
    return tf.ensure_shape(tf.reshape(rows, tf.shape(images)), images.shape)


def random_crop(images, padding, seed):
    """Shifts every image by up to `padding` pixels in each direction; what comes in from outside is zero.

    Args:
        images: `[N, H, W, C]` with static `H` and `W`.
        padding: pixels of zeros around the image, at least 0.
        seed: integers `[2]`.

    Returns:
        The shape and type of `images`.
    """
    count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    padded = tf.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
    # One offset per image: Keras's RandomCrop draws one per batch.
    offsets = tf.random.stateless_uniform([2, count, 1], seed, 0, 2 * padding + 1, tf.int32)
    rows = tf.gather(padded, offsets[0] + tf.range(height), axis=1, batch_dims=1)
    return tf.ensure_shape(tf.gather(rows, offsets[1] + tf.range(width), axis=2, batch_dims=1), images.shape)


def random_flip(images, seed):
    """Mirrors each image left to right with probability one half.

    Args:
        images: `[N, H, W, C]` with static `W`.
        seed: integers `[2]`.

    Returns:
        The shape and type of `images`.
    """
    columns = tf.range(images.shape[2])
    mirrored = tf.random.stateless_uniform([tf.shape(images)[0], 1], seed) < 0.5
    # Twice as fast as a choice between the images and their mirror images.
    columns = tf.where(mirrored, columns[::-1], columns)
    return tf.ensure_shape(tf.gather(images, columns, axis=2, batch_dims=1), images.shape)


def cutout(images, length, seed):
    """Blanks a square in each image, its centre anywhere in the image; the square is cut at the border.

    Args:
        images: `[N, H, W, C]` with static `H` and `W`.
        length: side of the square in pixels; an odd one counts as the even one below it, as officially.
        seed: integers `[2]`.

    Returns:
        The shape and type of `images`; zero inside the squares.

    Source: DeVries & Taylor, 2017; `Cutout` in `optimizers/darts/utils.py` of the official code.
    """
    count, (height, width) = tf.shape(images)[0], images.shape[1:3]
    row_seed, column_seed = tf.unstack(tf.random.split(seed, 2))

    def inside(size, seed):
        center = tf.random.stateless_uniform([count, 1], seed, 0, size, tf.int32)
        pixels = tf.range(size)
        return (pixels >= center - length // 2) & (pixels < center + length // 2)

    square = inside(height, row_seed)[:, :, tf.newaxis] & inside(width, column_seed)[:, tf.newaxis]
    kept = tf.cast(~square, images.dtype)[..., tf.newaxis]
    return tf.ensure_shape(images * kept, images.shape)


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """uint8 images and a seed -> float32 images, as the official code augments.

    Crop with zeros around (black, before normalization), mirror, normalize, cutout last (zero in normalized units).

    Args:
        mean, std: of the data set, three numbers each, of pixels in 0 to 1.
        crop_padding: pixels of zeros around the image before the crop; 0 switches it off.
        flip: mirror half of the images.
        cutout_length: side of the blanked square in pixels; 0 switches it off.

    Source: `_data_transforms_cifar10` in `optimizers/darts/utils.py` of the official code.

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
        """Augments a batch; stateless, so the same seed gives the same images.

        Args:
            images: uint8 `[N, H, W, 3]` with static `H` and `W`.
            seed: integers `[2]`.

        Returns:
            float32 of the shape of `images`, its static part included.
        """
        crop_seed, flip_seed, cutout_seed = tf.unstack(tf.random.split(seed, 3))
        if self.crop_padding:
            images = random_crop(images, self.crop_padding, crop_seed)
        if self.flip:
            images = random_flip(images, flip_seed)
        images = normalize(images, self.mean, self.std)
        return cutout(images, self.cutout_length, cutout_seed) if self.cutout_length else images
