"""Messages of a step, counted from its graph, against what the sizes of its variables give."""

import pytest
import tensorflow as tf

from sdarts_tf.config import SearchConfig
from sdarts_tf.training import replicas, traffic
from sdarts_tf.training.search_step import build_step


@pytest.fixture(scope="module")
def collective_replicas():
    """Two replicas that reduce as those of several machines do."""
    return tf.distribute.MultiWorkerMirroredStrategy._from_local_devices(("/device:CPU:0", "/device:CPU:1"))


def _size(variables):
    return 4 * sum(variable.shape.num_elements() for variable in variables)


@pytest.mark.parametrize(("method", "passes"), [("darts", 0), ("adv", 9)])
def test_one_message_for_each_gradient(method, passes, collective_replicas):
    """Alpha's and the weights' with the statistics; an attack of seven steps adds nine losses with a gradient each."""
    with collective_replicas.scope():
        step = build_step(SearchConfig(method=method, space="s2", channels=2, cells=3), num_classes=5)
        batch = replicas.per_replica((tf.zeros([4, 8, 8, 3]), tf.zeros([4], tf.int32)))
    arguments = batch, batch, tf.constant(0.1), tf.constant(0.1), tf.constant([1, 2])
    counted = traffic.of_step(tf.function(step), *arguments, loop_steps=7, strategy=collective_replicas)
    mixture = _size(step.architecture.alpha.values()) + 4  # with the loss
    statistics, weights = _size(step.supernet.non_trainable_variables), _size(step.supernet.trainable_variables)
    # The weights' gradient travels with a loss and an accuracy.
    expected = (mixture + statistics) + passes * mixture + (weights + statistics + 8)
    assert counted == traffic.Traffic(2 + passes, expected)
