"""What holds while a piece of a network is built, and only there."""

import contextlib
import threading


class Scope(threading.local):
    """Whether the code that runs stands inside of `with scope.entered()`, in this thread; may be entered again inside.

    Example:
        >>> scope = Scope()
        >>> with scope.entered():
        ...     scope.active
        True
        >>> scope.active
        False
    """

    active = False

    @contextlib.contextmanager
    def entered(self):
        """Enters it."""
        before, self.active = self.active, True
        try:
            yield
        finally:
            self.active = before
