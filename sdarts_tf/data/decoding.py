"""From the bytes of a photo to the square that a network sees. Stateless functions of tensors and a seed."""

import tensorflow as tf

from sdarts_tf.data.folders import Distortion

# As officially for ImageNet: the shorter side becomes 256 pixels, of which the middle 224 are kept.
_SHORTER_SIDE = 256 / 224
_JITTER, _HUE_JITTER = 0.4, 0.2


def decode(content, channels=3):
    """uint8 `[H, W, channels]` of a JPEG, PNG, GIF or WebP file's bytes.

    Grey, CMYK and transparent ones become RGB, or, with one channel, colored ones grey.
    """
    image = tf.io.decode_image(content, channels=3, expand_animations=False)
    if channels == 1:
        # Not by the decoder, which refuses to make animations and WebP grey. Gray levels come back as they were.
        red, green, blue = tf.unstack(tf.cast(image, tf.float32), axis=-1)
        image = _to_uint8(0.299 * red + 0.587 * green + 0.114 * blue)[..., tf.newaxis]
    return tf.ensure_shape(image, [None, None, channels])


def center(image, size):
    """The middle of a photo: its shorter side is resized to 256/224 of `size`, then a square is cut out.

    Args:
        image: uint8 `[H, W, C]`.
        size: side of the square in pixels.

    Returns:
        uint8 `[size, size, C]`.

    Example:
        >>> center(tf.zeros([30, 50, 3], tf.uint8), 28).shape
        TensorShape([28, 28, 3])
    """
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    target = tf.round(sides * (round(size * _SHORTER_SIDE) / tf.reduce_min(sides)))
    # What tf.image.resize calls, but for the square alone: all of a resized panorama might not fit into memory.
    square = tf.raw_ops.ScaleAndTranslate(
        images=image[tf.newaxis],
        size=[size, size],
        scale=target / sides,
        translation=-tf.floor((target - size) / 2),
        kernel_type="triangle",
        antialias=True,
    )
    return _to_uint8(tf.ensure_shape(square[0], [size, size, image.shape[-1]]))


def distorted(image, size, seed, distortion: Distortion):
    """A random part of a photo with a ratio of 3/4 to 4/3, resized to a square, with random colors.

    Brightness is multiplied, contrast, saturation and hue are changed by `tf.image`; the strengths are .4, .4, .4, .2.
    TensorFlow draws the height of the part evenly, PyTorch its area: parts are smaller here, 38 % of it on average.

    Args:
        image: uint8 `[H, W, C]`; saturation and hue vary where C is 3.
        size: side of the square in pixels.
        seed: int32 `[2]`.
        distortion: what may vary.

    Returns:
        uint8 `[size, size, C]`.

    Example:
        >>> plain = Distortion(min_area=1.0, jitter=False)
        >>> square = tf.random.stateless_uniform([8, 8, 3], (0, 0), 0, 256, tf.int32)
        >>> same = distorted(tf.cast(square, tf.uint8), 8, (0, 1), plain)
        >>> bool(tf.reduce_all(tf.cast(same, tf.int32) == square))
        True
    """
    crop_seed, jitter_seed = tf.unstack(tf.random.split(seed, 2))
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        tf.zeros([1, 0, 4]),
        crop_seed,
        min_object_covered=0.0,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(distortion.min_area, 1.0),
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
    )
    shape = [size, size, image.shape[-1]]
    image = tf.ensure_shape(_resize(tf.slice(image, begin, extent), (size, size)), shape)
    return _to_uint8(_jittered(image / 255, jitter_seed) * 255 if distortion.jitter else image)


def _jittered(image, seed):
    brightness, contrast, saturation, hue = tf.unstack(tf.random.split(seed, 4))
    low, high = 1 - _JITTER, 1 + _JITTER
    # tf.image's brightness adds a constant; the official transform multiplies.
    image = tf.clip_by_value(image * tf.random.stateless_uniform([], brightness, low, high), 0, 1)
    image = tf.clip_by_value(tf.image.stateless_random_contrast(image, low, high, contrast), 0, 1)
    if image.shape[-1] != 3:
        return image
    image = tf.image.stateless_random_saturation(image, low, high, saturation)
    return tf.image.stateless_random_hue(image, _HUE_JITTER, hue)


def _resize(image, size):
    # Without antialiasing a photo of many pixels would be sampled, not averaged.
    return tf.image.resize(image, size, antialias=True)


def _to_uint8(image):
    return tf.saturate_cast(tf.round(image), tf.uint8)
