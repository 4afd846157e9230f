"""The recurrent space: a language model around a cell that is searched, and the model of a found cell.

Source: `sota/rnn/model.py` and `model_search.py` of the official code; Merity et al., "Regularizing and Optimizing LSTM
Language Models", ICLR 2018, for what is dropped; Press & Wolf, EACL 2017, for the tied decoder.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.layers.recurrent import ACTIVATIONS, MixedRecurrentCell, RecurrentCell, uniform
from sdarts_tf.spaces import discretize
from sdarts_tf.spaces.base import SearchSpace
from sdarts_tf.spaces.recurrent_table import CANDIDATES, EDGES, GROUP, NAME, NUM_BLOCKS, OUTPUTS


@dataclasses.dataclass(frozen=True)
class Dropout:
    """Probabilities of dropping, 0 to 1, each drawn once for a whole window; the rest is divided by what is kept.

    Args:
        word: rows of the embedding: a word is dropped wherever it stands in the batch.
        embedding: units of the embedded words, per sequence.
        input: units of the cell's input, per sequence.
        hidden: units of every state inside the cell, per sequence.
        output: units of the cell's output, per sequence.
    """

    word: float = 0.0
    embedding: float = 0.0
    input: float = 0.0
    hidden: float = 0.0
    output: float = 0.0


def dropout(config) -> Dropout:
    """What the settings of a search or of a training drop."""
    rates = ("word", "embedding", "input", "hidden", "output")
    return Dropout(**{name: getattr(config, f"{name}_dropout") for name in rates})


@dataclasses.dataclass(frozen=True)
class Masks:
    """What a window's activations are multiplied by, 0 or 1 / kept share; None multiplies nothing.

    Shapes: `word` `[vocabulary, 1]`, all others `[N, units]`.
    """

    word: tf.Tensor | None = None
    embedding: tf.Tensor | None = None
    input: tf.Tensor | None = None
    hidden: tf.Tensor | None = None
    output: tf.Tensor | None = None

    @classmethod
    def draw(cls, dropout: Dropout, vocabulary: int, units: int, batch_size, seed) -> "Masks":
        """Draws all masks of a window from `seed`, int32 `[2]`."""

        def mask(index, name, rate):
            shape = (vocabulary, 1) if name == "word" else (batch_size, units)
            kept = tf.random.stateless_uniform(shape, tf.random.fold_in(seed, index)) >= rate
            return tf.cast(kept, tf.float32) / (1 - rate)

        rates = dataclasses.asdict(dropout)
        return cls(**{name: mask(index, name, rate) for index, (name, rate) in enumerate(rates.items()) if rate})


class LanguageModel(keras.Model):
    """Embedding, recurrent cell, and a decoder that shares the embedding's matrix.

    Args:
        vocabulary: number of different tokens.
        cell: a `RecurrentCell`, or the supernet's `MixedRecurrentCell`.
        units: size of the embedding and of the state.
        dropout: what `draw_masks` drops.
    """

    def __init__(self, vocabulary, cell, units, dropout=Dropout(), **kwargs):
        super().__init__(**kwargs)
        self.vocabulary, self.units, self.dropout = vocabulary, units, dropout
        self.embedding = self.add_weight(shape=(vocabulary, units), initializer=uniform(), name="embedding")
        self.bias = self.add_weight(shape=(vocabulary,), initializer="zeros", name="bias")
        self.cell = cell
        self.built = True

    def call(self, tokens, hidden, mixture=None, training=False, masks=Masks()):
        """Predicts the next token at every place.

        Args:
            tokens: integers `[T, N]`.
            hidden: `[N, units]`, the state before the first token.
            mixture: of the supernet, group -> `[rows, candidates]`; None for the model of a genotype.
            training: batch normalization on the batch's statistics.
            masks: what is dropped.

        Returns:
            Logits `[T, N, vocabulary]` and the states after every token `[T, N, units]`, the last of which goes on.
        """
        embedding = self.embedding.value
        x = tf.gather(embedding if masks.word is None else embedding * masks.word, tokens)
        for mask in (masks.embedding, masks.input):
            x = x if mask is None else x * mask
        shares = () if mixture is None else (mixture[GROUP],)
        states = self.cell(x, hidden, *shares, training=training, hidden_mask=masks.hidden)
        outputs = states if masks.output is None else states * masks.output
        flat = tf.matmul(tf.reshape(outputs, [-1, self.units]), embedding, transpose_b=True) + self.bias.value
        return tf.reshape(flat, [*tf.unstack(tf.shape(tokens)), self.vocabulary]), states

    def draw_masks(self, batch_size, seed) -> Masks:
        """The masks of one window in training; `seed` is int32 `[2]`."""
        return Masks.draw(self.dropout, self.vocabulary, self.units, batch_size, seed)


class RecurrentSpace(SearchSpace):
    """The space of recurrent cells: eight blocks, each of which reads any earlier state."""

    name = NAME

    def alpha_shapes(self):
        return {GROUP: (len(EDGES), len(CANDIDATES))}

    def build_supernet(self, vocabulary: int, units: int, dropout: Dropout = Dropout()) -> LanguageModel:
        """The language model around the mixture of all cells."""
        return LanguageModel(vocabulary, MixedRecurrentCell(CANDIDATES, NUM_BLOCKS, units), units, dropout)

    def build_network(
        self, genotype: Genotype, vocabulary: int, units: int, dropout: Dropout = Dropout()
    ) -> LanguageModel:
        """The language model around the cell of a genotype, to be trained from scratch.

        Raises:
            InputError: the genotype has no cell `recurrent`, an unknown activation, or blocks with other than one edge.

        Example:
            >>> from sdarts_tf.genotypes import published
            >>> model = RecurrentSpace().build_network(published.get("penn_pgd"), vocabulary=10_000, units=850)
            >>> model.count_params()
            22960000
        """
        check_cell(genotype)
        edges = [(edge.operation, edge.source) for edge in genotype.cells[GROUP]]
        return LanguageModel(vocabulary, RecurrentCell(edges, genotype.outputs[GROUP], units), units, dropout)

    def discretize(self, mixture, *, max_skips=None):
        if max_skips is not None:
            raise InputError("A recurrent cell has no skip connections to limit; leave --max_skips away.")
        shares = mixture[GROUP]
        cell = discretize.darts_cell(
            shares, [CANDIDATES] * len(EDGES), num_inputs=1, num_nodes=NUM_BLOCKS, edges_per_node=1
        )
        return Genotype(self.name, {GROUP: cell}, {GROUP: OUTPUTS})

    def kept(self, genotype):
        kept = np.zeros([len(EDGES), len(CANDIDATES)], bool)
        for edge in genotype.cells[GROUP]:
            kept[EDGES.index((edge.source, edge.target)), CANDIDATES.index(edge.operation)] = True
        return {GROUP: kept}


def check_cell(genotype: Genotype) -> None:
    """Raises InputError unless the genotype has a recurrent cell that can be built."""
    if set(genotype.cells) != {GROUP} or set(genotype.outputs) != {GROUP}:
        raise InputError(
            f"The genotype of space {genotype.space!r} has cells {', '.join(map(repr, genotype.cells))}; a language "
            f"model needs one {GROUP!r}."
        )
    edges, outputs = genotype.cells[GROUP], genotype.outputs[GROUP]
    if [edge.target for edge in edges] != list(range(1, 1 + len(edges))):
        raise InputError(
            f"The recurrent cell's edges lead to the blocks {[edge.target for edge in edges]}; give each block from 1 "
            "on one edge, in order."
        )
    unknown = sorted({edge.operation for edge in edges} - set(ACTIVATIONS))
    if unknown:
        raise InputError(f"The recurrent cell has {', '.join(unknown)}; choose from {', '.join(ACTIVATIONS)}.")
    if not outputs or not set(outputs) <= set(range(1, 1 + len(edges))):
        raise InputError(f"The recurrent cell's outputs {list(outputs)} must be blocks between 1 and {len(edges)}.")
