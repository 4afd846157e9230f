"""The DARTS space with eight candidates, and S1-S5: cells, supernet, discretization.

Wiring: Liu et al., "DARTS", ICLR 2019; `sota/cnn/model_search.py` of the official code.
"""

import keras
import numpy as np
import tensorflow as tf

from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.blocks import Classifier, Stem
from sdarts_tf.layers.mixed import Arrivals, MixedOperation
from sdarts_tf.layers.operations import Noise
from sdarts_tf.layers.views import Views
from sdarts_tf.spaces import discretize
from sdarts_tf.spaces.base import SearchSpace
from sdarts_tf.spaces.darts_network import Network, build_preprocess, reduction_cells
from sdarts_tf.spaces.tables import EDGES, NUM_NODES, OUTPUTS, TABLES


class SearchCell(Layer):
    """A cell of the supernet: four nodes, each the sum of mixed edges from all nodes before it.

    Args:
        candidates: for each of the 14 rows of `EDGES`, the names of its candidates.
        in_channels: channels of the two inputs, the older cell's first.
        channels: C; the output is `[N, H', W', 4 C]`.
        reduction: edges from the two inputs have stride 2.
        previous_reduction: the cell before was a reduction cell, so that the older input is twice as large.
    """

    def __init__(self, candidates, in_channels, channels, *, reduction, previous_reduction, **kwargs):
        super().__init__(**kwargs)
        halve = (previous_reduction, False)
        self.preprocess = [build_preprocess(n, channels, halve=h) for n, h in zip(in_channels, halve, strict=True)]
        self.mixed = []
        for source in range(1 + NUM_NODES):
            rows = {row: candidates[row] for row, (start, _) in enumerate(EDGES) if start == source}
            stride = 2 if reduction and source < 2 else 1
            self.mixed.append(MixedOperation(channels, rows, stride=stride, name=f"from_node_{source}"))

    def call(self, older, newer, mixture, training=False, seed=None, prepared=()):
        """Applies the cell.

        Args:
            older, newer: `(x, relu(x))` of the two cells before it.
            mixture: of the cell's kind.
            training, seed: as the supernet's.
            prepared: what `prepare` returned for the first nodes, whose inputs are not read then.
        """
        prepared = list(prepared)
        for number in range(len(prepared), 2):
            prepared.append(self.prepare(number, (older, newer)[number], training, seed))
        arrivals, nodes = Arrivals(), []
        for source, mixed in enumerate(self.mixed):
            if source in OUTPUTS:
                nodes.append(arrivals.pop(source))
                prepared.append(mixed.prepare(nodes[-1], training, seed))
            for rows, output in mixed.finish(prepared[source], mixture, training):
                arrivals.add((EDGES[row][1] for row in rows), output)
        nodes.append(arrivals.pop(OUTPUTS[-1]))
        return tf.concat(nodes, axis=-1)

    def prepare(self, number, x, training=False, seed=None):
        """What leaves input node `number` before it is weighed; `x` is the pair `(x, relu(x))` of that input."""
        node = self.preprocess[number](x[0], views=Views(*x), training=training)
        return self.mixed[number].prepare(node, training, seed)


class Supernet(keras.Model):
    """Stem, cells that mix all candidates, classifier; called as `SearchSpace.build_supernet` says."""

    def __init__(self, table, num_classes, channels, cells, **kwargs):
        super().__init__(**kwargs)
        self.stem = Stem(3 * channels)
        self.kinds, self.cells = [], []
        older = newer = 3 * channels
        previous_reduction = False
        for index in range(cells):
            reduction = index in reduction_cells(cells)
            channels *= 2 if reduction else 1
            kind = "reduce" if reduction else "normal"
            self.kinds.append(kind)
            self.cells.append(
                SearchCell(
                    table[kind],
                    (older, newer),
                    channels,
                    reduction=reduction,
                    previous_reduction=previous_reduction,
                    name=f"cell_{index}",
                )
            )
            older, newer = newer, len(OUTPUTS) * channels
            previous_reduction = reduction
        self.classifier = Classifier(newer, num_classes)
        for salt, layer in enumerate(layer for layer in self._flatten_layers() if isinstance(layer, Noise)):
            layer.salt = salt
        self.built = True

    def call(self, images, mixture, training=False, seed=None, prepared=None):
        prepared = list(self.prepare(images, training, seed) if prepared is None else prepared)
        prepared += [()] * (len(self.cells) - len(prepared))
        older = newer = None
        for kind, cell, ready in zip(self.kinds, self.cells, prepared, strict=True):
            x = cell(older, newer, mixture[kind], training=training, seed=seed, prepared=ready)
            # Both cells that read an output share its rectified map.
            older, newer = newer, (x, tf.nn.relu(x))
        return self.classifier(x)

    def prepare(self, images, training=False, seed=None):
        x = self.stem(images, training=training)
        x = (x, tf.nn.relu(x))
        first, second = self.cells[:2]
        return [first.prepare(number, x, training, seed) for number in range(2)], [second.prepare(0, x, training, seed)]


class DartsSpace(SearchSpace):
    """A space of normal and reduction cells with 14 edges each.

    Args:
        name: a key of `TABLES`.
    """

    def __init__(self, name):
        self.name = name
        self.table = TABLES[name]

    def alpha_shapes(self):
        return {kind: (len(rows), len(rows[0])) for kind, rows in self.table.items()}

    def build_supernet(self, num_classes, channels, cells):
        return Supernet(self.table, num_classes, channels, cells)

    def build_network(self, genotype, num_classes, channels, cells, *, auxiliary=False, large_images=False):
        return Network(genotype, num_classes, channels, cells, auxiliary=auxiliary, large_images=large_images)

    def discretize(self, mixture):
        cells = {kind: discretize.darts_cell(mixture[kind], rows) for kind, rows in self.table.items()}
        return Genotype(self.name, cells, dict.fromkeys(cells, OUTPUTS))

    def kept(self, genotype):
        masks = {kind: np.zeros(shape, bool) for kind, shape in self.alpha_shapes().items()}
        for kind, edges in genotype.cells.items():
            for edge in edges:
                row = EDGES.index((edge.source, edge.target))
                masks[kind][row, self.table[kind][row].index(edge.operation)] = True
        return masks
