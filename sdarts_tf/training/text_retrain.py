"""A whole training of a language model around a found cell: windows of text, SGD, and averaged weights at the end.

Source: `sota/rnn/train.py` of the official code; Merity et al., "Regularizing and Optimizing LSTM Language Models",
ICLR 2018, section 3, for when averaging starts.
"""

import math

import numpy as np
import tensorflow as tf

from sdarts_tf.config import RetrainConfig
from sdarts_tf.data import text
from sdarts_tf.data.text import Corpus, Windows
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.spaces.recurrent import LanguageModel
from sdarts_tf.training import replicas, runtime, trained_network
from sdarts_tf.training.epoch_loop import EpochLoop
from sdarts_tf.training.optimizers import SGD, Average, clip_by_global_norm
from sdarts_tf.training.run_directory import RunDirectory
from sdarts_tf.training.text_evaluate import TextEvaluation
from sdarts_tf.training.text_objective import TextObjective

EVALUATED_STREAMS = 10  # officially, the validation text is read as so many streams, the test text as one
_LENGTH_SPREAD = 5.0  # standard deviation of the windows' lengths, in tokens


class TextRetrainStep:
    """The step of a training, called as `step(window, learning_rate, seed)`.

    Args:
        model: a model of `RecurrentSpace.build_network`.
        optimizer: of its weights.
        average: of its weights; takes part once it is active.
        hidden: variable `[N, units]`, the state that the windows carry along.
        config: `gradient_clip`, `bptt` and `slowness` are read.
    """

    def __init__(
        self, model: LanguageModel, optimizer: SGD, average: Average, hidden: tf.Variable, config: RetrainConfig
    ):
        self.model, self.optimizer, self.average, self.hidden = model, optimizer, average, hidden
        self._clip, self._options = config.gradient_clip, {"bptt": config.bptt, "slowness": config.slowness}

    def __call__(self, window, learning_rate, seed) -> dict[str, tf.Tensor]:
        """Moves the weights by one step, as long as the window is.

        Args:
            window: a `Window`.
            learning_rate: of a window of the usual length, a scalar tensor.
            seed: int32 `[2]`, different at every step; keys what is dropped.

        Returns:
            Scalars: `loss` in nats per token, without slowness; `accuracy`; `gradient_norm` before clipping;
            `non_finite`, 1 if the loss is not finite, else 0.
        """
        objective = TextObjective(
            self.model, window, training=True, record=True, seed=seed, hidden=self.hidden, **self._options
        )
        loss, gradient, accuracy = objective.loss_and_weight_gradient(None)
        gradient, norm = clip_by_global_norm(gradient, self._clip)
        self.optimizer.apply(gradient, learning_rate * objective.step_share)
        self.average.update()
        non_finite = tf.cast(~tf.math.is_finite(loss), tf.int32)
        return {"loss": loss, "accuracy": accuracy, "gradient_norm": norm, "non_finite": non_finite}


def build_text_step(model: LanguageModel, config: RetrainConfig) -> TextRetrainStep:
    """The step that trains a model, with fresh optimizer, average and hidden states.

    Args:
        model: a model of `RecurrentSpace.build_network`.
        config: the settings, completed.
    """
    weights = [variable.value for variable in model.trainable_variables]
    optimizer = SGD(weights, momentum=config.momentum, weight_decay=config.weight_decay)
    hidden = tf.Variable(tf.zeros([config.batch_size, config.units]), trainable=False, name="hidden")
    return TextRetrainStep(model, optimizer, Average(weights), hidden, config)


