"""Convolutions of many edges at once, padded as PyTorch pads. Pure functions of tensors.

A map that belongs to several edges is `[N, H, W, edges * C]`, edge-major: the channels of edge 0 come first.
Kernels are cast to the type of the map.
"""

import contextlib
import functools
import math

import keras
import tensorflow as tf

from sdarts_tf.layers import filter_gradients
from sdarts_tf.layers.constants import once
from sdarts_tf.layers.scope import Scope

_NO_STRIDE = [1, 1, 1, 1]
_fixed, _differentiated = Scope(), Scope()


def fixed_kernels():
    """A scope for callers that differentiate by something else: `depthwise` may have no gradient by its kernel in it.

    Where that gradient has many nodes, the graph would hold them though nothing computes them.
    """
    return _fixed.entered()


def differentiated_kernels():
    """A scope for callers that differentiate by kernels: on a CPU more of these gradients are hand-written in it.

    They are faster there, take more graph, and TensorFlow keeps a graph that has any for as long as the process lives.
    """
    others = any(tf.config.list_physical_devices(kind) for kind in ("GPU", "TPU"))
    return contextlib.nullcontext() if others else _differentiated.entered()


def fan_in_limit(fan_in):
    """The largest first weight of a convolution or linear layer, as PyTorch's default has it."""
    return 1.0 / math.sqrt(fan_in)


