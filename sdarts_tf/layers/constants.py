"""Constants that a graph holds once."""

import threading

import tensorflow as tf

_ATTRIBUTE = "_constants_of_sdarts_tf"


def shared(value, dtype=tf.int32) -> tf.Tensor:
    """A constant that is one node of the graph that is being traced, however often it is used there.

    A supernet would otherwise hold the same shapes and axes thousands of times, and each node takes memory and time
    to trace. Not one eager tensor for all graphs: a custom gradient that uses one cannot be saved.

    Args:
        value: a number or nested tuples of numbers.
        dtype: of the result.

    Example:
        >>> @tf.function
        ... def f():
        ...     return shared((1, 2)) is shared((1, 2))
        >>> bool(f())
        True
    """
    if tf.executing_eagerly():
        return tf.constant(value, dtype)
    # Kept by the graph, so that it lives as long; one for each replica, which is traced by a thread of its own.
    graph = tf.compat.v1.get_default_graph()
    if not hasattr(graph, _ATTRIBUTE):
        setattr(graph, _ATTRIBUTE, {})
    constants, key = getattr(graph, _ATTRIBUTE), (threading.get_ident(), value, dtype)
    if key not in constants:
        with tf.control_dependencies(None):
            constants[key] = tf.constant(value, dtype)
    return constants[key]
