"""Does a supernet rank architectures as their own trainings do? Kendall's tau over a random sample.

Source: `nasbench201/examine_ranking.py` of the official code, which compares 100 one-hot mixtures in evaluation mode.
"""

import functools
from collections.abc import Callable

import numpy as np
import scipy.stats

from sdarts_tf.benchmarks import Benchmark
from sdarts_tf.config import CorrelateConfig
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.spaces.base import SearchSpace
from sdarts_tf.training import searched
from sdarts_tf.training.fixed_loss import FixedLoss
from sdarts_tf.training.search_task import SearchTask
from sdarts_tf.training.searched_files import SearchedFiles

_DRAWS_PER_ARCHITECTURE = 500


def sample(space: SearchSpace, benchmark: Benchmark, count: int, *, seed: int) -> dict[str, Genotype]:
    """Draws architectures of a space that its benchmark knows.

    A mixture is drawn, every row uniform on its simplex, and discretized, until there are enough.

    Args:
        space: in which is drawn.
        benchmark: architectures that it lacks are drawn again, and so are those that have been drawn.
        count: number of architectures.
        seed: of the draws.

    Returns:
        The benchmark's name of an architecture -> its genotype, in the order of the draws.

    Raises:
        InputError: after very many draws there are still too few.
    """
    random = np.random.RandomState(seed)
    found: dict[str, Genotype] = {}
    for _ in range(_DRAWS_PER_ARCHITECTURE * count):
        mixture = {
            group: random.dirichlet(np.ones(candidates), size=rows)
            for group, (rows, candidates) in space.alpha_shapes().items()
        }
        genotype = space.discretize(mixture)
        if benchmark[genotype] is not None:
            found.setdefault(benchmark.name_of(genotype), genotype)
        if len(found) == count:
            return found
    raise InputError(
        f"--architectures={count} are too many: {_DRAWS_PER_ARCHITECTURE * count} random draws met {len(found)} that "
        "the benchmark has; lower it, or use a larger table."
    )


def kendall(scores, accuracies) -> tuple[float | None, float | None]:
    """Kendall's tau-b of two rankings of the same architectures, and the probability of one that large by chance.

    Args:
        scores, accuracies: one number for each architecture, at least two.

    Returns:
        None, None where all scores or all accuracies are equal: then nothing is ranked.

    Example:
        >>> kendall([1, 2, 3, 4, 5], [10, 20, 30, 50, 40])[0]
        0.8
        >>> kendall([1, 1], [1, 2])
        (None, None)
    """
    result = scipy.stats.kendalltau(scores, accuracies)
    if np.isnan(result.statistic):
        return None, None
    return round(float(result.statistic), 6), float(result.pvalue)


class SupernetRanking:
    """The supernet of a search, asked for the accuracy of single architectures.

    Args:
        files: of the search.
        make_task: function of its settings and its space -> its `SearchTask`; the data of alpha are looked at.
        benchmark: the true accuracies.
        config: which architectures are drawn, and on how many images they are evaluated.

    Raises:
        InputError: there are too few images, or too few architectures in the benchmark.
    """

    def __init__(
        self,
        files: SearchedFiles,
        make_task: Callable[..., SearchTask],
        benchmark: Benchmark,
        config: CorrelateConfig,
    ):
        self._files, self._benchmark, self._config = files, benchmark, config
        self.batch_size = files.config.batch_size if config.batch_size is None else config.batch_size
        self._searched = searched.describe(files.run_dir, files.config)
        self._space = self._searched.space
        self._sample = sample(self._space, benchmark, config.architectures, seed=config.seed)
        task = make_task(self._searched.config, self._space)
        self._supernet, self._architecture = task.step.supernet, task.step.architecture
        objective = functools.partial(task.objective, training=config.statistics == "training")
        self._loss = FixedLoss(objective, task.fixed_batches(self.batch_size, config.batches))

    def correlation(self, progress=lambda text: None) -> dict:
        """What `correlation.json` holds; accuracies in 0 to 1, checkpoints ascending by epoch.

        Args:
            progress: called with a line before each checkpoint.
        """
        truths = [self._benchmark[genotype].accuracy for genotype in self._sample.values()]
        checkpoints = []
        for epoch, folder in self._files.checkpoints.items():
            progress(f"{self._files.run_dir}: epoch {epoch}")
            self._searched.restore(self._supernet, self._architecture, folder)
            checkpoints.append({"epoch": epoch, **self._checkpoint(truths)})
        return {
            "statistics": self._config.statistics,
            "batches": self._config.batches,
            "batch_size": self.batch_size,
            "seed": self._config.seed,
            "architectures": list(self._sample),
            "true_accuracies": truths,
            "checkpoints": checkpoints,
        }

    def _checkpoint(self, truths):
        """Both taus have the sign of agreement: a supernet that ranks as the benchmark does has 1."""
        mixture = self._architecture.mixture()
        figures = [self._loss.figures(self._space.pruned(mixture, genotype)) for genotype in self._sample.values()]
        losses, accuracies = map(list, zip(*figures, strict=True))
        tau, p_value = kendall(accuracies, truths)
        return {
            "tau": tau,
            "p_value": p_value,
            "tau_of_loss": kendall([-loss for loss in losses], truths)[0],
            "accuracies": accuracies,
            "losses": losses,
        }
