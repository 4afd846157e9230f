"""What a search learns: the streams of batches, the step that sees them, and how the supernet is evaluated."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import tensorflow as tf

from sdarts_tf.config import SearchConfig
from sdarts_tf.data.sources import Examples, Source
from sdarts_tf.data.streams import Stream, pairs, split
from sdarts_tf.spaces.base import Architecture, Mixture, SearchSpace
from sdarts_tf.training import curvature
from sdarts_tf.training.epoch_loop import EVALUATION_KEY, as_trained, augmentation
from sdarts_tf.training.evaluate import Evaluation
from sdarts_tf.training.objective import Objective
from sdarts_tf.training.replicas import local_part
from sdarts_tf.training.search_step import SearchStep, build_step


class SearchTask(Protocol):
    """What a `SearchLoop` needs of its data.

    Args:
        step: takes one batch of weights and one of alpha.
        first_step: function of an epoch, counted from 0 -> number of the steps before it.
        rate: what a step works on: a number and what is counted.
        tracked: what the checkpoints hold beside the step's own state.
    """

    step: SearchStep
    first_step: Callable[[int], int]
    rate: tuple[float, str]
    tracked: Mapping[str, Any]

    def batches(self, start: int, stop: int) -> Iterator:
        """Pairs of a batch for the weights and one for alpha, of the steps `start` to `stop - 1`."""

    def evaluate(self, epoch: int, mixture: Mixture) -> dict[str, float]:
        """The figures on the data of alpha after an epoch, counted from 0: `valid_loss` and others."""

    def fixed_batches(self, batch_size: int, count: int) -> list:
        """Batches of the data of alpha, the same in every epoch and run; InputError if there are not so many."""

    def objective(self, batch, *, training: bool) -> Objective:
        """The loss on one of `fixed_batches`, which moves nothing; `training` as that of `Objective`."""


class ImageTask:
    """Images and their classes.

    Args:
        config: the settings, completed.
        source: the data set.
        examples: its training images; the first part trains the weights, the rest alpha.
        space, architecture_class, penalty: as `build_step`'s.
    """

    tracked: Mapping[str, Any] = {}

    def __init__(
        self,
        config: SearchConfig,
        source: Source,
        examples: Examples,
        *,
        space: SearchSpace | None = None,
        architecture_class=Architecture,
        penalty: Callable[[Mixture], tf.Tensor] | None = None,
    ):
        weight_half, alpha_half = split(examples, config.train_share)
        options = {"seed": config.seed, "part": local_part(config.batch_size)}
        self.train_stream, self.valid_stream = (
            Stream(
                as_trained(config, half), config.batch_size, augmentation(config, source), purpose=purpose, **options
            )
            for half, purpose in ((weight_half, "weights"), (alpha_half, "alpha"))
        )
        options = {"image_channels": source.image_shape[2], "penalty": penalty}
        self.step = build_step(config, source.num_classes, space, architecture_class, **options)
        self.seed = config.seed
        self.rate = (2 * config.batch_size, "images")
        self._alpha_half, self._source = alpha_half, source
        supernet = self.step.supernet
        self._evaluate = Evaluation(lambda images, seed, mixture: supernet(images, mixture, seed=seed))

    def first_step(self, epoch):
        return epoch * self.train_stream.steps_per_pass

    def batches(self, start, stop):
        return pairs(self.train_stream, self.valid_stream, start, stop)

    def evaluate(self, epoch, mixture):
        """`valid_loss` and `valid_accuracy`, 0 to 1, on the images of alpha."""
        # As officially, the images of the alpha half are augmented here too.
        seed = tf.random.fold_in((self.seed, epoch), EVALUATION_KEY)
        loss, accuracy = self._evaluate(self.valid_stream.sweep(seed), mixture, seed=seed)
        return {"valid_loss": loss, "valid_accuracy": accuracy}

    def fixed_batches(self, batch_size, count):
        """As `curvature.fixed_batches` makes them."""
        return curvature.fixed_batches(self._alpha_half, self._source, batch_size=batch_size, count=count)

    def objective(self, batch, *, training):
        """As `curvature.image_objective` has it."""
        return curvature.image_objective(self.step.supernet, batch, training=training)
