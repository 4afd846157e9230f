"""The base of the package's layers."""

import keras

from sdarts_tf.layers import recomputation


class Layer(keras.layers.Layer):
    """A layer whose weights exist as soon as it is constructed: the number of channels is always known.

    The type of the map that it is called with decides in which numbers it computes: its float32 kernels are cast to
    that type. Keras casts nothing, or it would round the mixture too.

    With `recomputed` set, a call keeps its inputs for the backward pass and nothing else.
    """

    recomputed = False

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.built = True

    def __call__(self, *args, **kwargs):
        call = super().__call__
        return recomputation.recomputed(self, call, args, kwargs) if self.recomputed else call(*args, **kwargs)
