"""How strongly the validation loss is curved over alpha: the extreme eigenvalues of its Hessian, on fixed batches.

Source: `optimizers/analyze.py` of the official code; Zela et al., "Understanding and Robustifying Differentiable
Architecture Search", ICLR 2020, section 4.
"""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import scipy.sparse.linalg
import tensorflow as tf

from sdarts_tf.data.augment import Augmentation
from sdarts_tf.data.sources import Examples, Source
from sdarts_tf.data.streams import sweep
from sdarts_tf.errors import InputError
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.training.objective import Objective


def fixed_batches(examples: Examples, source: Source, *, batch_size: int, count: int) -> list:
    """The same batches in every epoch and in every run: chosen at random once and for all, not augmented.

    Args:
        examples: from which they are chosen.
        source: the data set, which knows the normalization.
        batch_size: images in a batch.
        count: number of batches.

    Returns:
        Triples of images float32 `[B, H, W, 3]`, labels int32 `[B]`, and the seed of the batch's random candidates.

    Raises:
        InputError: there are fewer than `batch_size * count` examples.
    """
    if batch_size * count > len(examples):
        raise InputError(
            f"{count} batches of {batch_size} images are more than the {len(examples)} that train alpha; measure on "
            "fewer or on smaller batches."
        )
    places = np.random.RandomState(0).permutation(len(examples))[: batch_size * count]
    batches = sweep(examples.take(places), batch_size, Augmentation(source.mean, source.std), seed=(0, 0))
    return [(images, labels, tf.constant([0, number])) for number, (images, labels, _) in enumerate(batches)]


def image_objective(supernet: keras.Model, batch, *, training: bool) -> Objective:
    """The loss on one of `fixed_batches`.

    Args:
        supernet: a model of `ImageSpace.build_supernet`.
        batch: images, labels and the seed of random candidates.
        training: batch normalization on the batch's statistics, as officially, instead of the running ones. The running
            ones are not moved in either case.
    """
    images, labels, seed = batch
    return Objective(supernet, (images, labels), training=training, seed=seed)


@dataclasses.dataclass(frozen=True)
class Extremes:
    """The largest and the smallest eigenvalue of a symmetric matrix, algebraically."""

    largest: float
    smallest: float

    @property
    def spectral_norm(self) -> float:
        """The largest absolute eigenvalue."""
        return max(abs(self.largest), abs(self.smallest))


def extreme_eigenvalues(product, size: int, *, tolerance: float = 1e-3) -> Extremes:
    """Both ends of the spectrum of a symmetric matrix, by Lanczos.

    Args:
        product: function of a vector `[size]` -> the matrix times it.
        size: number of rows, at least 3.
        tolerance: relative accuracy of an eigenvalue; its error is about the square of that.

    Returns:
        NaN for a matrix that is not finite.

    Example:
        >>> matrix = np.diag([0.0, 0.0, 1.0, 2.0, -3.0])
        >>> extremes = extreme_eigenvalues(matrix.dot, 5)
        >>> round(extremes.largest, 6), round(extremes.spectral_norm, 6)
        (2.0, 3.0)
    """
    # The shares of a row sum to one, so a constant vector is multiplied to zero: ARPACK must not start there. It starts
    # where products lie, and at the same vector each time.
    start = np.asarray(product(np.random.RandomState(0).standard_normal(size)), np.float64)
    if not np.isfinite(start).all():
        return Extremes(np.nan, np.nan)
    if not start.any():
        return Extremes(0.0, 0.0)
    matrix = scipy.sparse.linalg.LinearOperator((size, size), matvec=product, dtype=np.float64)
    smallest, largest = sorted(
        scipy.sparse.linalg.eigsh(matrix, k=2, which="BE", v0=start, tol=tolerance, return_eigenvectors=False)
    )
    return Extremes(float(largest), float(smallest))


class AlphaHessian:
    """Products of vectors with the Hessian of a supernet's loss by alpha, without any weight-decay term.

    The function is traced once for all batches, vectors and alphas.

    Args:
        objective: function of a batch -> the loss on it, an `Objective` or its like.
        architecture: alpha.

    Example:
        >>> from sdarts_tf import spaces
        >>> space = spaces.get("s2")
        >>> supernet = space.build_supernet(num_classes=3, channels=2, cells=3)
        >>> architecture = Architecture(space.alpha_shapes(), seed=0)
        >>> hessian = AlphaHessian(lambda batch: image_objective(supernet, batch, training=True), architecture)
        >>> batch = tf.random.stateless_normal([2, 8, 8, 3], (0, 0)), tf.constant([0, 1]), tf.constant([0, 0])
        >>> bool(hessian.product(batch, np.ones(56)).round(6).any())
        False
    """

    def __init__(self, objective: Callable, architecture: Architecture):
        self._objective, self._architecture = objective, architecture
        self._shapes = {group: alpha.shape for group, alpha in architecture.alpha.items()}
        self.size = sum(shape.num_elements() for shape in self._shapes.values())
        self._product = tf.function(self._flat_product)

    def product(self, batch, vector) -> np.ndarray:
        """The Hessian on one batch times a vector `[size]`: group after group, row-major."""
        return self._product(batch, tf.constant(vector, tf.float32)).numpy()

    def _flat_product(self, batch, vector):
        alpha = {group: tf.convert_to_tensor(variable) for group, variable in self._architecture.alpha.items()}
        parts = tf.split(vector, [shape.num_elements() for shape in self._shapes.values()])
        direction = {
            group: tf.reshape(part, shape) for part, (group, shape) in zip(parts, self._shapes.items(), strict=True)
        }
        product = self._objective(batch).hessian_product(
            alpha, direction, lambda alpha: {"mixture": self._architecture.mixture_and_pullback(alpha)[0]}
        )
        return tf.concat([tf.reshape(product[group], [-1]) for group in self._shapes], axis=0)


def measure(hessian: AlphaHessian, batches) -> dict[str, float]:
    """What a search records about the curvature, each averaged over the batches.

    Returns:
        `hessian_norm`, the largest absolute eigenvalue; `hessian_spread`, its standard deviation over the batches, 0
        for one; `hessian_largest`, the largest eigenvalue algebraically, which is what the official code reports.
    """
    extremes = [extreme_eigenvalues(lambda v, b=batch: hessian.product(b, v), hessian.size) for batch in batches]
    norms = [each.spectral_norm for each in extremes]
    return {
        "hessian_norm": float(np.mean(norms)),
        "hessian_spread": float(np.std(norms, ddof=1)) if len(norms) > 1 else 0.0,
        "hessian_largest": float(np.mean([each.largest for each in extremes])),
    }
