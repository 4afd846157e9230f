"""Lanczos quadratures and densities against dense matrices."""

import numpy as np
import pytest
import scipy.linalg

from sdarts_tf.analysis import spectrum


def matrix(eigenvalues):
    basis = scipy.linalg.qr(np.random.RandomState(0).standard_normal((len(eigenvalues),) * 2))[0]
    return basis * np.asarray(eigenvalues) @ basis.T


def test_moments_of_the_quadrature_are_those_of_the_matrix():
    """k steps integrate polynomials up to degree 2 k - 1 exactly."""
    dense = matrix(np.linspace(-1, 3, 50) ** 3)
    start = np.random.RandomState(1).standard_normal(50)
    values, weights = spectrum.lanczos(dense.dot, start, 6)
    assert len(values) == 6 and weights.sum() == pytest.approx(1)
    power = start / np.linalg.norm(start)
    unit = power
    for degree in range(12):
        assert values**degree @ weights == pytest.approx(unit @ power, rel=1e-9), degree
        power = dense @ power


def test_all_steps_give_the_spectrum_and_no_more_than_there_is():
    eigenvalues = np.array([-2.0, -1.0, 0.0, 0.0, 0.0, 3.0, 7.0])
    values, weights = spectrum.lanczos(matrix(eigenvalues).dot, np.ones(7), 7)
    np.testing.assert_allclose(values, [-2, -1, 0, 3, 7], atol=1e-9)
    assert weights.sum() == pytest.approx(1)


def test_density_is_one_in_all_and_has_its_mean():
    grid, density = spectrum.density([(np.array([-1.0, 2.0]), np.array([0.75, 0.25])), (np.array([5.0]), np.ones(1))])
    step = grid[1] - grid[0]
    assert density.sum() * step == pytest.approx(1, abs=1e-3)
    assert (grid * density).sum() * step == pytest.approx(0.5 * (-0.25) + 0.5 * 5, abs=1e-3)


class _Matrix:
    """Stands for the Hessian by the weights."""

    def __init__(self, dense):
        self.dense, self.size = dense, len(dense)

    def product(self, mixture, vector):
        return self.dense @ vector


def test_weight_spectrum():
    dense = matrix(np.concatenate([np.zeros(180), np.linspace(0, 5, 20)]))
    found = spectrum.weight_spectrum(_Matrix(dense), None, steps=30, vectors=20)
    assert found["spectral_norm"] == pytest.approx(5, rel=1e-6)
    assert found["trace"] == pytest.approx(np.trace(dense), rel=0.1)
    diagonal = spectrum.weight_spectrum(_Matrix(np.diag(np.arange(9.0))), None, steps=9, vectors=1)
    assert diagonal["trace"] == pytest.approx(36)  # vectors of signs see a diagonal exactly
