"""What search and retraining share: epochs of steps, and after each one figures and a checkpoint."""

import abc
import math
import time
from collections.abc import Callable

import rich.console
import tensorflow as tf

from sdarts_tf.data.augment import Augmentation
from sdarts_tf.data.folders import Distortion, FileExamples
from sdarts_tf.data.sources import Examples, Source
from sdarts_tf.errors import Diverged, InputError
from sdarts_tf.training import replicas
from sdarts_tf.training.checkpoint import Checkpoints
from sdarts_tf.training.interruption import Interrupted, Interruption, Paused
from sdarts_tf.training.progress import Progress
from sdarts_tf.training.run_directory import Records, RunDirectory

# Keep the draws of steps and of evaluations apart, both of which are keyed by the seed and a number.
_STEP_KEY, EVALUATION_KEY = 1, 2


class StepTotals(tf.Module):
    """Sums of the figures of the steps of one epoch, kept on the device and in the checkpoint.

    Args:
        skips: whether steps may be skipped, which are counted and left out of the other sums.
    """

    def __init__(self, skips=False):
        super().__init__(name="totals")
        names = ("steps", "loss", "accuracy", "non_finite", *(("skipped",) if skips else ()))
        self.sums = {name: tf.Variable(0.0, trainable=False) for name in names}

    def add(self, figures):
        """Adds the figures of one step."""
        taken = 1.0 - tf.cast(figures["skipped"], tf.float32) if "skipped" in self.sums else 1.0
        for name, total in self.sums.items():
            value = taken if name == "steps" else tf.cast(figures[name], tf.float32)
            # What was skipped may have overflowed.
            total.assign_add(tf.math.multiply_no_nan(value, taken) if name in ("loss", "accuracy") else value)

    def reset(self):
        """Starts a new epoch."""
        for total in self.sums.values():
            total.assign(0.0)

    def means(self):
        """Loss and accuracy, averaged over the steps that were not skipped, and the number of non-finite losses.

        Where all steps were skipped, loss and accuracy are NaN.
        """
        sums = {name: float(total.numpy()) for name, total in self.sums.items()}
        steps = sums["steps"] or math.nan
        return sums["loss"] / steps, sums["accuracy"] / steps, int(sums["non_finite"])


def augmentation(config, source: Source) -> Augmentation:
    """How the settings augment the training images of a data set; what they leave open is the data set's choice.

    Raises:
        InputError: cutout would blank whole images.
    """
    choices = {
        name: getattr(source if getattr(config, name) is None else config, name)
        for name in ("crop_padding", "flip", "cutout_length")
    }
    side, length = min(source.image_shape[:2]), choices["cutout_length"]
    if length // 2 >= side:
        raise InputError(f"--cutout_length={length} blanks all of an image of {side} pixels; choose half of its side.")
    return Augmentation(mean=source.mean, std=source.std, **choices)


def as_trained(config, examples: Examples | FileExamples) -> Examples | FileExamples:
    """The examples as training sees them: of photos a random part, in random colors; others as they are."""
    if isinstance(examples, FileExamples):
        return examples.distorted(Distortion(config.min_crop_area, config.color_jitter))
    return examples


