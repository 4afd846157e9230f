"""Constants that a graph holds once."""

import functools

import tensorflow as tf


@functools.cache
def shared(value, dtype=tf.int32) -> tf.Tensor:
    """A constant that is one node of a graph, however often it is used there.

    A supernet would otherwise hold the same shapes and axes thousands of times, and each node takes memory and time
    to trace. Small ones (up to 128 numbers) become part of the graph, larger ones are handed to it.

    Args:
        value: a number or nested tuples of numbers.
        dtype: of the result.

    Example:
        >>> shared((2, 2)) is shared((2, 2))
        True
    """
    with tf.init_scope():
        return tf.constant(value, dtype)
