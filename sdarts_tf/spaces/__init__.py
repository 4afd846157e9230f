"""Search spaces, by name."""

from sdarts_tf.errors import InputError
from sdarts_tf.spaces import nasbench1shot1_cells, nasbench201_cells, plugins, recurrent_table, tables
from sdarts_tf.spaces.tables import TABLES

IMAGE_NAMES = (*TABLES, nasbench201_cells.SPACE, *nasbench1shot1_cells.TABLES)
NAMES = (*IMAGE_NAMES, recurrent_table.NAME)


def check(name: str) -> None:
    """Raises InputError, which lists the known names, unless `name` is a search space. Imports no TensorFlow."""
    if name not in names():
        raise InputError(f"--space={name} is unknown; choose from {', '.join(names())}.")


def names() -> tuple[str, ...]:
    """All spaces: the package's `NAMES` and those of plugins that were loaded."""
    return (*NAMES, *(name for name in (*TABLES, *plugins.SPACES) if name not in NAMES))


def supernet_cells(name: str, given: int | None = None) -> int:
    """The `cells` of a space's supernet: what is given, else the official number. Imports no TensorFlow.

    A supernet of the DARTS cells has that many, two of them reduction cells; one of NAS-Bench-1Shot1 that many, before
    two of which the maps are halved; one of nasbench201 that many in each of its three stages. A plugin's space says
    itself what they are.

    Raises:
        InputError: that few cells cannot be.

    Example:
        >>> supernet_cells("s5"), supernet_cells("nasbench201"), supernet_cells("nasbench201", 1)
        (8, 5, 1)
    """
    (default, minimum), _ = _sizes(name)
    if given is not None and given < minimum:
        raise InputError(f"--cells={given} is out of range; the space {name} needs at least {minimum}.")
    return default if given is None else given


def network_size(name: str, channels: int | None = None, cells: int | None = None) -> tuple[int, int]:
    """Channels and cells of a space's networks: what is given, else the official numbers. Imports no TensorFlow.

    Cells are counted as `supernet_cells` says.

    Raises:
        InputError: that few cells cannot be.

    Example:
        >>> network_size("s5"), network_size("nasbench201"), network_size("nasbench1shot1_1", cells=3)
        ((36, 20), (16, 5), (128, 3))
    """
    supernet_cells(name, cells)  # refuses too few
    _, (usual_channels, usual_cells) = _sizes(name)
    return usual_channels if channels is None else channels, usual_cells if cells is None else cells


def _sizes(name):
    """Usual and smallest number of cells of a space's supernets; usual channels and cells of its networks."""
    if name in plugins.SPACES:
        return plugins.SPACES[name].supernet_cells, plugins.SPACES[name].network_size
    if name in nasbench1shot1_cells.TABLES:
        return nasbench1shot1_cells.CELLS, nasbench1shot1_cells.NETWORK
    if name == nasbench201_cells.SPACE:
        return nasbench201_cells.CELLS, nasbench201_cells.NETWORK
    return tables.CELLS, tables.NETWORK


def rows(name: str) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """For each group of alpha and each of its rows a label and the names of its candidates. Imports no TensorFlow.

    Example:
        >>> rows("s2")["normal"][2]
        ('0 -> 3', ('skip_connect', 'sep_conv_3x3'))
    """
    check(name)
    if name in plugins.SPACES:
        return plugins.SPACES[name].rows()
    if name == nasbench201_cells.SPACE:
        return nasbench201_cells.rows()
    if name in nasbench1shot1_cells.TABLES:
        return nasbench1shot1_cells.rows(name)
    if name == recurrent_table.NAME:
        names = recurrent_table.CANDIDATES
        return {recurrent_table.GROUP: [(tables.label(edge), names) for edge in recurrent_table.EDGES]}
    return tables.rows(TABLES[name])


def get(name: str, *, official: bool = False):
    """The `SearchSpace` called `name`; InputError lists the known names.

    Args:
        name: one of `NAMES`.
        official: as `NasBench1Shot1Space`'s; the other spaces have no such choice.

    Example:
        >>> get("s1").alpha_shapes()
        {'normal': (14, 2), 'reduce': (14, 2)}
    """
    check(name)
    if name in plugins.SPACES:
        return plugins.SPACES[name]
    # TensorFlow is imported here, after the name was checked.
    if name == recurrent_table.NAME:
        from sdarts_tf.spaces.recurrent import RecurrentSpace

        return RecurrentSpace()
    if name == nasbench201_cells.SPACE:
        from sdarts_tf.spaces.nasbench201 import NasBench201Space

        return NasBench201Space()
    if name in nasbench1shot1_cells.TABLES:
        from sdarts_tf.spaces.nasbench1shot1 import NasBench1Shot1Space

        return NasBench1Shot1Space(name, official=official)
    from sdarts_tf.spaces.darts import DartsSpace

    return DartsSpace(name)
