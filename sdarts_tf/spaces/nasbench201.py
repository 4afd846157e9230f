"""NAS-Bench-201: one kind of cell, whose six edges carry one of five operations each.

Source: Dong & Yang, "NAS-Bench-201", ICLR 2020; `nasbench201/` of the official code.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.layers import operations
from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.blocks import Classifier, DropPath, ResidualReduction, Stem
from sdarts_tf.layers.mixed import Arrivals, MixedOperation
from sdarts_tf.layers.normalization import BatchNormalization
from sdarts_tf.spaces import nasbench201_cells
from sdarts_tf.spaces.base import Choices, ImageSpace
from sdarts_tf.spaces.nasbench201_cells import CANDIDATES, CELL, CELLS, EDGES, NETWORK, OUTPUT, SPACE, check

STAGES = 3
# The pools of this space have no batch normalization.
_AVERAGE_POOL = {"avg_pool_3x3": functools.partial(operations.Pool, kind="AVG", normalized=False)}


class SearchCell(Layer):
    """A cell of the supernet: three nodes, each the sum of mixed edges from all nodes before it.

    Args:
        channels: C, of the input and of the output `[N, H, W, C]`.
    """

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.mixed = []
        for source in range(OUTPUT):
            rows = {row: CANDIDATES for row, (start, _) in enumerate(EDGES) if start == source}
            self.mixed.append(MixedOperation(channels, rows, kinds=_AVERAGE_POOL, name=f"from_node_{source}"))

    def call(self, x, mixture, training=False, prepared=None):
        """Applies the cell; `prepared` is what `prepare` returned for its input, which is not read then."""
        arrivals = Arrivals()
        for source, mixed in enumerate(self.mixed):
            if source or prepared is None:
                prepared = mixed.prepare(arrivals.pop(source) if source else x, training)
            for rows, output in mixed.finish(prepared, mixture, training):
                arrivals.add((EDGES[row][1] for row in rows), output)
        return arrivals.pop(OUTPUT)

    def prepare(self, x, training=False):
        """What leaves the cell's input before it is weighed, for many mixtures."""
        return self.mixed[0].outputs(self.mixed[0].prepare(x, training), training)


class Cell(Layer):
    """The cell of a genotype; an edge that carries `none` adds nothing.

    Args:
        edges: the six edges, by target node.
        channels: C, of the input and of the output `[N, H, W, C]`.
    """

    def __init__(self, edges, channels, **kwargs):
        super().__init__(**kwargs)
        self.edges = tuple(edges)
        self.operations = [operations.build(edge.operation, channels, affine=True) for edge in edges]
        self.drop_paths = [None if isinstance(op, operations.Identity) else DropPath() for op in self.operations]

    def call(self, x, drop_rate=None, training=False, seed=None):
        """Applies the cell."""
        nodes = [x]
        for target in range(1, OUTPUT + 1):
            node = tf.zeros_like(x)
            for edge, operation, drop_path in zip(self.edges, self.operations, self.drop_paths, strict=True):
                if edge.target == target and edge.operation != "none":
                    y = operation(nodes[edge.source], training=training)
                    dropping = training and drop_rate is not None and drop_path is not None
                    node += drop_path(y, rate=drop_rate, seed=seed) if dropping else y
            nodes.append(node)
        return nodes[OUTPUT]


