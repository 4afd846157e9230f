"""The second-order hypergradient by finite differences, with and without momentum."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.interop import torch_state
from sdarts_tf.methods import hypergradients
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.training.objective import Objective
from sdarts_tf.training.optimizers import SGD

PATTERN = "second_order_*.npz"


def _set_velocities(case, supernet, optimizer):
    packed = case.packed("momentum_buffer")
    slots = dict(zip(map(id, supernet.trainable_variables), optimizer.velocities, strict=True))
    for entry in torch_state.entries(supernet):
        if id(entry.variable) in slots:
            tensors = [packed[name].reshape(case.state[name].shape) for name in entry.names]
            slots[id(entry.variable)].assign(entry.join(tensors))


@pytest.mark.parametrize("momentum", ["zero_momentum", "with_momentum"])
def test_second_order(case, supernet, momentum):
    architecture = Architecture({group: alpha.shape for group, alpha in case.alpha.items()}, seed=0)
    for group, alpha in case.alpha.items():
        architecture.alpha[group].assign(alpha)
    mixture, pullback = architecture.mixture_and_pullback()
    weights = [variable.value for variable in supernet.trainable_variables]
    optimizer = SGD(weights, momentum=case["config/momentum"], weight_decay=case["config/weight_decay"])
    if momentum == "with_momentum":
        _set_velocities(case, supernet, optimizer)
    train, valid = (
        Objective(supernet, (tf.constant(case[f"{part}/images"]), tf.constant(case[f"{part}/labels"])), training=True)
        for part in ("train", "valid")
    )
    rate = tf.constant(case["config/learning_rate"], tf.float32)
    state = [variable.numpy() for variable in supernet.variables]

    def hypergradient(outer_rate):
        loss, gradient = hypergradients.second_order(
            train,
            valid,
            weights,
            mixture,
            learning_rate=outer_rate,
            lookahead=lambda gradients: optimizer.lookahead(gradients, rate),
        )
        return loss, pullback(gradient)

    valid_loss, total = hypergradient(rate)
    case.check(f"{momentum}/unrolled_valid_loss", valid_loss)
    # Without the outer learning rate only the direct term is left; their difference is the implicit one.
    _, direct = hypergradient(tf.constant(0.0))
    for group in case.alpha:
        case.check(f"{momentum}/alpha_grad/{group}", total[group])
        case.check(f"{momentum}/direct/{group}", direct[group])
    for variable, value in zip(supernet.variables, state, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)

    _, gradient, _ = train.loss_and_gradients(weights, mixture)
    _, direction, _ = valid.loss_and_gradients(optimizer.lookahead(gradient, rate), mixture)
    case.check(f"{momentum}/vector_norm", tf.linalg.global_norm(direction))