def fan_in_uniform(fan_in):
    """PyTorch's default initializer of convolutions and linear layers: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    limit = fan_in_limit(fan_in)
    return keras.initializers.RandomUniform(-limit, limit)


def pad(x, amount):
    """Zeros around the two spatial axes. Explicit, because `SAME` shifts the grid by a pixel at stride 2."""
    return tf.pad(x, [[0, 0], [amount, amount], [amount, amount], [0, 0]])


def repeat_for_edges(x, edges):
    """`[N, H, W, C]` -> `[N, H, W, edges * C]`: the same map for every edge."""
    if edges == 1:
        return x
    shape = -1, *x.shape[1:3], edges, x.shape[3]

    @tf.custom_gradient
    def repeat(x):
        # The built-in gradient of a tile gives the same sum, with a dozen more nodes in the graph.
        return tf.tile(x, once((1, 1, 1, edges))), lambda dy: tf.reduce_sum(tf.reshape(dy, once(shape)), once(3))

    return repeat(x)


def join_edges(parts, edges):
    """Joins maps `[N, H, W, edges * c]` to one `[N, H, W, edges * len(parts) * c]`, edge-major again."""
    if edges == 1:
        return tf.concat(parts, axis=-1)
    split = [tf.split(part, edges, axis=-1) for part in parts]
    return tf.concat([part[edge] for edge in range(edges) for part in split], axis=-1)


def convolution(x, kernel, stride, padding):
    """`tf.nn.conv2d`."""
    return tf.nn.conv2d(x, tf.cast(kernel, x.dtype), stride, padding)


def depthwise(x, kernel, *, dilation=1):
    """Depthwise convolution that keeps the size: stride 1, padding dilation * (k - 1) / 2.

    Args:
        x: `[N, H, W, channels]`.
        kernel: `[k, k, channels, 1]`, k odd.
        dilation: 1 or 2.

    Returns:
        The shape of `x`.
    """
    kernel = tf.cast(kernel, x.dtype)
    if dilation > 1 and not _dilates_natively(x.dtype):
        return tf.nn.depthwise_conv2d(x, kernel, _NO_STRIDE, "SAME", dilations=[dilation, dilation])
    if dilation == 1 and kernel.shape[0] != 5:
        return _depthwise(x, kernel)

    if _fixed.active:
        only_by_x = tf.custom_gradient(
            lambda x: (_depthwise(x, kernel, dilation), lambda dy: _input_gradient(dy, kernel, dilation))
        )
        return only_by_x(x)

    @tf.custom_gradient
    def convolve(x, kernel):
        def gradient(dy):
            return _input_gradient(dy, kernel, dilation), filter_gradients.depthwise(x, dy, kernel.shape, dilation)

        return _depthwise(x, kernel, dilation), gradient

    return convolve(x, kernel)


def depthwise_reducing(padded, kernel):
    """Depthwise convolution of stride 2 on a map that `pad(x, k // 2)` has padded: halves height and width."""
    kernel = tf.cast(kernel, padded.dtype)
    options = {"strides": [1, 2, 2, 1], "padding": "VALID"}

    def convolve(padded, kernel):
        return tf.raw_ops.DepthwiseConv2dNative(input=padded, filter=kernel, **options)

    @tf.custom_gradient
    def convolve_with_gradient(padded, kernel):
        def gradient(dy):
            by_map = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(padded), filter=kernel, out_backprop=dy, **options
            )
            return by_map, filter_gradients.depthwise_reducing(padded, dy, kernel.shape)

        return convolve(padded, kernel), gradient

    hand_written = _differentiated.active and kernel.shape[1] == 5
    return convolve_with_gradient(padded, kernel) if hand_written else convolve(padded, kernel)


def _depthwise(x, kernel, dilation=1):
    # `tf.nn.depthwise_conv2d` wraps the same kernel in nodes for dilation.
    dilations = [1, dilation, dilation, 1]
    return tf.raw_ops.DepthwiseConv2dNative(
        input=x, filter=kernel, strides=_NO_STRIDE, padding="SAME", dilations=dilations
    )


def _input_gradient(dy, kernel, dilation):
    """The gradient of `depthwise` by its map."""
    if dilation > 1:
        # As a forward pass: oneDNN's kernel for this gradient ignores the dilation, without an error.
        return depthwise(dy, tf.reverse(kernel, once((0, 1))), dilation=dilation)
    return tf.nn.depthwise_conv2d_backprop_input(tf.shape(dy), kernel, dy, _NO_STRIDE, "SAME")


@functools.cache
def _dilates_natively(dtype):
    """Whether this build's kernel heeds a dilation: on CPU only oneDNN's does, and not in float64."""
    with tf.init_scope():
        x, kernel = tf.reshape(tf.cast(tf.range(49), dtype), [1, 7, 7, 1]), tf.ones([3, 3, 1, 1], dtype)
        try:
            native = _depthwise(x, kernel, dilation=2)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return False
        expected = tf.nn.depthwise_conv2d(x, kernel, _NO_STRIDE, "SAME", dilations=[2, 2])
        return bool(tf.reduce_all(native == expected))


def pointwise(x, kernel):
    """1x1 convolution of each edge by its own kernel: a grouped convolution.

    Args:
        x: `[N, H, W, edges * in_channels]`.
        kernel: `[1, 1, in_channels, edges * out_channels]`.

    Returns:
        `[N, H, W, edges * out_channels]`.
    """
    edges = x.shape[-1] // kernel.shape[2]
    kernel = tf.cast(kernel, x.dtype)
    if edges == 1 or _has_grouped_gradients(x.dtype):
        by_product = _differentiated.active and edges <= filter_gradients.MOST_EDGES_OF_A_PRODUCT
        return _pointwise(x, kernel) if by_product else tf.nn.conv2d(x, kernel, 1, "VALID")
    pairs = zip(tf.split(x, edges, axis=-1), tf.split(kernel, edges, axis=-1), strict=True)
    return tf.concat([tf.nn.conv2d(part, own, 1, "VALID") for part, own in pairs], axis=-1)


@tf.custom_gradient
def _pointwise(x, kernel):
    def gradient(dy):
        by_map = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(x), filter=kernel, out_backprop=dy, strides=_NO_STRIDE, padding="VALID"
        )
        return by_map, filter_gradients.pointwise(x, dy, kernel.shape)

    return tf.nn.conv2d(x, kernel, 1, "VALID"), gradient


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
