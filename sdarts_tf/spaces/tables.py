"""The candidates on every edge of the DARTS space and of S1-S5. Imports no TensorFlow.

Source: `sota/cnn/spaces.py` of the official code; S1-S4 are from Zela et al., ICLR 2020.
"""

from sdarts_tf.spaces.discretize import edge_rows

NUM_NODES = 4
CELLS = 8, 3  # of a supernet: the official number, the smallest one
NETWORK = 36, 20  # channels and cells of a network, officially
# (source, target) of each row of alpha: targets 2 to 5, each from all earlier nodes; 0 and 1 are the cell's inputs.
EDGES = edge_rows(2, NUM_NODES)
OUTPUTS = (2, 3, 4, 5)

_SKIP, _SEP3, _SEP5 = "skip_connect", "sep_conv_3x3", "sep_conv_5x5"
_DIL3, _DIL5, _MAX, _AVG = "dil_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "avg_pool_3x3"
_S5 = (_MAX, _AVG, _SKIP, _SEP3, _SEP5, _DIL3, _DIL5)


def _everywhere(*candidates):
    return {"normal": (candidates,) * len(EDGES), "reduce": (candidates,) * len(EDGES)}


TABLES = {
    "s1": {
        "normal": (
            *[(_SKIP, _DIL3), (_SKIP, _DIL5)],
            *[(_SKIP, _DIL5), (_SKIP, _SEP3), (_SKIP, _DIL3)],
            *[(_MAX, _SKIP), (_SKIP, _SEP3), (_SKIP, _SEP3), (_SKIP, _DIL3)],
            *[(_SKIP, _SEP3), (_MAX, _SKIP), (_SKIP, _DIL3), (_DIL3, _DIL5), (_DIL3, _DIL5)],
        ),
        "reduce": (
            *[(_MAX, _AVG), (_MAX, _DIL3)],
            *[(_MAX, _AVG), (_MAX, _AVG), (_SKIP, _DIL5)],
            *[(_MAX, _AVG), (_MAX, _SEP3), (_SKIP, _DIL3), (_SKIP, _DIL5)],
            *[(_MAX, _AVG), (_MAX, _AVG), (_SKIP, _DIL5), (_SKIP, _DIL5), (_SKIP, _DIL5)],
        ),
    },
    "s2": _everywhere(_SKIP, _SEP3),
    "s3": _everywhere("none", _SKIP, _SEP3),
    "s4": _everywhere("noise", _SEP3),
    "s5": _everywhere(*_S5),
    "darts": _everywhere("none", *_S5),
}


def label(edge: tuple[int, int]) -> str:
    """What an edge is called.

    Example:
        >>> label((0, 2))
        '0 -> 2'
    """
    return "{} -> {}".format(*edge)


def rows(table: dict) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """As `spaces.rows`, of a table of the DARTS cells."""
    return {
        kind: [(label(edge), names) for edge, names in zip(EDGES, candidates, strict=True)]
        for kind, candidates in table.items()
    }
