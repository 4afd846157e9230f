"""The candidate operations, each for several edges that leave one node.

Definitions: `sota/cnn/operations.py` of the official code; DARTS (Liu et al., ICLR 2019), section 2.
"""

import functools

import numpy as np
import tensorflow as tf

from sdarts_tf.errors import InputError
from sdarts_tf.layers import convolutions, draws, folding
from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.blocks import FactorizedReduce
from sdarts_tf.layers.normalization import BatchNormalization
from sdarts_tf.layers.views import Views


class Operation(Layer):
    """A candidate on `edges` edges that leave one node: `[N, H, W, C]` -> `[N, H', W', edges * C]`, edge-major.

    With `edges=1` it is the ordinary operation of a derived network. An operation that does the same on every edge is
    `shared`: it is computed once, `[N, H', W', C]`, and weighted by its caller.

    Args:
        channels: C, of the input and of each edge's output.
        stride: 1 or 2; H' = ceil(H / stride).
        edges: number of edges, each with weights of its own.
        edge_seeds: for each edge the seed of its first weights, which are the same then in whatever company it is
            computed; None draws for all edges together.
        affine: batch normalizations learn scale and offset (derived networks) or not (search).
    """

    shared = False
    folds = False  # set by a mixed operation: in an attack `finish` may return a `folding.Shifted`

    def __init__(self, channels, *, stride=1, edges=1, affine=False, edge_seeds=None, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.stride, self.edges, self.affine = channels, stride, edges, affine
        self._edge_seeds = None if edge_seeds is None else tuple(edge_seeds)

    def call(self, x, scale=None, views=None, training=False, seed=None):
        """Applies the operation.

        Args:
            x: the node's output `[N, H, W, C]`.
            scale: `[edges * C]`, the weight of each channel of the result, the same for all channels of an edge; None
                means 1. As the scale of the last batch normalization it costs nothing. Shared operations ignore it.
            views: `Views` of x, if other operations read it too.
            training: batch normalization on the batch's statistics.
            seed: int32 `[2]`, read by random operations only; None means (0, 0).
        """
        return self.finish(self.prepare(x, views or Views(x), training, seed), scale, training)

    def prepare(self, x, views, training, seed):
        """The part of `call` that does not depend on `scale`: once for all mixtures of an attack."""
        raise NotImplementedError

    def finish(self, prepared, scale, training):
        """The rest of `call`."""
        return prepared

    def _kernel(self, name, shape, fan_in, axis=-1):
        """A kernel of `shape`, whose edges lie one after the other along `axis`."""
        if self._edge_seeds is None:
            return self.add_weight(name=name, shape=shape, initializer=convolutions.fan_in_uniform(fan_in))
        limit, one = convolutions.fan_in_limit(fan_in), list(shape)
        one[axis] //= self.edges
        generators = [np.random.default_rng((seed, len(self.weights))) for seed in self._edge_seeds]
        drawn = np.concatenate([generator.uniform(-limit, limit, one) for generator in generators], axis)
        return self.add_weight(name=name, shape=shape, initializer=lambda shape, dtype: tf.cast(drawn, dtype))

    def _depthwise_kernel(self, name, size):
        # PyTorch's fan-in of a depthwise kernel is k * k; Keras would count all channels.
        return self._kernel(name, (size, size, self.edges * self.channels, 1), size * size, axis=2)

    def _pointwise_kernel(self, name):
        return self._kernel(name, (1, 1, self.channels, self.edges * self.channels), self.channels)

    def _normalization(self, name):
        return BatchNormalization(self.edges * self.channels, affine=self.affine, name=name)

    def _first_rows(self, x):
        return x if self.stride == 1 else x[:, :: self.stride, :: self.stride]


def weighed(x, scale):
    """`x * scale`, multiplied in the type of the scale: in half precision a share would lose most of its digits."""
    return x if scale is None else tf.cast(tf.cast(x, scale.dtype) * scale, x.dtype)


class Zero(Operation):
    """`none`: zeros of the output's shape."""

    shared = True

    def prepare(self, x, views, training, seed):
        return tf.zeros_like(self._first_rows(x))


class Noise(Operation):
    """`noise`: fresh N(0, 1) of the output's shape, whatever the input, at evaluation too.

    `draw(shape, seed)` makes the numbers; a test may put recorded ones in its place. `salt` tells one noise layer of a
    network from another.
    """

    def __init__(self, channels, *, draw=tf.random.stateless_normal, salt=0, **kwargs):
        super().__init__(channels, **kwargs)
        self.draw, self.salt = draw, salt

    def prepare(self, x, views, training, seed):
        shape = tf.shape(self._first_rows(x))
        seed = tf.random.fold_in((0, 0) if seed is None else seed, self.salt)
        shape = tf.concat([shape[:3], [self.edges * self.channels]], 0)
        return tf.cast(draws.of_this_share(self.draw, shape, seed), x.dtype)

    def finish(self, noise, scale, training):
        return weighed(noise, scale)


class Pool(Operation):
    """`max_pool_3x3`, `avg_pool_3x3`: 3x3, padded by one pixel that counts in neither the maximum nor the mean.

    In search a batch normalization without scale and offset follows; in a derived network (`affine`) nothing does, nor
    where `normalized` is False.
    """

    shared = True

    def __init__(self, channels, *, kind, normalized=True, **kwargs):
        super().__init__(channels, **kwargs)
        self.kind = kind
        self.normalization = None if self.affine or not normalized else BatchNormalization(channels, affine=False)

    def prepare(self, x, views, training, seed):
        pooled = self._pool(x, training)
        if self.normalization is None:
            return pooled
        return folding.normalize(pooled, self.normalization, training=training)

    def _pool(self, x, training):
        # A derived network that only classifies has no border at stride 2 either: its value would stretch the ranges of
        # a model of integers beyond use.
        if self.stride == 1 or (self.affine and not training):
            return self._first_rows(tf.nn.pool(x, [3, 3], self.kind, padding="SAME"))
        borders = [[0, 0], [1, 1], [1, 1], [0, 0]]
        if self.kind == "MAX":
            return tf.nn.max_pool2d(tf.pad(x, borders, constant_values=x.dtype.min), 3, self.stride, "VALID")
        real = tf.pad(tf.ones_like(x[:1, :, :, :1]), borders)
        mean, share_of_real = (tf.nn.avg_pool2d(map, 3, self.stride, "VALID") for map in (tf.pad(x, borders), real))
        return mean / share_of_real


class Identity(Operation):
    """`skip_connect` at stride 1."""

    shared = True

    def prepare(self, x, views, training, seed):
        return x


class DroppedIdentity(Operation):
    """`skip_connect` at stride 1 with P-DARTS's dropout: in training every entry of every edge may be dropped.

    The rate is `views.skip_dropout`; None drops nothing. `salt` tells one such layer of a network from another.
    """

    def __init__(self, channels, *, salt=0, **kwargs):
        super().__init__(channels, **kwargs)
        self.salt = salt

    def prepare(self, x, views, training, seed):
        x = views.for_edges("x", self.edges)
        if not training or views.skip_dropout is None:
            return x
        kept = 1 - views.skip_dropout
        seed = tf.random.fold_in((0, 0) if seed is None else seed, self.salt)
        drawn = draws.of_this_share(tf.random.stateless_uniform, tf.shape(x), seed)
        mask = tf.floor(kept + drawn) / kept
        return x * tf.cast(mask, x.dtype)

    def finish(self, prepared, scale, training):
        return weighed(prepared, scale)


class ReducingSkip(Operation):
    """`skip_connect` at stride 2: a factorized reduction that keeps the number of channels."""

    def __init__(self, channels, **kwargs):
        super().__init__(channels, **kwargs)
        self.reduce = FactorizedReduce(channels, channels, edges=self.edges, affine=self.affine)

    def prepare(self, x, views, training, seed):
        return self.reduce.prepare(views, self.folds)

    def finish(self, prepared, scale, training):
        return folding.normalize(prepared, self.reduce.normalization, scale, training)


class SeparableConvolution(Operation):
    """`sep_conv_k`: twice ReLU, depthwise k x k, 1x1, batch normalization; the stride is the first one's."""

    def __init__(self, channels, *, kernel_size, **kwargs):
        super().__init__(channels, **kwargs)
        self.depthwise_kernels = [self._depthwise_kernel(f"depthwise_{i}", kernel_size) for i in range(2)]
        self.pointwise_kernels = [self._pointwise_kernel(f"pointwise_{i}") for i in range(2)]
        self.normalizations = [self._normalization(f"normalization_{i}") for i in range(2)]

    def prepare(self, x, views, training, seed):
        first, second = self.depthwise_kernels
        if self.stride == 1:
            x = convolutions.depthwise(views.for_edges("rectified", self.edges), first)
        else:
            padded = views.for_edges("rectified", self.edges, padding=first.shape[0] // 2)
            x = convolutions.depthwise_reducing(padded, first)
        x = folding.convolve(x, self.pointwise_kernels[0], self.folds)
        x = tf.nn.relu(folding.normalize(x, self.normalizations[0], training=training))
        return folding.convolve(convolutions.depthwise(x, second), self.pointwise_kernels[1], self.folds)

    def finish(self, prepared, scale, training):
        return folding.normalize(prepared, self.normalizations[1], scale, training)


class DilatedConvolution(Operation):
    """`dil_conv_k`: ReLU, depthwise k x k with dilation 2, 1x1, batch normalization."""

    def __init__(self, channels, *, kernel_size, **kwargs):
        super().__init__(channels, **kwargs)
        self.depthwise_kernel = self._depthwise_kernel("depthwise", kernel_size)
        self.pointwise_kernel = self._pointwise_kernel("pointwise")
        self.normalization = self._normalization("normalization")

    def prepare(self, x, views, training, seed):
        if self.stride == 1:
            y = convolutions.depthwise(views.for_edges("rectified", self.edges), self.depthwise_kernel, dilation=2)
        else:
            # All taps of a dilated kernel at stride 2 lie on even rows and columns. (TensorFlow's own kernel silently
            # computes wrong numbers for stride 2 with dilation 2.)
            y = convolutions.depthwise(views.for_edges("even", self.edges), self.depthwise_kernel)
        return folding.convolve(y, self.pointwise_kernel, self.folds)

    def finish(self, prepared, scale, training):
        return folding.normalize(prepared, self.normalization, scale, training)


class FactorizedConvolution(Operation):
    """`conv_7x1_1x7`: ReLU, 1x7 then 7x1 convolution, batch normalization."""

    def __init__(self, channels, **kwargs):
        super().__init__(channels, **kwargs)
        shapes = [(1, 7, channels, self.edges * channels), (7, 1, channels, self.edges * channels)]
        self.kernels = [self._kernel(f"kernel_{i}", shape, 7 * channels) for i, shape in enumerate(shapes)]
        self.normalization = self._normalization("normalization")

    def prepare(self, x, views, training, seed):
        x = views.for_edges("rectified", self.edges)
        x = convolutions.convolution(
            tf.pad(x, [[0, 0], [0, 0], [3, 3], [0, 0]]), self.kernels[0], [1, self.stride], "VALID"
        )
        return convolutions.convolution(
            tf.pad(x, [[0, 0], [3, 3], [0, 0], [0, 0]]), self.kernels[1], [self.stride, 1], "VALID"
        )

    def finish(self, prepared, scale, training):
        return self.normalization(prepared, scale=scale, training=training)


class NormalConvolution(Operation):
    """`nor_conv_k` of NAS-Bench-201: ReLU, k x k convolution, batch normalization; at stride 1."""

    def __init__(self, channels, *, kernel_size, **kwargs):
        super().__init__(channels, **kwargs)
        shape = (kernel_size, kernel_size, channels, self.edges * channels)
        self.kernel = self._kernel("kernel", shape, kernel_size**2 * channels)
        self.normalization = self._normalization("normalization")

    def prepare(self, x, views, training, seed):
        # All edges read the same map: one ordinary convolution serves them all.
        return convolutions.convolution(views.rectified, self.kernel, 1, "SAME")

    def finish(self, prepared, scale, training):
        return self.normalization(prepared, scale=scale, training=training)


# Those that a mixed operation may let fold: exactly these, for a plugin's subclass may do more with what they return.
FOLDING = (ReducingSkip, SeparableConvolution, DilatedConvolution)

# Those of this package, which multiply by their scale and do no more with it.
OWN = frozenset(Operation.__subclasses__())


def skip_connect(channels, *, stride=1, **kwargs):
    """`skip_connect`: the identity at stride 1, a reducing skip at stride 2."""
    return (Identity if stride == 1 else ReducingSkip)(channels, stride=stride, **kwargs)


OPERATIONS = {
    "none": Zero,
    "noise": Noise,
    "max_pool_3x3": functools.partial(Pool, kind="MAX"),
    "avg_pool_3x3": functools.partial(Pool, kind="AVG"),
    "skip_connect": skip_connect,
    "sep_conv_3x3": functools.partial(SeparableConvolution, kernel_size=3),
    "sep_conv_5x5": functools.partial(SeparableConvolution, kernel_size=5),
    "sep_conv_7x7": functools.partial(SeparableConvolution, kernel_size=7),
    "dil_conv_3x3": functools.partial(DilatedConvolution, kernel_size=3),
    "dil_conv_5x5": functools.partial(DilatedConvolution, kernel_size=5),
    "conv_7x1_1x7": FactorizedConvolution,
    "nor_conv_1x1": functools.partial(NormalConvolution, kernel_size=1),
    "nor_conv_3x3": functools.partial(NormalConvolution, kernel_size=3),
}

# Those of which a mixed operation may compute a few edges at once, where that is faster.
DIVISIBLE = ("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "dil_conv_3x3", "dil_conv_5x5")


def build(operation, channels, **kwargs):
    """The layer of `operation`; InputError lists the known names.

    Example:
        >>> layer = build("sep_conv_3x3", 4, stride=2, edges=3)
        >>> layer(tf.zeros([1, 8, 8, 4])).shape
        TensorShape([1, 4, 4, 12])
    """
    if operation not in OPERATIONS:
        raise InputError(f"Unknown operation {operation!r}; choose from {', '.join(sorted(OPERATIONS))}.")
    return OPERATIONS[operation](channels, **kwargs)
