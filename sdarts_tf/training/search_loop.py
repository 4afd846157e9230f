"""A whole search: epochs of steps, and after each one a genotype, figures and a checkpoint."""

import dataclasses

import numpy as np

from sdarts_tf import spaces
from sdarts_tf.benchmarks import Benchmark
from sdarts_tf.config import SearchConfig
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.methods import ingredients, progressive, schedules, stopping
from sdarts_tf.spaces.base import SearchSpace
from sdarts_tf.training import curvature, discretization
from sdarts_tf.training.checkpoint import Checkpoints
from sdarts_tf.training.epoch_loop import EpochLoop
from sdarts_tf.training.fixed_loss import FixedLoss
from sdarts_tf.training.run_directory import Records, RunDirectory
from sdarts_tf.training.search_task import SearchTask


@dataclasses.dataclass(frozen=True)
class RunStage:
    """Which stage of a run a loop is.

    Args:
        number: counted from 1.
        first_epoch: number of the epochs of the stages before it.
        skip_dropout: start of the dropout behind skip connections.
    """

    number: int
    first_epoch: int
    skip_dropout: float = 0.0


class SearchLoop(EpochLoop):
    """Runs a search from its start or its last checkpoint to its end.

    Args:
        config: the settings.
        task: what is learned, for example an `ImageTask`.
        directory: where the run is kept.
        space: default the one that the settings name.
        stage: the stage of the run that this loop is; None if the run is one search.
        benchmark: in which each epoch's genotype is looked up, if given.
        target: an `analysis.cost_target.CostTarget` that chooses the genotypes, if given.
        progress_console: a `rich` console for the progress; default standard error.
    """

    def __init__(
        self,
        config: SearchConfig,
        task: SearchTask,
        directory: RunDirectory,
        *,
        space: SearchSpace | None = None,
        stage: RunStage | None = None,
        benchmark: Benchmark | None = None,
        target=None,
        progress_console=None,
    ):
        self._warmup_epochs = ingredients.warmup_epochs(config.method, config.epochs, config.warmup_epochs)
        self._max_skips = ingredients.max_skips(config.method, config.max_skips)
        self.space, self.stage, self._benchmark = space or spaces.get(config.space), stage, benchmark
        self.target = target
        self.task, step = task, task.step
        self._warned = False
        super().__init__(
            config,
            directory,
            step,
            first_step=task.first_step,
            rate=task.rate,
            first_epoch=stage.first_epoch if stage else 0,
            checkpoints=directory.checkpoints / f"stage-{stage.number}" if stage else None,
            progress_console=progress_console,
            supernet=step.supernet,
            architecture=step.architecture,
            weight_optimizer=step.weight_optimizer.state,
            alpha_optimizer=step.alpha_optimizer.state,
            **step.precision.state,
            **task.tracked,
        )
        self.genotypes, self.mixtures = (Records(directory, name) for name in ("genotypes.jsonl", "mixtures.jsonl"))
        if target is not None and target.model.doubt:
            self.remarks.append(target.model.doubt)
        self._measure_hessian = self._hessian() if config.hessian_every else None
        self._measure_gap = self._gap() if config.gap_every else None

    def checkpoint_bytes(self) -> int:
        """Size of one checkpoint: the weights with their velocities; the rest is small."""
        return 2 * 4 * self.step.supernet.count_params()

    def run(self) -> Genotype:
        """Trains until the last epoch, or until the stopping rule goes back, and returns the genotype of that epoch.

        Raises:
            Interrupted: after SIGINT or SIGTERM; the state is saved.
            RunError: the loss is not finite any more, or the disk is full.
        """
        epochs_done = self.restore()
        untrained = not self.first_epoch and not int(self.position.numpy())
        for records in (self.genotypes, self.mixtures):
            records.keep_until(-1 if untrained else epochs_done)
        if untrained:
            self._record_architecture(0)
        self.train()
        back = self._back()
        return self._genotype() if back is None else self._recorded()[back]

    def _hessian(self):
        """What measures the Hessian by alpha on fixed batches."""
        config, training = self.config, self.config.hessian_statistics == "training"
        batches = self.task.fixed_batches(config.batch_size, config.hessian_batches)
        hessian = curvature.AlphaHessian(
            lambda batch: self.task.objective(batch, training=training), self.task.step.architecture
        )
        return lambda: curvature.measure(hessian, batches)

    def _gap(self):
        """What measures loss and accuracy at the mixture, with kept edges one-hot, and pruned, on fixed batches."""
        batches = self.task.fixed_batches(self.config.batch_size, self.config.gap_batches)
        # The batches' own statistics: the recorded ones are those of the mixture.
        loss = FixedLoss(lambda batch: self.task.objective(batch, training=True), batches)

        def measure():
            mixture = self.task.step.architecture.mixture()
            gap = discretization.gap(self.space, loss, mixture, self._genotype())
            return {f"{step}_{name}": value for step, figures in gap.items() for name, value in figures.items()}

        return measure

    def _batches(self, start, stop):
        return self.task.batches(start, stop)

    def _schedules(self, epoch):
        config, progress = self.config, epoch / self.config.epochs
        figures = {
            "learning_rate": schedules.cosine(config.learning_rate, config.min_learning_rate)(progress),
            "epsilon": schedules.linear(config.epsilon_start, config.epsilon)(progress),
        }
        warmup_epochs = self._warmup_epochs
        if warmup_epochs:
            figures["alpha_learning_rate"] = config.alpha_learning_rate if epoch >= warmup_epochs else 0.0
        if self.stage and self.stage.skip_dropout:
            rate = progressive.skip_dropout(self.stage.skip_dropout, warmup_epochs, config.epochs)
            figures["skip_dropout"] = rate(epoch)
        if config.drop_path:
            # Unlike the other schedules it reaches its end, as in RobustDARTS.
            figures["drop_rate"] = schedules.linear(0.0, config.drop_path)(epoch / max(config.epochs - 1, 1))
        return figures

    def _state_is_finite(self):
        return all(np.isfinite(shares).all() for shares in self.step.architecture.mixture().values())

    def _reason_to_end(self):
        back, now = self._back(), len(self.metrics.lines)
        if back is None:
            return None
        return f"stopped after epoch {now} by --stop={self.config.stop}: back to the genotype of epoch {back}"

    def _back(self) -> int | None:
        """The epoch to which the stopping rule goes back after what has been recorded, None if it does not."""
        if self.config.stop is None or not self.metrics.lines:
            return None
        what, rule = stopping.parse(self.config.stop)
        if what == "skips":
            return rule({epoch: _skips(genotype) for epoch, genotype in self._recorded().items() if epoch})
        # The official eigenvalue contains alpha's weight decay. An additional measurement at the end is no part of it.
        measured = [line for line in self.metrics.lines if line["epoch"] % self.config.hessian_every == 0]
        decay = self.config.alpha_weight_decay
        return rule({line["epoch"]: line["hessian_largest"] + decay for line in measured})

    def _recorded(self):
        """The genotype of every epoch, 0 included."""
        return {line["epoch"]: Genotype.from_dict(line) for line in self.genotypes.lines}

    def _due(self, every, epoch):
        """Whether the turn of what is done every so many epochs has come; the last epoch has always its turn."""
        return bool(every) and (epoch % every == 0 or epoch == self.config.epochs)

    def _record(self, epoch):
        """The figures of an epoch; accuracies in 0 to 1, entropy in nats per edge."""
        train_loss, train_accuracy, _ = self.totals.means()
        mixture, genotype = self.step.architecture.mixture(), self._genotype()
        return {
            "epoch": self.first_epoch + epoch + 1,
            **({"stage": self.stage.number} if self.stage else {}),
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            **self.task.evaluate(epoch, mixture),
            **self._schedules(epoch),
            "alpha_entropy": float(np.mean(np.concatenate([_entropies(group.numpy()) for group in mixture.values()]))),
            "skip_connections": genotype.count("skip_connect"),
            **self._true_figures(genotype),
            **(self.target.figures(self.mixture(), max_skips=self._max_skips) if self.target else {}),
            **(self._measure_hessian() if self._due(self.config.hessian_every, epoch + 1) else {}),
            **(self._measure_gap() if self._due(self.config.gap_every, epoch + 1) else {}),
        }

    def _true_figures(self, genotype):
        if self._benchmark is None:
            return {}
        figures = self._benchmark.figures(genotype)
        if not figures and not self._warned:
            self._warned = True
            self.remarks.append(
                "--benchmark lacks the genotype of this epoch, and perhaps others; such have no true figures"
            )
        return figures

    def _keep(self, record):
        epoch = record["epoch"]
        self._record_architecture(epoch)
        if self._due(self.config.keep_every, epoch - self.first_epoch):
            tracked = {"supernet": self.step.supernet, "architecture": self.step.architecture}
            folder = self.directory.kept / f"epoch-{epoch}"
            Checkpoints(folder, writes=self.directory.writes, **tracked).save(epoch)

    def _record_architecture(self, epoch):
        mixture = {group: shares.tolist() for group, shares in self.space.complete(self.mixture()).items()}
        self.genotypes.append({"epoch": epoch, **self._genotype().to_dict()})
        self.mixtures.append({"epoch": epoch, "mixture": mixture})

    def _genotype(self):
        choose = self.target.genotype if self.target else self.space.discretize
        return choose(self.mixture(), max_skips=self._max_skips)

    def mixture(self) -> dict[str, np.ndarray]:
        """The present shares."""
        return {group: shares.numpy() for group, shares in self.step.architecture.mixture().items()}


def _skips(genotype):
    """Skip connections outside of reduction cells, where they have weights."""
    cells = [edges for kind, edges in genotype.cells.items() if kind != "reduce"]
    return sum(edge.operation == "skip_connect" for edges in cells for edge in edges)


def _entropies(shares):
    """The entropy of each row, in nats."""
    return -np.sum(shares * np.log(np.maximum(shares, 1e-30)), axis=-1)
