"""Loss of a language model over a whole text."""

from collections.abc import Iterable

import tensorflow as tf

from sdarts_tf.data.text import Window
from sdarts_tf.spaces.recurrent import LanguageModel
from sdarts_tf.training.objective import cross_entropy


class TextEvaluation:
    """Mean loss and accuracy of a model over a text, in evaluation mode, traced once for each number of streams.

    Args:
        model: the model.
        units: size of its hidden state.
    """

    def __init__(self, model: LanguageModel, units: int):
        self._model, self._units = model, units
        self._sums = tf.function(self._window_sums)

    def __call__(self, windows: Iterable[Window], *args) -> tuple[float, float]:
        """Reads the windows in turn, the hidden state going on from one to the next.

        Args:
            windows: of one text, as `text.sweep` gives them.
            *args: passed on to the model, for a supernet its mixture.

        Returns:
            Cross entropy in nats per predicted token, whose exponential is the perplexity; share of the tokens that got
            the largest probability, 0 to 1.
        """
        totals, hidden = None, None
        for window in windows:
            hidden = tf.zeros([window.tokens.shape[1], self._units]) if hidden is None else hidden
            sums, hidden = self._sums(window, hidden, *args)
            totals = sums if totals is None else tf.nest.map_structure(tf.add, totals, sums)
        loss, correct, count = (float(total) for total in totals)
        return loss / count, correct / count

    def _window_sums(self, window, hidden, *args):
        tokens, targets = window.tokens[: window.length], window.targets[: window.length]
        logits, states = self._model(tokens, tf.where(window.fresh, 0.0, hidden), *args)
        losses = tf.cast(cross_entropy(targets, logits), tf.float64)
        correct = tf.cast(tf.equal(tf.argmax(logits, -1, output_type=targets.dtype), targets), tf.float64)
        return (tf.reduce_sum(losses), tf.reduce_sum(correct), tf.cast(tf.size(targets), tf.float64)), states[-1]
