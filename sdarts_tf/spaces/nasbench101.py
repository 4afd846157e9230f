"""The modules of NAS-Bench-101: labelled graphs, and the hash by which the benchmark knows them. Imports no TensorFlow.

Source: Ying et al., "NAS-Bench-101", ICML 2019.
"""

import dataclasses
import hashlib

from sdarts_tf.errors import InputError

INPUT, OUTPUT = "input", "output"
CONV3X3, CONV1X1, MAXPOOL3X3 = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
OPERATIONS = (CONV3X3, CONV1X1, MAXPOOL3X3)  # in the benchmark's order, which its hash depends on
_LABELS = {INPUT: -1, OUTPUT: -2} | {name: label for label, name in enumerate(OPERATIONS)}


@dataclasses.dataclass(frozen=True)
class Module:
    """What stands nine times in a network of NAS-Bench-101.

    Args:
        matrix: square, 0 and 1; `matrix[u][v]` says whether vertex v reads u, which must come before it.
        operations: of each vertex; the first is `input`, the last `output`.

    Raises:
        InputError: the matrix is not square and above the diagonal, does not fit the operations, or one of these is
            unknown.

    Example:
        >>> module = Module(((0, 1, 1), (0, 0, 1), (0, 0, 0)), ("input", "conv3x3-bn-relu", "output"))
        >>> module.hash()
        'd32d0b26d534203b48d866facd98cc3e'
    """

    matrix: tuple[tuple[int, ...], ...]
    operations: tuple[str, ...]

    def __post_init__(self):
        size = len(self.operations)
        fits = len(self.matrix) == size and all(
            len(row) == size and set(row[u + 1 :]) <= {0, 1} and not any(row[: u + 1])
            for u, row in enumerate(self.matrix)
        )
        named = set(self.operations[1:-1]) <= set(OPERATIONS)
        if size < 2 or not fits or not named or (self.operations[0], self.operations[-1]) != (INPUT, OUTPUT):
            raise InputError(
                f"The matrix {self.matrix} with the operations {self.operations} is no module of NAS-Bench-101; give "
                f"a 0-1 matrix above its diagonal, and for each vertex between {INPUT} and {OUTPUT} one of "
                f"{', '.join(OPERATIONS)}."
            )

    def parents(self, vertex: int) -> tuple[int, ...]:
        """The vertices that a vertex reads, ascending."""
        return tuple(u for u in range(vertex) if self.matrix[u][vertex])

    def pruned(self) -> "Module":
        """The module without the vertices that are on no way from the input to the output.

        Raises:
            InputError: there is no such way.
        """
        last = len(self.operations) - 1
        after, before = {0}, {last}
        for v in range(1, last + 1):
            if after.intersection(self.parents(v)):
                after.add(v)
        for v in range(last, 0, -1):
            if v in before:
                before.update(self.parents(v))
        kept = sorted(after & before)
        if not {0, last} <= set(kept):
            raise InputError(f"In the matrix {self.matrix} no way leads from the input to the output.")
        matrix = tuple(tuple(self.matrix[u][v] for v in kept) for u in kept)
        return Module(matrix, tuple(self.operations[v] for v in kept))

    def hash(self) -> str:
        """The benchmark's name: equal for modules that differ only in the order of their vertices and what is pruned.

        Every vertex is named by a digest of its degrees and operation, then again and again by one of its neighbors'
        names and its own, as often as there are vertices.
        """
        module = self.pruned()
        vertices = range(len(module.operations))
        parents = [module.parents(v) for v in vertices]
        children = [[w for w in vertices if v in parents[w]] for v in vertices]
        names = [
            _digest(str((len(children[v]), len(parents[v]), _LABELS[operation])))
            for v, operation in enumerate(module.operations)
        ]
        for _ in vertices:
            names = [
                _digest("|".join([_joined(names, parents[v]), _joined(names, children[v]), names[v]])) for v in vertices
            ]
        return _digest(str(sorted(names)))

    def vertex_channels(self, channels: int) -> list[int]:
        """Channels of every vertex of a pruned module whose output has so many; those of the input are not looked at.

        What the output reads, the input aside, shares its channels as evenly as can be, earlier vertices first; every
        other vertex has as many as the widest that reads it.

        Raises:
            InputError: there are fewer channels than vertices that share them.
        """
        last = len(self.operations) - 1
        joined = [v for v in self.parents(last) if v]
        if channels < len(joined):
            raise InputError(f"{channels} channels cannot be shared by {len(joined)} vertices; use more --channels.")
        widths = [0] * last + [channels]
        for place, v in enumerate(joined):
            widths[v] = channels // len(joined) + (place < channels % len(joined))
        for v in range(last - 1, 0, -1):
            if v not in joined:
                widths[v] = max(widths[w] for w in range(v + 1, last) if self.matrix[v][w])
        return widths


def _digest(text):
    return hashlib.md5(text.encode("utf-8"), usedforsecurity=False).hexdigest()


def _joined(names, vertices):
    return "".join(sorted(names[v] for v in vertices))
