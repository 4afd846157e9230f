"""The output of one node, as the operations on it read it."""

import functools

import tensorflow as tf

from sdarts_tf.layers import convolutions


class Views:
    """Views of a map `[N, H, W, C]`, each computed once, on first use, for all operations that leave the node.

    `for_edges` repeats a view for several edges, also only once: the gradients of all its readers are added before
    they are folded back.

    Args:
        x: the node's output.
        rectified: relu(x), if the caller has it already.
        skip_dropout: rate of the dropout behind skip connections, a scalar tensor in 0 to 1, or None.

    Example:
        >>> views = Views(tf.constant([[[[-1.0], [2.0]], [[3.0], [-4.0]]]]))
        >>> views.rectified.numpy().ravel().tolist()
        [0.0, 2.0, 3.0, 0.0]
        >>> views.for_edges("even", 2).numpy().ravel().tolist()
        [0.0, 0.0]
    """

    def __init__(self, x, rectified=None, skip_dropout=None):
        self.x, self.skip_dropout = x, skip_dropout
        if rectified is not None:
            self.rectified = rectified
        self._repeated = {}

    @functools.cached_property
    def rectified(self):
        """relu(x)."""
        return tf.nn.relu(self.x)

    @functools.cached_property
    def grids(self):
        """The even rows and columns of relu(x), and the odd ones: `[N, ceil(H / 2), ceil(W / 2), C]` each."""
        even, _, _, odd = convolutions.grids(self.rectified)
        return even, odd

    @property
    def even(self):
        """The even rows and columns of relu(x)."""
        return self.grids[0]

    def for_edges(self, view, edges, *, padding=0):
        """The view of that name with `padding` zeros around it, repeated: `[..., edges * C]`."""
        key = view, edges, padding
        if key not in self._repeated:
            x = getattr(self, view)
            # Padded before it is repeated, because the narrow map is cheaper to copy.
            self._repeated[key] = convolutions.repeat_for_edges(convolutions.pad(x, padding) if padding else x, edges)
        return self._repeated[key]
