"""What stands around the candidate operations: stem, preprocessing, classifier."""

import tensorflow as tf

from sdarts_tf.errors import InputError
from sdarts_tf.layers import convolutions, draws, folding
from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.normalization import BatchNormalization
from sdarts_tf.layers.views import Views


class Stem(Layer):
    """The first layer of a network for small images: 3x3 convolution and batch normalization, no ReLU.

    Args:
        channels: of the output `[N, H, W, channels]`.
        image_channels: of the input `[N, H, W, image_channels]`.
    """

    def __init__(self, channels, *, image_channels=3, **kwargs):
        super().__init__(**kwargs)
        shape, initializer = (3, 3, image_channels, channels), convolutions.fan_in_uniform(3 * 3 * image_channels)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=initializer)
        self.normalization = BatchNormalization(channels)

    def call(self, x, training=False):
        return self.normalization(convolutions.convolution(x, self.kernel, 1, "SAME"), training=training)


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
        return folding.normalize(folding.convolve(rectified, self.kernel), self.normalization, training=training)


class ConvBatchNormRelu(Layer):
    """Convolution, batch normalization, ReLU: the order of NAS-Bench-101, at stride 1.

    Args:
        in_channels: of the input `[N, H, W, in_channels]`.
        out_channels: of the output `[N, H, W, out_channels]`.
        kernel_size: 1 or 3.
        momentum: how far the running statistics move, 0 to 1.
    """

    def __init__(self, in_channels, out_channels, kernel_size, *, momentum=0.1, **kwargs):
        super().__init__(**kwargs)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(kernel_size, kernel_size, in_channels, out_channels),
            initializer=convolutions.fan_in_uniform(kernel_size**2 * in_channels),
        )
        self.normalization = BatchNormalization(out_channels, momentum=momentum)

    def call(self, x, training=False):
        y = convolutions.convolution(x, self.kernel, 1, "SAME")
        return tf.nn.relu(self.normalization(y, training=training))


