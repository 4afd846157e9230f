"""Batch normalization with PyTorch's momentum, epsilon and running variance."""

import tensorflow as tf

from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.constants import once


class BatchNormalization(Layer):
    """Normalizes each channel of `[N, H, W, channels]` as PyTorch's `BatchNorm2d` does.

    In training the batch's statistics are used and the running ones move a tenth of the way towards them; the running
    variance is the unbiased one, as in PyTorch and unlike in Keras's own layer.

    On several replicas each normalizes by its own share of the batch, and its running statistics are its own until
    the step averages them (`training.replicas.mean_over_replicas`). After `synchronize` all of them normalize by the
    statistics of the whole batch.

    Args:
        channels: number of channels.
        affine: whether to learn a scale and an offset. Inside searched cells there is none.
        momentum: how far the running statistics move, 0 to 1.
        epsilon: added to the variance.

    Example:
        >>> layer = BatchNormalization(2, affine=False)
        >>> images = tf.constant([[[[1.0, 0.0]], [[3.0, 0.0]]]])
        >>> layer(images, scale=tf.constant([0.5, 1.0]), training=True).numpy().astype(float).round(3).tolist()
        [[[[-0.5, 0.0]], [[0.5, 0.0]]]]
        >>> layer.moving_variance.numpy().astype(float).round(3).tolist()
        [1.1, 0.9]
    """

    def __init__(self, channels, *, affine=True, momentum=0.1, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.affine, self.momentum, self.epsilon = channels, affine, momentum, epsilon
        if affine:
            self.gamma = self.add_weight(shape=(channels,), initializer="ones", name="gamma", autocast=False)
            self.beta = self.add_weight(shape=(channels,), initializer="zeros", name="beta", autocast=False)
        self.moving_mean, self.moving_variance = (
            self.add_weight(shape=(channels,), initializer=start, name=name, trainable=False, autocast=False)
            for start, name in (("zeros", "moving_mean"), ("ones", "moving_variance"))
        )
        self.synchronized = False

    def call(self, x, scale=None, training=False):
        """Normalizes `x`; `scale` `[channels]`, if given, takes the place of the learned scale."""
        if scale is None:
            scale = self.gamma.value if self.affine else once((1.0,) * self.channels, self.variable_dtype)
        offset = self.beta.value if self.affine else once((0.0,) * self.channels, self.variable_dtype)
        replica = tf.distribute.get_replica_context()
        if training and self.synchronized and replica is not None and replica.num_replicas_in_sync > 1:
            return self._normalize_together(x, scale, offset, replica)
        # A tape makes zeros for unread outputs of the third version, five nodes, and not for those of the first, which
        # is for float32 only.
        kernel = tf.raw_ops.FusedBatchNorm if x.dtype == tf.float32 else tf.raw_ops.FusedBatchNormV3
        output = kernel(
            x=x,
            scale=scale,
            offset=offset,
            mean=self.moving_mean.value,
            variance=self.moving_variance.value,
            epsilon=self.epsilon,
            exponential_avg_factor=self.momentum,
            is_training=training,
        )
        if training:
            # The kernel has already moved the running statistics by `momentum`.
            self._move(self.moving_mean, output.batch_mean, x.dtype)
            self._move(self.moving_variance, output.batch_variance, x.dtype)
        return output.y

    def factor_and_offset(self):
        """In evaluation mode the layer is `x * factor + offset`: two `[channels]`."""
        factor = tf.math.rsqrt(self.moving_variance.value + self.epsilon)
        factor = factor * self.gamma.value if self.affine else factor
        offset = -self.moving_mean.value * factor
        return factor, offset + self.beta.value if self.affine else offset

    @staticmethod
    def _move(statistic, value, dtype):
        if dtype == tf.float16:
            # A map that has overflowed is dropped with its step; the statistics must outlive it.
            value = tf.where(tf.math.is_finite(value), value, statistic.value)
        statistic.assign(value)

    def _normalize_together(self, x, scale, offset, replica):
        """Normalizes by the statistics of all replicas' shares, which are equally large; one message each way."""
        full = tf.cast(x, self.variable_dtype)
        mean = tf.reduce_mean(full, [0, 1, 2])
        # Not tf.nn.moments, which stops a gradient that the second derivative needs.
        variance = tf.reduce_mean((full - mean) ** 2, [0, 1, 2])
        # Seen from the running mean, which all replicas share: differences of large squares would lose digits.
        origin = tf.convert_to_tensor(self.moving_mean.value)
        distance = mean - origin
        distance, square = tf.unstack(replica.all_reduce("MEAN", tf.stack([distance, variance + distance**2])))
        mean, variance = origin + distance, tf.maximum(square - distance**2, 0)
        count = tf.cast(replica.num_replicas_in_sync * tf.size(full) // self.channels, full.dtype)
        unbiased = variance * count / tf.maximum(count - 1, 1)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, unbiased)):
            self._move(moving, moving.value + self.momentum * (value - moving.value), x.dtype)
        return tf.cast(tf.nn.batch_normalization(full, mean, variance, offset, scale, self.epsilon), x.dtype)


def normalizations(network) -> list[BatchNormalization]:
    """All batch normalizations of a Keras model."""
    return [layer for layer in network._flatten_layers() if isinstance(layer, BatchNormalization)]


def synchronize(network) -> None:
    """Lets every batch normalization of a network see the whole batch, whatever the number of replicas.

    Args:
        network: a Keras model.

    Example:
        >>> import keras
        >>> network = keras.Sequential([BatchNormalization(2)])
        >>> synchronize(network)
        >>> network.layers[0].synchronized
        True
    """
    for layer in normalizations(network):
        layer.synchronized = True
