"""The DARTS space with eight candidates, and S1-S5: cells, supernet, discretization.

Wiring: Liu et al., "DARTS", ICLR 2019; `sota/cnn/model_search.py` of the official code.
"""

import keras
import tensorflow as tf

from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.blocks import Classifier, Stem
from sdarts_tf.layers.mixed import MixedOperation
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

    def call(self, older, newer, mixture, training=False, seed=None):
        """Applies the cell to `(x, relu(x))` of the two cells before it and to the mixture of its kind."""
        inputs = zip(self.preprocess, (older, newer), strict=True)
        nodes = [preprocess(x[0], views=Views(*x), training=training) for preprocess, x in inputs]
        arriving = {target: [] for target in OUTPUTS}
        for source, mixed in enumerate(self.mixed):
            if source in arriving:
                nodes.append(tf.add_n(arriving[source]))
            edges = mixed(nodes[source], mixture, training=training, seed=seed)
            for row, edge in zip(mixed.rows, edges, strict=True):
                arriving[EDGES[row][1]].append(edge)
        nodes.append(tf.add_n(arriving[OUTPUTS[-1]]))
        return tf.concat([nodes[node] for node in OUTPUTS], axis=-1)


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

    def call(self, images, mixture, training=False, seed=None):
        x = self.stem(images, training=training)
        # Both cells that read an output share its rectified map.
        older = newer = (x, tf.nn.relu(x))
        for kind, cell in zip(self.kinds, self.cells, strict=True):
            x = cell(older, newer, mixture[kind], training=training, seed=seed)
            older, newer = newer, (x, tf.nn.relu(x))
        return self.classifier(x)


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
