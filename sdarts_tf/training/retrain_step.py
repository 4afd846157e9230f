"""One step of training a derived network."""

import keras
import tensorflow as tf

from sdarts_tf.layers.convolutions import differentiated_kernels
from sdarts_tf.training.accumulation import in_parts
from sdarts_tf.training.frames import without_library_frames
from sdarts_tf.training.objective import correct_share, cross_entropy
from sdarts_tf.training.optimizers import SGD, clip_by_global_norm
from sdarts_tf.training.precision import Precision
from sdarts_tf.training.replicas import mean_over_replicas


class RetrainStep:
    """The step of a training, called as `step(batch, learning_rate, seed, drop_rate)`.

    The loss is the cross entropy, plus the weighted one of the auxiliary head where the network has one. The step runs
    in cross-replica context; what changes between steps enters as a tensor, so that it is traced once.

    Args:
        network: a model of `SearchSpace.build_network`.
        optimizer: of the network's weights.
        gradient_clip: largest global norm of the gradient, without decay.
        auxiliary_weight: of the auxiliary head's loss.
        label_smoothing: share of each label that is spread over all classes.
        precision: of the maps; default float32.
        parts: each replica's share of the batch is computed in so many parts, one after the other.

    Source: `sota/cnn/train.py` of the official code.
    """

    def __init__(
        self,
        network: keras.Model,
        optimizer: SGD,
        *,
        gradient_clip: float,
        auxiliary_weight: float = 0.4,
        label_smoothing: float = 0.0,
        precision: Precision | None = None,
        parts: int = 1,
    ):
        self.network, self.optimizer, self.gradient_clip = network, optimizer, gradient_clip
        self.auxiliary_weight, self.label_smoothing = auxiliary_weight, label_smoothing
        self.precision, self.parts = precision or Precision(), parts

    @without_library_frames
    def __call__(self, batch, learning_rate, seed, drop_rate=None) -> dict[str, tf.Tensor]:
        """Moves the weights by one step.

        Args:
            batch: images `[N, H, W, 3]` and labels `[N]`, or one such pair per replica.
            learning_rate: scalar tensor.
            seed: int32 `[2]`, different at every step; keys what is dropped.
            drop_rate: probability of dropping a path, a scalar tensor; None drops none.

        Returns:
            Scalars: `loss`; `accuracy` of the main classifier; `gradient_norm` before clipping; `non_finite`, 1 if the
            loss is not finite, else 0; `skipped`, 1 if the gradient overflowed float16 and moved nothing, else 0.
        """

        def on_part(number, images, labels):
            own = seed if number is None else tf.random.fold_in(seed, number)
            options = {"training": True, "drop_rate": drop_rate, "seed": own}
            weights = [variable.value for variable in self.network.trainable_variables]
            with differentiated_kernels(), tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                loss, accuracy = self._loss_and_accuracy(self.network(self.precision.cast(images), **options), labels)
            # A genotype may leave a node unread, and noise reads nothing: their weights only decay.
            unread = tf.UnconnectedGradients.ZERO
            return loss, self.precision.gradient(tape, loss, weights, unconnected_gradients=unread), accuracy

        self.precision.begin_step()
        statistics = self.network.non_trainable_variables
        loss, gradient, accuracy = mean_over_replicas(in_parts(on_part, self.parts), batch, statistics)
        gradient, norm = clip_by_global_norm(self.precision.unscaled(gradient), self.gradient_clip)
        self.precision.apply(gradient, lambda: self.optimizer.apply(gradient, learning_rate))
        non_finite, skipped = tf.cast(~tf.math.is_finite(loss), tf.int32), self.precision.end_step()
        figures = {"loss": loss, "accuracy": accuracy, "gradient_norm": norm, "non_finite": non_finite}
        return figures | {"skipped": skipped}

    def _loss_and_accuracy(self, answer, labels):
        logits, *auxiliary = answer if isinstance(answer, tuple) else (answer,)
        loss = tf.reduce_mean(cross_entropy(labels, logits, self.label_smoothing))
        for logits_inside in auxiliary:
            inside = tf.reduce_mean(cross_entropy(labels, logits_inside, self.label_smoothing))
            loss += self.auxiliary_weight * inside
        return loss, correct_share(labels, logits)
