"""Gradients of convolutions by their kernels, by those of oneDNN's kernels that are fast.

Its depthwise kernel is three to ten times slower for five columns than for three, and for maps with fewer rows than
the kernel. Its grouped 1x1 kernel takes up to twice as long as a product of matrices of which half is thrown away.
docs/performance.md has the figures.
"""

import tensorflow as tf

from sdarts_tf.layers.constants import once

# A product of more edges throws away more than it gains.
MOST_EDGES_OF_A_PRODUCT = 2


def depthwise(x, dy, shape, dilation):
    """The gradient by the kernel of a depthwise convolution that keeps the size.

    Five columns are asked for as three columns twice: next to each other, and on every second column of the map, which
    brings the outer two.

    Args:
        x, dy: the map and the gradient of the result, `[N, H, W, channels]`.
        shape: `[k, k, channels, 1]`.
        dilation: 1 or 2.
    """
    rows, columns, channels, _ = shape
    height, width = x.shape[1:3]
    # Zeros, so that there are as many rows as the kernel has, and pairs of columns where they are asked for twice.
    pairs = 2 if columns == 5 else 1
    fill = (0, max(dilation * rows - height, -height % dilation)), (0, -width % (pairs * dilation))
    if dilation > 1:
        # A convolution with dilation is an ordinary one on the interleaved maps.
        block = once((dilation, dilation))
        x, dy = (tf.space_to_batch(map, block, once(fill)) for map in (x, dy))
    elif fill != ((0, 0), (0, 0)):
        x, dy = (tf.pad(map, once(((0, 0), *fill, (0, 0)))) for map in (x, dy))
    if columns != 5:
        return _by_kernel(x, dy, shape)
    inner = _by_kernel(x, dy, (rows, 3, channels, 1))
    _, height, width, _ = x.shape
    x, dy = (tf.reshape(map, once((-1, height, width // 2, 2 * channels))) for map in (x, dy))
    outer = tf.reshape(_by_kernel(x, dy, (rows, 3, 2 * channels, 1)), once((rows, 3, 2, channels, 1)))
    first, _, last = tf.split(tf.reduce_sum(outer, once(2)), 3, once(1))
    return tf.concat([first, inner, last], once(1))


def _by_kernel(x, dy, shape, stride=1, padding="SAME"):
    return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
        input=x, filter_sizes=once(tuple(shape)), out_backprop=dy, strides=[1, stride, stride, 1], padding=padding
    )


def depthwise_reducing(padded, dy, shape):
    """The gradient by the kernel, of five columns, of `convolutions.depthwise_reducing`: three columns and the others.

    Args:
        padded: the padded map, `[N, H, W, channels]`.
        dy: the gradient of the result.
        shape: `[5, 5, channels, 1]`.
    """
    rows, _, channels, _ = shape
    left, right = (
        _by_kernel(columns, dy, (rows, 3, channels, 1), 2, "VALID") for columns in (padded[:, :, :-2], padded[:, :, 2:])
    )
    return tf.concat([left, right[:, 1:]], once(1))


def pointwise(x, dy, shape):
    """The gradient by the kernel of a 1x1 convolution of each edge by its own kernel.

    One product of all channels: its blocks on the diagonal belong to one edge each, the others are thrown away.

    Args:
        x: the map, `[N, H, W, edges * in_channels]`.
        dy: the gradient of the result, `[N, H, W, edges * out_channels]`.
        shape: `[1, 1, in_channels, edges * out_channels]`.
    """
    _, _, inputs, outputs = shape
    edges = x.shape[-1] // inputs
    x, dy = tf.reshape(x, once((-1, edges * inputs))), tf.reshape(dy, once((-1, outputs)))
    products = tf.matmul(x, dy, transpose_a=True)
    if edges > 1:
        rows = enumerate(tf.split(products, edges, once(0)))
        products = tf.concat([tf.split(row, edges, once(1))[edge] for edge, row in rows], once(1))
    return tf.reshape(products, once(tuple(shape)))
