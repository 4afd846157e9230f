"""A whole training of a derived network: epochs of steps, and after each one figures and weights."""

import numpy as np
import tensorflow as tf

from sdarts_tf.config import RetrainConfig
from sdarts_tf.data.augment import Augmentation
from sdarts_tf.data.folders import FileExamples
from sdarts_tf.data.sources import Examples, Source
from sdarts_tf.data.streams import Stream, sweep
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.layers.normalization import synchronize
from sdarts_tf.layers.recomputation import recompute_cells
from sdarts_tf.methods import schedules
from sdarts_tf.training import trained_network
from sdarts_tf.training.epoch_loop import EpochLoop, as_trained, augmentation
from sdarts_tf.training.evaluate import Evaluation
from sdarts_tf.training.optimizers import SGD
from sdarts_tf.training.precision import Precision
from sdarts_tf.training.replicas import local_part
from sdarts_tf.training.retrain_step import RetrainStep
from sdarts_tf.training.run_directory import RunDirectory


class RetrainLoop(EpochLoop):
    """Trains a network from its start or its last checkpoint to its end.

    Args:
        config: the settings.
        genotype: the network's architecture.
        source: the data set.
        examples: its training images, of which the last may be held out.
        directory: where the trained network is kept.
        valid: images by which epochs are judged where the settings hold none out of `examples`.
        progress_console: a `rich` console for the progress; default standard error.

    Raises:
        InputError: the genotype cannot be built at this size, or the images do not suffice.
    """

    def __init__(
        self,
        config: RetrainConfig,
        genotype: Genotype,
        source: Source,
        examples: Examples | FileExamples,
        directory: RunDirectory,
        *,
        valid: Examples | FileExamples | None = None,
        progress_console=None,
    ):
        self._plain = Augmentation(source.mean, source.std)
        train, self._held_out = _hold_out(examples, config.valid_share)
        self._held_out = valid if self._held_out is None else self._held_out
        train = as_trained(config, train)
        self._part = local_part(config.batch_size)
        options = {"seed": config.seed, "purpose": "training", "part": self._part}
        self.train_stream = Stream(train, config.batch_size, augmentation(config, source), **options)
        self.network = trained_network.build(genotype, config, source.description)
        if config.recompute:
            recompute_cells(self.network)
        if config.sync_batch_norm:
            synchronize(self.network)
        weights = [variable.value for variable in self.network.trainable_variables]
        step = RetrainStep(
            self.network,
            SGD(weights, momentum=config.momentum, weight_decay=config.weight_decay),
            gradient_clip=config.gradient_clip,
            auxiliary_weight=config.auxiliary_weight,
            label_smoothing=config.label_smoothing,
            precision=Precision(config.precision),
            parts=config.accumulate_steps,
        )
        self._checksum = tf.Variable(examples.checksum(), dtype=tf.int64, trainable=False)
        super().__init__(
            config,
            directory,
            step,
            first_step=lambda epoch: epoch * self.train_stream.steps_per_pass,
            rate=(config.batch_size, "images"),
            progress_console=progress_console,
            network=self.network,
            optimizer=step.optimizer.state,
            examples_checksum=self._checksum,
            **step.precision.state,
        )
        # Without a seed, as `analysis.accuracy` and exported models call it: noise is the same in every batch.
        self._evaluate = Evaluation(lambda images, seed: self.network(images), ranks=ranks(source))

    def checkpoint_bytes(self) -> int:
        """Size of one checkpoint: the weights with their velocities, and once more for `best` and `last`."""
        return 3 * 4 * self.network.count_params()

    def run(self) -> None:
        """Trains until the last epoch; `last`, and `best` where images are held out, lie in the directory then.

        Raises:
            Interrupted: after SIGINT or SIGTERM; the state is saved.
            InputError: the run began with other images, as their number, labels and files' names show.
            RunError: the loss is not finite any more, an image cannot be decoded, or the disk is full.
        """
        present = int(self._checksum.numpy())
        self.restore()
        if int(self._checksum.numpy()) != present:
            raise InputError(
                f"The run in {self.directory.run_dir} began with other training images than it finds now in "
                f"--data_dir={self.config.data_dir}; give it the same files again, or start another run."
            )
        self.train()

    def evaluate(self, examples: Examples | FileExamples) -> dict[str, float]:
        """`loss`, `accuracy` and, with more than five classes, `top5` over the examples; shares in 0 to 1."""
        seed = (self.config.seed, 0)
        batches = sweep(examples, self.config.batch_size, self._plain, seed=seed, part=self._part)
        figures = self._evaluate(batches, seed=seed)
        return dict(zip(("loss", "accuracy", "top5"), figures, strict=False))

    def test(self, examples: Examples | FileExamples) -> dict:
        """Evaluates the network that `trained_network.load` gives, once the training is over.

        Returns:
            `checkpoint`, its name; `test_loss`, `test_accuracy` and, with more than five classes, `test_top5`.
        """
        trained = trained_network.load(self.directory.run_dir)
        for variable, value in zip(self.network.variables, trained.network.variables, strict=True):
            variable.assign(value)
        figures = {f"test_{name}": value for name, value in self.evaluate(examples).items()}
        return {"checkpoint": trained.files.checkpoint, **figures}

    def _batches(self, start, stop):
        return ((batch,) for batch in self.train_stream.batches(start, stop))

    def _schedules(self, epoch):
        config = self.config
        values = {"learning_rate": learning_rate(config, epoch)}
        if config.drop_path:
            values["drop_rate"] = schedules.linear(0.0, config.drop_path)(epoch / config.epochs)
        return values

    def _state_is_finite(self):
        return all(np.isfinite(variable.numpy()).all() for variable in self.network.trainable_variables)

    def _reason_to_end(self):
        return None

    def _record(self, epoch):
        train_loss, train_accuracy, _ = self.totals.means()
        record = {"epoch": epoch + 1, "train_loss": train_loss, "train_accuracy": train_accuracy}
        if self._held_out is not None:
            record |= {f"valid_{name}": value for name, value in self.evaluate(self._held_out).items()}
        return record | self._schedules(epoch)

    def _keep(self, record):
        options = {"network": self.network, "number": record["epoch"], "writes": self.directory.writes}
        trained_network.save(self.directory.path, "last", **options)
        if self._held_out is None:
            return
        # The record itself is the last line already; among equals the earlier epoch stays.
        best = max(self.metrics.lines, key=lambda line: line["valid_accuracy"])
        if best["epoch"] == record["epoch"]:
            trained_network.save(self.directory.path, "best", **options)


def learning_rate(config: RetrainConfig, epoch: int) -> float:
    """The step size of an epoch, counted from 0.

    Example:
        >>> learning_rate(RetrainConfig().completed("images"), 300)
        0.0125
    """
    if config.schedule == "linear":
        schedule = schedules.slow_end(config.learning_rate, config.epochs)
    else:
        cosine = schedules.cosine(config.learning_rate, config.min_learning_rate)

        def schedule(epoch):
            return cosine(epoch / config.epochs)

    return schedules.warm_up(schedule, config.learning_rate, config.warmup_epochs)(epoch)


def ranks(source: Source) -> tuple[int, ...]:
    """Which accuracies say something of a data set: top-1, and top-5 where there are more classes than that."""
    return (1, 5) if source.num_classes > 5 else (1,)


def _hold_out(examples, share):
    """The training part and the held-out part; None for a share of 0."""
    count = round(share * len(examples))
    if share and not 0 < count < len(examples):
        raise InputError(
            f"--valid_share={share} of {len(examples)} images leaves nothing to train on or to hold out; change it."
        )
    kept = len(examples) - count
    return examples.part(0, kept), examples.part(kept, len(examples)) if count else None
