"""A whole search: epochs of steps, and after each one a genotype, figures and a checkpoint."""

import numpy as np
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.data.sources import Examples, Source
from sdarts_tf.data.streams import Stream, pairs, split
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.methods import schedules
from sdarts_tf.training.epoch_loop import EVALUATION_KEY, EpochLoop, augmentation
from sdarts_tf.training.evaluate import Evaluation
from sdarts_tf.training.replicas import local_part
from sdarts_tf.training.run_directory import Records, RunDirectory
from sdarts_tf.training.search_step import build_step


class SearchLoop(EpochLoop):
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
        weight_half, alpha_half = split(examples, config.train_share)
        options = {"seed": config.seed, "part": local_part(config.batch_size)}
        self.train_stream, self.valid_stream = (
            Stream(half, config.batch_size, augmentation(config, source), purpose=purpose, **options)
            for half, purpose in ((weight_half, "weights"), (alpha_half, "alpha"))
        )
        step = build_step(config, source.num_classes)
        super().__init__(
            config,
            directory,
            step,
            steps_per_epoch=self.train_stream.steps_per_pass,
            images_per_step=2 * config.batch_size,
            progress_console=progress_console,
            supernet=step.supernet,
            architecture=step.architecture,
            weight_optimizer=step.weight_optimizer.state,
            alpha_optimizer=step.alpha_optimizer.state,
        )
        self.space = spaces.get(config.space)
        self.genotypes = Records(directory, "genotypes.jsonl")
        self._evaluate = Evaluation(lambda images, seed, mixture: step.supernet(images, mixture, seed=seed))

    def checkpoint_bytes(self) -> int:
        """Size of one checkpoint: the weights with their velocities; the rest is small."""
        return 2 * 4 * self.step.supernet.count_params()

    def run(self) -> Genotype:
        """Trains until the last epoch and returns its genotype.

        Raises:
            Interrupted: after SIGINT or SIGTERM; the state is saved.
            RunError: the loss is not finite any more, or the disk is full.
        """
        self.genotypes.keep_until(self.restore())
        if not self.genotypes.lines:
            self.genotypes.append({"epoch": 0, **self._genotype().to_dict()})
        self.train()
        return self._genotype()

    def _batches(self, start, stop):
        return pairs(self.train_stream, self.valid_stream, start, stop)

    def _schedules(self, epoch):
        config, progress = self.config, epoch / self.config.epochs
        return {
            "learning_rate": schedules.cosine(config.learning_rate, config.min_learning_rate)(progress),
            "epsilon": schedules.linear(config.epsilon_start, config.epsilon)(progress),
        }

    def _state_is_finite(self):
        return all(np.isfinite(shares).all() for shares in self.step.architecture.mixture().values())

    def _record(self, epoch):
        """The figures of an epoch; accuracies in 0 to 1, entropy in nats per edge."""
        train_loss, train_accuracy, _ = self.totals.means()
        mixture = self.step.architecture.mixture()
        # As officially, the images of the alpha half are augmented here too.
        seed = tf.random.fold_in((self.config.seed, epoch), EVALUATION_KEY)
        valid_loss, valid_accuracy = self._evaluate(self.valid_stream.sweep(seed), mixture, seed=seed)
        shares = np.concatenate([group.numpy() for group in mixture.values()])
        return {
            "epoch": epoch + 1,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "valid_loss": valid_loss,
            "valid_accuracy": valid_accuracy,
            **self._schedules(epoch),
            "alpha_entropy": float(-np.mean(np.sum(shares * np.log(np.maximum(shares, 1e-30)), axis=-1))),
            "skip_connections": self._genotype().count("skip_connect"),
        }

    def _keep(self, record):
        self.genotypes.append({"epoch": record["epoch"], **self._genotype().to_dict()})

    def _genotype(self):
        mixture = {group: shares.numpy() for group, shares in self.step.architecture.mixture().items()}
        return self.space.discretize(mixture)
