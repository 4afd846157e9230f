"""The loss of a recurrent supernet on a window of text, and its gradients."""

import contextlib
import dataclasses

import tensorflow as tf

from sdarts_tf.data.text import Window
from sdarts_tf.spaces.recurrent import LanguageModel, Masks
from sdarts_tf.training.objective import correct_share, cross_entropy, stateless


def slowness(states):
    """Mean squared change of the states `[T, N, units]` from one token to the next, T at least 2."""
    return tf.reduce_mean(tf.square(states[1:] - states[:-1]))


@dataclasses.dataclass(frozen=True)
class TextObjective:
    """The mean loss of a supernet on one window of text; the counterpart of `Objective`, with the same methods.

    The hidden state travels with the window: every pass begins at `hidden`, as a constant, and one that records leaves
    the state after the last token there.

    Args:
        supernet: a model of `RecurrentSpace.build_supernet`.
        batch: the window; its `fresh` lets every pass begin at zero instead of at `hidden`.
        training: batch normalization on the batch's statistics, and dropout.
        record: whether passes move the running statistics and the hidden state.
        seed: int32 `[2]`, of the masks of dropout.
        hidden: variable `[N, units]`.
        bptt: usual length of a window.
        slowness: weight of `slowness` in the loss whose gradient moves the weights; no other pass has this term.
    """

    supernet: LanguageModel
    batch: Window
    training: bool
    record: bool = False
    seed: tf.Tensor | None = None
    hidden: tf.Variable | None = None
    bptt: int = 35
    slowness: float = 0.0

    @property
    def step_share(self):
        """How long a step of the weights is taken on this window: its length over the usual one."""
        return tf.cast(self.batch.length, tf.float32) / self.bptt

    def repeated(self):
        """`loss_and_gradient`, traced once, for many calls at the same weights."""
        return tf.function(self.loss_and_gradient)

    def loss_and_gradient(self, mixture):
        """The loss, a scalar, and its gradient by the mixture only: no gradient by a weight is computed."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(mixture)
            loss, *_ = self._pass(mixture)
        return loss, tape.gradient(loss, mixture)

    def loss_and_gradients(self, weights, mixture):
        """The loss at any weights, and its gradients by them and by the mixture. Moves no statistics.

        Args:
            weights: one tensor for each of the supernet's trainable variables.
            mixture: the mixture.
        """
        local = [tf.identity(weight) for weight in weights]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch((local, mixture))
            loss, *_ = self._pass(mixture, local)
        weight_gradient, mixture_gradient = tape.gradient(loss, (local, mixture))
        return loss, [tf.convert_to_tensor(gradient) for gradient in weight_gradient], mixture_gradient

    def loss_and_weight_gradient(self, mixture):
        """The loss, the gradient by the supernet's weights of loss and slowness, and the share of right tokens."""
        weights = [variable.value for variable in self.supernet.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            loss, accuracy, states = self._pass(mixture)
            total = loss + self.slowness * slowness(states)
        return loss, [tf.convert_to_tensor(gradient) for gradient in tape.gradient(total, weights)], accuracy

    def _pass(self, mixture, weights=None):
        """Loss, share of right tokens, and the states."""
        tokens, targets = (rows[: self.batch.length] for rows in (self.batch.tokens, self.batch.targets))
        hidden = tf.where(self.batch.fresh, 0.0, self.hidden.read_value())
        masks = self.supernet.draw_masks(hidden.shape[0], self.seed) if self.training else Masks()
        moves_nothing = weights is not None or (self.training and not self.record)
        with stateless(self.supernet, weights) if moves_nothing else contextlib.nullcontext():
            logits, states = self.supernet(tokens, hidden, mixture, training=self.training, masks=masks)
        if self.record:
            self.hidden.assign(tf.stop_gradient(states[-1]))
        return tf.reduce_mean(cross_entropy(targets, logits)), correct_share(targets, logits), states