class _Skeleton(keras.Model):
    """Stem, three stages of cells with a residual reduction between them, batch normalization, classifier.

    Args:
        build_cell: function of the channels of a cell and its name.
        num_classes: number of logits.
        channels: of the first stage; each further stage has twice as many.
        cells: number of cells in each stage.
        image_channels: of the images.
    """

    def __init__(self, build_cell, num_classes, channels, cells, *, image_channels=3, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.stem = Stem(channels, image_channels=image_channels)
        self.cells = []  # reductions too, numbered as in the official code
        for stage in range(STAGES):
            if stage:
                self.cells.append(ResidualReduction(channels, 2 * channels, name=f"reduction_{stage}"))
                channels *= 2
            self.cells += [build_cell(channels, name=f"cell_{stage}_{number}") for number in range(cells)]
        self.normalization = BatchNormalization(channels)
        self.classifier = Classifier(channels, num_classes)
        for salt, layer in enumerate(layer for layer in self._flatten_layers() if isinstance(layer, DropPath)):
            layer.salt = salt
        self.built = True

    def _classify(self, x, training):
        return self.classifier(tf.nn.relu(self.normalization(x, training=training)))


class Supernet(_Skeleton):
    """The network of all candidates; called as `SearchSpace.build_supernet` says."""

    def __init__(self, num_classes, channels, cells, **kwargs):
        super().__init__(SearchCell, num_classes, channels, cells, **kwargs)

    def call(self, images, mixture, training=False, seed=None, prepared=None):
        x = self.stem(images, training=training) if prepared is None else None
        x = self.cells[0](x, mixture[CELL], training=training, prepared=prepared)
        for cell in self.cells[1:]:
            searched = isinstance(cell, SearchCell)
            x = cell(x, mixture[CELL], training=training) if searched else cell(x, training=training)
        return self._classify(x, training)

    def prepare(self, images, training=False, seed=None):
        return self.cells[0].prepare(self.stem(images, training=training), training)


class Network(_Skeleton):
    """The network of a genotype; called as `SearchSpace.build_network` says."""

    def __init__(self, genotype, num_classes, channels, cells, **kwargs):
        check(genotype)
        super().__init__(functools.partial(Cell, genotype.cells[CELL]), num_classes, channels, cells, **kwargs)

    def call(self, images, training=False, drop_rate=None, seed=None):
        x = self.stem(images, training=training)
        for cell in self.cells:
            options = {"drop_rate": drop_rate, "seed": seed} if isinstance(cell, Cell) else {}
            x = cell(x, training=training, **options)
        return self._classify(x, training)


class NasBench201Space(ImageSpace):
    """The search space of NAS-Bench-201: 5 candidates on each of 6 edges, the same for all cells."""

    name = SPACE
    supernet_cells, network_size = CELLS, NETWORK

    def alpha_shapes(self):
        return {CELL: (len(EDGES), len(CANDIDATES))}

    def rows(self):
        return nasbench201_cells.rows()

    def build_supernet(self, num_classes, channels, cells, *, channel_divisor=1, dropped_skips=False, image_channels=3):
        if channel_divisor != 1 or dropped_skips:
            raise InputError("The space 'nasbench201' has no partial channels; leave 'pc' out of --method.")
        return Supernet(num_classes, channels, cells, image_channels=image_channels)

    def build_network(
        self, genotype, num_classes, channels, cells, *, auxiliary=False, large_images=False, image_channels=3
    ):
        if auxiliary or large_images:
            raise InputError("Networks of nasbench201 have neither a second classifier nor a stem for large images.")
        return Network(genotype, num_classes, channels, cells, image_channels=image_channels)

    def discretize(self, mixture, *, max_skips=None):
        """The strongest candidate of every edge, `none` included; of equals the first."""
        if max_skips is not None:
            raise InputError("The space 'nasbench201' has no limit of skip connections; leave --max_skips away.")
        strongest = np.argmax(mixture[CELL], axis=-1)
        edges = tuple(
            Edge(CANDIDATES[column], source, target) for column, (source, target) in zip(strongest, EDGES, strict=True)
        )
        return Genotype(self.name, {CELL: edges}, {CELL: (OUTPUT,)})

    def choices(self):
        """All candidates of every edge, `none` included; no node has to give up an edge."""
        return {CELL: Choices((dict(enumerate(CANDIDATES)),) * len(EDGES), ())}

    def kept(self, genotype):
        check(genotype)
        kept = np.zeros((len(EDGES), len(CANDIDATES)), bool)
        for row, edge in enumerate(genotype.cells[CELL]):
            kept[row, CANDIDATES.index(edge.operation)] = True
        return {CELL: kept}
