"""Convolutions of many edges at once, padded as PyTorch pads. Pure functions of tensors.

A map that belongs to several edges is `[N, H, W, edges * C]`, edge-major: the channels of edge 0 come first.
"""

import math

import keras
import tensorflow as tf


def fan_in_uniform(fan_in):
    """PyTorch's default initializer of convolutions and linear layers: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    limit = 1.0 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-limit, limit)


def pad(x, amount):
    """Zeros around the two spatial axes. Explicit, because `SAME` shifts the grid by a pixel at stride 2."""
    return tf.pad(x, [[0, 0], [amount, amount], [amount, amount], [0, 0]])


def subsample(x, stride):
    """Every `stride`-th row and column, starting with the first."""
    return x if stride == 1 else x[:, ::stride, ::stride]


def repeat_for_edges(x, edges):
    """`[N, H, W, C]` -> `[N, H, W, edges * C]`: the same map for every edge."""
    return x if edges == 1 else tf.concat([x] * edges, axis=-1)


def depthwise(x, kernel, *, stride=1, dilation=1):
    """Depthwise convolution with padding dilation * (k - 1) / 2.

    Args:
        x: `[N, H, W, channels]`.
        kernel: `[k, k, channels, 1]`, k odd.
        stride: 1 or 2; 2 only without dilation, where TensorFlow's kernel is right.
        dilation: 1 or 2.

    Returns:
        `[N, ceil(H / stride), ceil(W / stride), channels]`.
    """
    if stride == 1:
        return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME", dilations=[dilation, dilation])
    return tf.nn.depthwise_conv2d(pad(x, kernel.shape[0] // 2), kernel, [1, stride, stride, 1], "VALID")


def pointwise(x, kernel, *, stride=1):
    """1x1 convolution of each edge by its own kernel: a grouped convolution.

    Args:
        x: `[N, H, W, edges * in_channels]`.
        kernel: `[1, 1, in_channels, edges * out_channels]`.

    Returns:
        `[N, ceil(H / stride), ceil(W / stride), edges * out_channels]`.
    """
    return tf.nn.conv2d(x, kernel, stride, "VALID")


def two_grids(x):
    """The even rows and columns of a map, and the odd ones; an odd size is filled up with zeros.

    Returns:
        Two maps `[N, ceil(H / 2), ceil(W / 2), C]`.
    """
    height, width = x.shape[1:3]
    shifted = tf.pad(x[:, 1:, 1:], [[0, 0], [0, height % 2], [0, width % 2], [0, 0]])
    return subsample(x, 2), subsample(shifted, 2)


def interleave_edges(parts, edges):
    """Joins maps `[N, H, W, edges * c]` to one `[N, H, W, edges * len(parts) * c]`, edge-major again."""
    if edges == 1:
        return tf.concat(parts, axis=-1)
    split = [tf.split(part, edges, axis=-1) for part in parts]
    return tf.concat([part[edge] for edge in range(edges) for part in split], axis=-1)


def to_phases(x):
    """Splits a map of even height and width into its four interleaved ones: `[4 N, H / 2, W / 2, C]`.

    A convolution with dilation 2 on `x` is an ordinary one on the phases, and batch statistics are the same there.
    """
    return tf.space_to_batch(x, [2, 2], [[0, 0], [0, 0]])


def from_phases(x):
    """The inverse of `to_phases`."""
    return tf.batch_to_space(x, [2, 2], [[0, 0], [0, 0]])