class EpochLoop(abc.ABC):
    """Trains from the start or the last checkpoint to the last epoch, so that being stopped changes no number.

    Made and called in the scope of a strategy, it trains on all of its replicas.

    Args:
        config: its `epochs`, `stop_after`, `seed`, `checkpoint_seconds` and `jit_compile` are read.
        directory: where the run is kept.
        step: called as `step(*batch, seed=, **schedules)`; returns `loss`, `accuracy` and `non_finite`, scalars, and in
            float16 `skipped`.
        first_step: function of an epoch, counted from 0 -> number of the steps before it.
        rate: what a step works on, for the progress: a number and what is counted.
        first_epoch: epochs that an earlier stage of the run has recorded.
        checkpoints: folder of the checkpoints; default the run's.
        progress_console: a `rich` console for the progress; default standard error, of the process that writes.
        **tracked: what the step changes, for the checkpoints.

    Raises:
        InputError: the settings do not fit the number of replicas.
    """

    def __init__(
        self,
        config,
        directory: RunDirectory,
        step,
        *,
        first_step: Callable[[int], int],
        rate: tuple[float, str],
        first_epoch: int = 0,
        checkpoints=None,
        progress_console=None,
        **tracked,
    ):
        self.config, self.directory, self.step = config, directory, step
        self.first_step, self._rate, self.first_epoch = first_step, rate, first_epoch
        self._console = progress_console or rich.console.Console(
            stderr=True, highlight=False, quiet=not directory.writes
        )
        if config.jit_compile and replicas.count() > 1:
            raise InputError("--jit_compile serves one device; leave it away, or add --strategy=one_device.")
        self._shared_signal = replicas.SharedSignal()
        self.totals = StepTotals(skips=config.precision == "float16")
        # Steps taken, epochs recorded, and seconds spent in the present epoch before this process began.
        self.position = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.epochs_done = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.seconds = tf.Variable(0.0, trainable=False)
        self.checkpoints = Checkpoints(
            checkpoints or directory.checkpoints,
            seconds=config.checkpoint_seconds,
            writes=directory.writes,
            totals=self.totals,
            position=self.position,
            epochs_done=self.epochs_done,
            epoch_seconds=self.seconds,
            **tracked,
        )
        self.metrics = Records(directory, "metrics.jsonl")
        self.remarks: list[str] = []  # lines that are shown after the present epoch's
        self._train_step = tf.function(self._step_and_add, jit_compile=config.jit_compile or None)

    @abc.abstractmethod
    def _batches(self, start, stop):
        """What the steps `start` to `stop - 1` are called with, a tuple for each; this process's part of it."""

    @abc.abstractmethod
    def _schedules(self, epoch) -> dict[str, float]:
        """Further arguments of the steps of an epoch, counted from 0."""

    @abc.abstractmethod
    def _state_is_finite(self) -> bool:
        """Whether what has been trained can be used."""

    @abc.abstractmethod
    def _record(self, epoch) -> dict[str, float]:
        """The figures of an epoch, which begin with its number, counted from 1."""

    @abc.abstractmethod
    def _keep(self, record):
        """Writes what an epoch leaves behind beside its figures; may be repeated after a restart."""

    @abc.abstractmethod
    def _reason_to_end(self) -> str | None:
        """Why what has been recorded ends the run here, in one line; None as long as it goes on."""

    def restore(self) -> int:
        """Goes back to the last checkpoint, if there is one; returns the number of finished epochs of the run.

        Raises:
            InputError: the checkpoint cannot be restored.
        """
        self.checkpoints.restore()
        epochs_done = self.first_epoch + int(self.epochs_done.numpy())
        self.metrics.keep_until(epochs_done)
        return epochs_done

    def train(self) -> None:
        """Takes the steps that have not been taken yet.

        Raises:
            Interrupted: after SIGINT or SIGTERM; the state is saved.
            Paused: after the epoch `stop_after`; the state is saved.
            Diverged: the loss is not finite any more.
            RunError: the disk is full.
        """
        log = self.directory.path / "log.txt" if self.directory.writes else None
        total_steps = self.first_step(self.config.epochs)
        with (
            Interruption() as interruption,
            Progress(total_steps, *self._rate, log=log, console=self._console) as progress,
            self._events().as_default(),
        ):
            reason = self._reason_to_end()
            for epoch in range(int(self.epochs_done.numpy()), self.config.epochs):
                if reason is not None:
                    break
                self._pause_if_due(epoch)
                self._train_epoch(epoch, progress, interruption)
                self._finish_epoch(epoch, progress)
                reason = self._reason_to_end()
            if reason is not None:
                progress.line(reason)

    def _pause_if_due(self, epochs_done):
        stop_after = self.config.stop_after
        if stop_after is not None and epochs_done >= stop_after:
            raise Paused(
                f"Stopped after epoch {epochs_done} of {self.config.epochs}, as --stop_after asks, state saved; "
                f"go on with --resume --run_dir={self.directory.run_dir}"
            )

    def _events(self):
        if self.directory.writes:
            return tf.summary.create_file_writer(str(self.directory.events))
        return tf.summary.create_noop_writer()

    def _train_epoch(self, epoch, progress, interruption):
        """Takes the steps of one epoch that have not been taken yet."""
        self._epoch_began = time.monotonic()
        start, stop = self.first_step(epoch), self.first_step(epoch + 1)
        done = int(self.position.numpy()) - start
        progress.start_epoch(f"epoch {epoch + 1}/{self.config.epochs}", stop - start, done)
        schedules = {name: tf.constant(value, tf.float32) for name, value in self._schedules(epoch).items()}
        for batch in self._batches(start + done, stop):
            position = self._train_step(replicas.per_replica(batch), schedules)
            done += 1
            signal_number = self._shared_signal(interruption.signal_number)
            if signal_number is not None:
                self._save(int(position))
                raise Interrupted(
                    f"Stopped after step {int(position)}, state saved; "
                    f"go on with --resume --run_dir={self.directory.run_dir}",
                    signal_number,
                )
            progress.step(done, start + done, self._figures(epoch) if progress.due() else None)
            if self.checkpoints.due():
                self._save(int(position))

    def _step_and_add(self, batch, schedules):
        seed = tf.stack([tf.constant(self.config.seed, tf.int32), tf.cast(self.position, tf.int32)])
        self.totals.add(self.step(*batch, seed=tf.random.fold_in(seed, _STEP_KEY), **schedules))
        self.position.assign_add(1)
        return tf.identity(self.position)

    def _figures(self, epoch):
        """What is shown inside an epoch."""
        loss, accuracy, _ = self.totals.means()
        return "  ".join([f"loss {loss:.3f}  accuracy {accuracy:.1%}", *_described(self._schedules(epoch))])

    def _finish_epoch(self, epoch, progress):
        """Evaluates, records and saves."""
        if not (math.isfinite(self.totals.means()[0]) and self._state_is_finite()):
            remedy = "a lower --learning_rate or a larger --batch_size"
            if not float(self.totals.sums["steps"].numpy()):
                remedy = "--precision=bfloat16, as every step overflowed float16"
            raise Diverged(f"The training loss of epoch {epoch + 1} is not finite; start another run with {remedy}.")
        record = {**self._record(epoch), "non_finite_losses": self.totals.means()[2]}
        if "skipped" in self.totals.sums:
            record["skipped_steps"] = int(self.totals.sums["skipped"].numpy())
        record["seconds"] = self._elapsed()
        self.metrics.append(record)
        for name, value in record.items():
            tf.summary.scalar(name, value, step=self.first_epoch + epoch + 1)
        self._keep(record)
        self.totals.reset()
        self.seconds.assign(0.0)
        self._epoch_began = time.monotonic()
        self.epochs_done.assign(epoch + 1)
        self._save(self.first_step(epoch + 1))
        progress.line("  ".join([f"epoch {epoch + 1}/{self.config.epochs}", *_described(record)]))
        while self.remarks:
            progress.line(self.remarks.pop(0))

    def _elapsed(self):
        return float(self.seconds.numpy()) + time.monotonic() - self._epoch_began

    def _save(self, number):
        self.seconds.assign(self._elapsed())
        self._epoch_began = time.monotonic()
        self.checkpoints.save(number)


# How a figure is called and shown where a user follows a run; others stand in metrics.jsonl only.
_SHOWN = {
    "train_loss": "train loss {:.3f}",
    "train_accuracy": "accuracy {:.1%}",
    "valid_loss": "valid loss {:.3f}",
    "valid_accuracy": "accuracy {:.1%}",
    "valid_perplexity": "perplexity {:.1f}",
    "valid_top5": "top-5 {:.1%}",
    "epsilon": "epsilon {:.3f}",
    "skip_connections": "skips {}",
    "true_test_accuracy": "true test accuracy {:.2%}",
    "true_valid_accuracy": "true valid accuracy {:.2%}",
    "regret": "regret {:.2%}",
    "hessian_norm": "Hessian {:.4f}",
    "hessian_spread": "spread {:.4f}",
    "skipped_steps": "skipped {}",
    "pruned_accuracy": "pruned {:.1%}",
    "cost": "cost {:.4g}",
    "seconds": "{:.1f} s",
}


def _described(figures):
    return [_SHOWN[name].format(value) for name, value in figures.items() if name in _SHOWN]
