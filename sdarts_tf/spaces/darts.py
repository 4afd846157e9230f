"""The DARTS space with eight candidates, and S1-S5: cells, supernet, discretization.

Wiring: Liu et al., "DARTS", ICLR 2019; `sota/cnn/model_search.py` of the official code.
"""

import keras
import numpy as np
import tensorflow as tf

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.blocks import Classifier, Stem
from sdarts_tf.layers.mixed import Arrivals, DropEdges, MixedOperation, weighted_sums
from sdarts_tf.layers.operations import DroppedIdentity, Noise
from sdarts_tf.layers.views import Views
from sdarts_tf.spaces import discretize, tables
from sdarts_tf.spaces.base import Choices, ImageSpace
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
        channel_divisor: K of PC-DARTS: candidates see the first C / K channels of a node; the others bypass them.
        dropped_skips: skip connections of stride 1 have a dropout, as in P-DARTS.
        edges_at_once: as `MixedOperation`'s.
    """

    def __init__(
        self,
        candidates,
        in_channels,
        channels,
        *,
        reduction,
        previous_reduction,
        channel_divisor=1,
        dropped_skips=False,
        edges_at_once=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.reduction, self.channel_divisor = reduction, channel_divisor
        halve = (previous_reduction, False)
        self.preprocess = [build_preprocess(n, channels, halve=h) for n, h in zip(in_channels, halve, strict=True)]
        self.mixed = []
        for source in range(1 + NUM_NODES):
            rows = {row: candidates[row] for row, (start, _) in enumerate(EDGES) if start == source}
            stride = 2 if reduction and source < 2 else 1
            self.mixed.append(
                MixedOperation(
                    channels // channel_divisor,
                    rows,
                    stride=stride,
                    dropped_skips=dropped_skips,
                    folds=True,
                    edges_at_once=edges_at_once,
                    name=f"from_node_{source}",
                )
            )

    def call(
        self,
        older,
        newer,
        mixture,
        edge_weights=None,
        training=False,
        seed=None,
        skip_dropout=None,
        drop_path=None,
        prepared=(),
    ):
        """Applies the cell.

        Args:
            older, newer: `(x, relu(x))` of the two cells before it.
            mixture: of the cell's kind.
            edge_weights: `[14]`, by which whole edges are weighed; None is 1 for all.
            training, seed, skip_dropout: as the supernet's.
            drop_path: `DropEdges` of the batch; None drops no edge.
            prepared: what `prepare` or `outputs` returned for the first nodes, whose inputs are not read then.
        """
        if edge_weights is not None:
            mixture *= edge_weights[:, tf.newaxis]
        prepared = list(prepared)
        for number in range(len(prepared), 2):
            prepared.append(self.prepare(number, (older, newer)[number], training, seed, skip_dropout))
        arrivals, bypasses, nodes = Arrivals(), Arrivals(), []
        for source, mixed in enumerate(self.mixed):
            if source in OUTPUTS:
                nodes.append(self._joined(source, arrivals, bypasses))
                prepared.append(self._leaving(source, nodes[-1], training, seed, skip_dropout))
            ready, bypass = prepared[source]
            for rows, output in mixed.finish(ready, mixture, training):
                arrivals.add((EDGES[row][1] for row in rows), drop_path(output, rows) if drop_path else output)
            if bypass is not None:
                for row, output in _weighed(bypass, mixed.rows, edge_weights):
                    bypasses.add((EDGES[row][1],), drop_path(output, (row,)) if drop_path else output)
        nodes.append(self._joined(OUTPUTS[-1], arrivals, bypasses))
        return tf.concat(nodes, axis=-1)

    def prepare(self, number, x, training=False, seed=None, skip_dropout=None):
        """What leaves input node `number` before it is weighed; `x` is the pair `(x, relu(x))` of that input."""
        node = self.preprocess[number](x[0], views=Views(*x), training=training)
        return self._leaving(number, node, training, seed, skip_dropout)

    def outputs(self, number, x, training=False, *options):
        """As `prepare`, for many mixtures."""
        ready, bypass = self.prepare(number, x, training, *options)
        return self.mixed[number].outputs(ready, training), bypass

    def _leaving(self, source, node, *options):
        """Of what leaves a node: the candidates' maps, and the channels that bypass them, None if there are none."""
        mixed = self.mixed[source]
        if self.channel_divisor == 1:
            return mixed.prepare(node, *options), None
        bypass = node[..., mixed.channels :]
        if self.reduction and source < 2:
            bypass = tf.nn.max_pool2d(bypass, 2, 2, "VALID")
        return mixed.prepare(node[..., : mixed.channels], *options), bypass

    def _joined(self, node, arrivals, bypasses):
        """A node: the sum of all that arrives. Shuffling after the sum is shuffling every edge, and cheaper."""
        mixed = arrivals.pop(node)
        if self.channel_divisor == 1:
            return mixed
        return shuffle_channels(tf.concat([mixed, bypasses.pop(node)], axis=-1), self.channel_divisor)


