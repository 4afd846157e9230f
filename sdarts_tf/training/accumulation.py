"""A large batch, computed in parts that fit the memory."""

import tensorflow as tf

from sdarts_tf.errors import InputError


def in_parts(function, parts: int):
    """A function of a batch that calls `function` on its parts, one after the other, and averages.

    Only one part is held in memory at a time. The mean of what the parts give is the batch's, if `function` returns
    means over examples that do not depend on each other: batch statistics, and random draws, are those of each part.

    Args:
        function: called as `function(number, *tensors)`, `number` being the part's, a scalar, or None if there is only
            one; returns a nest of floating-point tensors of known shapes.
        parts: number of equal parts.

    Returns:
        A function of a nest of tensors whose first axis is the batch.

    Raises:
        InputError: when it is called with a batch that cannot be divided into so many parts.

    Example:
        >>> in_parts(lambda number, x: tf.reduce_mean(x**2), 2)(tf.constant([1.0, 2.0, 3.0, 4.0])).numpy().item()
        7.5
    """

    def averaged(*args):
        if parts == 1:
            return function(None, *args)
        divided = tf.nest.map_structure(lambda x: _divided(x, parts), args)
        compute = tf.function(lambda number: function(number, *tf.nest.map_structure(lambda x: x[number], divided)))
        like = compute.get_concrete_function(tf.TensorSpec([], tf.int32)).structured_outputs
        zeros = tf.nest.map_structure(lambda value: tf.zeros(value.shape, value.dtype), like)

        def add(number, sums):
            return number + 1, tf.nest.map_structure(tf.add, sums, compute(number))

        # More iterations at a time would hold more than one part.
        _, sums = tf.while_loop(lambda number, _: number < parts, add, (0, zeros), parallel_iterations=1)
        return tf.nest.map_structure(lambda total: total / parts, sums)

    return averaged


def _divided(x, parts):
    size = x.shape[0]
    if size is not None and size % parts:
        raise InputError(
            f"--accumulate_steps={parts} cannot divide a batch of {size} images on each device; choose a --batch_size "
            "that is a multiple of their product."
        )
    return tf.reshape(x, [parts, -1 if size is None else size // parts, *x.shape[1:]])
