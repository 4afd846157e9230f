"""The cells of NAS-Bench-201: their edges and candidates, and the benchmark's names of them. Imports no TensorFlow.

Source: Dong & Yang, "NAS-Bench-201", ICLR 2020.
"""

import itertools
import re
from collections.abc import Iterator

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.spaces import tables
from sdarts_tf.spaces.discretize import edge_rows

SPACE, CELL, OUTPUT = "nasbench201", "cell", 3  # nodes 0, the input, to 3
EDGES = edge_rows(1, OUTPUT)  # (source, target) of each row of alpha
CELLS = 5, 1  # of each stage of a supernet: the official number, the smallest one
NETWORK = 16, 5  # channels, and cells of each stage, of the benchmark's networks
CANDIDATES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")  # of every row


def rows() -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """As `spaces.rows`."""
    return {CELL: [(tables.label(edge), CANDIDATES) for edge in EDGES]}


def architecture(genotype: Genotype) -> str:
    """The benchmark's name of a genotype.

    Raises:
        InputError: the genotype is no cell of this space.

    Example:
        >>> text = "|none~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|nor_conv_3x3~1|avg_pool_3x3~2|"
        >>> architecture(parse(text)) == text
        True
    """
    check(genotype)
    nodes = []
    for target in range(1, OUTPUT + 1):
        edges = [edge for edge in genotype.cells[CELL] if edge.target == target]
        nodes.append("".join(f"|{edge.operation}~{edge.source}" for edge in edges) + "|")
    return "+".join(nodes)


def architectures() -> Iterator[str]:
    """The benchmark's names of all architectures of the space.

    Example:
        >>> len(set(architectures()))
        15625
    """
    for names in itertools.product(CANDIDATES, repeat=len(EDGES)):
        edges = tuple(Edge(name, *edge) for name, edge in zip(names, EDGES, strict=True))
        yield architecture(Genotype(SPACE, {CELL: edges}, {CELL: (OUTPUT,)}))


def check(genotype: Genotype) -> None:
    """Raises InputError unless the genotype is one cell with an operation of this space on each of its six edges."""
    edges = genotype.cells.get(CELL, ())
    places = tuple((edge.source, edge.target) for edge in edges)
    unknown = [edge.operation for edge in edges if edge.operation not in CANDIDATES]
    if set(genotype.cells) != {CELL} or places != EDGES or unknown:
        raise InputError(
            f"The genotype of space {genotype.space!r} is no cell of nasbench201, which has the edges "
            f"{', '.join(f'{source}->{target}' for source, target in EDGES)}, in this order, each with one "
            f"of {', '.join(CANDIDATES)}."
        )


def parse(text: str) -> Genotype:
    """The genotype of the benchmark's name of an architecture.

    Args:
        text: `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.

    Raises:
        InputError: the text is not such a name.
    """
    nodes = [re.findall(r"\|([^|~]+)~(\d+)(?=\|)", node) for node in text.split("+")]
    edges = tuple(
        Edge(operation, int(source), target)
        for target, arriving in enumerate(nodes, start=1)
        for operation, source in arriving
        if int(source) < target
    )
    genotype = Genotype(SPACE, {CELL: edges}, {CELL: (OUTPUT,)})
    try:
        complete = architecture(genotype) == text
    except InputError:
        complete = False
    if not complete:
        raise InputError(
            f"{text!r} is no architecture of NAS-Bench-201; write |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, each op one of "
            f"{', '.join(CANDIDATES)}."
        )
    return genotype
