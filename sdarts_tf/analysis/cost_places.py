"""Where the edges of a space's cells lie in the network of a genotype: at which channels, sizes and strides."""

import dataclasses

from sdarts_tf.errors import InputError
from sdarts_tf.methods import target
from sdarts_tf.spaces.base import SearchSpace
from sdarts_tf.spaces.darts import DartsSpace
from sdarts_tf.spaces.darts_network import reduction_cells
from sdarts_tf.spaces.nasbench201 import STAGES, NasBench201Space
from sdarts_tf.spaces.nasbench201_cells import CANDIDATES, CELL, EDGES
from sdarts_tf.spaces.tables import EDGES as DARTS_EDGES
from sdarts_tf.spaces.tables import OUTPUTS


@dataclasses.dataclass(frozen=True)
class Place:
    """One edge of one cell.

    Args:
        group, row: of alpha.
        channels: of its input and output.
        height, width: of its input.
        stride: 1 or 2.
    """

    group: str
    row: int
    channels: int
    height: int
    width: int
    stride: int


def check(space: SearchSpace) -> None:
    """Raises InputError for a space whose costs are not known."""
    if not isinstance(space, DartsSpace | NasBench201Space):
        raise InputError(target.unsteered(space.name))


def places(space: SearchSpace, channels: int, cells: int, image_shape) -> list[Place]:
    """All edges of a network of the space, each as often as there are cells.

    Args:
        space: of DARTS cells, or nasbench201.
        channels: of the first cells.
        cells: number of cells; of nasbench201 in each stage.
        image_shape: height, width and channels.

    Raises:
        InputError: another space.

    Example:
        >>> found = places(DartsSpace("s2"), 4, 3, (8, 8, 3))
        >>> len(found), found[0], found[-1]
        (42, Place(group='normal', row=0, channels=4, height=8, width=8, stride=1), Place(group='reduce', row=13, \
channels=16, height=2, width=2, stride=1))
    """
    check(space)
    height, width, _ = image_shape
    if isinstance(space, DartsSpace):
        return _darts(channels, cells, height, width)
    return [
        Place(CELL, row, channels << stage, _halved(height, stage), _halved(width, stage), 1)
        for stage in range(STAGES)
        for _ in range(cells)
        for row in range(len(EDGES))
    ]


def candidates(space: SearchSpace) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Group -> the candidates of each row."""
    return space.table if isinstance(space, DartsSpace) else {CELL: (CANDIDATES,) * len(EDGES)}


def kept_share(space: SearchSpace) -> dict[str, tuple[float, ...]]:
    """Group -> for each row the share of networks that keep it, where all are equally probable.

    A node of a DARTS cell keeps two of its edges; a cell of nasbench201 all.
    """
    if not isinstance(space, DartsSpace):
        return {CELL: (1.0,) * len(EDGES)}
    rows = tuple(2 / target for _, target in DARTS_EDGES)  # node n has n edges that arrive
    return dict.fromkeys(space.table, rows)


def chooses_none(space: SearchSpace) -> bool:
    """Whether `none` may be the operation of an edge in a genotype."""
    return not isinstance(space, DartsSpace)


def _darts(channels, cells, height, width):
    found = []
    if min(height, width) >= 128:  # the stem for large images
        height, width = _halved(height, 3), _halved(width, 3)
    for number in range(cells):
        reduction = number in reduction_cells(cells)
        channels *= 2 if reduction else 1
        inner = (_halved(height, 1), _halved(width, 1)) if reduction else (height, width)
        for row, (source, _) in enumerate(DARTS_EDGES):
            from_input = source < OUTPUTS[0]
            size = (height, width) if from_input else inner
            kind = "reduce" if reduction else "normal"
            found.append(Place(kind, row, channels, *size, 2 if reduction and from_input else 1))
        height, width = inner
    return found


def _halved(side, times):
    for _ in range(times):
        side = -(-side // 2)
    return side
