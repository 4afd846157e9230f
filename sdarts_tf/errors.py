"""The kinds of failure that a user is told about in one sentence."""


class InputError(ValueError):
    """What the user gave cannot be used: a flag, a file, a name. Commands exit with status 2.

    The message is one sentence that says what was given, what is allowed and what to do.
    """


class RunError(RuntimeError):
    """A command was started correctly and failed while running. Commands exit with status 1."""


class Diverged(RunError):
    """The loss of a training is not finite any more. Commands exit with status 3: its settings are to blame."""

    exit_status = 3
