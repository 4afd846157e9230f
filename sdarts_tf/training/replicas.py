"""One batch on all replicas of the present strategy: its shares, and means over them."""

import signal

import numpy as np
import tensorflow as tf

from sdarts_tf.errors import InputError
from sdarts_tf.training.frames import without_library_frames


def count() -> int:
    """Number of replicas that share each batch."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def local_part(batch_size: int) -> slice:
    """Which examples of each global batch the replicas of this process compute.

    Raises:
        InputError: the batch cannot be divided evenly among all replicas.

    Example:
        >>> local_part(64)
        slice(0, 64, None)
    """
    replicas = count()
    if batch_size % replicas:
        raise InputError(
            f"--batch_size={batch_size} cannot be divided among {replicas} replicas; choose a multiple of {replicas}."
        )
    share, here = batch_size // replicas, _ids()
    return slice(here[0] * share, (here[-1] + 1) * share)


def _ids():
    """Numbers of this process's replicas among all of them, ascending."""
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1:
        return [0]
    ids = strategy.experimental_distribute_values_from_function(lambda context: context.replica_id_in_sync_group)
    return [int(number) for number in strategy.experimental_local_results(ids)]


def per_replica(batch):
    """A nest of tensors, this process's part of a global batch, as one piece for each of its replicas."""
    if count() == 1:
        return batch
    here = _ids()

    def divided(whole):
        pieces = dict(zip(here, tf.split(whole, len(here)), strict=True))
        return tf.distribute.get_strategy().experimental_distribute_values_from_function(
            lambda context: pieces[int(context.replica_id_in_sync_group)]
        )

    return tf.nest.map_structure(divided, batch)


def mean_over_replicas(function, args, statistics=()):
    """The values of `function(*args)`, computed by every replica on its share of the batch and averaged.

    Called in cross-replica context. The shares are equally large, so that the mean of means is the batch's. All values
    travel in one message for each type of number.

    Args:
        function: args -> a nest of floating-point tensors, the same shapes on every replica.
        args: per-replica values.
        statistics: variables that the function moves on each replica by what it sees; they too are averaged, and equal
            everywhere afterwards.
    """
    return _reduced("MEAN", function, args, statistics)


def sum_over_replicas(function, args):
    """As `mean_over_replicas`, but added up."""
    return _reduced("SUM", function, args, ())


def _reduced(operation, function, args, statistics):
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1:
        return strategy.run(without_library_frames(function), args=args)

    def on_replica(*args):
        values = function(*args)
        moved = [tf.convert_to_tensor(variable) for variable in statistics]
        values, moved = _all_reduced(operation, (values, moved))
        for variable, value in zip(statistics, moved, strict=True):
            variable.assign(value)
        return values

    values = strategy.run(without_library_frames(on_replica), args=args)
    # Every replica holds the same numbers.
    return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], values)


def _all_reduced(operation, values):
    """The nest, reduced over replicas in one collective for each type of number."""
    flat = tf.nest.flatten(values)
    for dtype in sorted({value.dtype.name for value in flat}):
        places = [place for place, value in enumerate(flat) if value.dtype == dtype]
        message = tf.concat([tf.reshape(flat[place], [-1]) for place in places], 0)
        message = tf.distribute.get_replica_context().all_reduce(operation, message)
        parts = tf.split(message, [flat[place].shape.num_elements() for place in places])
        for place, part in zip(places, parts, strict=True):
            flat[place] = tf.reshape(part, flat[place].shape)
    return tf.nest.pack_sequence_as(values, flat)


class SharedSignal:
    """Which signal any of the processes has received: all of them learn of it after the same step."""

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self):
        self._alone = len(_ids()) == count()
        self._count = tf.function(lambda received: sum_over_replicas(lambda: tf.identity(received), ()))

    def __call__(self, number: int | None) -> int | None:
        """The signal that this or another process has received, SIGTERM before SIGINT; None if there is none.

        Args:
            number: what this process has received.
        """
        if self._alone:
            return number
        received = self._count(tf.constant([float(number == known) for known in self._SIGNALS])).numpy()
        return int(self._SIGNALS[int(np.flatnonzero(received)[-1])]) if received.any() else None
