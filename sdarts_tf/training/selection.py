"""Selection by perturbation (DARTS-PT): not the largest share is kept, but the candidate whose removal hurts most.

Source: Wang et al., "Rethinking Architecture Selection in Differentiable NAS", ICLR 2021; `projection.py` of its code.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from sdarts_tf.config import SearchConfig, SelectConfig
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.training.evaluate import Evaluation
from sdarts_tf.training.objective import Objective
from sdarts_tf.training.run_directory import Records
from sdarts_tf.training.search_loop import SearchLoop
from sdarts_tf.training.search_task import ImageTask


class DecidedArchitecture(Architecture):
    """Alpha, some rows of which are decided: their shares are given and no longer the softmax of alpha.

    Args:
        shapes, seed: as `Architecture`'s.

    Example:
        >>> architecture = DecidedArchitecture({"cell": (2, 2)}, seed=0)
        >>> architecture.decide("cell", 1, [0.0, 1.0])
        >>> architecture.mixture()["cell"].numpy().astype(float).round(2).tolist()
        [[0.5, 0.5], [0.0, 1.0]]
    """

    def __init__(self, shapes, *, seed):
        super().__init__(shapes, seed=seed)
        self.is_decided = {
            group: tf.Variable(tf.zeros([rows, 1], tf.bool), trainable=False) for group, (rows, _) in shapes.items()
        }
        self.decided = {group: tf.Variable(tf.zeros(shape), trainable=False) for group, shape in shapes.items()}

    def decide(self, group, row, shares):
        """Gives a row its shares for good; zeros take the whole edge away."""
        flags, decided = self.is_decided[group].numpy(), self.decided[group].numpy()
        flags[row], decided[row] = True, shares
        self.is_decided[group].assign(flags)
        self.decided[group].assign(decided)

    def constrained(self, mixture):
        return {
            group: tf.where(self.is_decided[group], self.decided[group], shares) for group, shares in mixture.items()
        }


class SelectionLoop(SearchLoop):
    """Decides on the edges of a trained supernet one by one, and trains the rest on between the decisions.

    Before every `interval`-th epoch each kind of cell decides on one more edge, drawn at random: it keeps the candidate
    without which the supernet is worst on the validation half. After the edges each node gives up those of its edges
    without which the supernet is best, until two remain. Weights and undecided alpha are trained by the search's method
    meanwhile. With partial channels an edge that is given up keeps its bypass.

    Args:
        config: the settings of the search.
        select: the settings of the selection.
        source, examples, directory, space, progress_console: as `SearchLoop`'s.
    """

    def __init__(self, config: SearchConfig, select: SelectConfig, source, examples, directory, *, space, **options):
        self._select, self._choices = select, space.choices()
        tuning = _tuning(config, select, self._choices)
        task = ImageTask(tuning, source, examples, space=space, architecture_class=DecidedArchitecture)
        super().__init__(tuning, task, directory, space=space, **options)
        self.decisions = Records(directory, "decisions.jsonl")
        self._rank = Evaluation(
            lambda images, seed, mixture: Objective(self.step.supernet, (), training=True, seed=seed).logits(
                images, mixture
            )
        )

    def _train_epoch(self, epoch, progress, interruption):
        begins = int(self.position.numpy()) == epoch * self.first_step(1)
        if begins and epoch % self._select.interval == 0:
            self.decisions.keep_until(epoch - 1)  # of a run that was killed after this decision
            for number, group in enumerate(self._choices):
                self._decide(group, epoch, np.random.default_rng((self._select.seed, epoch, number)))
        super()._train_epoch(epoch, progress, interruption)

    def _decide(self, group, epoch, random):
        """The next decision of a group: on an edge that is not decided, else on a node with more than two edges."""
        architecture, choices = self.step.architecture, self._choices[group]
        edges = np.flatnonzero(~architecture.is_decided[group].numpy())
        if len(edges):
            row = int(random.choice(edges))
            harms = {column: self._harm(group, row, [column], epoch) for column in choices.candidates[row]}
            kept = max(harms, key=harms.get)
            architecture.decide(group, row, np.eye(architecture.alpha[group].shape[1])[kept])
            names = choices.candidates[row]
            without = {names[column]: harm for column, harm in harms.items()}
            self._note(epoch, group, without, row=row, kept=names[kept])
            return
        present = architecture.decided[group].numpy().any(axis=-1)
        nodes = [rows for rows in choices.nodes if present[list(rows)].sum() > 2]
        if nodes:
            self._decide_node(group, epoch, [row for row in nodes[random.integers(len(nodes))] if present[row]])

    def _decide_node(self, group, epoch, rows):
        """Gives up edges of a node until two remain."""
        architecture = self.step.architecture
        while len(rows) > 2:
            harms = {row: self._harm(group, row, slice(None), epoch) for row in rows}
            gone = min(harms, key=harms.get)
            architecture.decide(group, gone, 0)
            self._note(epoch, group, harms, gone=gone)
            rows = [row for row in rows if row != gone]

    def _harm(self, group, row, columns, epoch):
        """How bad the supernet is without some shares of a row; the others are not made larger."""
        mixture = self.mixture()
        mixture[group][row, columns] = 0
        seed = tf.random.fold_in((self._select.seed, epoch), 0)
        mixture = {name: tf.constant(shares) for name, shares in mixture.items()}
        loss, accuracy = self._rank(self.task.valid_stream.sweep(seed), mixture, seed=seed)
        return (-accuracy, loss) if self._select.criterion == "accuracy" else (loss,)

    def _note(self, epoch, group, harms, **decision):
        names = ("accuracy", "loss") if self._select.criterion == "accuracy" else ("loss",)
        without = {str(place): dict(zip(names, map(abs, harm), strict=True)) for place, harm in harms.items()}
        self.decisions.append({"epoch": epoch, "group": group, **decision, "without": without})


def _tuning(config, select, choices):
    """The search's settings for the training between decisions; the last one is taken before the last epoch."""
    decisions = max(len(each.candidates) + len(each.nodes) for each in choices.values())
    rate = config.learning_rate / 10 if select.learning_rate is None else select.learning_rate
    return dataclasses.replace(
        config,
        epochs=select.interval * (decisions - 1) + 1,
        learning_rate=rate,
        min_learning_rate=min(config.min_learning_rate, rate),
        epsilon_start=config.epsilon,
        warmup_epochs=0,
        hessian_every=0,
        gap_every=0,
        keep_every=0,
        stop_after=None,
        stop=None,
        drop_path=0.0,
        checkpoint_seconds=select.checkpoint_seconds,
    )
