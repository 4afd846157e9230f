"""The recurrent cell of DARTS over a window of text: the mixture of all candidates, and the cell of a genotype.

Every block makes a highway step from an earlier state s: with `[c, h] = (s * mask) W` it is
`s + sigmoid(c) * (f(h) - s)`. The first state starts from the hidden state, with the input beside it.

Source: `sota/rnn/model.py` and `model_search.py` of the official code; Liu et al., "DARTS", ICLR 2019, appendix A.1.2.
"""

import keras
import tensorflow as tf

from sdarts_tf.layers.base import Layer
from sdarts_tf.layers.normalization import BatchNormalization

ACTIVATIONS = {"tanh": tf.tanh, "relu": tf.nn.relu, "sigmoid": tf.sigmoid, "identity": tf.identity}


def uniform():
    """The initializer of all matrices: uniform between -0.04 and 0.04."""
    return keras.initializers.RandomUniform(-0.04, 0.04)


class RecurrentCell(Layer):
    """The cell of a genotype, over all time steps of a window.

    Args:
        edges: (activation, source) of each block in turn; block i is state i, and state 0 the first one.
        outputs: the states whose mean is the cell's output.
        units: n, the size of input and state.
    """

    def __init__(self, edges, outputs, units, **kwargs):
        super().__init__(**kwargs)
        self.edges, self.outputs = tuple(edges), tuple(outputs)
        self.matrices = Matrices(units, len(self.edges))

    def call(self, x, hidden, training=False, hidden_mask=None):
        """Applies the cell.

        Args:
            x: `[T, N, n]`, the input of every time step.
            hidden: `[N, n]`, the state before the first.
            training: changes nothing; a cell of a genotype has no batch normalization.
            hidden_mask: `[N, n]`, multiplies every state before its matrix; None multiplies nothing.

        Returns:
            The output of every time step, `[T, N, n]`; the last is the next hidden state.
        """
        projected, hidden_weights, block_weights = self.matrices.prepare(x)

        def step(hidden, projection):
            states = [_first_state(projection, hidden, hidden_weights, hidden_mask)]
            for (name, source), weights in zip(self.edges, block_weights, strict=True):
                state = states[source]
                gate, candidate = _products(_masked(state, hidden_mask), weights)
                states.append(state + tf.sigmoid(gate) * (ACTIVATIONS[name](candidate) - state))
            return tf.add_n([states[output] for output in self.outputs]) / len(self.outputs)

        return tf.scan(step, projected, hidden)


