"""The network of a genotype of normal and reduction cells, for small and for large images.

Source: `sota/cnn/model.py` and `model_imagenet.py` of the official code.
"""

import dataclasses
import functools

import keras
import tensorflow as tf

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.layers import operations
from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.blocks import (
    AuxiliaryHead,
    Classifier,
    DropPath,
    FactorizedReduce,
    LargeImageStem,
    ReluConvBatchNorm,
    Stem,
)

KINDS = ("normal", "reduce")


def reduction_cells(cells):
    """The cells that halve the image and double the channels: at one and two thirds of the depth.

    Example:
        >>> sorted(reduction_cells(8))
        [2, 5]
    """
    return {cells // 3, 2 * cells // 3}


def build_preprocess(in_channels, out_channels, *, halve, affine=False):
    """Brings an input of a cell to its channels, and to its size if it comes from before a reduction."""
    layer = FactorizedReduce if halve else ReluConvBatchNorm
    return layer(in_channels, out_channels, affine=affine)


def auxiliary_fits(image_side: int, *, large_images: bool) -> bool:
    """Whether the map at two thirds of the depth is large enough for an auxiliary head.

    Example:
        >>> auxiliary_fits(32, large_images=False), auxiliary_fits(8, large_images=False)
        (True, False)
    """
    reduction = 32 if large_images else 4
    return -(-image_side // reduction) >= AuxiliaryHead.smallest_map(large_images)


def check_cells(genotype: Genotype) -> None:
    """Raises InputError unless the genotype has a normal and a reduction cell that can be built."""
    if sorted(genotype.cells) != sorted(KINDS) or sorted(genotype.outputs) != sorted(KINDS):
        raise InputError(
            f"The genotype of space {genotype.space!r} has cells {', '.join(map(repr, genotype.cells))}; this network "
            "needs one 'normal' and one 'reduce'."
        )
    for kind, edges in genotype.cells.items():
        targets = [edge.target for edge in edges]
        computed = set(targets)
        if computed != set(range(2, 2 + len(computed))):
            raise InputError(f"The {kind} cell computes the nodes {sorted(computed)}; number them from 2 without gaps.")
        if targets != sorted(targets):
            raise InputError(f"The {kind} cell lists its edges by the nodes {targets}; sort them by target node.")
        if not genotype.outputs[kind] or not set(genotype.outputs[kind]) <= computed:
            raise InputError(
                f"The {kind} cell's outputs {list(genotype.outputs[kind])} must be nodes that it computes."
            )


@keras.saving.register_keras_serializable("sdarts_tf")
class Cell(Layer):
    """One cell of a genotype: every node is the sum of its edges' operations.

    Args:
        edges: the kept edges, in the genotype's order.
        outputs: the nodes that are concatenated.
        in_channels: channels of the two inputs, the older cell's first.
        channels: C; the output is `[N, H', W', len(outputs) * C]`.
        reduction: edges from the two inputs have stride 2.
        previous_reduction: the older input is twice as large.

    Example:
        >>> from sdarts_tf.genotypes import published
        >>> genotype = published.get("c10_s2_pgd")
        >>> options = {"reduction": False, "previous_reduction": False}
        >>> cell = Cell(genotype.cells["normal"], genotype.outputs["normal"], (4, 4), 4, **options)
        >>> Cell.from_config(cell.get_config())(tf.zeros([1, 8, 8, 4]), tf.zeros([1, 8, 8, 4])).shape
        TensorShape([1, 8, 8, 16])
    """

    def __init__(self, edges, outputs, in_channels, channels, *, reduction, previous_reduction, **kwargs):
        super().__init__(**kwargs)
        self.edges, self.outputs = tuple(edges), tuple(outputs)
        self._sizes = {"in_channels": tuple(in_channels), "channels": channels}
        self._strides = {"reduction": reduction, "previous_reduction": previous_reduction}
        self.preprocess = [
            build_preprocess(n, channels, halve=halve, affine=True)
            for n, halve in zip(in_channels, (previous_reduction, False), strict=True)
        ]
        self.operations = [
            operations.build(edge.operation, channels, stride=2 if reduction and edge.source < 2 else 1, affine=True)
            for edge in edges
        ]
        # The official code never drops the identity.
        self.drop_paths = [None if isinstance(op, operations.Identity) else DropPath() for op in self.operations]

    def get_config(self):
        """What Keras saves of the cell in a model of one's own."""
        edges = [dataclasses.astuple(edge) for edge in self.edges]
        return super().get_config() | {"edges": edges, "outputs": self.outputs} | self._sizes | self._strides

    @classmethod
    def from_config(cls, config):
        """The cell of `get_config`, or of its JSON."""
        return cls(**config | {"edges": [Edge(*edge) for edge in config["edges"]]})

    def call(self, older, newer, drop_rate=None, training=False, seed=None):
        """Applies the cell to the outputs of the two cells before it."""
        nodes = [layer(x, training=training) for layer, x in zip(self.preprocess, (older, newer), strict=True)]
        arriving = {}
        for edge, operation, drop_path in zip(self.edges, self.operations, self.drop_paths, strict=True):
            while edge.source >= len(nodes):
                nodes.append(_sum(arriving[len(nodes)]))
            y = operation(nodes[edge.source], training=training, seed=seed)
            if training and drop_rate is not None and drop_path is not None:
                y = drop_path(y, rate=drop_rate, seed=seed)
            arriving.setdefault(edge.target, []).append(y)
        nodes += [_sum(arriving[node]) for node in range(len(nodes), 2 + len(arriving))]
        return tf.concat([nodes[node] for node in self.outputs], axis=-1)


def _sum(maps):
    # Not tf.add_n, which LiteRT computes in float even in a model of integers.
    return functools.reduce(tf.add, maps)


class Network(keras.Model):
    """The network of a genotype; called as `SearchSpace.build_network` says."""

    def __init__(
        self,
        genotype,
        num_classes,
        channels,
        cells,
        *,
        auxiliary=False,
        large_images=False,
        image_channels=3,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        check_cells(genotype)
        self.large_images = large_images
        older = newer = channels if large_images else 3 * channels
        self.stem = (LargeImageStem if large_images else Stem)(newer, image_channels=image_channels)
        self.cells, self.auxiliary_head, self.auxiliary_after = [], None, 2 * cells // 3
        previous_reduction = large_images  # its stem's first output is twice as large as the second
        for index in range(cells):
            reduction = index in reduction_cells(cells)
            channels *= 2 if reduction else 1
            kind = KINDS[reduction]
            strides = {"reduction": reduction, "previous_reduction": previous_reduction}
            edges, outputs = genotype.cells[kind], genotype.outputs[kind]
            self.cells.append(Cell(edges, outputs, (older, newer), channels, **strides, name=f"cell_{index}"))
            older, newer = newer, len(outputs) * channels
            previous_reduction = reduction
            if auxiliary and index == self.auxiliary_after:
                self.auxiliary_head = AuxiliaryHead(newer, num_classes, large_images=large_images)
        self.classifier = Classifier(newer, num_classes)
        random = (layer for layer in self._flatten_layers() if isinstance(layer, DropPath | operations.Noise))
        for salt, layer in enumerate(random):
            layer.salt = salt
        self.built = True

    def call(self, images, training=False, drop_rate=None, seed=None):
        x = self.stem(images, training=training)
        older, newer = x if self.large_images else (x, x)
        auxiliary = None
        for index, cell in enumerate(self.cells):
            older, newer = newer, cell(older, newer, drop_rate=drop_rate, training=training, seed=seed)
            if training and self.auxiliary_head is not None and index == self.auxiliary_after:
                auxiliary = self.auxiliary_head(newer, training=training)
        logits = self.classifier(newer)
        return logits if auxiliary is None else (logits, auxiliary)
