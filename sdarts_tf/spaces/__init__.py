"""Search spaces, by name."""

from sdarts_tf.errors import InputError
from sdarts_tf.spaces.tables import TABLES

NAMES = tuple(TABLES)


def check(name: str) -> None:
    """Raises InputError, which lists the known names, unless `name` is a search space. Imports no TensorFlow."""
    if name not in NAMES:
        raise InputError(f"--space={name} is unknown; choose from {', '.join(NAMES)}.")


def get(name: str):
    """The `SearchSpace` called `name`; InputError lists the known names.

    Example:
        >>> get("s1").alpha_shapes()
        {'normal': (14, 2), 'reduce': (14, 2)}
    """
    check(name)
    from sdarts_tf.spaces.darts import DartsSpace  # TensorFlow is imported here, after the name was checked.

    return DartsSpace(name)
