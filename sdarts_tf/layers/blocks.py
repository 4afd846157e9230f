"""What stands around the candidate operations: stem, preprocessing, classifier."""

import tensorflow as tf

from sdarts_tf.layers import convolutions
from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.normalization import BatchNormalization
from sdarts_tf.layers.views import Views


class Stem(Layer):
    """The first layer of a network for small images: 3x3 convolution and batch normalization, no ReLU.

    Args:
        channels: of the output `[N, H, W, channels]`; the input is `[N, H, W, 3]`.
    """

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        initializer = convolutions.fan_in_uniform(3 * 3 * 3)
        self.kernel = self.add_weight(name="kernel", shape=(3, 3, 3, channels), initializer=initializer)
        self.normalization = BatchNormalization(channels)

    def call(self, x, training=False):
        return self.normalization(tf.nn.conv2d(x, self.kernel, 1, "SAME"), training=training)


class ReluConvBatchNorm(Layer):
    """ReLU, 1x1 convolution, batch normalization: brings a cell's input to the cell's channels."""

    def __init__(self, in_channels, out_channels, *, affine=False, **kwargs):
        super().__init__(**kwargs)
        initializer = convolutions.fan_in_uniform(in_channels)
        self.kernel = self.add_weight(name="kernel", shape=(1, 1, in_channels, out_channels), initializer=initializer)
        self.normalization = BatchNormalization(out_channels, affine=affine)

    def call(self, x, views=None, training=False):
        """Reads `views` of x, if given."""
        rectified = (views or Views(x)).rectified
        return self.normalization(convolutions.pointwise(rectified, self.kernel), training=training)


class FactorizedReduce(Layer):
    """ReLU, two 1x1 convolutions on grids shifted by one pixel, batch normalization: halves height and width.

    Args:
        in_channels: of the input `[N, H, W, in_channels]`.
        out_channels: of each edge's output; even.
        edges: number of edges, each with kernels of its own: `[N, ceil(H / 2), ceil(W / 2), edges * out_channels]`.
        affine: whether the batch normalization learns a scale and an offset.
    """

    def __init__(self, in_channels, out_channels, *, edges=1, affine=False, **kwargs):
        super().__init__(**kwargs)
        if out_channels % 2:
            raise ValueError(f"FactorizedReduce joins two halves; out_channels={out_channels} must be even.")
        self.edges = edges
        shape, initializer = (1, 1, in_channels, edges * out_channels // 2), convolutions.fan_in_uniform(in_channels)
        self.kernels = [self.add_weight(name=f"kernel_{i}", shape=shape, initializer=initializer) for i in range(2)]
        self.normalization = BatchNormalization(edges * out_channels, affine=affine)

    def call(self, x, scale=None, views=None, training=False):
        """Reads `views` of x, if given; `scale` `[edges * out_channels]` weighs the result."""
        # The grids are the same for all edges: one ordinary convolution serves them all.
        grids = zip((views or Views(x)).grids, self.kernels, strict=True)
        halves = [convolutions.pointwise(grid, kernel) for grid, kernel in grids]
        return self.normalization(convolutions.join_edges(halves, self.edges), scale=scale, training=training)


class Classifier(Layer):
    """Global average pool and a linear layer: `[N, H, W, channels]` -> logits `[N, num_classes]`, never in half precision."""

    def __init__(self, channels, num_classes, **kwargs):
        super().__init__(**kwargs)
        initializer = convolutions.fan_in_uniform(channels)
        self.kernel = self.add_weight(name="kernel", shape=(channels, num_classes), initializer=initializer)
        self.bias = self.add_weight(name="bias", shape=(num_classes,), initializer=initializer)

    def call(self, x):
        logits = tf.matmul(tf.reduce_mean(x, [1, 2]), self.kernel) + self.bias
        return tf.cast(logits, self.variable_dtype)
