"""The Hessian of every space by alpha."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.training.curvature import AlphaHessian, image_objective
from sdarts_tf.training.objective import Objective

SEED = tf.constant([5, 6])


def _direction(architecture, number):
    return {group: tf.random.stateless_normal(a.shape, (number, 0)) for group, a in architecture.alpha.items()}


def _hessian(step):
    return AlphaHessian(lambda batch: image_objective(step.supernet, batch, training=True), step.architecture)


def _flat(groups):
    return np.concatenate([np.reshape(values, -1) for values in groups.values()]).astype(np.float64)


@pytest.fixture
def no_kinks(monkeypatch):
    """Smooth functions in place of the rectifier and the maximum, at whose kinks a finite difference meets jumps."""

    def soft_maximum(x, size, strides, padding):
        return 4 * tf.math.log(tf.nn.avg_pool2d(tf.exp(x / 4), size, strides, padding))

    def pool(x, size, kind, *, padding):
        return (soft_maximum if kind == "MAX" else tf.nn.avg_pool2d)(x, size, 1, padding)

    monkeypatch.setattr(tf.nn, "relu", tf.nn.softplus)
    monkeypatch.setattr(tf.nn, "max_pool2d", soft_maximum)
    monkeypatch.setattr(tf.nn, "pool", pool)


def test_hessian_product(space, tiny, no_kinks):
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
    near, far = (gradient(shift, first) - gradient(-shift, first) for shift in (1e-2, 2e-2))
    slope = (8 * near - far) / 12e-2  # of fourth order: shifts so long that rounding is small
    assert np.linalg.norm(exact - slope) < 5e-4 * np.linalg.norm(exact)

    there, back = exact @ _flat(second), _flat(product(second)) @ _flat(first)
    np.testing.assert_allclose(there, back, atol=1e-5 * np.linalg.norm(exact) * np.linalg.norm(_flat(second)))
    # Adding the same number to all alphas of a row changes no share.
    constant = _flat(product({group: tf.ones_like(a) for group, a in alpha.items()}))
    assert np.abs(constant).max() < 1e-5 * np.abs(exact).max()
    for variable, value in zip(step.supernet.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_hessian_product_of_the_weights(space, tiny, no_kinks):
    step = tiny.step(space)
    mixture = step.architecture.mixture()
    objective = Objective(step.supernet, tiny.batch(0), training=True, seed=SEED)
    weights = [tf.convert_to_tensor(variable.value) for variable in step.supernet.trainable_variables]
    direction = [tf.random.stateless_normal(w.shape, (number, 1)) * tf.norm(w) for number, w in enumerate(weights)]

    def gradient(shift):
        moved = [w + shift * d for w, d in zip(weights, direction, strict=True)]
        return _flat(dict(enumerate(objective.loss_and_gradients(moved, mixture)[1])))

    product = objective.hessian_product(weights, direction, lambda weights: {"mixture": mixture, "weights": weights})
    slope = (gradient(1e-4) - gradient(-1e-4)) / 2e-4
    exact = _flat(dict(enumerate(product)))
    assert np.linalg.norm(exact - slope) < 5e-3 * np.linalg.norm(exact)


def test_second_derivative_of_the_maximum():
    """Away from ties the pool only picks numbers, whose second derivative is that of what follows."""
    values = np.random.RandomState(0).permutation(2 * 6 * 6 * 2).reshape(2, 6, 6, 2)
    x = tf.constant(values, tf.float32)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            pooled = tf.nn.pool(x, [3, 3], "MAX", padding="SAME")
            total = tf.reduce_sum(pooled**3)
        gradient = inner.gradient(total, x)
    product = outer.gradient(gradient, x, output_gradients=tf.ones_like(x))
    picked, times = np.unique(pooled.numpy(), return_counts=True)
    expected = np.zeros(values.size)
    expected[picked.astype(int)] = 6 * picked * times
    np.testing.assert_allclose(product.numpy().ravel(), expected[values.ravel()], rtol=1e-6)


def test_two_replicas_measure_the_same_hessian(tiny, two_replicas):
    alone = tiny.step("s2")
    with two_replicas.scope():
        together = tiny.step("s2")
        for ours, one in zip(together.supernet.variables, alone.supernet.variables, strict=True):
            ours.assign(one.numpy())
        vector = np.random.RandomState(0).standard_normal(56)
        batch = (*tiny.batch(0), SEED)
        product = _hessian(together).product(batch, vector)
    expected = _hessian(alone).product(batch, vector)
    np.testing.assert_allclose(product, expected, rtol=1e-4, atol=1e-6)
