"""The loss on a batch and its gradients."""

import contextlib
import dataclasses
from typing import Any

import keras
import tensorflow as tf

from sdarts_tf.layers.convolutions import differentiated_kernels, fixed_kernels
from sdarts_tf.layers.folding import folded
from sdarts_tf.layers.normalization import normalizations
from sdarts_tf.training.accumulation import in_parts
from sdarts_tf.training.frames import without_library_frames
from sdarts_tf.training.precision import Precision
from sdarts_tf.training.replicas import mean_over_replicas


def cross_entropy(labels, logits, smoothing=0.0):
    """Cross entropy of each example, `[N]`.

    Args:
        labels: integers `[N]`.
        logits: `[N, num_classes]`.
        smoothing: share of each label that is spread evenly over all classes, the true one included; 0 to 1.
    """
    if not smoothing:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    num_classes = logits.shape[-1]
    targets = (1 - smoothing) * tf.one_hot(labels, num_classes, dtype=logits.dtype) + smoothing / num_classes
    return tf.nn.softmax_cross_entropy_with_logits(targets, logits)


def correct_share(labels, logits):
    """Share of the examples whose largest logit is their label's."""
    return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, -1, output_type=labels.dtype), labels), tf.float32))


def stateless(model, weights=None):
    """A scope in which what a model assigns to its variables is thrown away; they read as `weights`, if given."""
    weights = model.trainable_variables if weights is None else weights
    statistics = model.non_trainable_variables
    replaced = zip((*model.trainable_variables, *statistics), (*weights, *statistics), strict=True)
    return keras.StatelessScope(state_mapping=[(variable, tf.convert_to_tensor(value)) for variable, value in replaced])


def hessian_product(function, at, direction):
    """The Hessian of a function times a direction, exactly, by differentiating twice.

    Args:
        function: of a nest of tensors -> a scalar.
        at: the nest, a point.
        direction: shaped like `at`.

    Returns:
        Shaped like `at`.

    Example:
        >>> cube = lambda x: tf.reduce_sum(x**3)
        >>> hessian_product(cube, tf.constant([1.0, 2.0]), tf.constant([1.0, 1.0])).numpy().tolist()
        [6.0, 12.0]
    """
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        outer.watch(at)
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(at)
            value = function(at)
        # Dense, also of what is looked up.
        gradient = tf.nest.map_structure(tf.convert_to_tensor, inner.gradient(value, at))
    return outer.gradient(gradient, at, output_gradients=direction)


