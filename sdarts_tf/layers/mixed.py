"""The mixture of all candidates on all edges that leave one node."""

import collections

import tensorflow as tf

from sdarts_tf.layers import operations
from sdarts_tf.layers.base import Layer


class MixedOperation(Layer):
    """Weighs every candidate of every edge that leaves one node by its share and adds up, edge by edge.

    A candidate is computed for all of its edges at once; what needs no weights (pools, identity) is computed once per
    node. Edges may carry different candidates, as in S1.

    Args:
        channels: C, of the node's output and of each edge's.
        candidates: edge -> names of its candidates. The keys are the rows of the mixture; within a row the share of
            candidate `c` stands in column `c`.
        stride: 1 or 2, of every edge.

    Example:
        >>> mixed = MixedOperation(4, {0: ("none", "skip_connect"), 2: ("none", "skip_connect")})
        >>> mixture = tf.constant([[0.25, 0.75], [0.5, 0.5], [0.9, 0.1]])
        >>> [float(edge[0, 0, 0, 0]) for edge in mixed(tf.ones([1, 2, 2, 4]), mixture)]
        [0.75, 0.10000000149011612]
    """

    def __init__(self, channels, candidates, *, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.rows = tuple(candidates)
        places = collections.defaultdict(list)
        for row, names in candidates.items():
            for column, name in enumerate(names):
                places[name].append((row, column))
        # `none` adds nothing to a sum; its share counts because the others of its row are smaller for it.
        places.pop("none", None)
        self.places = dict(places)
        self.operations = [
            operations.build(name, channels, stride=stride, edges=len(where), name=name)
            for name, where in self.places.items()
        ]

    def call(self, x, mixture, rectified=None, training=False, seed=None):
        """Applies the mixture.

        Args:
            x: the node's output `[N, H, W, C]`.
            mixture: `[rows, candidates]`, of the whole cell.
            rectified: relu(x), if the caller has it already.
            training: batch normalization on the batch's statistics.
            seed: int32 `[2]`, for random candidates.

        Returns:
            One tensor `[N, H', W', C]` for each of `rows`, in their order.
        """
        rectified = tf.nn.relu(x) if rectified is None else rectified
        sums = {row: [] for row in self.rows}
        wide = collections.defaultdict(list)
        for operation, rows, share in zip(self.operations, self._rows_of_operations(), self._shares(mixture), strict=True):
            output = operation(x, rectified, share, training=training, seed=seed)
            if operation.shared:
                for row, weight in zip(rows, tf.unstack(tf.cast(share, output.dtype)), strict=True):
                    sums[row].append(weight * output)
            else:
                wide[rows].append(output)
        for rows, outputs in wide.items():
            # Outputs of the same edges are added before they are split: fewer, larger kernels.
            for row, edge in zip(rows, tf.split(tf.add_n(outputs), len(rows), axis=-1), strict=True):
                sums[row].append(edge)
        return [tf.add_n(sums[row]) for row in self.rows]

    def _rows_of_operations(self):
        return [tuple(row for row, _ in where) for where in self.places.values()]

    def _shares(self, mixture):
        """The shares of each operation on its edges, with one gather for all operations."""
        places = [place for where in self.places.values() for place in where]
        return tf.split(tf.gather_nd(mixture, places), [len(where) for where in self.places.values()])