class FactorizedReduce(Layer):
    """ReLU, two 1x1 convolutions on grids shifted by one pixel, batch normalization: halves height and width.

    Args:
        in_channels: of the input `[N, H, W, in_channels]`.
        out_channels: of each edge's output; even.
        edges: number of edges, each with kernels of its own; the output is
            `[N, ceil(H / 2), ceil(W / 2), edges * out_channels]`.
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

    def call(self, x, views=None, training=False):
        """Reads `views` of x, if given."""
        return folding.normalize(self.prepare(views or Views(x), folds=True), self.normalization, training=training)

    def prepare(self, views, folds=False):
        """What `folding.normalize` is applied to: `[N, ceil(H / 2), ceil(W / 2), edges * out_channels]`."""
        # The grids are the same for all edges: one ordinary convolution serves them all.
        pairs = zip(views.grids, self.kernels, strict=True)
        return folding.join_edges([folding.convolve(grid, kernel, folds) for grid, kernel in pairs], self.edges)


class ResidualReduction(Layer):
    """The block between two stages of NAS-Bench-201: halves height and width, rounding up.

    ReLU, 3x3 convolution of stride 2, batch normalization, ReLU, 3x3 convolution, batch normalization; added to a 2x2
    average pool and 1x1 convolution of the input.

    Args:
        in_channels: of the input.
        out_channels: of the output.
    """

    def __init__(self, in_channels, out_channels, **kwargs):
        super().__init__(**kwargs)
        widths = (in_channels, out_channels)
        self.kernels = [
            self.add_weight(
                name=f"kernel_{i}",
                shape=(3, 3, width, out_channels),
                initializer=convolutions.fan_in_uniform(9 * width),
            )
            for i, width in enumerate(widths)
        ]
        self.normalizations = [BatchNormalization(out_channels) for _ in widths]
        self.shortcut_kernel = self.add_weight(
            name="shortcut_kernel",
            shape=(1, 1, in_channels, out_channels),
            initializer=convolutions.fan_in_uniform(in_channels),
        )

    def call(self, x, training=False):
        y = convolutions.convolution(convolutions.pad(tf.nn.relu(x), 1), self.kernels[0], 2, "VALID")
        y = tf.nn.relu(self.normalizations[0](y, training=training))
        y = self.normalizations[1](convolutions.convolution(y, self.kernels[1], 1, "SAME"), training=training)
        # At odd sizes, which the official code refuses, the last row and column are averaged alone.
        shortcut = tf.nn.avg_pool2d(x, 2, 2, "SAME")
        return y + convolutions.pointwise(shortcut, self.shortcut_kernel)


class Classifier(Layer):
    """Global average pool and a linear layer: `[N, H, W, channels]` -> logits `[N, num_classes]`.

    Logits are never in half precision.
    """

    def __init__(self, channels, num_classes, **kwargs):
        super().__init__(**kwargs)
        initializer = convolutions.fan_in_uniform(channels)
        self.kernel = self.add_weight(name="kernel", shape=(channels, num_classes), initializer=initializer)
        self.bias = self.add_weight(name="bias", shape=(num_classes,), initializer=initializer)

    def call(self, x):
        x = tf.cast(x, self.variable_dtype)
        return tf.matmul(tf.reduce_mean(x, [1, 2]), self.kernel) + self.bias


class LargeImageStem(Layer):
    """The first layers of a network for large images: three 3x3 convolutions of stride 2.

    Returns two maps, at a quarter and at an eighth of the image's size, which are the inputs of the first cell.
    Source: `sota/cnn/model_imagenet.py` of the official code.

    Args:
        channels: of both outputs; even.
        image_channels: of the input.
    """

    def __init__(self, channels, *, image_channels=3, **kwargs):
        super().__init__(**kwargs)
        widths = (image_channels, channels // 2, channels, channels)
        self.kernels = [
            self.add_weight(
                name=f"kernel_{i}",
                shape=(3, 3, widths[i], widths[i + 1]),
                initializer=convolutions.fan_in_uniform(9 * widths[i]),
            )
            for i in range(3)
        ]
        self.normalizations = [BatchNormalization(width) for width in widths[1:]]

    def call(self, x, training=False):
        outputs = []
        for number, (kernel, normalization) in enumerate(zip(self.kernels, self.normalizations, strict=True)):
            x = convolutions.convolution(convolutions.pad(tf.nn.relu(x) if number else x, 1), kernel, 2, "VALID")
            x = normalization(x, training=training)
            outputs.append(x)
        return outputs[1], outputs[2]


class DropPath(Layer):
    """Drops the whole map of an image with probability `rate`, and divides the others by 1 - rate.

    `draw(shape, seed)` makes uniform numbers; a test may put recorded ones in its place. `salt` tells one layer of a
    network from another.
    """

    def __init__(self, *, draw=tf.random.stateless_uniform, salt=0, **kwargs):
        super().__init__(**kwargs)
        self.draw, self.salt = draw, salt

    def call(self, x, rate, seed):
        """Applies it; `rate` is a scalar tensor, at least 0 and below 1, `seed` int32 `[2]`."""
        drawn = draws.of_this_share(self.draw, [tf.shape(x)[0], 1, 1, 1], tf.random.fold_in(seed, self.salt))
        keep = 1.0 - tf.cast(rate, drawn.dtype)
        return x * tf.cast(drawn < keep, x.dtype) / tf.cast(keep, x.dtype)


class AuxiliaryHead(Layer):
    """A second classifier on a map inside the network: `[N, H, W, channels]` -> logits `[N, num_classes]`.

    ReLU, 5x5 average pool, 1x1 convolution to 128, batch normalization, ReLU, 2x2 convolution to 768, batch
    normalization, ReLU, linear. The official code assumes maps of 8x8 (`large_images`: 7x7); larger ones are averaged
    before the linear layer.

    Args:
        channels: of the map.
        num_classes: number of logits.
        large_images: the pool has stride 2 instead of 3, and the second batch normalization is absent, as officially.
    """

    def __init__(self, channels, num_classes, *, large_images=False, **kwargs):
        super().__init__(**kwargs)
        self.stride = self.smallest_map(large_images) - 5
        shapes = [(1, 1, channels, 128), (2, 2, 128, 768)]
        self.kernels = [
            self.add_weight(
                name=f"kernel_{i}",
                shape=shape,
                initializer=convolutions.fan_in_uniform(shape[0] * shape[1] * shape[2]),
            )
            for i, shape in enumerate(shapes)
        ]
        self.normalizations = [BatchNormalization(width) for width in ((128,) if large_images else (128, 768))]
        self.classifier = Classifier(768, num_classes)

    @staticmethod
    def smallest_map(large_images: bool) -> int:
        """Side of the smallest map that leaves the 2x2 convolution something to see."""
        return 7 if large_images else 8

    def call(self, x, training=False):
        smallest = 5 + self.stride
        if min(x.shape[1:3]) < smallest:
            raise InputError(
                f"The auxiliary head sees a map of {x.shape[1]}x{x.shape[2]} and needs {smallest}x{smallest}; "
                "use larger images, or switch the head off."
            )
        x = tf.nn.avg_pool2d(tf.nn.relu(x), 5, self.stride, "VALID")
        x = tf.nn.relu(
            self.normalizations[0](convolutions.convolution(x, self.kernels[0], 1, "VALID"), training=training)
        )
        x = convolutions.convolution(x, self.kernels[1], 1, "VALID")
        if len(self.normalizations) > 1:
            x = self.normalizations[1](x, training=training)
        return self.classifier(tf.nn.relu(x))
