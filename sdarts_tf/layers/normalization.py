"""Batch normalization with PyTorch's momentum, epsilon and running variance."""

import keras
import tensorflow as tf

from sdarts_tf.layers.base import Layer


class BatchNormalization(Layer):
    """Normalizes each channel of `[N, H, W, channels]` as PyTorch's `BatchNorm2d` does.

    In training the batch's statistics are used and the running ones move a tenth of the way towards them; the running
    variance is the unbiased one, as in PyTorch and unlike in Keras's own layer. The statistics are averaged over
    replicas when they are read outside of a replica, so that checkpoints and evaluation see one value.

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
        self.moving_mean = self._statistic("zeros", "moving_mean")
        self.moving_variance = self._statistic("ones", "moving_variance")

    def _statistic(self, initializer, name):
        # No communication in training; every read from outside of a replica is the mean over the replicas.
        return keras.Variable(
            initializer,
            shape=(self.channels,),
            dtype=self.variable_dtype,
            trainable=False,
            autocast=False,
            aggregation="mean",
            synchronization="on_read",
            name=name,
        )

    def call(self, x, scale=None, training=False):
        """Normalizes `x`; `scale` `[channels]`, if given, takes the place of the learned scale."""
        if scale is None:
            scale = self.gamma.value if self.affine else tf.ones([self.channels], self.variable_dtype)
        output = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=scale,
            offset=self.beta.value if self.affine else tf.zeros([self.channels], self.variable_dtype),
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

    @staticmethod
    def _move(statistic, value, dtype):
        if dtype == tf.float16:
            # A map that has overflowed is dropped with its step; the statistics must outlive it.
            value = tf.where(tf.math.is_finite(value), value, statistic.value)
        statistic.assign(value)
