"""One bilevel step: move alpha, find a hard mixture nearby, move the weights there."""

import dataclasses
import functools
from collections.abc import Callable, Collection

import keras
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.layers.normalization import synchronize
from sdarts_tf.layers.recomputation import recompute_cells
from sdarts_tf.methods import simplex
from sdarts_tf.methods.method import Method, parse
from sdarts_tf.spaces.base import Architecture, Mixture, SearchSpace
from sdarts_tf.training.frames import without_library_frames
from sdarts_tf.training.objective import Objective
from sdarts_tf.training.optimizers import SGD, Adam, clip_by_global_norm
from sdarts_tf.training.precision import Precision


@dataclasses.dataclass(frozen=True)
class StepResult:
    """Figures of one step, scalars: the training loss and accuracy at the perturbed mixture, and what went wrong.

    `validation_loss` is the alpha step's. `non_finite` counts the losses of this step that were not finite;
    `skipped` is 1 if a gradient overflowed float16, so that the step was skipped from there on, else 0.
    """

    loss: tf.Tensor
    accuracy: tf.Tensor
    validation_loss: tf.Tensor
    gradient_norm: tf.Tensor
    non_finite: tf.Tensor
    skipped: tf.Tensor


class _TracedOnce:
    """The loss of an `Objective`, whose function that a hypergradient calls several times is traced once.

    The other is called once at most: as a function of its own it would only be in memory twice.
    """

    def __init__(self, objective):
        self.loss_and_gradient = objective.loss_and_gradient
        self.loss_and_gradients = tf.function(objective.loss_and_gradients)


