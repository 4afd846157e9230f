"""Search spaces, by name."""

from sdarts_tf.errors import InputError
from sdarts_tf.spaces import recurrent_table
from sdarts_tf.spaces.tables import TABLES

IMAGE_NAMES = tuple(TABLES)
NAMES = (*IMAGE_NAMES, recurrent_table.NAME)


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
    if name == recurrent_table.NAME:
        from sdarts_tf.spaces.recurrent import (
            RecurrentSpace,
        )  # TensorFlow is imported here, after the name was checked.

        return RecurrentSpace()
    from sdarts_tf.spaces.darts import DartsSpace

    return DartsSpace(name)
