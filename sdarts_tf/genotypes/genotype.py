"""The answer of a search: one operation for every edge that is kept, as plain JSON."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from sdarts_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Edge:
    """One kept edge: `operation` maps the output of node `source` to an input of node `target`."""

    operation: str
    source: int
    target: int

    def __post_init__(self):
        if not 0 <= self.source < self.target:
            raise InputError(
                f"Edge {self.operation!r} goes from node {self.source} to node {self.target}; "
                "an edge must lead from a node to a later one, so correct the genotype."
            )


@dataclasses.dataclass(frozen=True)
class Genotype:
    """A found architecture.

    Args:
        space: name of the search space, for example `"s5"`.
        cells: kind of cell (`"normal"`, `"reduce"`) -> its edges. They are ordered by target
            node; the edges of one node stand strongest first, the order in which the official
            code lists (and numbers) them.
        outputs: kind of cell -> the nodes whose outputs are concatenated.

    Example:
        >>> cell = (Edge("sep_conv_3x3", source=0, target=2), Edge("skip_connect", 1, 2))
        >>> genotype = Genotype("s2", {"normal": cell}, {"normal": (2,)})
        >>> Genotype.from_json(genotype.to_json()) == genotype
        True
        >>> genotype.count("skip_connect")
        1
    """

    space: str
    cells: Mapping[str, tuple[Edge, ...]]
    outputs: Mapping[str, tuple[int, ...]]

    def count(self, operation: str, cell: str | None = None) -> int:
        """Number of edges that carry `operation`, in one kind of cell or (default) in all."""
        cells = self.cells.values() if cell is None else [self.cells[cell]]
        return sum(edge.operation == operation for edges in cells for edge in edges)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries and lists: `{"space", "cells": {kind: [[operation, source, target]]}, "outputs"}`."""
        return {
            "space": self.space,
            "cells": {
                kind: [[edge.operation, edge.source, edge.target] for edge in edges]
                for kind, edges in self.cells.items()
            },
            "outputs": {kind: list(nodes) for kind, nodes in self.outputs.items()},
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Genotype":
        """The inverse of `to_dict`; InputError says what is missing or malformed."""
        try:
            return cls(
                space=str(record["space"]),
                cells={
                    str(kind): tuple(Edge(str(name), int(source), int(target)) for name, source, target in edges)
                    for kind, edges in record["cells"].items()
                },
                outputs={str(kind): tuple(map(int, nodes)) for kind, nodes in record["outputs"].items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"This is not a genotype ({type(error).__name__}: {error}); it must be a JSON object with 'space', "
                "'cells' (kind -> list of [operation, source, target]) and 'outputs' (kind -> list of nodes)."
            ) from error

    def to_json(self) -> str:
        """One line of JSON, stable under round trips."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> "Genotype":
        """The inverse of `to_json`; InputError for text that is not a genotype."""
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(
                f"This genotype is not JSON ({error}); give the genotype.json that a search wrote."
            ) from error
        return cls.from_dict(record)

    @classmethod
    def load(cls, path) -> "Genotype":
        """Reads a genotype file; InputError names the file when it is missing or malformed."""
        try:
            return cls.from_json(pathlib.Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"Cannot read the genotype {str(path)!r} ({error}); give a genotype.json.") from error
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
