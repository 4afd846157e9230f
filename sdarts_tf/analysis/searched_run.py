"""All that `sdarts_tf.analyze` finds out about one search."""

import functools
from collections.abc import Callable

import tensorflow as tf

from sdarts_tf.analysis import landscape, sensitivity, spectrum
from sdarts_tf.config import AnalyzeConfig
from sdarts_tf.methods import perturbations, simplex
from sdarts_tf.training import discretization, searched
from sdarts_tf.training.fixed_loss import FixedLoss
from sdarts_tf.training.search_task import SearchTask
from sdarts_tf.training.searched_files import SearchedFiles


class SearchedRun:
    """A search whose kept weights and alphas are looked at one after the other.

    Args:
        files: of the search.
        make_task: function of its settings and its space -> its `SearchTask`; the data of alpha are looked at.
        config: what is measured, and on how many batches.

    Raises:
        InputError: there are too few data.
    """

    def __init__(self, files: SearchedFiles, make_task: Callable[..., SearchTask], config: AnalyzeConfig):
        self.files, self.config = files, config
        self.batch_size = files.config.batch_size if config.batch_size is None else config.batch_size
        self._searched = searched.describe(files.run_dir, files.config)
        self.space = self._searched.space
        task = make_task(self._searched.config, self.space)
        self.supernet, self.architecture = task.step.supernet, task.step.architecture
        objective = functools.partial(task.objective, training=config.statistics == "training")
        self.loss = FixedLoss(objective, task.fixed_batches(self.batch_size, config.batches))
        self._alpha_spectrum = spectrum.AlphaSpectrum(self.loss, self.architecture)
        self._weight_hessian = spectrum.WeightHessian(self.loss, self.supernet)

    def analysis(self, progress=lambda text: None) -> dict:
        """What `analysis.json` holds; accuracies in 0 to 1, checkpoints ascending by epoch.

        Args:
            progress: called with a line before each checkpoint.
        """
        checkpoints = []
        for epoch, folder in self.files.checkpoints.items():
            progress(f"{self.files.run_dir}: epoch {epoch}")
            self._searched.restore(self.supernet, self.architecture, folder)
            checkpoints.append({"epoch": epoch, **self._checkpoint(epoch)})
        return {
            "batches": self.config.batches,
            "batch_size": self.batch_size,
            "statistics": self.config.statistics,
            "checkpoints": checkpoints,
        }

    def _checkpoint(self, epoch):
        config, mixture = self.config, self.architecture.mixture()
        project, pgd_steps = simplex.PROJECTIONS[self.files.config.projection], self.files.config.pgd_steps
        weights = {"steps": config.weight_steps, "vectors": config.weight_vectors}
        return {
            "alpha_hessian": self._alpha_spectrum(),
            "weight_hessian": (
                spectrum.weight_spectrum(self._weight_hessian, mixture, **weights) if config.weight_steps else None
            ),
            "gap": discretization.gap(self.space, self.loss, mixture, self.files.genotype(epoch)),
            "sensitivity": sensitivity.sensitivity(
                self.loss, mixture, project=project, pgd_steps=pgd_steps, draws=config.draws
            ),
            "landscapes": self._landscapes(mixture, project, pgd_steps) if config.grid else [],
        }

    def _landscapes(self, mixture, project, pgd_steps):
        """Four planes: through two random directions and through the attack's, over the mixture and over alpha."""
        shapes = {group: variable.shape for group, variable in self.architecture.alpha.items()}
        first, second = (landscape.random_direction(shapes, seed) for seed in (1, 2))
        attacked = perturbations.adversarial(steps=pgd_steps, project=project)(
            mixture, self.loss.loss_and_gradient, epsilon=tf.constant(max(sensitivity.EPSILONS)), seed=(0, 1)
        )
        attack = {group: attacked[group] - shares for group, shares in mixture.items()}
        alpha = {group: tf.convert_to_tensor(variable) for group, variable in self.architecture.alpha.items()}
        domains = (
            ("mixture", mixture, attack, self.config.mixture_radius, lambda point: point),
            ("alpha", alpha, landscape.in_alpha(attack, mixture), self.config.alpha_radius, self._mixture_of),
        )
        surveys = []
        for name, at, hard, radius, to_mixture in domains:
            for plane in (
                landscape.plane(("random 1", "random 2"), first, second),
                landscape.plane(("attack", "random 1"), hard, first),
            ):
                grid = {"radius": radius, "points": self.config.grid, "to_mixture": to_mixture}
                surveys.append({"domain": name, **landscape.survey(self.loss, at, plane, **grid)})
        return surveys

    def _mixture_of(self, alpha):
        return self.architecture.mixture_and_pullback(alpha)[0]
