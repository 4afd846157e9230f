"""The whole spectrum of the Hessian by alpha, exactly, and the density of the one by the weights, by Lanczos."""

import keras
import numpy as np
import scipy.linalg
import tensorflow as tf

from sdarts_tf.analysis.hessian import alpha_hessian
from sdarts_tf.spaces.base import Architecture, Mixture
from sdarts_tf.training.fixed_loss import FixedLoss


class AlphaSpectrum:
    """Eigenvalues of the dense Hessian by alpha; traced once.

    Args:
        loss: over the fixed batches.
        architecture: alpha.
    """

    def __init__(self, loss: FixedLoss, architecture: Architecture):
        self._batches = loss.batches
        self._dense = tf.function(lambda batch: alpha_hessian(loss.objective(batch), architecture))

    def __call__(self) -> dict:
        """Every figure is that of one batch, averaged over the batches, as in a search's `metrics.jsonl`.

        Returns:
            `spectral_norm`, the largest absolute eigenvalue, and `spread`, its standard deviation over the batches;
            `largest`, the largest eigenvalue algebraically; `trace`; `eigenvalues`, ascending.
        """
        eigenvalues = np.array([self._eigenvalues(batch) for batch in self._batches])
        norms = np.abs(eigenvalues).max(axis=1)
        mean = eigenvalues.mean(axis=0)
        return {
            "spectral_norm": float(norms.mean()),
            "spread": float(norms.std(ddof=1)) if len(norms) > 1 else 0.0,
            "largest": float(mean[-1]),
            "trace": float(mean.sum()),
            "eigenvalues": mean.tolist(),
        }

    def _eigenvalues(self, batch):
        dense = self._dense(batch).numpy().astype(np.float64)
        return np.linalg.eigvalsh((dense + dense.T) / 2)


class WeightHessian:
    """Products of vectors with the Hessian by all weights at a mixture, averaged over the batches; traced once."""

    def __init__(self, loss: FixedLoss, supernet: keras.Model):
        self._batches, self._supernet = loss.batches, supernet
        self._shapes = [variable.shape for variable in supernet.trainable_variables]
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]
        self.size = sum(self._sizes)
        self._product = tf.function(lambda batch, mixture, vector: self._flat(loss.objective(batch), mixture, vector))

    def product(self, mixture: Mixture, vector) -> np.ndarray:
        """The Hessian times a vector `[size]`."""
        vector = tf.constant(vector, tf.float32)
        return np.mean([self._product(batch, mixture, vector).numpy() for batch in self._batches], axis=0)

    def _flat(self, objective, mixture, vector):
        parts = zip(tf.split(vector, self._sizes), self._shapes, strict=True)
        product = objective.hessian_product(
            [tf.convert_to_tensor(variable.value) for variable in self._supernet.trainable_variables],
            [tf.reshape(part, shape) for part, shape in parts],
            lambda weights: {"mixture": mixture, "weights": weights},
        )
        return tf.concat([tf.reshape(part, [-1]) for part in product], axis=0)


def lanczos(product, start, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Ritz values and their weights: a quadrature of the spectrum as `start` sees it.

    Args:
        product: function of a vector `[n]` -> a symmetric matrix times it.
        start: `[n]`, not zero.
        steps: products; fewer are made where the vectors span an invariant space.

    Returns:
        Eigenvalues of the tridiagonal matrix, ascending, and their weights, which sum to one. The first moment of this
        distribution is the Rayleigh quotient of `start`.

    Source: Golub & Welsch, 1969; Ghorbani et al., "An Investigation into Neural Net Optimization via Hessian Eigenvalue
    Density", ICML 2019.

    Example:
        >>> values, weights = lanczos(np.diag([1.0, 2.0, 6.0]).dot, np.ones(3), 3)
        >>> values.round(6).tolist(), weights.round(6).tolist()
        ([1.0, 2.0, 6.0], [0.333333, 0.333333, 0.333333])
    """
    basis, diagonal, beside = [start / np.linalg.norm(start)], [], []
    for _ in range(min(steps, len(start))):
        image = np.asarray(product(basis[-1]), np.float64)
        diagonal.append(image @ basis[-1])
        # Twice: products in float32 would otherwise bring directions back that have been removed.
        for _ in range(2):
            for vector in basis:
                image = image - (image @ vector) * vector
        norm = np.linalg.norm(image)
        if norm < 1e-6 * max(map(abs, diagonal)):
            break
        beside.append(norm)
        basis.append(image / norm)
    values, vectors = scipy.linalg.eigh_tridiagonal(diagonal, beside[: len(diagonal) - 1])
    return values, vectors[0] ** 2


def density(quadratures, *, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """A smooth density of eigenvalues from several quadratures: every Ritz value becomes a Gaussian.

    Args:
        quadratures: pairs of values and weights, as `lanczos` returns.
        points: of the grid.

    Returns:
        The grid and the density on it, which integrates to one.
    """
    low, high = (function([function(values) for values, _ in quadratures]) for function in (np.min, np.max))
    width = max(high - low, 1e-12) / 60
    grid = np.linspace(low - 4 * width, high + 4 * width, points)
    total = np.zeros(points)
    for values, weights in quadratures:
        bells = np.exp(-0.5 * ((grid[:, np.newaxis] - values) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        total += bells @ weights / len(quadratures)
    return grid, total


def weight_spectrum(hessian: WeightHessian, mixture: Mixture, *, steps: int, vectors: int) -> dict:
    """Norm, trace and density of the Hessian by the weights, estimated from random vectors of signs.

    Returns:
        `spectral_norm`, the largest absolute Ritz value; `trace`, the mean of its estimates; `grid` and `density`.
    """
    random = np.random.RandomState(0)
    quadratures = [
        lanczos(lambda vector: hessian.product(mixture, vector), random.choice([-1.0, 1.0], hessian.size), steps)
        for _ in range(vectors)
    ]
    grid, values = density(quadratures)
    return {
        "spectral_norm": float(max(np.abs(ritz).max() for ritz, _ in quadratures)),
        "trace": float(hessian.size * np.mean([ritz @ weights for ritz, weights in quadratures])),
        "grid": grid.tolist(),
        "density": values.tolist(),
    }
