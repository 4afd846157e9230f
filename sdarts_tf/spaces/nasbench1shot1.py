"""The three spaces of NAS-Bench-1Shot1: cells of choice blocks, whose operations and inputs are searched.

Source: Zela et al., "NAS-Bench-1Shot1", ICLR 2020; `optimizers/darts/model_search.py` of the official code.
"""

import keras
import numpy as np
import tensorflow as tf

from sdarts_tf.errors import InputError
from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.blocks import Classifier, ConvBatchNormRelu, ReluConvBatchNorm
from sdarts_tf.layers.operations import weighed
from sdarts_tf.spaces import nasbench1shot1_cells as cells_of
from sdarts_tf.spaces.base import ImageSpace
from sdarts_tf.spaces.darts_network import reduction_cells
from sdarts_tf.spaces.nasbench1shot1_cells import CANDIDATES, CELL, OPS, OUTPUTS, TABLES, Table
from sdarts_tf.spaces.nasbench101_network import Network

_KERNEL_SIZES = (3, 1)  # of the candidates after the maximum pool


def _weighted_sum(shares, maps):
    """Of as many maps as there are shares `[n]`. A share may be 0, where what a ReLU makes of it has no slope."""
    return tf.add_n([weighed(x, share) for share, x in zip(tf.unstack(shares), maps, strict=True)])


class ChoiceBlock(Layer):
    """The candidates of one block: 3x3 maximum pool, 3x3 convolution, 1x1 convolution.

    Args:
        channels: C, of the input and of the output `[N, H, W, C]`.
        momentum: of the running statistics.
    """

    def __init__(self, channels, *, momentum, **kwargs):
        super().__init__(**kwargs)
        self.convolutions = [ConvBatchNormRelu(channels, channels, size, momentum=momentum) for size in _KERNEL_SIZES]

    def call(self, x, training=False):
        """The outputs of all candidates."""
        pooled = tf.nn.pool(x, [3, 3], "MAX", padding="SAME")
        return [pooled, *(convolution(x, training=training) for convolution in self.convolutions)]


class SearchCell(Layer):
    """A cell of the supernet.

    Every block reads a 1x1 projection of the cell's input of its own, and all earlier blocks. The output is the blocks'
    outputs side by side, weighed, plus a weighed projection of the input to as many channels.

    Args:
        table: of the space.
        in_channels: of the input.
        channels: C, of each block; the output has C for each block.
        momentum: of the running statistics.
    """

    def __init__(self, table: Table, in_channels, channels, *, momentum, **kwargs):
        super().__init__(**kwargs)
        self.table = table
        width = len(table.blocks) * channels
        # The blocks' projections read the same map: one convolution serves them all.
        self.projections, self.output_projection = (
            ConvBatchNormRelu(in_channels, width, 1, momentum=momentum) for _ in range(2)
        )
        self.blocks = [ChoiceBlock(channels, momentum=momentum) for _ in table.blocks]
        self._groups = {block: group for group, block in table.inputs.items()}

    def call(self, x, mixture, training=False, prepared=None):
        """Applies the cell; `prepared` is what `prepare` returned for its input, which is not read then."""
        projected, first, direct = self.prepare(x, training) if prepared is None else prepared
        operations, states = tf.unstack(mixture[OPS]), []
        for block in self.table.blocks:
            if block == 1:  # reads nothing that is weighed
                candidates = first
            else:
                read = self._read(block, [projected[block - 1], *states], mixture)
                candidates = self.blocks[block - 1](read, training=training)
            states.append(_weighted_sum(operations[block - 1], candidates))
        direct_share, *shares = tf.unstack(mixture[OUTPUTS][0])
        side_by_side = [weighed(state, share) for share, state in zip(shares, states, strict=True)]
        return weighed(direct, direct_share) + tf.concat(side_by_side, axis=-1)

    def prepare(self, x, training=False):
        """What no mixture changes: the projections for the blocks, the first block, the projection for the output."""
        projected = tf.split(self.projections(x, training=training), len(self.table.blocks), axis=-1)
        first = self.blocks[0](projected[0], training=training)
        return projected, first, self.output_projection(x, training=training)

    def _read(self, block, nodes, mixture):
        group = self._groups.get(block)
        return tf.add_n(nodes) if group is None else _weighted_sum(mixture[group][0], nodes)


