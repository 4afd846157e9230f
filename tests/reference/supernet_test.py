"""Forward and backward passes of the supernets."""

import json

import numpy as np
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.spaces import nasbench201_cells
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.training.objective import Objective

PATTERN = ("supernet_*.npz", "nasbench*supernet*.npz")


def _tensors(arrays):
    return {group: tf.constant(array) for group, array in arrays.items()}


def _batch(case):
    return tf.constant(case["images"]), tf.constant(case["labels"])


def test_mixture_is_the_softmax_of_alpha(case):
    architecture = Architecture({group: array.shape for group, array in case.alpha.items()}, seed=0)
    for group, alpha in case.alpha.items():
        architecture.alpha[group].assign(alpha)
        case.check(f"mixture/{group}", architecture.mixture()[group])


def test_evaluation(case, supernet):
    before = [variable.numpy() for variable in supernet.non_trainable_variables]
    logits = supernet(case["images"], _tensors(case.group("mixture")))
    case.check("eval/logits", logits)
    objective = Objective(supernet, _batch(case), training=False)
    loss, _ = objective.loss_and_gradient(_tensors(case.group("mixture")))
    case.check("eval/loss", loss)
    for variable, value in zip(supernet.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_gradient_by_the_mixture(case, supernet):
    mixture = _tensors(case.group("perturbed/mixture"))
    case.check("perturbed/eval/logits", supernet(case["images"], mixture))
    loss, gradient = Objective(supernet, _batch(case), training=False).loss_and_gradient(mixture)
    case.check("perturbed/eval/loss", loss)
    for group, values in gradient.items():
        case.check(f"perturbed/eval/mixture_grad/{group}", values)


def test_gradient_by_alpha(case, supernet):
    architecture = Architecture({group: array.shape for group, array in case.alpha.items()}, seed=0)
    for group, alpha in case.alpha.items():
        architecture.alpha[group].assign(alpha)
    mixture, pullback = architecture.mixture_and_pullback()
    loss, gradient = Objective(supernet, _batch(case), training=True).loss_and_gradient(mixture)
    case.check("train/alpha_loss", loss)
    for group, values in pullback(gradient).items():
        case.check(f"train/alpha_grad/{group}", values)


def test_training(case, supernet):
    mixture = _tensors(case.group("mixture"))
    logits = Objective(supernet, _batch(case), training=True).logits(case["images"], mixture)
    case.check("train/logits", logits)
    objective = Objective(supernet, _batch(case), training=True, record=True)
    loss, gradients, _ = objective.loss_and_weight_gradient(mixture)
    case.check("train/loss", loss)
    case.check_training(supernet, gradients)


def test_genotype(case):
    space = spaces.get(case["config/space"])
    genotype = space.discretize({group: tf.nn.softmax(alpha).numpy() for group, alpha in case.alpha.items()})
    if case["config/space"] == "nasbench201":
        assert nasbench201_cells.architecture(genotype) == case["genotype"]
        return
    official = json.loads(case["genotype"])
    for kind, edges in genotype.cells.items():
        assert [[edge.operation, edge.source] for edge in edges] == official[kind]
        assert list(genotype.outputs[kind]) == official[f"{kind}_concat"]
