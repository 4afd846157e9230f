"""A plugin: squeeze-and-excitation as an operation, and a space that offers it on every edge.

    python -m sdarts_tf.search --plugin=examples/squeeze_excitation.py --space=s2_squeeze --method=rs --dataset=cifar10

Source of the operation: Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018.
"""

import tensorflow as tf

from sdarts_tf.layers import convolutions
from sdarts_tf.layers.operations import Operation


class SqueezeExcitation(Operation):
    """1x1 convolution whose channels are weighed by what the whole image says, batch normalization.

    It maps `[N, H, W, C]` to `[N, H', W', edges * C]`, edge-major: each edge has weights of its own. What does not
    depend on the share is computed in `prepare`; the batch normalization in `finish` has the share as its scale.
    """

    def __init__(self, channels, **kwargs):
        super().__init__(channels, **kwargs)
        self.kernel = self._pointwise_kernel("kernel")
        self.excitation = self._pointwise_kernel("excitation")
        self.normalization = self._normalization("normalization")

    def prepare(self, x, views, training, seed):
        x = views.for_edges("rectified" if self.stride == 1 else "even", self.edges)
        squeezed = tf.reduce_mean(x, axis=[1, 2], keepdims=True)
        excitation = tf.sigmoid(convolutions.pointwise(squeezed, self.excitation))
        return convolutions.pointwise(x, self.kernel) * excitation

    def finish(self, prepared, scale, training):
        return self.normalization(prepared, scale=scale, training=training)


OPERATIONS = {"squeeze_1x1": SqueezeExcitation}
SPACES = {"s2_squeeze": ("skip_connect", "sep_conv_3x3", "squeeze_1x1")}
