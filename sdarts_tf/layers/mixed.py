"""The mixture of all candidates on all edges that leave one node."""

import collections

import tensorflow as tf

from sdarts_tf.layers import convolutions, operations
from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.views import Views


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
        >>> [round(float(edge[0, 0, 0, 0]), 6) for edge in mixed(tf.ones([1, 2, 2, 4]), mixture)]
        [0.75, 0.1]
    """

    def __init__(self, channels, candidates, *, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.rows = channels, tuple(candidates)
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

    def call(self, x, mixture, training=False, seed=None):
        """Applies the mixture.

        Args:
            x: the node's output `[N, H, W, C]`.
            mixture: `[rows, candidates]`, of the whole cell.
            training: batch normalization on the batch's statistics.
            seed: int32 `[2]`, for random candidates.

        Returns:
            One tensor `[N, H', W', C]` for each of `rows`, in their order.
        """
        views, sums = Views(x), {row: [] for row in self.rows}
        arguments = {"views": views, "training": training, "seed": seed}
        shared, own, in_phases = [], collections.defaultdict(list), collections.defaultdict(list)
        for operation, places in zip(self.operations, self.places.values(), strict=True):
            rows = tuple(row for row, _ in places)
            if operation.shared:
                shared.append((operation(x, **arguments), dict(places)))
            elif isinstance(operation, operations.DilatedConvolution) and operation.works_in_phases(x):
                in_phases[rows].append(operation(x, self._scale(mixture, places), **arguments, leave_phases=True))
            else:
                own[rows].append(operation(x, self._scale(mixture, places), **arguments))
        # Outputs of the same edges are added before they are rearranged and split: fewer, larger kernels.
        for rows, outputs in in_phases.items():
            own[rows].append(convolutions.from_phases(tf.add_n(outputs)))
        for rows, outputs in own.items():
            for row, edge in zip(rows, tf.split(tf.add_n(outputs), len(rows), axis=-1), strict=True):
                sums[row].append(edge)
        for row, edge in self._weigh(shared, mixture):
            sums[row].append(edge)
        return [tf.add_n(sums[row]) for row in self.rows]

    def _scale(self, mixture, places):
        """The shares at `places`, each repeated for all channels of its edge: `[edges * C]`."""
        return tf.gather_nd(mixture, [place for place in places for _ in range(self.channels)])

    def _weigh(self, shared, mixture):
        """The weighted sums of the shared outputs for every edge that has any: one matrix product for all.

        Args:
            shared: pairs of an output `[N, H', W', C]` and its places, row -> column.
            mixture: `[rows, candidates]`.
        """
        rows = [row for row in self.rows if any(row in columns for _, columns in shared)]
        if not rows:
            return []
        present = [[row in columns for _, columns in shared] for row in rows]
        places = [[(row, columns.get(row, 0)) for _, columns in shared] for row in rows]
        outputs = tf.stack([output for output, _ in shared])
        shares = tf.gather_nd(mixture, places) * tf.constant(present, mixture.dtype)
        flat = tf.matmul(tf.cast(shares, outputs.dtype), tf.reshape(outputs, [len(shared), -1]))
        return zip(rows, tf.unstack(tf.reshape(flat, [len(rows), -1, *outputs.shape[2:]])), strict=True)