@dataclasses.dataclass(frozen=True)
class Objective:
    """The mean loss of a supernet on one batch, as a function of the mixture and of the weights.

    Methods are called in cross-replica context. Every replica computes its share of the batch; losses and gradients
    come back averaged over replicas, so that callers see one global loss whatever the number of devices.

    Args:
        supernet: a model of `SearchSpace.build_supernet`.
        batch: images `[N, H, W, 3]` and labels `[N]`, or one such pair per replica.
        training: batch normalization on the batch's statistics.
        record: whether training also moves the running statistics.
        seed: int32 `[2]`, of random candidates; the same seed gives the same draws.
        skip_dropout: rate of the dropout behind skip connections in training, a scalar tensor; None is no dropout.
        drop_rate: probability of dropping a mixed edge in training, a scalar tensor; None drops none.
        prepared: what the supernet prepared for this batch, and what its batch normalizations multiply and add in
            evaluation mode, if that is known; see `repeated`.
        folds: whether batch normalization is folded into convolutions, which is faster where only the mixture is
            differentiated, once; in evaluation mode only.
        precision: of the maps; default float32. Losses and gradients are float32, and not scaled, whatever it is.
        parts: gradients of a replica's share of the batch are computed in so many parts, one after the other. Hessians
            take their batches whole, and so does what has no gradient.
    """

    supernet: keras.Model
    batch: tuple
    training: bool
    record: bool = False
    seed: tf.Tensor | None = None
    skip_dropout: tf.Tensor | None = None
    drop_rate: tf.Tensor | None = None
    prepared: Any = None
    folds: bool = False
    precision: Precision | None = None
    parts: int = 1

    step_share = 1.0  # a full step of the weights is taken on every batch

    def repeated(self):
        """`loss_and_gradient` for many calls at the same weights, as an attack needs it.

        It is traced once, with folded normalization. What does not depend on the mixture is computed at the first call,
        which must stand outside of any loop; not so if the batch is computed in parts, because it would be held for
        all of them.
        """
        objective = dataclasses.replace(self, folds=not self.training)
        if self.parts > 1:
            return tf.function(objective.loss_and_gradient)
        functions = []

        def loss_and_gradient(mixture):
            if not functions:
                prepare = without_library_frames(self._prepare)
                prepared = tf.distribute.get_strategy().run(prepare, args=self.batch)
                functions.append(tf.function(dataclasses.replace(objective, prepared=prepared).loss_and_gradient))
            return functions[0](mixture)

        return loss_and_gradient

    def _prepare(self, images, labels):
        maps = self._call(self.supernet.prepare, self._cast(images), training=self.training, seed=self.seed)
        return maps, None if self.training else [layer.factor_and_offset() for layer in normalizations(self.supernet)]

    @without_library_frames
    def loss_and_gradient(self, mixture):
        """The loss, a scalar, and its gradient by the mixture only; neither may be differentiated by a weight."""

        def on_part(part, images, labels, prepared=None):
            with fixed_kernels():
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(mixture)
                    loss, _ = part._loss_and_correct(images, labels, mixture, prepared=prepared)
                return loss, part._gradient(tape, loss, mixture)

        args = self.batch if self.prepared is None else (*self.batch, self.prepared)
        loss, gradient = self._mean(on_part, args, self._moved)
        return loss, self._unscaled(gradient)

    def loss_and_gradients(self, weights, mixture):
        """The loss at any weights, and its gradients by them and by the mixture. Changes nothing.

        Args:
            weights: one tensor for each of the supernet's trainable variables.
            mixture: the mixture.
        """

        def on_part(part, images, labels):
            local = [tf.identity(weight) for weight in weights]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch((local, mixture))
                loss, _ = part._loss_and_correct(images, labels, mixture, weights=local)
            return loss, *part._gradient(tape, loss, (local, mixture))

        loss, *gradients = self._mean(on_part, self.batch)
        return loss, *self._unscaled(gradients)

    def loss_and_weight_gradient(self, mixture):
        """The loss, its gradient by the supernet's weights, and the share of correct answers."""

        def on_part(part, images, labels):
            weights = [variable.value for variable in self.supernet.trainable_variables]
            with differentiated_kernels(), tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                loss, accuracy = part._loss_and_correct(images, labels, mixture)
            return loss, part._gradient(tape, loss, weights), accuracy

        loss, gradient, accuracy = self._mean(on_part, self.batch, self._moved)
        return loss, self._unscaled(gradient), accuracy

    @property
    def _moved(self):
        """The statistics that a call moves."""
        return self.supernet.non_trainable_variables if self.record else ()

    def _mean(self, on_part, args, statistics=()):
        """The mean over replicas and parts of `on_part(objective, *args)`, with the objective of each part."""

        def numbered(number, *args):
            seed = self.seed if number is None or self.seed is None else tf.random.fold_in(self.seed, number)
            return on_part(dataclasses.replace(self, seed=seed), *args)

        return mean_over_replicas(in_parts(numbered, self.parts), args, statistics)

    def _gradient(self, tape, loss, sources):
        return tape.gradient(loss, sources) if self.precision is None else self.precision.gradient(tape, loss, sources)

    def _unscaled(self, gradients):
        return gradients if self.precision is None else self.precision.unscaled(gradients)

    def _cast(self, images):
        return images if self.precision is None else self.precision.cast(images)

    def loss_and_accuracy(self, mixture):
        """The loss and the share of correct answers, scalars."""

        def on_replica(images, labels):
            return self._loss_and_correct(images, labels, mixture)

        return mean_over_replicas(on_replica, self.batch)

    def hessian_product(self, at, direction, arguments):
        """The Hessian of the loss times a direction, exactly, by differentiating twice. Changes nothing.

        Args:
            at: a nest of tensors, the point at which the loss is differentiated.
            direction: shaped like `at`.
            arguments: function of `at` -> `mixture`, and `weights` unless they are the supernet's own, as a dict.

        Returns:
            Shaped like `at`.
        """

        def on_replica(images, labels):
            return hessian_product(lambda at: self._loss_and_correct(images, labels, **arguments(at))[0], at, direction)

        return mean_over_replicas(on_replica, self.batch)

    def _loss_and_correct(self, images, labels, mixture, weights=None, prepared=None):
        logits = self.logits(images, mixture, weights, prepared)
        return tf.reduce_mean(cross_entropy(labels, logits)), correct_share(labels, logits)

    def logits(self, images, mixture, weights=None, prepared=None):
        """The supernet's answer to `images`; at `weights`, if given, and without side effects then."""
        maps, numbers = (None, None) if prepared is None else prepared
        options = {"training": self.training, "seed": self.seed, "prepared": maps, "numbers": numbers}
        rates = {"skip_dropout": self.skip_dropout, "drop_rate": self.drop_rate}
        options |= {name: rate for name, rate in rates.items() if rate is not None}
        return self._call(self.supernet, self._cast(images), mixture, weights=weights, **options)

    def _call(self, function, *args, weights=None, numbers=None, **options):
        """Calls a part of the supernet, at `weights` if they are given; only `record` lets it move statistics."""
        with contextlib.ExitStack() as scopes:
            if weights is not None or (self.training and not self.record):
                scopes.enter_context(stateless(self.supernet, weights))
            if self.folds:
                scopes.enter_context(folded(numbers and dict(zip(normalizations(self.supernet), numbers, strict=True))))
            return function(*args, **options)
