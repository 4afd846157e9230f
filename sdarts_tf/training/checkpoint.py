"""Checkpoints of everything that a run needs in order to go on as if it had never been stopped."""

import time

import keras
import tensorflow as tf

from sdarts_tf.errors import InputError, RunError


class Checkpoints:
    """Saves and restores named objects that track TensorFlow variables.

    Args:
        folder: where the checkpoints lie.
        keep: how many of the latest are kept.
        seconds: time after which a save is due.
        writes: whether `save` writes; of several processes that hold the same state one does.
        **tracked: name -> `tf.Module`, Keras model, variable, or a nest of these.
    """

    def __init__(self, folder, *, keep=2, seconds=300.0, writes=True, **tracked):
        tracked = {name: _variables(value) for name, value in tracked.items()}
        self._checkpoint = tf.train.Checkpoint(**tracked)
        # Under a strategy of several processes all of them must make this variable together.
        self._counter, self._writes = self._checkpoint.save_counter, writes
        self._manager = tf.train.CheckpointManager(self._checkpoint, str(folder), max_to_keep=keep)
        self._seconds, self._saved_at = seconds, time.monotonic()

    def restore(self) -> bool:
        """Restores the latest checkpoint; False if there is none.

        Raises:
            InputError: the checkpoint is of another network, or damaged.
        """
        latest = self._manager.latest_checkpoint
        if latest is None:
            return False
        try:
            self._checkpoint.restore(latest).assert_consumed()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"Checkpoint {latest} cannot be restored ({reason}); delete it to go on from an earlier one."
            ) from error
        return True

    def save(self, number: int) -> None:
        """Saves under `number`; RunError if the disk does not take it."""
        try:
            if self._writes:
                self._manager.save(checkpoint_number=number)
        except (tf.errors.OpError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise RunError(
                f"The checkpoint of step {number} could not be written ({reason}); free disk space and add --resume."
            ) from error
        self._saved_at = time.monotonic()

    def due(self) -> bool:
        """Whether the last save is long enough ago."""
        return time.monotonic() - self._saved_at >= self._seconds


def _variables(value):
    """The variables of a Keras model, in its order; TensorFlow does not find layers that lie in lists."""
    return [variable.value for variable in value.variables] if isinstance(value, keras.Model) else value
