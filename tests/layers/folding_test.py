"""Folding changes no number but by rounding: not the loss of an attack, and not its gradient by the mixture."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.layers import folding
from sdarts_tf.layers.mixed import MixedOperation
from sdarts_tf.layers.normalization import BatchNormalization
from sdarts_tf.layers.operations import FOLDING, SeparableConvolution, build
from sdarts_tf.methods import simplex
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.training.objective import Objective


def with_statistics(model, seed=0):
    """The model as after some training: means and variances that are not those of a new one."""
    random = np.random.RandomState(seed)
    for variable in model.non_trainable_variables:
        low, high = (-0.2, 0.2) if "mean" in variable.path else (0.5, 2.0)
        variable.assign(random.uniform(low, high, variable.shape).astype(np.float32))
    return model


@pytest.mark.parametrize("operation", ["sep_conv_3x3", "dil_conv_3x3", "skip_connect", "max_pool_3x3"])
@pytest.mark.parametrize("stride", [1, 2])
def test_of_each_operation(operation, stride):
    """In the scope and outside of it: the map, its gradient by the input and by the scale."""
    layer = with_statistics(build(operation, 4, stride=stride, edges=3))
    layer.folds = type(layer) in FOLDING
    x = tf.random.stateless_normal([2, 8, 8, 4], (0, 0))
    scale = tf.concat(
        [[0.0, 1e-20], tf.random.stateless_uniform([10], (0, 1), 0.1, 0.9)], 0
    )  # shares may be clipped to 0

    def computed():
        with tf.GradientTape() as tape:
            tape.watch((x, scale))
            y = layer(x, scale=scale)
            y = y.x + y.offset if isinstance(y, folding.Shifted) else y
            loss = tf.reduce_sum(y**3)
        return (y, *tape.gradient(loss, (x, scale), unconnected_gradients=tf.UnconnectedGradients.ZERO))

    plain = computed()
    with folding.folded():
        found = computed()
    for one, other in zip(plain, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5 * np.abs(one).max())


def test_of_an_attack():
    """All cells, prepared nodes and others, at shares of which a projection has clipped some to 0."""
    space = spaces.get("s5")
    supernet = with_statistics(space.build_supernet(num_classes=3, channels=2, cells=3))
    images = tf.random.stateless_normal([4, 8, 8, 3], (0, 0))
    objective = Objective(supernet, (images, tf.constant([0, 1, 2, 0])), training=False)
    mixture = Architecture(space.alpha_shapes(), seed=0).mixture()
    mixture = simplex.clip(tf.nest.map_structure(tf.add, mixture, simplex.uniform_noise(mixture, 0.3, (0, 1))))
    assert any((shares.numpy() == 0).any() for shares in mixture.values())
    loss, gradient = objective.loss_and_gradient(mixture)
    folded_loss, folded_gradient = objective.repeated()(mixture)
    np.testing.assert_allclose(folded_loss, loss, rtol=1e-6)
    for group, expected in gradient.items():
        largest = np.abs(expected).max()
        assert largest > 1e-4
        np.testing.assert_allclose(folded_gradient[group], expected, rtol=1e-4, atol=1e-5 * largest)


@pytest.mark.parametrize("name", ["s2", "nasbench201", "nasbench1shot1_2"])
def test_what_is_prepared_are_tensors(name):
    """`tf.nest` sees them, which devices and TPUs ask for."""
    supernet = spaces.get(name).build_supernet(num_classes=3, channels=2, cells=3)
    with folding.folded():
        prepared = supernet.prepare(tf.zeros([2, 8, 8, 3]))
    tensors = [each for each in tf.nest.flatten(prepared) if each is not None]
    assert tensors and all(map(tf.is_tensor, tensors))


def test_an_operation_folds_only_where_its_caller_asks_for_it():
    """So that a plugin may wrap it, or derive from it."""

    class Rectified(SeparableConvolution):
        def finish(self, prepared, scale, training):
            return tf.nn.relu(super().finish(prepared, scale, training))

    kinds = {"sep_conv_3x3": lambda channels, **kwargs: Rectified(channels, kernel_size=3, **kwargs)}
    rows = {0: ("sep_conv_3x3", "dil_conv_3x3")}
    x, mixture = tf.ones([1, 4, 4, 2]), tf.constant([[0.5, 0.5]])
    with folding.folded():
        assert tf.is_tensor(build("sep_conv_3x3", 2)(x, scale=tf.ones([2])))
        assert [tf.is_tensor(output) for _, output in MixedOperation(2, rows)(x, mixture)] == [True, True]
        folded = MixedOperation(2, rows, folds=True, kinds=kinds)(x, mixture)
    assert [isinstance(output, folding.Shifted) for _, output in folded] == [False, True]


def test_half_precision_is_not_folded():
    with folding.folded():
        assert isinstance(folding.convolve(tf.zeros([1, 2, 2, 4], tf.float16), tf.zeros([1, 1, 4, 4])), tf.Tensor)
        assert isinstance(folding.convolve(tf.zeros([1, 2, 2, 4]), tf.zeros([1, 1, 4, 4])), folding.Convolution)
    assert isinstance(folding.convolve(tf.zeros([1, 2, 2, 4]), tf.zeros([1, 1, 4, 4])), tf.Tensor)


def test_a_learned_scale_and_offset_are_folded_too():
    layer = BatchNormalization(2)
    with_statistics(layer)
    layer.gamma.assign([2.0, 3.0])
    layer.beta.assign([0.5, -0.5])
    x = tf.random.stateless_normal([2, 3, 3, 2], (0, 0))
    factor, offset = layer.factor_and_offset()
    np.testing.assert_allclose(x * factor + offset, layer(x), rtol=1e-5, atol=1e-6)
