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
        >>> with scope.entered("a value"):
        ...     scope.active
        'a value'
    """

    active = False

    @contextlib.contextmanager
    def entered(self, value=True):
        """Enters it; inside, `active` is the value, which should count as true."""
        before, self.active = self.active, value
        try:
            yield
        finally:
            self.active = before
