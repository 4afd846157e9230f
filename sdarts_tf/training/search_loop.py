"""A whole search: epochs of steps, and after each one a genotype, figures and a checkpoint."""

import math
import time

import keras
import numpy as np
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.data.augment import Augmentation
from sdarts_tf.data.sources import Examples, Source
from sdarts_tf.data.streams import Stream, pairs, split
from sdarts_tf.errors import RunError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.methods import schedules
from sdarts_tf.training.checkpoint import Checkpoints
from sdarts_tf.training.evaluate import Evaluation
from sdarts_tf.training.interruption import Interrupted, Interruption
from sdarts_tf.training.progress import Progress
from sdarts_tf.training.run_directory import Records, RunDirectory
from sdarts_tf.training.search_step import build_step

# Keep the draws of steps and of evaluations apart, both of which are keyed by the seed and a number.
_STEP_KEY, _EVALUATION_KEY = 1, 2


class StepTotals(tf.Module):
    """Sums of the figures of the steps of one epoch, kept on the device and in the checkpoint."""

    def __init__(self):
        super().__init__(name="totals")
        self.sums = {name: tf.Variable(0.0, trainable=False) for name in ("steps", "loss", "accuracy", "non_finite")}

    def add(self, figures):
        """Adds the result of a `SearchStep`."""
        for name, total in self.sums.items():
            total.assign_add(1.0 if name == "steps" else tf.cast(figures[name], tf.float32))

    def reset(self):
        """Starts a new epoch."""
        for total in self.sums.values():
            total.assign(0.0)

    def means(self):
        """Loss and accuracy, averaged over the steps so far, and the number of non-finite losses."""
        sums = {name: float(total) for name, total in self.sums.items()}
        steps = max(sums["steps"], 1.0)
        return sums["loss"] / steps, sums["accuracy"] / steps, int(sums["non_finite"])


