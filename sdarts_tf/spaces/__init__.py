"""Search spaces, by name."""

from sdarts_tf.errors import InputError
from sdarts_tf.spaces.tables import EDGES, TABLES

NAMES = tuple(TABLES)


def check(name: str) -> None:
    """Raises InputError, which lists the known names, unless `name` is a search space. Imports no TensorFlow."""
    if name not in NAMES:
        raise InputError(f"--space={name} is unknown; choose from {', '.join(NAMES)}.")


def rows(name: str) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """For each group of alpha and each of its rows a label and the names of its candidates. Imports no TensorFlow.

    Example:
        >>> rows("s2")["normal"][2]
        ('0 -> 3', ('skip_connect', 'sep_conv_3x3'))
    """
    check(name)
    return {
        kind: [(_label(edge), names) for edge, names in zip(EDGES, candidates, strict=True)]
        for kind, candidates in TABLES[name].items()
    }


def _label(edge):
    return "{} -> {}".format(*edge)


def get(name: str):
    """The `SearchSpace` called `name`; InputError lists the known names.

    Example:
        >>> get("s1").alpha_shapes()
        {'normal': (14, 2), 'reduce': (14, 2)}
    """
    check(name)
    from sdarts_tf.spaces.darts import DartsSpace  # TensorFlow is imported here, after the name was checked.

    return DartsSpace(name)
