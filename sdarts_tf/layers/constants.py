"""Constants that a graph holds once."""

import threading

import tensorflow as tf

_ATTRIBUTE = "_constants_of_sdarts_tf"


def once(value, dtype=tf.int32) -> tf.Tensor:
    """A constant that is one node of the graph that is being traced, however often a replica uses it there.

    A supernet would otherwise hold the same shapes and axes thousands of times, and each node takes memory and time
    to trace. Eagerly and on a TPU, whose computations share nothing, it is an ordinary constant.

    Args:
        value: a number or nested tuples of numbers.
        dtype: of the result.

    Example:
        >>> @tf.function
        ... def f():
        ...     return once((1, 2)) is once((1, 2))
        >>> bool(f())
        True
    """
    if tf.executing_eagerly() or isinstance(tf.distribute.get_strategy(), tf.distribute.TPUStrategy):
        return tf.constant(value, dtype)
    # Kept by the graph, so that it lives as long. Mirrored replicas are traced by threads that carry their number; one
    # constant for all of them would have to be sent from device to device.
    graph, replica = tf.compat.v1.get_default_graph(), getattr(threading.current_thread(), "replica_id", None)
    if not hasattr(graph, _ATTRIBUTE):
        setattr(graph, _ATTRIBUTE, {})
    constants, key = getattr(graph, _ATTRIBUTE), (replica, value, dtype)
    if key not in constants:
        with tf.control_dependencies(None):  # it must not wait for what its first user waits for
            constants[key] = tf.constant(value, dtype)
    return constants[key]