class TextRetrainLoop(EpochLoop):
    """Trains a language model from its start or its last checkpoint to its end.

    Every epoch is evaluated on the validation text. Once its loss is above the best of all but the last
    `averaging_patience` epochs, the weights are averaged over all further steps; what is evaluated and saved is then
    the average.

    Args:
        config: the settings, completed.
        genotype: the cell.
        corpus: the texts.
        directory: where the trained model is kept.
        progress_console: a `rich` console for the progress; default standard error.

    Raises:
        InputError: the genotype cannot be built, or a text is too short for so many streams.
    """

    def __init__(
        self,
        config: RetrainConfig,
        genotype: Genotype,
        corpus: Corpus,
        directory: RunDirectory,
        *,
        progress_console=None,
    ):
        if replicas.count() > 1:
            raise InputError("Language models are trained on one device; add --strategy=one_device.")
        runtime.suit_texts()
        self._rows = text.parallel(corpus.train, config.batch_size, "The training text")
        self._valid_rows = text.parallel(corpus.valid, EVALUATED_STREAMS, "The validation text")
        self._windows = Windows(len(self._rows), config.bptt, seed=config.seed, spread=_LENGTH_SPREAD)
        self.network = trained_network.build(genotype, config, corpus.vocabulary)
        step = build_text_step(self.network, config)
        self.average = step.average
        self._checksum = tf.Variable(corpus.checksum(), dtype=tf.int64, trainable=False)
        super().__init__(
            config,
            directory,
            step,
            first_step=self._windows.first_step,
            rate=(config.batch_size * config.bptt, corpus.vocabulary.unit),
            progress_console=progress_console,
            network=self.network,
            optimizer=step.optimizer.state,
            average=step.average.state,
            hidden=step.hidden,
            text_checksum=self._checksum,
        )
        self._evaluate = TextEvaluation(self.network, config.units)

    def checkpoint_bytes(self) -> int:
        """Size of one checkpoint: weights, velocities and averages, and the weights once more for `best` and `last`."""
        return 4 * 4 * self.network.count_params()

    def run(self) -> None:
        """Trains until the last epoch; `last` and `best` lie in the directory then.

        Raises:
            Interrupted: after SIGINT or SIGTERM; the state is saved.
            InputError: the run began with another training text.
            RunError: the loss is not finite any more, or the disk is full.
        """
        present = int(self._checksum.numpy())
        self.restore()
        if int(self._checksum.numpy()) != present:
            raise InputError(
                f"The run in {self.directory.run_dir} began with another training text than it finds now in "
                f"--data_dir={self.config.data_dir}; give it the same files again, or start another run."
            )
        self.train()

    def test(self, tokens: np.ndarray) -> dict:
        """Evaluates the model that `trained_network.load` gives on a text, read as one stream.

        Returns:
            `checkpoint`, its name; `test_loss` in nats per token, `test_accuracy`, `test_perplexity`.
        """
        trained = trained_network.load(self.directory.run_dir)
        for variable, value in zip(self.network.variables, trained.network.variables, strict=True):
            variable.assign(value)
        rows = text.parallel(tokens, 1, "The test text")
        figures = {f"test_{name}": value for name, value in self._figures_of(rows).items()}
        return {"checkpoint": trained.files.checkpoint, **figures}

    def _figures_of(self, rows):
        loss, accuracy = self._evaluate(text.sweep(rows, self.config.bptt))
        return {"loss": loss, "accuracy": accuracy, "perplexity": math.exp(loss)}

    def _batches(self, start, stop):
        for number in range(start, stop):
            epoch, index = self._windows.place(number)
            row, length = self._windows.epoch(epoch)[index]
            yield (text.window(self._rows, row, length, self._windows.longest, fresh=index == 0),)

    def _schedules(self, epoch):
        return {"learning_rate": self.config.learning_rate}

    def _state_is_finite(self):
        return all(np.isfinite(variable.numpy()).all() for variable in self.network.trainable_variables)

    def _reason_to_end(self):
        return None

    def _record(self, epoch):
        train_loss, train_accuracy, _ = self.totals.means()
        averaged = self.average.is_active()
        with self.average.applied():
            valid = {f"valid_{name}": value for name, value in self._figures_of(self._valid_rows).items()}
        self.average.active.assign(averaged or self._has_stalled(valid["valid_loss"]))
        return {
            "epoch": epoch + 1,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            **valid,
            **self._schedules(epoch),
            "averaged": int(averaged),
        }

    def _has_stalled(self, loss):
        """Whether the validation loss is above the best of the epochs before the last few."""
        before = [line["valid_loss"] for line in self.metrics.lines][: -self.config.averaging_patience]
        return bool(before) and loss > min(before)

    def _keep(self, record):
        best = min(self.metrics.lines, key=lambda line: line["valid_loss"])  # among equals the earlier epoch
        with self.average.applied():
            for name in ("last", "best") if best["epoch"] == record["epoch"] else ("last",):
                trained_network.save(self.directory.path, name, self.network, record["epoch"])
