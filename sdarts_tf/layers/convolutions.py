"""Convolutions of many edges at once, padded as PyTorch pads. Pure functions of tensors.

A map that belongs to several edges is `[N, H, W, edges * C]`, edge-major: the channels of edge 0 come first.
"""

import functools
import math

import keras
import tensorflow as tf

_NO_STRIDE = [1, 1, 1, 1]


def fan_in_uniform(fan_in):
    """PyTorch's default initializer of convolutions and linear layers: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    limit = 1.0 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-limit, limit)


def pad(x, amount):
    """Zeros around the two spatial axes. Explicit, because `SAME` shifts the grid by a pixel at stride 2."""
    return tf.pad(x, [[0, 0], [amount, amount], [amount, amount], [0, 0]])


def repeat_for_edges(x, edges):
    """`[N, H, W, C]` -> `[N, H, W, edges * C]`: the same map for every edge."""
    if edges == 1:
        return x
    shape = [-1, *x.shape[1:3], edges, x.shape[3]]

    @tf.custom_gradient
    def repeat(x):
        # The built-in gradient of a tile gives the same sum, with a dozen more nodes in the graph.
        return tf.tile(x, [1, 1, 1, edges]), lambda dy: tf.reduce_sum(tf.reshape(dy, shape), axis=3)

    return repeat(x)


def join_edges(parts, edges):
    """Joins maps `[N, H, W, edges * c]` to one `[N, H, W, edges * len(parts) * c]`, edge-major again."""
    if edges == 1:
        return tf.concat(parts, axis=-1)
    split = [tf.split(part, edges, axis=-1) for part in parts]
    return tf.concat([part[edge] for edge in range(edges) for part in split], axis=-1)


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
    kernel = tf.convert_to_tensor(kernel)
    if dilation > 1:
        return tf.nn.depthwise_conv2d(x, kernel, _NO_STRIDE, "SAME", dilations=[dilation, dilation])
    if stride > 1:
        return _depthwise(pad(x, kernel.shape[0] // 2), kernel, strides=[1, stride, stride, 1], padding="VALID")
    return _depthwise_5x5(x, kernel) if kernel.shape[0] == 5 else _depthwise(x, kernel)


def _depthwise(x, kernel, strides=_NO_STRIDE, padding="SAME"):
    # `tf.nn.depthwise_conv2d` wraps the same kernel in nodes for dilation.
    return tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, strides=strides, padding=padding)


@tf.custom_gradient
def _depthwise_5x5(x, kernel):
    """5x5 at stride 1, with the faster of two CPU kernels for the filter gradient.

    The kernel that serves `SAME` padding on CPU takes two to three times as long as the one that serves the same
    padding given explicitly; for the other two directions it is the faster one.
    """

    def gradient(dy):
        explicit = [[0, 0], [2, 2], [2, 2], [0, 0]]
        dx = tf.nn.depthwise_conv2d_backprop_input(tf.shape(x), kernel, dy, _NO_STRIDE, "SAME")
        return dx, tf.nn.depthwise_conv2d_backprop_filter(x, kernel.shape, dy, _NO_STRIDE, explicit)

    return _depthwise(x, kernel), gradient


def pointwise(x, kernel):
    """1x1 convolution of each edge by its own kernel: a grouped convolution.

    Args:
        x: `[N, H, W, edges * in_channels]`.
        kernel: `[1, 1, in_channels, edges * out_channels]`.

    Returns:
        `[N, H, W, edges * out_channels]`.
    """
    edges = x.shape[-1] // kernel.shape[2]
    kernel = tf.convert_to_tensor(kernel)
    if edges == 1 or _has_grouped_gradients(x.dtype):
        return tf.nn.conv2d(x, kernel, 1, "VALID")
    pairs = zip(tf.split(x, edges, axis=-1), tf.split(kernel, edges, axis=-1), strict=True)
    return tf.concat([tf.nn.conv2d(part, own, 1, "VALID") for part, own in pairs], axis=-1)


@functools.cache
def _has_grouped_gradients(dtype):
    """Whether this build can differentiate a grouped convolution: on CPU only oneDNN's kernels can, not in float64."""
    with tf.init_scope():
        try:
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=[1, 2, 2, 4],
                filter=tf.zeros([1, 1, 2, 4], dtype),
                out_backprop=tf.zeros([1, 2, 2, 4], dtype),
                strides=_NO_STRIDE,
                padding="VALID",
            )
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return False
        return True


def grids(x):
    """The four grids of every second row and column: (even, even), (even, odd), (odd, even), (odd, odd).

    An odd size is filled up with a row or column of zeros. Far faster than strided slices, whose gradient is slow.

    Returns:
        Four maps `[N, ceil(H / 2), ceil(W / 2), C]`.
    """
    height, width = x.shape[1:3]
    if height % 2 or width % 2:
        x = tf.pad(x, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]])
    return tf.split(tf.nn.space_to_depth(x, 2), 4, axis=-1)


def to_phases(x):
    """Splits a map of even height and width into its four interleaved ones: `[4 N, H / 2, W / 2, C]`.

    A convolution with dilation 2 on `x` is an ordinary one on the phases, and batch statistics are the same there.
    """
    return tf.space_to_batch(x, [2, 2], [[0, 0], [0, 0]])


def from_phases(x):
    """The inverse of `to_phases`."""
    return tf.batch_to_space(x, [2, 2], [[0, 0], [0, 0]])
