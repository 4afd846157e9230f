"""One bilevel step: move alpha, find a hard mixture nearby, move the weights there."""

import dataclasses

import keras
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.layers.normalization import synchronize
from sdarts_tf.methods import simplex
from sdarts_tf.methods.method import Method, parse
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.training.objective import Objective
from sdarts_tf.training.optimizers import SGD, Adam, clip_by_global_norm


@dataclasses.dataclass(frozen=True)
class StepResult:
    """Figures of one step, scalars: the training loss and accuracy at the perturbed mixture, and what went wrong.

    `validation_loss` is the alpha step's. `non_finite` counts the losses of this step that were not finite.
    """

    loss: tf.Tensor
    accuracy: tf.Tensor
    validation_loss: tf.Tensor
    gradient_norm: tf.Tensor
    non_finite: tf.Tensor


class _TracedOnce:
    """The loss of an `Objective`, each of whose functions is traced once, however often a step calls it."""

    def __init__(self, objective):
        self.loss_and_gradient = tf.function(objective.loss_and_gradient)
        self.loss_and_gradients = tf.function(objective.loss_and_gradients)


class SearchStep:
    """The step of a search, called as `step(train_batch, valid_batch, learning_rate, epsilon, seed)`.

    It runs in cross-replica context. What changes between steps enters as a tensor, so that the step is traced once.

    Args:
        supernet: the network of all candidates.
        architecture: the alpha variables.
        method: what is perturbed, and which hypergradient moves alpha.
        weight_optimizer: of the supernet's weights.
        alpha_optimizer: of alpha.
        gradient_clip: largest global norm of the weights' gradient.
        attack_training: the attack normalizes by the batch's statistics instead of the running ones.
    """

    def __init__(
        self,
        supernet: keras.Model,
        architecture: Architecture,
        method: Method,
        weight_optimizer: SGD,
        alpha_optimizer: Adam,
        *,
        gradient_clip: float,
        attack_training: bool = False,
    ):
        self.supernet, self.architecture, self.method = supernet, architecture, method
        self.weight_optimizer, self.alpha_optimizer = weight_optimizer, alpha_optimizer
        self.gradient_clip, self.attack_training = gradient_clip, attack_training
        self._non_finite = tf.Variable(0, trainable=False, name="non_finite")

    def __call__(self, train_batch, valid_batch, learning_rate, epsilon, seed) -> dict[str, tf.Tensor]:
        """Moves alpha and the weights by one step.

        Args:
            train_batch, valid_batch: images and labels, or one such pair per replica.
            learning_rate: of the weights, a scalar tensor.
            epsilon: radius of the perturbation, a scalar tensor.
            seed: int32 `[2]`, different at every step.

        Returns:
            The fields of `StepResult`, by name.
        """
        self._non_finite.assign(0)
        alpha_seed, noise_seed, attack_seed, weight_seed = tf.unstack(tf.random.split(seed, 4))
        validation_loss = self._move_alpha(train_batch, valid_batch, learning_rate, alpha_seed)
        # Evaluation mode unless asked otherwise; never recorded: an attack must not move batch statistics.
        attacked = Objective(self.supernet, train_batch, training=self.attack_training, seed=attack_seed)
        hard = self.method.perturbation(
            self.architecture.mixture(), self._counted(attacked.repeated()), epsilon=epsilon, seed=noise_seed
        )
        loss, accuracy, norm = self._move_weights(train_batch, hard, learning_rate, weight_seed)
        self._count_non_finite(validation_loss)
        self._count_non_finite(loss)
        result = StepResult(loss, accuracy, validation_loss, norm, self._non_finite.read_value())
        return {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}

    def _move_alpha(self, train_batch, valid_batch, learning_rate, seed):
        train, valid = (
            _TracedOnce(Objective(self.supernet, batch, training=True, record=True, seed=seed))
            for batch in (train_batch, valid_batch)
        )
        mixture, pullback = self.architecture.mixture_and_pullback()
        loss, gradient = self.method.hypergradient(
            train,
            valid,
            [variable.value for variable in self.supernet.trainable_variables],
            mixture,
            learning_rate=learning_rate,
            lookahead=lambda gradients: self.weight_optimizer.lookahead(gradients, learning_rate),
        )
        self.alpha_optimizer.apply(list(pullback(gradient).values()))
        return loss

    def _move_weights(self, train_batch, mixture, learning_rate, seed):
        objective = Objective(self.supernet, train_batch, training=True, record=True, seed=seed)
        loss, gradient, accuracy = objective.loss_and_weight_gradient(mixture)
        gradient, norm = clip_by_global_norm(gradient, self.gradient_clip)
        self.weight_optimizer.apply(gradient, learning_rate)
        return loss, accuracy, norm

    def _counted(self, loss_and_gradient):
        """The same function, counting losses that are not finite."""

        def counted(mixture):
            loss, gradient = loss_and_gradient(mixture)
            self._count_non_finite(loss)
            return loss, gradient

        return counted

    def _count_non_finite(self, loss):
        self._non_finite.assign_add(tf.cast(~tf.math.is_finite(loss), tf.int32))


def build_step(config: SearchConfig, num_classes: int) -> SearchStep:
    """The networks, optimizers and method of a search, joined in its step.

    Example:
        >>> step = build_step(SearchConfig(space="s2", channels=4, cells=3), num_classes=10)
        >>> step.architecture.mixture()["normal"].shape
        TensorShape([14, 2])
    """
    space = spaces.get(config.space)
    supernet = space.build_supernet(num_classes, config.channels, config.cells)
    if config.sync_batch_norm:
        synchronize(supernet)
    architecture = Architecture(space.alpha_shapes(), seed=config.seed)
    weights = [variable.value for variable in supernet.trainable_variables]
    return SearchStep(
        supernet,
        architecture,
        parse(config.method, pgd_steps=config.pgd_steps, project=simplex.PROJECTIONS[config.projection]),
        SGD(weights, momentum=config.momentum, weight_decay=config.weight_decay),
        Adam(
            list(architecture.alpha.values()),
            learning_rate=config.alpha_learning_rate,
            weight_decay=config.alpha_weight_decay,
        ),
        gradient_clip=config.gradient_clip,
        attack_training=config.attack_statistics == "training",
    )
