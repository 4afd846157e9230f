"""The cells of NAS-Bench-1Shot1, and the modules of NAS-Bench-101 that they are. Imports no TensorFlow.

A cell has choice blocks 1 to n. Each does one operation on the sum of what it reads, the cell's input 0 or earlier
blocks; the output reads some of all these. A genotype has an edge to each block from everything that it reads, which
carries the block's operation; its outputs are what the output reads. Blocks that lead nowhere are not in it.

Source: Zela et al., "NAS-Bench-1Shot1", ICLR 2020; `nasbench_analysis/` of the official code.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Mapping

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.spaces.nasbench101 import CONV1X1, CONV3X3, INPUT, MAXPOOL3X3, OUTPUT, Module

CELL = "cell"
CANDIDATES = (MAXPOOL3X3, CONV3X3, CONV1X1)
OPS, OUTPUTS = "ops", "output"  # groups of alpha, besides inputs_0, inputs_1, ...
CELLS = 9, 3  # of a supernet: the official number, the smallest one
NETWORK = 128, 9  # channels and cells of the benchmark's networks
_VERTICES = 7  # of a module of NAS-Bench-101 at its largest


@dataclasses.dataclass(frozen=True)
class Table:
    """What one of the spaces allows.

    Args:
        parents: for each block how much it reads; never less for a later block.
        output_parents: how much the output reads.
    """

    parents: tuple[int, ...]
    output_parents: int

    @property
    def blocks(self) -> range:
        """The numbers of the blocks."""
        return range(1, 1 + len(self.parents))

    @property
    def inputs(self) -> dict[str, int]:
        """Group of alpha that weighs what a block reads -> that block; blocks that read all before them have none."""
        choosing = [block for block in self.blocks if self.parents[block - 1] < block]
        return {f"inputs_{index}": block for index, block in enumerate(choosing)}


TABLES = {
    "nasbench1shot1_1": Table((1, 2, 2, 2), 2),
    "nasbench1shot1_2": Table((1, 1, 2, 2), 3),
    "nasbench1shot1_3": Table((1, 1, 1, 2, 2), 2),
}


def rows(name: str) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """For each group of alpha and each of its rows a label and the names of what is weighed there.

    Example:
        >>> rows("nasbench1shot1_1")["inputs_0"]
        [('inputs of block 3', ('input', 'block 1', 'block 2'))]
    """
    table = TABLES[name]
    nodes = ("input", *(f"block {block}" for block in table.blocks))
    return {
        OPS: [(f"block {block}", CANDIDATES) for block in table.blocks],
        OUTPUTS: [("output", nodes)],
        **{group: [(f"inputs of block {block}", nodes[:block])] for group, block in table.inputs.items()},
    }


def genotype_of(name: str, operations: Mapping[int, str], parents: Mapping[int, Iterable[int]], outputs) -> Genotype:
    """The genotype of a cell, without the blocks that do not lead to its output.

    Args:
        name: of the space.
        operations: block -> its operation.
        parents: block -> what it reads.
        outputs: what the output reads.
    """
    reached = {node for node in outputs if node}
    for block in reversed(TABLES[name].blocks):
        if block in reached:
            reached.update(node for node in parents[block] if node)
    edges = (Edge(operations[block], node, block) for block in sorted(reached) for node in sorted(parents[block]))
    return Genotype(name, {CELL: tuple(edges)}, {CELL: tuple(sorted(outputs))})


def check(genotype: Genotype) -> Table:
    """The table of a genotype's space.

    Raises:
        InputError: the genotype is no cell of its space.
    """
    table = TABLES.get(genotype.space)
    edges = genotype.cells.get(CELL, ())
    outputs = genotype.outputs.get(CELL, ())
    if table is None or set(genotype.cells) != {CELL} or not _fits(table, edges, outputs):
        raise InputError(
            f"The genotype of space {genotype.space!r} is no cell of NAS-Bench-1Shot1; each block that leads to the "
            f"output must do one of {', '.join(CANDIDATES)} on as many earlier nodes as its space says."
        )
    return table


def _fits(table, edges, outputs):
    parents = {block: [edge.source for edge in edges if edge.target == block] for block in {e.target for e in edges}}
    operations = {(edge.target, edge.operation) for edge in edges}
    read = {node for sources in (*parents.values(), outputs) for node in sources if node}
    return (
        len(set(outputs)) == len(outputs) == table.output_parents
        and read == set(parents) <= set(table.blocks)
        and all(len(set(sources)) == len(sources) == table.parents[block - 1] for block, sources in parents.items())
        and len(operations) == len(parents)
        and {operation for _, operation in operations} <= set(CANDIDATES)
    )


def module(genotype: Genotype) -> Module:
    """The module of NAS-Bench-101 that a genotype is, with seven vertices; those that it has not got read nothing.

    Raises:
        InputError: the genotype is no cell of its space.

    Example:
        >>> cell = (Edge("maxpool3x3", 0, 1), Edge("conv3x3-bn-relu", 0, 2), Edge("conv3x3-bn-relu", 1, 2))
        >>> module(Genotype("nasbench1shot1_1", {"cell": cell}, {"cell": (1, 2)})).matrix[1]
        (0, 0, 1, 0, 0, 0, 1)
    """
    check(genotype)
    operations = [INPUT, *[CONV1X1] * (_VERTICES - 2), OUTPUT]
    matrix = [[0] * _VERTICES for _ in range(_VERTICES)]
    for edge in genotype.cells[CELL]:
        operations[edge.target] = edge.operation
        matrix[edge.source][edge.target] = 1
    for node in genotype.outputs[CELL]:
        matrix[node][_VERTICES - 1] = 1
    return Module(tuple(map(tuple, matrix)), tuple(operations))


def architecture(genotype: Genotype) -> str:
    """The benchmark's name of a genotype: the hash of its module."""
    return module(genotype).hash()


@functools.cache
def architectures(name: str) -> frozenset[str]:
    """The benchmark's names of all cells of a space; made once in a process, in some seconds for the third space.

    Example:
        >>> len(architectures("nasbench1shot1_1"))
        2685
    """
    return frozenset(
        Module(matrix, (INPUT, *operations, OUTPUT)).hash()
        for matrix in _matrices(name)
        for operations in itertools.product(CANDIDATES, repeat=len(matrix) - 2)
    )


def _matrices(name):
    """The pruned matrices of all cells; of those that differ only in the order of their vertices one."""
    table, found = TABLES[name], {}
    read = [
        itertools.combinations(range(block), count) for block, count in zip(table.blocks, table.parents, strict=True)
    ]
    outputs = itertools.combinations(range(1 + len(table.blocks)), table.output_parents)
    for *parents, joined in itertools.product(*read, outputs):
        same = dict.fromkeys(table.blocks, CONV3X3)
        genotype = genotype_of(name, same, dict(zip(table.blocks, parents, strict=True)), joined)
        pruned = module(genotype).pruned()
        found.setdefault(pruned.hash(), pruned.matrix)
    return found.values()
