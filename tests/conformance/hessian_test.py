"""The Hessian of every space by alpha."""

import numpy as np
import tensorflow as tf

from sdarts_tf.training.curvature import AlphaHessian
from sdarts_tf.training.objective import Objective

SEED = tf.constant([5, 6])


def _direction(architecture, number):
    return {group: tf.random.stateless_normal(a.shape, (number, 0)) for group, a in architecture.alpha.items()}


def _flat(groups):
    return np.concatenate([np.reshape(values, -1) for values in groups.values()]).astype(np.float64)


def test_hessian_product(space, tiny):
    """It is the slope of the gradient, symmetric, zero along every row, and moves no statistics."""
    step = tiny.step(space)
    architecture = step.architecture
    objective = Objective(step.supernet, tiny.batch(0), training=True, seed=SEED)
    alpha = {group: tf.convert_to_tensor(variable) for group, variable in architecture.alpha.items()}
    before = [variable.numpy() for variable in step.supernet.variables]

    def product(direction):
        return objective.hessian_product(
            alpha, direction, lambda alpha: {"mixture": architecture.mixture_and_pullback(alpha)[0]}
        )

    def gradient(shift, direction):
        mixture, pullback = architecture.mixture_and_pullback({g: a + shift * direction[g] for g, a in alpha.items()})
        return _flat(pullback(objective.loss_and_gradient(mixture)[1]))

    first, second = _direction(architecture, 1), _direction(architecture, 2)
    exact = _flat(product(first))
    slope = (gradient(5e-3, first) - gradient(-5e-3, first)) / 1e-2
    assert np.linalg.norm(exact - slope) < 5e-3 * np.linalg.norm(exact)

    there, back = exact @ _flat(second), _flat(product(second)) @ _flat(first)
    np.testing.assert_allclose(there, back, atol=1e-5 * np.linalg.norm(exact) * np.linalg.norm(_flat(second)))
    # Adding the same number to all alphas of a row changes no share.
    constant = _flat(product({group: tf.ones_like(a) for group, a in alpha.items()}))
    assert np.abs(constant).max() < 1e-5 * np.abs(exact).max()
    for variable, value in zip(step.supernet.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_two_replicas_measure_the_same_hessian(tiny, two_replicas):
    alone = tiny.step("s2")
    with two_replicas.scope():
        together = tiny.step("s2")
        for ours, one in zip(together.supernet.variables, alone.supernet.variables, strict=True):
            ours.assign(one.numpy())
        vector = np.random.RandomState(0).standard_normal(56)
        batch = (*tiny.batch(0), SEED)
        product = AlphaHessian(together.supernet, together.architecture).product(batch, vector)
    expected = AlphaHessian(alone.supernet, alone.architecture).product(batch, vector)
    np.testing.assert_allclose(product, expected, rtol=1e-4, atol=1e-6)