class MixedRecurrentCell(Layer):
    """The cell of the supernet: every block weighs all candidates from all earlier states, and adds them up.

    Every state is normalized by one batch normalization without affine, which serves all states and time steps. All
    candidates that arrive at a block are computed together, with one product for its matrix.

    Args:
        candidates: names of the candidates of every row, `none` or activations, in the order of the mixture's columns.
        num_blocks: number of blocks; block i reads the states 0 to i - 1.
        units: n, the size of input and state.

    Example:
        >>> cell = MixedRecurrentCell(("none", "tanh"), num_blocks=1, units=2)
        >>> nothing = tf.constant([[1.0, 0.0]])  # all is `none`, so that the block adds nothing
        >>> cell(tf.ones([3, 1, 2]), tf.ones([1, 2]), nothing).numpy().tolist()
        [[[0.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]]
    """

    def __init__(self, candidates, num_blocks, units, **kwargs):
        super().__init__(**kwargs)
        self.places = {name: column for column, name in enumerate(candidates) if name != "none"}
        self.matrices = Matrices(units, num_blocks)
        self.normalization = BatchNormalization(units, affine=False)

    def call(self, x, hidden, mixture, training=False, hidden_mask=None):
        """Applies the cell.

        Args:
            x: `[T, N, n]`, the input of every time step.
            hidden: `[N, n]`, the state before the first.
            mixture: `[rows, candidates]`; rows by block, then source.
            training: normalize by the statistics of the batch, and move the running ones.
            hidden_mask: `[N, n]`, multiplies every state before its matrix; None multiplies nothing.

        Returns:
            The output of every time step, `[T, N, n]`; the last is the next hidden state.
        """
        projected, hidden_weights, block_weights = self.matrices.prepare(x)
        shares = _rows_by_block(mixture, len(block_weights))

        def step(carried, projection):
            hidden, *statistics = carried
            state = _first_state(projection, hidden, hidden_weights, hidden_mask)
            state, statistics = self._normalize(state, statistics, training)
            states, masked = [state], [_masked(state, hidden_mask)]
            for weights, block_shares in zip(block_weights, shares, strict=True):
                mixed = self._mix(states, masked, weights, block_shares)
                state, statistics = self._normalize(mixed, statistics, training)
                states.append(state)
                masked.append(_masked(state, hidden_mask))
            return tf.add_n(states[1:]) / len(block_weights), *statistics

        # Statistics move from state to state and from step to step: they are carried like the hidden state.
        norm = self.normalization
        statistics = [tf.convert_to_tensor(norm.moving_mean.value), tf.convert_to_tensor(norm.moving_variance.value)]
        outputs, means, variances = tf.scan(step, projected, (hidden, *statistics))
        if training:
            norm.moving_mean.assign(means[-1])
            norm.moving_variance.assign(variances[-1])
        return outputs

    def _mix(self, states, masked, weights, shares):
        """The weighted sum of all candidates from all states, `[N, n]`; `shares` is `[states, candidates]`."""
        source = tf.stack(states)
        gate, candidate = (tf.reshape(each, tf.shape(source)) for each in _products(tf.concat(masked, 0), weights))
        # sum_f share_f * (s + g * (f(h) - s)) = total * s + g * (sum_f share_f * f(h) - total * s)
        shares = {name: shares[:, column, tf.newaxis, tf.newaxis] for name, column in self.places.items()}
        kept = tf.add_n(list(shares.values())) * source
        mixed = tf.add_n([share * ACTIVATIONS[name](candidate) for name, share in shares.items()])
        return tf.reduce_sum(kept + tf.sigmoid(gate) * (mixed - kept), axis=0)

    def _normalize(self, state, statistics, training):
        """The normalized state, and the running statistics after it."""
        norm, (mean, variance) = self.normalization, statistics
        if not training:
            return (state - mean) * tf.math.rsqrt(variance + norm.epsilon), statistics
        output = tf.raw_ops.FusedBatchNormV3(
            x=state[:, tf.newaxis, tf.newaxis],
            scale=tf.ones_like(mean),
            offset=tf.zeros_like(mean),
            mean=mean,
            variance=variance,
            epsilon=norm.epsilon,
            exponential_avg_factor=norm.momentum,
            is_training=True,
        )
        statistics = [tf.stop_gradient(output.batch_mean), tf.stop_gradient(output.batch_variance)]
        return output.y[:, 0, 0], statistics


class Matrices(Layer):
    """The official matrices of a cell: `[2n, 2n]` for input and hidden state, `[n, 2n]` for each block.

    The columns of a matrix make the gate first, then the candidate.
    """

    def __init__(self, units, num_blocks, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first = self.add_weight(shape=(2 * units, 2 * units), initializer=uniform(), name="first")
        self.blocks = [
            self.add_weight(shape=(units, 2 * units), initializer=uniform(), name=f"block_{number}")
            for number in range(1, 1 + num_blocks)
        ]

    def prepare(self, x):
        """What no time step needs to compute: the input's part of the first product, and the halves of matrices.

        Returns:
            `[T, N, 2n]`; gate and candidate half for the hidden state; the same for each block.
        """
        of_input, of_hidden = tf.split(self.first.value, 2)
        projected = tf.reshape(
            tf.matmul(tf.reshape(x, [-1, self.units]), of_input), [*tf.unstack(tf.shape(x))[:2], 2 * self.units]
        )
        return projected, tf.split(of_hidden, 2, axis=1), [tf.split(block.value, 2, axis=1) for block in self.blocks]


def _masked(state, mask):
    return state if mask is None else state * mask


def _products(state, weights):
    """Gate and candidate before their activations, `[N, n]` each."""
    return [tf.matmul(state, half) for half in weights]


def _first_state(projection, hidden, weights, mask):
    """The state that input and hidden state make."""
    gate, candidate = (
        part + product
        for part, product in zip(
            tf.split(projection, 2, axis=1), _products(_masked(hidden, mask), weights), strict=True
        )
    )
    return hidden + tf.sigmoid(gate) * (tf.tanh(candidate) - hidden)


def _rows_by_block(mixture, num_blocks):
    """The rows of each block: those of block i are i."""
    return tf.split(mixture, range(1, 1 + num_blocks))
