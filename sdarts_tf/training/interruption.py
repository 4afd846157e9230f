"""Ctrl-C and SIGTERM: finish the step, save, say how to go on."""

import signal
import threading

from sdarts_tf.errors import RunError


class Interrupted(RunError):
    """The run was asked to stop and has saved its state. `exit_status` is 128 plus the signal's number."""

    def __init__(self, message, signal_number):
        super().__init__(message)
        self.exit_status = 128 + signal_number


class Paused(RunError):
    """The run has come to its `stop_after` and has saved its state, as it was told. Commands exit with status 0."""

    exit_status = 0


class Interruption:
    """While entered, remembers SIGINT and SIGTERM instead of dying of them; a second one acts at once.

    Example:
        >>> with Interruption() as interruption:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     interruption.signal_number
        15
    """

    def __init__(self):
        self.signal_number = None
        self._previous = {}

    def __enter__(self):
        # Handlers can be set in the main thread only; a search in another thread is stopped by its program.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *exception):
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _remember(self, number, frame):
        self.signal_number = number
        signal.signal(number, self._previous[number])
