"""Random numbers of a batch, whatever the number of replicas among which it is divided."""

import tensorflow as tf


def of_this_share(draw, shape, seed):
    """What `draw` makes for this replica's examples when it draws for the whole batch.

    So no two replicas draw the same numbers, and all of them together draw what one device would.

    Args:
        draw: function of a shape and a seed -> numbers.
        shape: integer tensor or list; first the number of examples of one share, the same on every replica.
        seed: int32 `[2]`, the same on every replica.

    Example:
        >>> of_this_share(tf.random.stateless_uniform, [2, 3], (0, 1)).shape
        TensorShape([2, 3])
    """
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return draw(shape, seed)
    shape = tf.convert_to_tensor(shape)
    examples, rest = shape[:1], shape[1:]
    whole = draw(tf.concat([replica.num_replicas_in_sync * examples, rest], 0), seed)
    begin = tf.cast(replica.replica_id_in_sync_group, shape.dtype) * examples
    return tf.slice(whole, tf.concat([begin, tf.zeros_like(rest)], 0), shape)
