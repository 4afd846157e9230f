"""Batch normalization folded into the 1x1 convolution before it, where only the mixture changes.

An attack looks at many mixtures of the same weights in evaluation mode. There a normalization multiplies and adds known
numbers, and so does the share that is its scale: the kernel of the convolution takes over the factors and the nodes of
the cell the offsets, so that no map is read or written for them, in neither direction. Where no convolution stands
before the normalization, as behind a pool, it is a product and a sum.
"""

from typing import NamedTuple

import tensorflow as tf

from sdarts_tf.layers import convolutions
from sdarts_tf.layers.normalization import BatchNormalization
from sdarts_tf.layers.scope import Scope

_folding = Scope()
# Projections clip shares to 0, where an attack still needs the gradient: a map of zeros would have forgotten it.
_SMALLEST = 1e-12


def folded(numbers=None):
    """A scope in which what `convolve` begins and `normalize` ends is one convolution; in evaluation mode.

    Args:
        numbers: `BatchNormalization` -> what its `factor_and_offset` gives, of those for which it is known already.

    The result is the same up to rounding, and so is its gradient by the map and by the scale. There is no gradient by
    kernels here, and none that could be differentiated again. A cell that is computed again in the backward pass is
    computed without folding there.
    """
    known = numbers or {}
    return _folding.entered(lambda layer: known.get(layer) or layer.factor_and_offset())


class Convolution(NamedTuple):
    """A 1x1 convolution that waits for its normalization."""

    x: tf.Tensor
    kernel: tf.Tensor

    def times(self, factor):
        """The result, each channel multiplied by `factor` `[channels]`."""
        return convolutions.pointwise(self.x, tf.stop_gradient(self.kernel * factor))


class SideBySide(NamedTuple):
    """Convolutions whose results are joined edge by edge, and wait for one normalization."""

    parts: list[Convolution]
    edges: int

    def times(self, factor):
        """The result `[N, H, W, channels]`, each channel multiplied by `factor` `[channels]`."""
        factors = tf.unstack(tf.reshape(factor, [self.edges, len(self.parts), -1]), axis=1)
        parts = [part.times(tf.reshape(own, [-1])) for part, own in zip(self.parts, factors, strict=True)]
        return convolutions.join_edges(parts, self.edges)


class Shifted(NamedTuple):
    """The map `x + offset` as its summands, `[N, H, W, channels]` and `[channels]`."""

    x: tf.Tensor
    offset: tf.Tensor


def convolve(x, kernel, folds=True):
    """`convolutions.pointwise(x, kernel)`; in the scope, if it `folds`, a `Convolution` that `normalize` computes.

    In half precision it is computed at once: a kernel that holds the shares would rob them of their digits.
    """
    if folds and _folding.active and x.dtype == kernel.dtype:
        return Convolution(x, tf.convert_to_tensor(kernel))
    return convolutions.pointwise(x, kernel)


def join_edges(parts, edges):
    """`convolutions.join_edges(parts, edges)` of maps, or of what `convolve` returned."""
    if isinstance(parts[0], Convolution):
        return SideBySide(parts, edges)
    return convolutions.join_edges(parts, edges)


def normalize(y, normalization, scale=None, training=False):
    """`normalization(y, scale, training)` of a map, or of what `convolve` or `join_edges` returned.

    Of convolutions that wait it is a `Shifted`, if there is a scale.

    Example:
        >>> from sdarts_tf.layers.normalization import BatchNormalization
        >>> x, kernel, layer = tf.ones([1, 1, 1, 2]), tf.ones([1, 1, 2, 1]), BatchNormalization(1, affine=False)
        >>> _ = layer.moving_mean.assign([1.0])
        >>> with folded():
        ...     y = normalize(convolve(x, kernel), layer, scale=tf.constant([0.5]))
        >>> y.x.numpy().round(3).item(), y.offset.numpy().round(3).item()
        (1.0, -0.5)
    """
    numbers, waits = _folding.active or BatchNormalization.factor_and_offset, isinstance(y, Convolution | SideBySide)
    if not waits and (not _folding.active or training or scale is not None or y.dtype != normalization.variable_dtype):
        return normalization(y, scale=scale, training=training)
    factor, offset = numbers(normalization)
    if scale is None:
        return tf.nn.bias_add(y.times(factor) if waits else y * factor, offset)
    kept = tf.where(tf.abs(scale) < _SMALLEST, _SMALLEST, scale)

    @tf.custom_gradient
    def proportional(y, scale):
        """`y`, whose channels are proportional to `kept`, with that gradient by `scale`."""
        return tf.identity(y), lambda dy: (dy, tf.reduce_sum(y * dy, [0, 1, 2]) / kept)

    return Shifted(proportional(y.times(factor * kept), scale), offset * scale)