def make_reproducible(seed):
    """Keys every random draw by `seed` and asks TensorFlow for deterministic kernels, in the whole process."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


class SearchLoop:
    """Runs a search from its start or its last checkpoint to its end.

    Args:
        config: the settings.
        source: the data set.
        examples: its training images; the first part trains the weights, the rest alpha.
        directory: where the run is kept.
        progress_console: a `rich` console for the progress; default standard error.
    """

    def __init__(
        self,
        config: SearchConfig,
        source: Source,
        examples: Examples,
        directory: RunDirectory,
        *,
        progress_console=None,
    ):
        self.config, self.directory, self._console = config, directory, progress_console
        self._open_streams(source, examples)
        self.step = build_step(config, source.num_classes)
        self.space = spaces.get(config.space)
        self.totals = StepTotals()
        # Steps taken, epochs recorded, and seconds spent in the present epoch before this process began.
        self.position = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.epochs_done = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.seconds = tf.Variable(0.0, trainable=False)
        self.checkpoints = Checkpoints(
            directory.checkpoints,
            seconds=config.checkpoint_seconds,
            supernet=self.step.supernet,
            architecture=self.step.architecture,
            weight_optimizer=self.step.weight_optimizer.state,
            alpha_optimizer=self.step.alpha_optimizer.state,
            totals=self.totals,
            position=self.position,
            epochs_done=self.epochs_done,
            epoch_seconds=self.seconds,
        )
        self._train_step = tf.function(self._step_and_add, jit_compile=config.jit_compile or None)
        self._evaluate = Evaluation(lambda images, seed, mixture: self.step.supernet(images, mixture, seed=seed))

    def _open_streams(self, source, examples):
        config = self.config
        side = min(examples.images.shape[1:3])
        augmentation = Augmentation(
            mean=source.mean,
            std=source.std,
            crop_padding=side // 8 if config.crop_padding is None else config.crop_padding,
            flip=source.flip if config.flip is None else config.flip,
            cutout_length=config.cutout_length,
        )
        weight_part, alpha_part = split(examples, config.train_share)
        seed = config.seed
        self.train_stream = Stream(weight_part, config.batch_size, augmentation, seed=seed, purpose="weights")
        self.valid_stream = Stream(alpha_part, config.batch_size, augmentation, seed=seed, purpose="alpha")
        self.steps_per_epoch = self.train_stream.steps_per_pass

    def checkpoint_bytes(self) -> int:
        """Size of one checkpoint: the weights with their velocities; the rest is small."""
        return 2 * 4 * self.step.supernet.count_params()

    def run(self) -> Genotype:
        """Trains until the last epoch and returns its genotype.

        Raises:
            Interrupted: after SIGINT or SIGTERM; the state is saved.
            RunError: the loss is not finite any more, or the disk is full.
        """
        self.checkpoints.restore()
        epochs_done = int(self.epochs_done.numpy())
        self.genotypes = Records(self.directory, "genotypes.jsonl")
        self.metrics = Records(self.directory, "metrics.jsonl")
        for records in (self.genotypes, self.metrics):
            records.keep_until(epochs_done)
        if not self.genotypes.lines:
            self.genotypes.append({"epoch": 0, **self._genotype().to_dict()})
        log = self.directory.path / "log.txt"
        total_steps = self.config.epochs * self.steps_per_epoch
        with (
            Interruption() as interruption,
            Progress(total_steps, 2 * self.config.batch_size, log=log, console=self._console) as progress,
            tf.summary.create_file_writer(str(self.directory.events)).as_default(),
        ):
            for epoch in range(epochs_done, self.config.epochs):
                self._train_epoch(epoch, progress, interruption)
                self._finish_epoch(epoch, progress)
        return self._genotype()

    def _train_epoch(self, epoch, progress, interruption):
        """Takes the steps of one epoch that have not been taken yet."""
        self._epoch_began = time.monotonic()
        done = int(self.position.numpy()) - epoch * self.steps_per_epoch
        progress.start_epoch(f"epoch {epoch + 1}/{self.config.epochs}", self.steps_per_epoch, done)
        learning_rate, epsilon = (tf.constant(value, tf.float32) for value in self._schedules(epoch))
        stop = (epoch + 1) * self.steps_per_epoch
        for train_batch, valid_batch in pairs(
            self.train_stream, self.valid_stream, stop - self.steps_per_epoch + done, stop
        ):
            position = self._train_step(train_batch, valid_batch, learning_rate, epsilon)
            done += 1
            if interruption.signal_number is not None:
                self._save(int(position))
                raise Interrupted(
                    f"Stopped after step {int(position)}, state saved; "
                    f"go on with --resume --run_dir={self.directory.path}",
                    interruption.signal_number,
                )
            progress.step(done, stop - self.steps_per_epoch + done, self._figures(epoch) if progress.due() else None)
            if self.checkpoints.due():
                self._save(int(position))

    def _step_and_add(self, train_batch, valid_batch, learning_rate, epsilon):
        seed = tf.stack([tf.constant(self.config.seed, tf.int32), tf.cast(self.position, tf.int32)])
        self.totals.add(self.step(train_batch, valid_batch, learning_rate, epsilon, tf.random.fold_in(seed, _STEP_KEY)))
        return self.position.assign_add(1)

    def _schedules(self, epoch):
        config, progress = self.config, epoch / self.config.epochs
        learning_rate = schedules.cosine(config.learning_rate, config.min_learning_rate)(progress)
        return learning_rate, schedules.linear(config.epsilon_start, config.epsilon)(progress)

    def _figures(self, epoch):
        loss, accuracy, _ = self.totals.means()
        return f"loss {loss:.3f}  accuracy {accuracy:.1%}  epsilon {self._schedules(epoch)[1]:.3f}"

    def _finish_epoch(self, epoch, progress):
        """Evaluates, records and saves."""
        finite = [math.isfinite(self.totals.means()[0])]
        finite += [np.isfinite(shares).all() for shares in self.step.architecture.mixture().values()]
        if not all(finite):
            raise RunError(
                f"The training loss of epoch {epoch + 1} is not finite; start another run with a lower "
                "--learning_rate or a larger --batch_size."
            )
        record = self._record(epoch)
        genotype = self._genotype()
        self.metrics.append(record)
        self.genotypes.append({"epoch": epoch + 1, **genotype.to_dict()})
        for name, value in record.items():
            tf.summary.scalar(name, value, step=epoch + 1)
        self.totals.reset()
        self.seconds.assign(0.0)
        self._epoch_began = time.monotonic()
        self.epochs_done.assign(epoch + 1)
        self._save((epoch + 1) * self.steps_per_epoch)
        progress.line(
            f"epoch {epoch + 1}/{self.config.epochs}  train loss {record['train_loss']:.3f} "
            f"accuracy {record['train_accuracy']:.1%}  valid loss {record['valid_loss']:.3f} "
            f"accuracy {record['valid_accuracy']:.1%}  epsilon {record['epsilon']:.3f}  "
            f"skips {record['skip_connections']}  {record['seconds']:.1f} s"
        )

    def _record(self, epoch):
        """The figures of an epoch; accuracies in 0 to 1, entropy in nats per edge, epochs counted from 1."""
        train_loss, train_accuracy, non_finite = self.totals.means()
        mixture = self.step.architecture.mixture()
        # As officially, the images of the alpha half are augmented here too.
        seed = tf.random.fold_in((self.config.seed, epoch), _EVALUATION_KEY)
        valid_loss, valid_accuracy = self._evaluate(self.valid_stream.sweep(seed), mixture, seed=seed)
        learning_rate, epsilon = self._schedules(epoch)
        shares = np.concatenate([group.numpy() for group in mixture.values()])
        return {
            "epoch": epoch + 1,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "valid_loss": valid_loss,
            "valid_accuracy": valid_accuracy,
            "epsilon": epsilon,
            "learning_rate": learning_rate,
            "alpha_entropy": float(-np.mean(np.sum(shares * np.log(np.maximum(shares, 1e-30)), axis=-1))),
            "skip_connections": self._genotype().count("skip_connect"),
            "non_finite_losses": non_finite,
            "seconds": self._elapsed(),
        }

    def _genotype(self):
        mixture = {group: shares.numpy() for group, shares in self.step.architecture.mixture().items()}
        return self.space.discretize(mixture)

    def _elapsed(self):
        return float(self.seconds) + time.monotonic() - self._epoch_began

    def _save(self, number):
        self.seconds.assign(self._elapsed())
        self._epoch_began = time.monotonic()
        self.checkpoints.save(number)
