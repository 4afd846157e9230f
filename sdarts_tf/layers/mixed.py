"""The mixture of all candidates on all edges that leave one node."""

import collections
import functools
import itertools
import random
from typing import NamedTuple

import tensorflow as tf

from sdarts_tf.layers import draws, operations
from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.folding import Shifted
from sdarts_tf.layers.views import Views


class Outputs(NamedTuple):
    """What the candidates on the edges of one node give, not weighed: for each row that has any `[K, N, H', W', C]`."""

    maps: list


class MixedOperation(Layer):
    """Weighs every candidate of every edge that leaves one node by its share and adds up, edge by edge.

    A candidate is computed for all of its edges at once, a convolution for as many as `edges_at_once` says; what needs
    no weights (pools, identity) is computed once per node. Edges may carry different candidates, as in S1.

    Args:
        channels: C, of the node's output and of each edge's.
        candidates: edge -> names of its candidates. The keys are the rows of the mixture; within a row the share of
            candidate `c` stands in column `c`.
        stride: 1 or 2, of every edge.
        dropped_skips: skip connections of stride 1 have a dropout.
        folds: the caller adds up what it receives by `Arrivals`, so that attacks may fold.
        kinds: name -> layer that takes the place of the one in `operations.OPERATIONS`.
        edges_at_once: most edges that one layer of separable or dilated convolutions computes; 0 is all. The result is
            the same. Few are faster on a CPU: their maps fit its cache, and one core can begin with the edges that the
            next node waits for. All are fewer kernels.

    Example:
        >>> mixed = MixedOperation(4, {0: ("none", "skip_connect"), 2: ("none", "skip_connect")})
        >>> mixture = tf.constant([[0.25, 0.75], [0.5, 0.5], [0.9, 0.1]])
        >>> outputs = mixed(tf.ones([1, 2, 2, 4]), mixture)
        >>> [(rows, round(float(output[0, 0, 0, 0]), 6)) for rows, output in outputs]
        [((0,), 0.75), ((2,), 0.1)]
    """

    def __init__(
        self, channels, candidates, *, stride=1, dropped_skips=False, folds=False, kinds=None, edges_at_once=0, **kwargs
    ):
        super().__init__(**kwargs)
        self.channels, self.rows = channels, tuple(candidates)
        places = collections.defaultdict(list)
        for row, names in candidates.items():
            for column, name in enumerate(names):
                places[name].append((row, column))
        # `none` adds nothing to a sum; its share counts because the others of its row are smaller for it.
        places.pop("none", None)
        kinds = dict(kinds or {})
        if dropped_skips and stride == 1:
            kinds["skip_connect"] = operations.DroppedIdentity
        self.operations, self.places = [], []
        for name, everywhere in places.items():
            layer = kinds.get(name, functools.partial(operations.build, name))
            divisible = name in operations.DIVISIBLE and name not in kinds
            # Keyed by `keras.utils.set_random_seed`, as all first weights.
            seeds = {place: random.getrandbits(32) for place in everywhere} if divisible else {}
            for where in _divided(everywhere, edges_at_once if divisible else 0):
                options = {"edge_seeds": [seeds[place] for place in where]} if divisible else {}
                operation = layer(channels, stride=stride, edges=len(where), name=name, **options)
                operation.folds = folds and type(operation) in operations.FOLDING
                self.operations.append(operation)
                self.places.append(where)

    def call(self, x, mixture, training=False, seed=None, skip_dropout=None):
        """Applies the mixture.

        Args:
            x: the node's output `[N, H, W, C]`.
            mixture: `[rows, candidates]`, of the whole cell.
            training: batch normalization on the batch's statistics.
            seed: int32 `[2]`, for random candidates and dropout.
            skip_dropout: rate of the dropout behind skip connections, a scalar tensor; None is no dropout.

        Returns:
            Pairs of a tuple of rows and what these edges receive, `[N, H', W', len(rows) * C]`, edge-major; where it
            `folds`, in an attack a `Shifted` of that shape. A row may be in several pairs; what it receives in all of
            them adds up.
        """
        return self.finish(self.prepare(x, training, seed, skip_dropout), mixture, training)

    def prepare(self, x, training=False, seed=None, skip_dropout=None):
        """The part of `call` that does not depend on the mixture: one map for each operation."""
        views = Views(x, skip_dropout=skip_dropout)
        return [operation.prepare(x, views, training, seed) for operation in self.operations]

    def outputs(self, prepared, training=False):
        """The `Outputs` of what `prepare` returned, which take its place in `finish`: for many mixtures of one input.

        They weigh by one matrix product for each edge, of which each derivative is another, and hold more maps. It is
        `prepared` itself in half precision, which such products leave, and where a plugin's operation may do more with
        its scale than multiply.
        """
        if not all(type(operation) in operations.OWN for operation in self.operations):
            return prepared
        maps = {}
        for operation, places, output in zip(self.operations, self.places, prepared, strict=True):
            finished = output if operation.shared else operation.finish(output, None, training)
            edges = [finished] * len(places) if operation.shared else tf.split(finished, len(places), axis=-1)
            maps.update(zip(places, edges, strict=True))
        if any(map.dtype != self.variable_dtype for map in maps.values()):
            return prepared
        return Outputs([tf.stack([maps[place] for place in places]) for _, places in self._places_of_rows()])

    def _places_of_rows(self):
        """Pairs of a row that has candidates and their places, in the order of the columns."""
        places = sorted(itertools.chain.from_iterable(self.places))
        return [(row, list(group)) for row, group in itertools.groupby(places, key=lambda place: place[0])]

    def finish(self, prepared, mixture, training=False):
        """The rest of `call`: weighs what `prepare` or `outputs` returned."""
        if isinstance(prepared, Outputs):
            rows = zip(self._places_of_rows(), prepared.maps, strict=True)
            return [((row,), weighted_sums(tf.gather_nd(mixture, [at]), maps)[0]) for (row, at), maps in rows]
        outputs, shared = [], []
        ready = zip(self.operations, self.places, self._scales(mixture), prepared, strict=True)
        for operation, places, scale, output in ready:
            if operation.shared:
                shared.append((output, dict(places)))
            else:
                outputs.append((tuple(row for row, _ in places), operation.finish(output, scale, training)))
        return outputs + [((row,), output) for row, output in self._weigh(shared, mixture)]

    def _scales(self, mixture):
        """For each operation its shares, each repeated for all channels of its edge: `[edges * C]`; None if shared.

        They are looked up together: less graph than one look-up for each operation.
        """
        own = [places for operation, places in zip(self.operations, self.places, strict=True) if not operation.shared]
        if not own:
            return [None] * len(self.operations)
        shares = tf.gather_nd(mixture, [place for places in own for place in places for _ in range(self.channels)])
        scales = iter(tf.split(shares, [len(places) * self.channels for places in own]))
        return [None if operation.shared else next(scales) for operation in self.operations]

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
        shares = tf.gather_nd(mixture, places) * tf.constant(present, mixture.dtype)
        return zip(rows, weighted_sums(shares, tf.stack([output for output, _ in shared])), strict=True)