class Supernet(keras.Model):
    """The network of all candidates; called as `SearchSpace.build_supernet` says.

    Args:
        table: of the space.
        num_classes: number of logits.
        channels: of each block of the first cells; doubled where the maps are halved.
        cells: number of cells; before those at a third and at two thirds the maps are halved.
        official: as `NasBench1Shot1Space`'s.
        image_channels: of the images.
    """

    def __init__(self, table: Table, num_classes, channels, cells, *, official=False, image_channels=3, **kwargs):
        super().__init__(autocast=False, **kwargs)
        momentum = 0.997 if official else 0.1
        self.official, self.halving = official, reduction_cells(cells)
        self.stem = ConvBatchNormRelu(image_channels, channels, 3, momentum=momentum)
        self.cells, in_channels = [], channels
        for number in range(cells):
            channels *= 2 if number in self.halving else 1
            self.cells.append(SearchCell(table, in_channels, channels, momentum=momentum, name=f"cell_{number}"))
            in_channels = len(table.blocks) * channels
        self.postprocess = ReluConvBatchNorm(in_channels, channels)
        self.classifier = Classifier(channels, num_classes)
        self.built = True

    def call(self, images, mixture, training=False, seed=None, prepared=None):
        x = self.stem(images, training=training) if prepared is None else None
        x = self.cells[0](x, mixture, training=training, prepared=prepared)
        for number, cell in enumerate(self.cells[1:], start=1):
            x = cell(self._halved(x) if number in self.halving else x, mixture, training=training)
        return self.classifier(self.postprocess(x, training=training))

    def prepare(self, images, training=False, seed=None):
        return self.cells[0].prepare(self.stem(images, training=training), training)

    def _halved(self, x):
        if not self.official:
            return tf.nn.max_pool2d(x, 2, 2, "SAME")
        borders = [[0, 0], [1, 1], [1, 1], [0, 0]]
        return tf.nn.max_pool2d(tf.pad(x, borders, constant_values=x.dtype.min), 2, 2, "VALID")


class NasBench1Shot1Space(ImageSpace):
    """One of the spaces of NAS-Bench-1Shot1.

    Groups of alpha: `ops`, a row for each block; `inputs_0`, `inputs_1`, ..., one row for each block that does not read
    all that is before it; `output`, one row. Perturbations shift all of them, as officially.

    Args:
        name: a key of `TABLES`.
        official: the supernet halves maps with a border, 32 to 17 to 9 pixels, and its running statistics are almost
            those of the last batch (momentum .997), both as in the official code; else 32 to 16 to 8, as the networks
            of NAS-Bench-101 do, and momentum .1.
    """

    supernet_cells, network_size = cells_of.CELLS, cells_of.NETWORK

    def __init__(self, name: str, *, official: bool = False):
        self.name, self.official, self.table = name, official, TABLES[name]

    def alpha_shapes(self):
        return {group: (len(rows), len(rows[0][1])) for group, rows in self.rows().items()}

    def rows(self):
        return cells_of.rows(self.name)

    def build_supernet(self, num_classes, channels, cells, *, channel_divisor=1, dropped_skips=False, image_channels=3):
        if channel_divisor != 1 or dropped_skips:
            raise InputError(f"The space {self.name!r} has no partial channels; leave 'pc' out of --method.")
        options = {"official": self.official, "image_channels": image_channels}
        return Supernet(self.table, num_classes, channels, cells, **options)

    def build_network(
        self, genotype, num_classes, channels, cells, *, auxiliary=False, large_images=False, image_channels=3
    ):
        if auxiliary or large_images:
            raise InputError(f"Networks of {self.name} have neither a second classifier nor a stem for large images.")
        return Network(cells_of.module(genotype), num_classes, channels, cells, image_channels=image_channels)

    def discretize(self, mixture, *, max_skips=None):
        """Of every block the strongest operation and its strongest inputs, of the output its strongest inputs.

        Of equals the first is taken.
        """
        if max_skips is not None:
            raise InputError(f"The space {self.name!r} has no limit of skip connections; leave --max_skips away.")
        operations = {
            block: CANDIDATES[_strongest(shares, 1)[0]]
            for block, shares in zip(self.table.blocks, mixture[OPS], strict=True)
        }
        parents = {block: range(block) for block in self.table.blocks}
        for group, block in self.table.inputs.items():
            parents[block] = _strongest(mixture[group][0], self.table.parents[block - 1])
        outputs = _strongest(mixture[OUTPUTS][0], self.table.output_parents)
        return cells_of.genotype_of(self.name, operations, parents, outputs)

    def kept(self, genotype):
        """As `SearchSpace.kept`; a row of a block that leads nowhere keeps nothing."""
        cells_of.check(genotype)
        kept = {group: np.zeros(shape, bool) for group, shape in self.alpha_shapes().items()}
        groups = {block: group for group, block in self.table.inputs.items()}
        for edge in genotype.cells[CELL]:
            kept[OPS][edge.target - 1, CANDIDATES.index(edge.operation)] = True
            if edge.target in groups:
                kept[groups[edge.target]][0, edge.source] = True
        kept[OUTPUTS][0, list(genotype.outputs[CELL])] = True
        return kept


def _strongest(shares, count) -> tuple[int, ...]:
    """The places of the largest shares, ascending."""
    order = np.argsort(-np.asarray(shares), kind="stable")
    return tuple(sorted(int(place) for place in order[:count]))
