"""From the shares of a search to its answer: strongest edges, strongest candidates. NumPy only, no TensorFlow."""

from collections.abc import Sequence

import numpy as np

from sdarts_tf.genotypes.genotype import Edge

SKIP = "skip_connect"


def edge_rows(num_inputs: int, num_nodes: int) -> tuple[tuple[int, int], ...]:
    """(source, target) of every row of alpha: sorted by target; every node reads all earlier ones.

    Args:
        num_inputs: inputs of the cell, nodes 0 to num_inputs - 1.
        num_nodes: computed nodes, numbered on from there.

    Example:
        >>> edge_rows(2, 2)
        ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    """
    targets = range(num_inputs, num_inputs + num_nodes)
    return tuple((source, target) for target in targets for source in range(target))


def darts_cell(
    mixture: np.ndarray,
    candidates: Sequence[Sequence[str]],
    *,
    num_inputs: int = 2,
    num_nodes: int = 4,
    edges_per_node: int = 2,
    max_skips: int | None = None,
) -> tuple[Edge, ...]:
    """The cell that DARTS reads off a mixture.

    An edge is as strong as its largest share except that of `none`. Every node keeps its strongest edges, ties going
    to the earlier source, each with its strongest candidate except `none`, ties going to the earlier candidate.

    Args:
        mixture: `[rows, candidates]`, finite; a row may be padded, only as many shares count as it has candidates.
        candidates: for each row of `edge_rows(num_inputs, num_nodes)`, the names of its candidates.
        num_inputs: inputs of the cell.
        num_nodes: computed nodes of the cell.
        edges_per_node: edges that a node keeps; a node with fewer keeps all.
        max_skips: while the cell has more skip connections than this, the weakest of them gets no share and the cell
            is read off again; None sets no limit. Source: `train_search.py` of P-DARTS.

    Returns:
        The kept edges, node after node, each node's strongest edge first.

    Raises:
        ValueError: mixture and candidates do not fit the cell, a share is not finite, or an edge offers only `none`.

    Source:
        `genotype()` in `sota/cnn/model_search.py` of the official code, which ranks the edges of a node with the
        candidate lists of other edges (it forgets the offset of the node). Here every edge has its own list; S1-S5
        give the same answer, because `none` has the same place, or is absent, in all of a table's lists.

    Example:
        >>> lists = [("none", "skip_connect"), ("none", "skip_connect", "max_pool_3x3")]
        >>> darts_cell([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]], lists, num_nodes=1, edges_per_node=1)
        (Edge(operation='max_pool_3x3', source=1, target=2),)
    """
    mixture = np.asarray(mixture)
    rows = edge_rows(num_inputs, num_nodes)
    _check(mixture, candidates, rows)
    edges = _strongest_edges(mixture, candidates, rows, edges_per_node)
    if max_skips is None:
        return edges
    columns = {row: list(names).index(SKIP) for row, names in zip(rows, candidates, strict=True) if SKIP in names}
    mixture = mixture.copy()
    while True:
        skips = [(edge.source, edge.target) for edge in edges if edge.operation == SKIP]
        if len(skips) <= max_skips:
            return edges
        places = [(rows.index(row), columns[row]) for row in skips]
        weakest = min(places, key=lambda place: mixture[place])
        if not mixture[weakest] > 0:
            raise ValueError(f"A cell with at most {max_skips} skip connections is not possible; allow more.")
        mixture[weakest] = 0
        edges = _strongest_edges(mixture, candidates, rows, edges_per_node)


def _strongest_edges(mixture, candidates, rows, edges_per_node):
    """For each node its strongest edges, each with its strongest candidate."""
    edges: list[Edge] = []
    for node in dict.fromkeys(target for _, target in rows):
        arriving = []
        for shares, names, (source, target) in zip(mixture, candidates, rows, strict=True):
            if target == node:
                share, operation = _strongest(shares, names)
                arriving.append((share, Edge(operation, source, target)))
        # The sort is stable: equal shares stay in the order of their sources.
        arriving.sort(key=lambda entry: -entry[0])
        edges += [edge for _, edge in arriving[:edges_per_node]]
    return tuple(edges)


def _strongest(shares, names):
    """The largest share except that of `none`, and its candidate."""
    offered = [(float(share), name) for share, name in zip(shares[: len(names)], names, strict=True) if name != "none"]
    return max(offered, key=lambda entry: entry[0])  # max returns the first of equals


def _check(mixture, candidates, rows):
    if mixture.ndim != 2 or len(mixture) != len(rows) or len(candidates) != len(rows):
        raise ValueError(
            f"A cell with {len(rows)} edges got a mixture of shape {mixture.shape} and {len(candidates)} lists of "
            "candidates; give one row and one list for each edge."
        )
    for shares, names, (source, target) in zip(mixture, candidates, rows, strict=True):
        edge = f"Edge {source} -> {target}"
        if len(names) > len(shares):
            raise ValueError(f"{edge} has {len(names)} candidates and {len(shares)} shares; give a share for each.")
        if all(name == "none" for name in names):
            raise ValueError(f"{edge} offers no operation but 'none'; give it another candidate.")
        if not np.isfinite(shares[: len(names)]).all():
            raise ValueError(f"{edge} has shares that are not finite ({shares}); the search has diverged.")
