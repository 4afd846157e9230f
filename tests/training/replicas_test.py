"""Batches divided among replicas and put together again."""

import signal

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.data import sources
from sdarts_tf.data.augment import Augmentation
from sdarts_tf.data.streams import Stream
from sdarts_tf.errors import InputError
from sdarts_tf.layers import draws
from sdarts_tf.training import replicas


def test_a_batch_that_cannot_be_divided_is_refused(two_replicas):
    with two_replicas.scope():
        assert replicas.local_part(10) == slice(0, 10)
        with pytest.raises(InputError, match="--batch_size=9 cannot be divided among 2 replicas; choose a multiple"):
            replicas.local_part(9)


def test_pieces_are_consecutive(two_replicas):
    with two_replicas.scope():
        pieces, _ = replicas.per_replica((tf.range(6), tf.zeros([2])))
    assert [p.numpy().tolist() for p in two_replicas.experimental_local_results(pieces)] == [[0, 1, 2], [3, 4, 5]]


def test_means_sums_and_statistics(two_replicas):
    with two_replicas.scope():
        statistic = tf.Variable(1.0, trainable=False)

        def function(x):
            statistic.assign(tf.reduce_sum(x))
            return tf.reduce_mean(x), {"squares": tf.cast(x**2, tf.float64)}

        args = (replicas.per_replica(tf.constant([1.0, 2.0, 5.0, 6.0])),)
        mean, squares = tf.function(lambda: replicas.mean_over_replicas(function, args, [statistic]))()
        total, _ = tf.function(lambda: replicas.sum_over_replicas(function, args))()
    assert float(mean) == 3.5 and squares["squares"].numpy().tolist() == [13.0, 20.0] and float(total) == 7.0
    assert squares["squares"].dtype == tf.float64


def test_statistics_become_equal(two_replicas):
    with two_replicas.scope():
        statistic = tf.Variable(0.0, trainable=False)
        args = (replicas.per_replica(tf.constant([1.0, 4.0])),)
        replicas.mean_over_replicas(lambda x: statistic.assign(x[0]) * 2, args, [statistic])
    assert [copy.numpy() for copy in two_replicas.experimental_local_results(statistic)] == [2.5, 2.5]


def test_every_replica_draws_its_share_of_what_one_device_draws(two_replicas):
    def draw(shape):
        return draws.of_this_share(tf.random.stateless_normal, shape, (5, 6))

    drawn = two_replicas.run(tf.function(lambda: draw([2, 3])))
    together = np.concatenate([part.numpy() for part in two_replicas.experimental_local_results(drawn)])
    np.testing.assert_array_equal(together, draw([4, 3]).numpy())
    assert np.abs(together[:2] - together[2:]).min() > 1e-3


@pytest.mark.parametrize("part", [slice(0, 4), slice(4, 8)])
def test_a_part_of_a_batch_is_that_of_the_whole(part):
    """Crop, mirror and cutout draw for the whole batch, whoever makes the part."""
    random = Augmentation((0.0,) * 3, (1.0,) * 3, crop_padding=2, flip=True, cutout_length=3)
    options = {"batch_size": 8, "augmentation": random, "seed": 1, "purpose": "weights"}
    examples = sources.get("digits").load("train", max_examples=40)
    whole, ours = Stream(examples, **options), Stream(examples, **options, part=part)
    for batch, expected in zip(ours.batches(3, 7), whole.batches(3, 7), strict=True):
        for values, all_values in zip(batch, expected, strict=True):
            np.testing.assert_array_equal(values, all_values[part])
    for batch, expected in zip(ours.sweep((1, 2)), whole.sweep((1, 2)), strict=True):
        for values, all_values in zip(batch, expected, strict=True):
            np.testing.assert_array_equal(values, all_values[part])


def test_the_signal_of_a_single_process_is_its_own():
    assert replicas.SharedSignal()(None) is None
    assert replicas.SharedSignal()(signal.SIGTERM) == signal.SIGTERM
