"""The network of a module of NAS-Bench-101, to be trained from scratch.

Source: Ying et al., "NAS-Bench-101", ICML 2019, section 2; `nasbench/lib/model_builder.py` of its repository.
"""

import keras
import tensorflow as tf

from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.blocks import Classifier, ConvBatchNormRelu, DropPath
from sdarts_tf.spaces.darts_network import reduction_cells
from sdarts_tf.spaces.nasbench101 import CONV1X1, CONV3X3, Module

_KERNEL_SIZES = {CONV3X3: 3, CONV1X1: 1}


class ModuleCell(Layer):
    """A module: its vertices by and by.

    A vertex adds what it reads, of which the module's input is projected to its width and wider ones are cut to it. The
    output is what it reads side by side, the input aside, which is projected and added.

    Args:
        module: pruned.
        in_channels: of the input.
        channels: of the output `[N, H, W, channels]`.
    """

    def __init__(self, module: Module, in_channels, channels, **kwargs):
        super().__init__(**kwargs)
        self.module = module
        self.widths = module.vertex_channels(channels)
        self.last = len(self.widths) - 1
        self.projections = {
            str(v): ConvBatchNormRelu(in_channels, self.widths[v], 1)
            for v in range(1, self.last + 1)
            if module.matrix[0][v]
        }
        self.operations = {
            str(v): ConvBatchNormRelu(self.widths[v], self.widths[v], _KERNEL_SIZES[module.operations[v]])
            for v in range(1, self.last)
            if module.operations[v] in _KERNEL_SIZES
        }
        self.drop_paths = [DropPath() for _ in range(1, self.last)]

    def call(self, x, drop_rate=None, training=False, seed=None):
        """Applies the module."""
        values = [x]
        for v, drop_path in zip(range(1, self.last), self.drop_paths, strict=True):
            y = self._operate(v, tf.add_n(self._read(v, values, training)), training)
            dropping = training and drop_rate is not None
            values.append(drop_path(y, rate=drop_rate, seed=seed) if dropping else y)
        joined = [values[v] for v in self.module.parents(self.last) if v]
        parts = [tf.concat(joined, axis=-1)] if joined else []
        return tf.add_n(parts + self._projected(self.last, x, training))

    def _read(self, v, values, training):
        cut = [values[u][..., : self.widths[v]] for u in self.module.parents(v) if u]
        return cut + self._projected(v, values[0], training)

    def _projected(self, v, x, training):
        projection = self.projections.get(str(v))
        return [] if projection is None else [projection(x, training=training)]

    def _operate(self, v, x, training):
        operation = self.operations.get(str(v))
        return tf.nn.pool(x, [3, 3], "MAX", padding="SAME") if operation is None else operation(x, training=training)


class Network(keras.Model):
    """Stem, modules in three stacks between which maps are halved and channels doubled, classifier.

    Called as `SearchSpace.build_network` says. With 128 channels and 9 cells it has the layers of NAS-Bench-101's
    network; initial weights, the pace of running statistics and drop path are this package's.

    Args:
        module: of all cells.
        num_classes: number of logits.
        channels: of the stem and of the modules of the first stack.
        cells: number of modules.
        image_channels: of the images.
    """

    def __init__(self, module: Module, num_classes, channels, cells, *, image_channels=3, **kwargs):
        super().__init__(autocast=False, **kwargs)
        module, in_channels = module.pruned(), channels
        self.halving = reduction_cells(cells)
        self.stem = ConvBatchNormRelu(image_channels, channels, 3)
        self.cells = []
        for number in range(cells):
            channels *= 2 if number in self.halving else 1
            self.cells.append(ModuleCell(module, in_channels, channels, name=f"cell_{number}"))
            in_channels = channels
        self.classifier = Classifier(channels, num_classes)
        for salt, layer in enumerate(layer for layer in self._flatten_layers() if isinstance(layer, DropPath)):
            layer.salt = salt
        self.built = True

    def call(self, images, training=False, drop_rate=None, seed=None):
        x = self.stem(images, training=training)
        for number, cell in enumerate(self.cells):
            x = tf.nn.max_pool2d(x, 2, 2, "SAME") if number in self.halving else x
            x = cell(x, training=training, drop_rate=drop_rate, seed=seed)
        return self.classifier(x)
