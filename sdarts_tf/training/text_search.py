"""The search of a recurrent cell: windows of a text, the step that carries hidden states along, perplexity."""

import functools
import math

import tensorflow as tf

from sdarts_tf.config import SearchConfig
from sdarts_tf.data import text
from sdarts_tf.data.text import Corpus, Windows
from sdarts_tf.errors import InputError
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.spaces.recurrent import RecurrentSpace, dropout
from sdarts_tf.training import replicas
from sdarts_tf.training.search_step import SearchStep, join, parse_method
from sdarts_tf.training.text_evaluate import TextEvaluation
from sdarts_tf.training.text_objective import TextObjective

_EVALUATED_STREAMS = 10  # officially, the validation text is read as so many streams


def build_text_step(config: SearchConfig, vocabulary: int) -> tuple[SearchStep, dict[str, tf.Variable]]:
    """The step of a search for recurrent cells, and the hidden states that it carries from window to window.

    Args:
        config: the settings.
        vocabulary: number of different tokens.

    Returns:
        The step, which takes a `Window` for the weights and one for alpha; and the state of either stream.

    Example:
        >>> step, hidden = build_text_step(SearchConfig(space="recurrent", units=4, batch_size=3), vocabulary=7)
        >>> step.architecture.mixture()["recurrent"].shape, hidden["weights"].shape
        (TensorShape([36, 5]), TensorShape([3, 4]))
    """
    config = config.completed()
    supernet = RecurrentSpace().build_supernet(vocabulary, config.units, dropout(config))
    hidden = {
        purpose: tf.Variable(tf.zeros([config.batch_size, config.units]), trainable=False, name=f"hidden_{purpose}")
        for purpose in ("weights", "alpha")
    }
    objectives = [
        functools.partial(TextObjective, hidden=state, bptt=config.bptt, slowness=config.slowness)
        for state in hidden.values()
    ]
    architecture = Architecture(RecurrentSpace().alpha_shapes(), seed=config.seed)
    method = parse_method(config, unrolled_clip=config.gradient_clip)
    return join(config, supernet, architecture, method, betas=(0.9, 0.999), objectives=objectives), hidden


class TextTask:
    """A text whose next token is predicted. The training text moves the weights, the validation text alpha.

    Both texts are read as `batch_size` streams, from their starts in every epoch. The windows of alpha have the usual
    length and begin where those of the weights do, modulo the length of the shorter text.

    Args:
        config: the settings, completed.
        corpus: the texts.

    Raises:
        InputError: a text is too short for so many streams, or there are several devices.
    """

    def __init__(self, config: SearchConfig, corpus: Corpus):
        if replicas.count() > 1:
            raise InputError("Recurrent cells are searched on one device; add --strategy=one_device.")
        self.config, self._corpus = config, corpus
        self.train_rows, self.valid_rows = (
            text.parallel(tokens, config.batch_size, what)
            for tokens, what in ((corpus.train, "The training text"), (corpus.valid, "The validation text"))
        )
        self.evaluated_rows = text.parallel(corpus.valid, _EVALUATED_STREAMS, "The validation text")
        self.windows = Windows(len(self.train_rows), config.bptt, seed=config.seed)
        self.first_step = self.windows.first_step
        self.rate = (config.batch_size * config.bptt, corpus.vocabulary.unit)
        self.step, hidden = build_text_step(config, len(corpus.vocabulary))
        self.tracked = {"hidden": hidden}
        supernet = self.step.supernet
        self._evaluate = TextEvaluation(supernet, config.units)

    def batches(self, start, stop):
        bptt = self.config.bptt
        for number in range(start, stop):
            epoch, index = self.windows.place(number)
            row, length = self.windows.epoch(epoch)[index]
            fresh = index == 0
            yield (
                text.window(self.train_rows, row, length, bptt, fresh=fresh),
                text.window(self.valid_rows, row % (len(self.valid_rows) - 1), bptt, bptt, fresh=fresh),
            )

    def evaluate(self, epoch, mixture):
        """`valid_loss` in nats per token, `valid_accuracy` in 0 to 1 and `valid_perplexity`, on the text of alpha."""
        loss, accuracy = self._evaluate(text.sweep(self.evaluated_rows, self.config.bptt), mixture)
        return {"valid_loss": loss, "valid_accuracy": accuracy, "valid_perplexity": math.exp(loss)}

    def fixed_batches(self, batch_size, count):
        """Windows of the usual length, chosen at random from the validation text; every one starts from zero."""
        rows = text.parallel(self._corpus.valid, batch_size, "The validation text")
        return text.fixed_windows(rows, self.config.bptt, count)

    def objective(self, batch, *, training):
        """The loss on a window, without dropout."""
        hidden = tf.zeros([batch.tokens.shape[1], self.config.units])
        return TextObjective(self.step.supernet, batch, training=training, hidden=hidden)