def _weighed(bypass, rows, edge_weights):
    """Pairs of a row and what bypasses the mixture on that edge: one matrix product for all edges of a node."""
    if edge_weights is None:
        return [(row, bypass) for row in rows]
    weights = tf.gather(edge_weights, rows)
    return zip(rows, weighted_sums(weights[:, tf.newaxis], bypass[tf.newaxis]), strict=True)


def shuffle_channels(x, groups):
    """Reorders the channels of `[N, H, W, C]`: the first of every group, then the second of every group, and so on.

    Source: Xu et al., "PC-DARTS", ICLR 2020; `channel_shuffle` in its `model_search.py`.

    Example:
        >>> shuffle_channels(tf.reshape(tf.range(6), [1, 1, 1, 6]), 3).numpy().ravel().tolist()
        [0, 2, 4, 1, 3, 5]
    """
    shape = tf.shape(x)
    grouped = tf.reshape(x, [-1, groups, x.shape[-1] // groups])
    # A transposition: its gradient is one too, while that of a gather along the last axis is many times slower.
    return tf.reshape(tf.transpose(grouped, [0, 2, 1]), shape)


class Supernet(keras.Model):
    """Stem, cells that mix all candidates, classifier; called as `SearchSpace.build_supernet` says."""

    def __init__(
        self,
        table,
        num_classes,
        channels,
        cells,
        *,
        channel_divisor=1,
        dropped_skips=False,
        image_channels=3,
        edges_at_once=0,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        if channels % (2 * channel_divisor if channel_divisor > 1 else 1):
            raise InputError(
                f"--channels={channels} cannot be divided for partial channels; choose a multiple of "
                f"{2 * channel_divisor}."
            )
        self.stem = Stem(3 * channels, image_channels=image_channels)
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
                    channel_divisor=channel_divisor,
                    dropped_skips=dropped_skips,
                    edges_at_once=edges_at_once,
                    name=f"cell_{index}",
                )
            )
            older, newer = newer, len(OUTPUTS) * channels
            previous_reduction = reduction
        self.classifier = Classifier(newer, num_classes)
        drawing = (layer for layer in self._flatten_layers() if isinstance(layer, (Noise, DroppedIdentity)))
        for salt, layer in enumerate(drawing):
            layer.salt = salt
        self.built = True

    def call(self, images, mixture, training=False, seed=None, prepared=None, skip_dropout=None, drop_rate=None):
        options = {"training": training, "seed": seed, "skip_dropout": skip_dropout}
        older = newer = None
        if prepared is None:
            older = newer = self._stem(images, training)
        ready_cells = [*(prepared or ()), *[()] * len(self.cells)][: len(self.cells)]
        for number, (kind, cell, ready) in enumerate(zip(self.kinds, self.cells, ready_cells, strict=True)):
            weights, drop_path = edge_weights(mixture, kind), None
            if training and drop_rate is not None:
                drop_path = DropEdges(len(EDGES), tf.shape(images)[0], drop_rate, tf.random.fold_in(seed, number))
            x = cell(older, newer, mixture[kind], weights, drop_path=drop_path, prepared=ready, **options)
            # Both cells that read an output share its rectified map.
            older, newer = newer, (x, tf.nn.relu(x))
        return self.classifier(x)

    def prepare(self, images, training=False, seed=None, skip_dropout=None):
        options = training, seed, skip_dropout
        x = self._stem(images, training)
        first, second = self.cells[:2]
        return [first.outputs(number, x, *options) for number in range(2)], [second.outputs(0, x, *options)]

    def _stem(self, images, training):
        x = self.stem(images, training=training)
        return x, tf.nn.relu(x)


def edge_groups(kind):
    """The groups of alpha whose softmax weighs the edges of a kind of cell, one group for each node.

    Example:
        >>> edge_groups("normal")
        ['normal_edges_to_2', 'normal_edges_to_3', 'normal_edges_to_4', 'normal_edges_to_5']
    """
    return [f"{kind}_edges_to_{node}" for node in OUTPUTS]


def edge_weights(mixture, kind):
    """The weights of the 14 edges of a kind of cell, `[14]`, in the order of `EDGES`; None if edges have none."""
    groups = edge_groups(kind)
    return tf.concat([mixture[group][0] for group in groups], axis=0) if groups[0] in mixture else None


class DartsSpace(ImageSpace):
    """A space of normal and reduction cells with 14 edges each.

    Args:
        name: a key of `TABLES`.
        table: the candidates of each edge, if they are fewer: kind -> for each of the 14 rows the names.
    """

    drops_edges = True
    divides_edges = True
    has_auxiliary = True
    supernet_cells, network_size = tables.CELLS, tables.NETWORK

    def __init__(self, name, table=None):
        self.name = name
        self.table = table or TABLES[name]

    def alpha_shapes(self):
        return {kind: (len(rows), len(rows[0])) for kind, rows in self.table.items()}

    def rows(self):
        return tables.rows(self.table)

    def edge_shapes(self):
        return {group: (1, node) for kind in self.table for group, node in zip(edge_groups(kind), OUTPUTS, strict=True)}

    def build_supernet(self, num_classes, channels, cells, **options):
        return Supernet(self.table, num_classes, channels, cells, **options)

    def build_network(self, genotype, num_classes, channels, cells, **options):
        return Network(genotype, num_classes, channels, cells, **options)

    def choices(self):
        nodes = [tuple(row for row, (_, target) in enumerate(EDGES) if target == node) for node in OUTPUTS]
        return {
            kind: Choices(
                tuple({column: name for column, name in enumerate(names) if name != "none"} for names in rows),
                tuple(rows_of_node for rows_of_node in nodes if len(rows_of_node) > 2),
            )
            for kind, rows in self.table.items()
        }

    def complete(self, mixture):
        completed = dict(mixture)
        for kind, rows in TABLES[self.name].items():
            completed[kind] = np.zeros([len(rows), len(rows[0])], np.float32)
            for row, (names, left) in enumerate(zip(rows, self.table[kind], strict=True)):
                completed[kind][row, [names.index(name) for name in left]] = mixture[kind][row]
        return completed

    def discretize(self, mixture, *, max_skips=None):
        cells = {}
        for kind, rows in self.table.items():
            weights = edge_weights(mixture, kind)
            shares = mixture[kind] if weights is None else mixture[kind] * weights.numpy()[:, np.newaxis]
            limit = max_skips if kind == "normal" else None
            cells[kind] = discretize.darts_cell(shares, rows, max_skips=limit)
        return Genotype(self.name, cells, dict.fromkeys(cells, OUTPUTS))

    def kept(self, genotype):
        shapes = self.alpha_shapes() | self.edge_shapes()
        masks = {group: np.zeros(shape, bool) for group, shape in shapes.items()}
        for kind, edges in genotype.cells.items():
            weights = dict(zip(OUTPUTS, edge_groups(kind), strict=True))
            for edge in edges:
                row = EDGES.index((edge.source, edge.target))
                masks[kind][row, self.table[kind][row].index(edge.operation)] = True
                masks[weights[edge.target]][0, edge.source] = True
        return masks
