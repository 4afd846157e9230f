"""Batch normalization on several replicas against one device."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.layers.normalization import BatchNormalization, synchronize
from sdarts_tf.training.replicas import mean_over_replicas, per_replica

IMAGES = tf.random.stateless_normal([6, 3, 3, 2], (1, 2)) * [1.0, 5.0] + [0.0, 30.0]
TARGETS = tf.random.stateless_normal([6, 3, 3, 2], (3, 4))
SCALE = tf.constant([0.5, 2.0])


def _loss_and_gradients(strategy):
    """The loss, its gradient by the scale, and that gradient's own, after one pass and at the second."""
    with strategy.scope():
        layer = BatchNormalization(2, affine=False)
        layer.synchronized = True
        layer.moving_mean.assign([0.0, 29.0])

        def on_replica(images, targets):
            layer(images, training=True)
            with tf.GradientTape() as outer:
                outer.watch(SCALE)
                with tf.GradientTape() as inner:
                    inner.watch(SCALE)
                    hidden = layer(images * tf.reshape(SCALE, [1, 1, 1, 2]), SCALE, training=True)
                    loss = tf.reduce_mean((tf.tanh(hidden) - targets) ** 2)
                first = inner.gradient(loss, SCALE)
            return loss, first, outer.gradient(first, SCALE)

        values = tf.function(lambda *batch: mean_over_replicas(on_replica, batch))(*per_replica((IMAGES, TARGETS)))
    return [value.numpy() for value in values], [v.numpy() for v in (layer.moving_mean, layer.moving_variance)]


def test_two_replicas_equal_one_to_the_second_derivative(two_replicas):
    """Also where the mean is six times the deviation; the running mean is near it, as it is after some steps."""
    values, statistics = _loss_and_gradients(tf.distribute.get_strategy())
    values_of_two, statistics_of_two = _loss_and_gradients(two_replicas)
    for ours, one in zip(statistics_of_two, statistics, strict=True):
        np.testing.assert_allclose(ours, one, rtol=1e-5)
    for ours, one in zip(values_of_two, values, strict=True):
        assert np.abs(one).min() > 1e-3
        np.testing.assert_allclose(ours, one, rtol=2e-4, atol=1e-6)


def test_without_synchronization_each_replica_sees_its_own_share(two_replicas):
    """Ones on one replica and threes on the other: all become zero, and only together do they differ."""
    images = tf.constant([1.0, 1.0, 3.0, 3.0], shape=[4, 1, 1, 1])
    for synchronized, expected in ((False, [0, 0, 0, 0]), (True, [-1, -1, 1, 1])):
        with two_replicas.scope():
            layer = BatchNormalization(1, affine=False)
            layer.synchronized = synchronized
            outputs = two_replicas.run(lambda x, layer=layer: layer(x, training=True), args=(per_replica(images),))
        joined = tf.concat(two_replicas.experimental_local_results(outputs), 0).numpy().ravel()
        np.testing.assert_allclose(joined, expected, atol=1e-4)


def test_synchronize_reaches_every_normalization():
    from sdarts_tf import spaces

    supernet = spaces.get("s2").build_supernet(10, 2, 3)
    layers = [layer for layer in supernet._flatten_layers() if isinstance(layer, BatchNormalization)]
    assert len(layers) == len(supernet.non_trainable_variables) // 2 > 40
    synchronize(supernet)
    assert all(layer.synchronized for layer in layers)


@pytest.mark.parametrize("training", [True, False])
def test_the_kernel_for_float32_equals_that_for_all_types(monkeypatch, training):
    """Output, statistics, first and second derivative."""

    def values():
        layer = BatchNormalization(2, affine=False)
        layer.moving_mean.assign([0.5, -0.5])
        layer.moving_variance.assign([2.0, 0.5])
        with tf.GradientTape() as outer:
            outer.watch(IMAGES)
            with tf.GradientTape() as inner:
                inner.watch((IMAGES, SCALE))
                y = layer(IMAGES, SCALE, training=training)
                loss = tf.reduce_sum(tf.tanh(y) ** 2)
            first = inner.gradient(loss, (IMAGES, SCALE))
            total = tf.add_n([tf.reduce_sum(gradient**2) for gradient in first])
        return y, layer.moving_mean, layer.moving_variance, *first, outer.gradient(total, IMAGES)

    ours = values()
    monkeypatch.setattr(tf.raw_ops, "FusedBatchNorm", tf.raw_ops.FusedBatchNormV3)
    for value, general in zip(ours, values(), strict=True):
        assert np.abs(general).max() > 1e-3
        np.testing.assert_allclose(value, general, rtol=1e-6, atol=1e-6)