class SearchStep:
    """The step of a search, called as `step(train_batch, valid_batch, learning_rate, epsilon, seed)`.

    It runs in cross-replica context. What changes between steps enters as a tensor, so that the step is traced once.

    Args:
        supernet: the network of all candidates.
        architecture: the alpha variables.
        method: how the mixture is perturbed, and which hypergradient moves alpha.
        weight_optimizer: of the supernet's weights.
        alpha_optimizer: of alpha.
        gradient_clip: largest global norm of the weights' gradient.
        alpha_gradient_clip: largest global norm of alpha's gradient; None is any.
        attack_training: the attack normalizes by the batch's statistics instead of the running ones.
        perturbed: the groups of the mixture that are perturbed; None means all.
        precision: of what the objectives compute; default float32.
        penalty: function of the mixture -> scalar that is added to the loss of alpha; None is none. AutoGraph converts
            neither it nor the method's hypergradient.
        objectives: functions that make the `Objective` of a training batch and of a validation batch, called as
            `objective(supernet, batch, training=, record=, seed=)`, and with the rates of dropout where there are any.
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
        alpha_gradient_clip: float | None = None,
        attack_training: bool = False,
        perturbed: Collection[str] | None = None,
        precision: Precision | None = None,
        objectives=(Objective, Objective),
        penalty: Callable[[Mixture], tf.Tensor] | None = None,
    ):
        self.supernet, self.architecture, self.method = supernet, architecture, method
        self.weight_optimizer, self.alpha_optimizer = weight_optimizer, alpha_optimizer
        self.gradient_clip, self.alpha_gradient_clip = gradient_clip, alpha_gradient_clip
        self.attack_training = attack_training
        self.perturbed = tuple(architecture.alpha if perturbed is None else perturbed)
        self.precision = precision or Precision()
        self._train_objective, self._valid_objective = objectives
        self._penalty = penalty
        self._non_finite = tf.Variable(0, trainable=False, name="non_finite")

    def __call__(
        self,
        train_batch,
        valid_batch,
        learning_rate,
        epsilon,
        seed,
        alpha_learning_rate=None,
        skip_dropout=None,
        drop_rate=None,
    ) -> dict[str, tf.Tensor]:
        """Moves alpha and the weights by one step.

        Args:
            train_batch, valid_batch: images and labels, or one such pair per replica.
            learning_rate: of the weights, a scalar tensor.
            epsilon: radius of the perturbation, a scalar tensor.
            seed: int32 `[2]`, different at every step.
            alpha_learning_rate: of alpha, a scalar tensor; where it is 0, the alpha step is left out and its batch not
                looked at. None means the optimizer's own.
            skip_dropout: rate of the dropout behind skip connections, a scalar tensor; attacks have none.
            drop_rate: probability of dropping a mixed edge, a scalar tensor; attacks drop none.

        Returns:
            The fields of `StepResult`, by name.
        """
        self._non_finite.assign(0)
        self.precision.begin_step()
        alpha_seed, noise_seed, attack_seed, weight_seed = tf.unstack(tf.random.split(seed, 4))
        rates = {"skip_dropout": skip_dropout, "drop_rate": drop_rate}
        training = {"training": True, **{name: rate for name, rate in rates.items() if rate is not None}}
        # Evaluation mode unless asked otherwise; never recorded: an attack must not move batch statistics.
        attacked = self._train_objective(self.supernet, train_batch, training=self.attack_training, seed=attack_seed)
        learning_rate *= attacked.step_share

        def move_alpha():
            train = self._train_objective(self.supernet, train_batch, seed=alpha_seed, **training)
            valid = self._valid_objective(self.supernet, valid_batch, record=True, seed=alpha_seed, **training)
            return self._move_alpha(train, valid, learning_rate, alpha_learning_rate)

        if alpha_learning_rate is None:
            validation_loss = move_alpha()
        else:
            validation_loss = tf.cond(alpha_learning_rate > 0, move_alpha, lambda: tf.constant(0.0))
        hard = self._perturb(attacked.repeated(), epsilon, noise_seed)
        train = self._train_objective(self.supernet, train_batch, record=True, seed=weight_seed, **training)
        loss, accuracy, norm = self._move_weights(train, hard, learning_rate)
        self._count_non_finite(validation_loss)
        self._count_non_finite(loss)
        counts = self._non_finite.read_value(), self.precision.end_step()
        result = StepResult(loss, accuracy, validation_loss, norm, *counts)
        return {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}

    def _perturb(self, loss_and_gradient, epsilon, seed):
        """The whole mixture, hard in the groups that are perturbed."""
        mixture = self.architecture.mixture()
        clean = {group: mixture[group] for group in self.perturbed}
        graph, losses = tf.compat.v1.get_default_graph(), []

        def of_the_perturbed(shares):
            loss, gradient = loss_and_gradient(self.architecture.constrained(mixture | shares))
            if tf.compat.v1.get_default_graph() is graph:
                losses.append(loss)  # counted at the end: a loop that counts too would wait for it
            else:
                self._count_non_finite(loss)
            self.precision.watch(gradient)
            return loss, {group: gradient[group] for group in shares}

        hard = self.method.perturbation(clean, of_the_perturbed, epsilon=epsilon, seed=seed)
        for loss in losses:
            self._count_non_finite(loss)
        return self.architecture.constrained(mixture | hard)

    @without_library_frames
    def _move_alpha(self, train, valid, learning_rate, alpha_learning_rate):
        mixture, pullback = self.architecture.mixture_and_pullback()
        loss, gradient = self.method.hypergradient(
            _TracedOnce(train),
            _TracedOnce(valid),
            [variable.value for variable in self.supernet.trainable_variables],
            mixture,
            learning_rate=learning_rate,
            lookahead=lambda gradients: self.weight_optimizer.lookahead(gradients, learning_rate),
        )
        if self._penalty is not None:
            with tf.GradientTape() as tape:
                tape.watch(mixture)
                penalty = self._penalty(mixture)
            extra = tape.gradient(penalty, mixture, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            gradient = tf.nest.map_structure(tf.add, gradient, extra)
        gradient = list(pullback(gradient).values())
        if self.alpha_gradient_clip is not None:
            gradient, _ = clip_by_global_norm(gradient, self.alpha_gradient_clip)
        self.precision.apply(gradient, lambda: self.alpha_optimizer.apply(gradient, alpha_learning_rate))
        return loss

    @without_library_frames
    def _move_weights(self, train, mixture, learning_rate):
        loss, gradient, accuracy = train.loss_and_weight_gradient(mixture)
        gradient, norm = clip_by_global_norm(gradient, self.gradient_clip)
        self.precision.apply(gradient, lambda: self.weight_optimizer.apply(gradient, learning_rate))
        return loss, accuracy, norm

    def _count_non_finite(self, loss):
        self._non_finite.assign_add(tf.cast(~tf.math.is_finite(loss), tf.int32))


def build_step(
    config: SearchConfig,
    num_classes: int,
    space: SearchSpace | None = None,
    architecture_class=Architecture,
    *,
    image_channels: int = 3,
    penalty: Callable[[Mixture], tf.Tensor] | None = None,
) -> SearchStep:
    """The networks, optimizers and method of a search for image cells, joined in its step.

    Args:
        config: the settings.
        num_classes: of the data.
        space: default the one that the settings name.
        architecture_class: `Architecture`, or a kind of it.
        image_channels: of the data.
        penalty: as `SearchStep`'s.

    Example:
        >>> step = build_step(SearchConfig(space="s2", channels=4, cells=3), num_classes=10)
        >>> step.architecture.mixture()["normal"].shape
        TensorShape([14, 2])
    """
    config = config.completed()
    space = space or spaces.get(config.space, official=config.official_supernet)
    method = parse_method(config)
    if config.edges_at_once and not space.divides_edges:
        raise InputError(
            f"--edges_at_once={config.edges_at_once} is for DARTS cells; leave it away with --space={space.name}."
        )
    grouping = {"edges_at_once": config.edges_at_once} if config.edges_at_once else {}
    supernet = space.build_supernet(
        num_classes,
        config.channels,
        spaces.supernet_cells(config.space, config.cells),
        channel_divisor=method.channel_divisor,
        dropped_skips=method.dropped_skips,
        image_channels=image_channels,
        **grouping,
    )
    if config.recompute:
        recompute_cells(supernet)
    if config.drop_path and not space.drops_edges:
        raise InputError(f"--drop_path drops edges of DARTS cells; leave it away with --space={space.name}.")
    if config.sync_batch_norm:
        synchronize(supernet)
    operations, edges = space.alpha_shapes(), space.edge_shapes() if method.edge_normalization else {}
    architecture = architecture_class(operations | edges, seed=config.seed)
    perturbed = None if config.perturb_edges else operations
    precision = Precision(config.precision)
    objective = functools.partial(Objective, precision=precision, parts=config.accumulate_steps)
    options = {"perturbed": perturbed, "precision": precision, "objectives": (objective, objective), "penalty": penalty}
    return join(config, supernet, architecture, method, betas=(0.5, 0.999), **options)


def parse_method(config: SearchConfig, unrolled_clip=None) -> Method:
    """The method that the settings describe."""
    return parse(
        config.method,
        pgd_steps=config.pgd_steps,
        project=simplex.PROJECTIONS[config.projection],
        channel_divisor=config.channel_divisor,
        edge_normalization=config.edge_normalization,
        unrolled_clip=unrolled_clip,
    )


def join(config: SearchConfig, supernet, architecture: Architecture, method: Method, *, betas, **options) -> SearchStep:
    """A supernet, alpha, their optimizers and a method, joined in a step.

    Args:
        config: the settings, completed.
        supernet, architecture, method: what is joined.
        betas: of Adam on alpha.
        **options: further ones of `SearchStep`.
    """
    weights = [variable.value for variable in supernet.trainable_variables]
    return SearchStep(
        supernet,
        architecture,
        method,
        SGD(weights, momentum=config.momentum, weight_decay=config.weight_decay),
        Adam(
            list(architecture.alpha.values()),
            learning_rate=config.alpha_learning_rate,
            betas=betas,
            weight_decay=config.alpha_weight_decay,
        ),
        gradient_clip=config.gradient_clip,
        alpha_gradient_clip=config.alpha_gradient_clip,
        attack_training=config.attack_statistics == "training",
        **options,
    )
