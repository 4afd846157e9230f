"""Extreme eigenvalues and what a search records of them."""

import numpy as np
import pytest
import scipy.linalg

from sdarts_tf.data import sources
from sdarts_tf.errors import InputError
from sdarts_tf.training import curvature


def _matrix(eigenvalues, seed=0):
    basis = scipy.linalg.qr(np.random.RandomState(seed).standard_normal((len(eigenvalues),) * 2))[0]
    return basis * np.asarray(eigenvalues) @ basis.T


@pytest.mark.parametrize("ends", [(-3.0, 1.0), (-1.0, 3.0), (0.5, 3.0), (-3.0, -0.5), (-1e-6, 2e-6)])
def test_both_ends_of_a_spectrum(ends):
    """Also where a third of the eigenvalues are equal, as a softmax makes them."""
    eigenvalues = np.concatenate([np.linspace(*ends, 40), np.full(20, np.mean(ends))])
    extremes = curvature.extreme_eigenvalues(_matrix(eigenvalues).dot, 60)
    assert (extremes.smallest, extremes.largest) == pytest.approx(ends, rel=1e-4)
    assert extremes.spectral_norm == pytest.approx(np.abs(ends).max(), rel=1e-4)


def test_no_curvature_is_zero_and_what_is_not_finite_stays_so():
    assert curvature.extreme_eigenvalues(np.zeros((9, 9)).dot, 9).spectral_norm == 0
    assert np.isnan(curvature.extreme_eigenvalues(np.full((9, 9), np.nan).dot, 9).spectral_norm)


class _Matrices:
    """Stands for the Hessian of a batch: the batch is the matrix."""

    size = 12

    def product(self, batch, vector):
        return batch @ vector


def test_mean_and_spread_over_batches():
    ends = [(-4.0, 1.0), (-1.0, 2.0), (-1.0, 3.0)]
    measured = curvature.measure(_Matrices(), [_matrix(np.linspace(*pair, 12)) for pair in ends])
    assert measured == pytest.approx({"hessian_norm": 3.0, "hessian_spread": 1.0, "hessian_largest": 2.0}, rel=1e-4)
    assert curvature.measure(_Matrices(), [_matrix(np.linspace(-4, 1, 12))])["hessian_spread"] == 0


def test_fixed_batches_are_the_same_plain_images_each_time():
    source = sources.get("digits")
    examples = source.load("train").part(100, 200)
    first, again = (curvature.fixed_batches(examples, source, batch_size=20, count=3) for _ in range(2))
    seen = np.concatenate([labels for _, labels, _ in first])
    assert len(first) == 3 and len(np.unique(seen)) == 10
    for (images, labels, seed), (other, _, other_seed) in zip(first, again, strict=True):
        np.testing.assert_array_equal(images, other)
        np.testing.assert_array_equal(seed, other_seed)
        plain = (examples.images / 255.0 - source.mean) / source.std
        for image, label in zip(images.numpy(), labels.numpy(), strict=True):
            (place,) = np.flatnonzero(np.abs(plain - image).max(axis=(1, 2, 3)) < 1e-5)
            assert examples.labels[place] == label
    with pytest.raises(InputError, match="6 batches of 20 images are more than the 100 that train alpha"):
        curvature.fixed_batches(examples, source, batch_size=20, count=6)