def weighted_sums(shares, maps):
    """For each row of `shares` `[rows, K]` the weighted sum of `maps` `[K, N, H, W, C]`, as a list."""
    # In the type of the shares, which half precision would rob of most digits.
    flat = _product(shares, tf.cast(tf.reshape(maps, [maps.shape[0], -1]), shares.dtype))
    sums = tf.cast(tf.reshape(flat, [shares.shape[0], -1, *maps.shape[2:]]), maps.dtype)
    return tf.unstack(sums)


@tf.custom_gradient
def _product(shares, maps):
    """`shares @ maps` of few rows and many columns."""

    def gradient(dy):
        # By one vector after the other: on a CPU a product of two wide matrices takes two to three times as long.
        rows = tf.split(dy, shares.shape[0])
        by_shares = tf.concat([tf.matmul(maps, row, transpose_b=True) for row in rows], axis=1)
        return tf.transpose(by_shares), tf.matmul(shares, dy, transpose_a=True)

    return tf.matmul(shares, maps), gradient


def _divided(places, size):
    """`places` in as few parts of at most `size` as there can be, as equal as can be; 0 leaves them together."""
    parts = -(-len(places) // size) if size else 1
    cuts = [part * len(places) // parts for part in range(parts + 1)]
    return [places[start:end] for start, end in itertools.pairwise(cuts)]


class DropEdges:
    """Drops whole mixed edges of a cell: each map of each image with some probability; the others grow for it.

    Unlike the drop path of a derived network it also drops the identity.

    Args:
        edges: of the cell.
        examples: images in the batch.
        rate: probability of dropping, a scalar tensor, at least 0 and below 1.
        seed: int32 `[2]`.

    Source: Zela et al., ICLR 2020, section 5.1.

    Example:
        >>> drop = DropEdges(14, 5, tf.constant(0.5), (0, 3))
        >>> sorted(set(drop(tf.ones([5, 2, 2, 6]), (0, 4)).numpy().ravel().tolist()))
        [0.0, 2.0]
    """

    def __init__(self, edges, examples, rate, seed):
        kept = 1 - rate
        # Folded in twice: operations fold their salt into the same seed once.
        seed = tf.random.fold_in(seed, edges)
        drawn = draws.of_this_share(tf.random.stateless_uniform, [examples, edges], seed)
        self._factors = tf.cast(drawn < kept, drawn.dtype) / kept

    def __call__(self, output, rows):
        """What is left of `[N, H, W, len(rows) * C]`, edge-major."""
        factors = tf.gather(self._factors, rows, axis=1)
        factors = tf.repeat(factors, output.shape[-1] // len(rows), axis=1)
        return output * tf.cast(factors, output.dtype)[:, tf.newaxis, tf.newaxis]


class Arrivals:
    """Adds up what arrives at the nodes of a cell. Maps for the same nodes are added before they are split.

    Example:
        >>> arrivals = Arrivals()
        >>> for nodes, value in (((2, 3), 1.0), ((2, 3), 2.0), ((3,), 4.0)):
        ...     arrivals.add(nodes, tf.fill([1, 1, 1, len(nodes)], value))
        >>> [float(arrivals.pop(node)[0, 0, 0, 0]) for node in (2, 3)]
        [3.0, 7.0]
    """

    def __init__(self):
        self._maps, self._offsets = collections.defaultdict(list), collections.defaultdict(list)

    def add(self, nodes, output):
        """Adds `[N, H, W, len(nodes) * C]` or a `Shifted` of that shape, node after node."""
        nodes = tuple(nodes)
        if isinstance(output, Shifted):
            self._offsets[nodes].append(output.offset)
            output = output.x
        self._maps[nodes].append(output)

    def pop(self, node):
        """All that has arrived at a node, `[N, H, W, C]`; asked for once, after the last `add` to it."""
        arrived = _sum_at(node, self._maps)
        came_shifted = any(node in nodes for nodes in self._offsets)
        # Not a bias_add, whose gradient TensorFlow joins with that of a kernel, which nobody asks for.
        return arrived + _sum_at(node, self._offsets) if came_shifted else arrived


def _sum_at(node, arrived):
    """The sum of what has arrived at a node. What came for other nodes too is left to them."""
    for nodes in [nodes for nodes in arrived if node in nodes and len(nodes) > 1]:
        for each, part in zip(nodes, tf.split(tf.add_n(arrived.pop(nodes)), len(nodes), axis=-1), strict=True):
            arrived[each,].append(part)
    return tf.add_n(arrived.pop((node,)))
