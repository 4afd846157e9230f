"""Partial channels and edge weights: supernets of the PC-DARTS code, and of its copy in the SmoothDARTS code."""

import json

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.interop import torch_state
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.spaces.darts import edge_groups
from sdarts_tf.spaces.tables import OUTPUTS
from sdarts_tf.training.objective import Objective

PATTERN = "pcdarts*supernet.npz"
CHANNEL_DIVISOR = 4  # of both


@pytest.fixture
def space(case):
    known = "config/space" in case  # the PC-DARTS code has one space only
    return spaces.get(case["config/space"] if known else "darts")


@pytest.fixture
def supernet(case, space):
    model = space.build_supernet(
        case["config/classes"], case["config/channels"], case["config/cells"], channel_divisor=CHANNEL_DIVISOR
    )
    torch_state.assign(model, case.state)
    return model


def _split_edges(kind, values):
    """The official 14 edge weights -> one row for each node."""
    rows = np.split(np.asarray(values), np.cumsum(OUTPUTS)[:-1])
    return {group: row[np.newaxis] for group, row in zip(edge_groups(kind), rows, strict=True)}


def _alpha(alpha, beta):
    edges = [_split_edges(kind, values) for kind, values in beta.items()]
    return alpha | {group: values for each in edges for group, values in each.items()}


@pytest.fixture
def architecture(case):
    alpha = _alpha(case.alpha, case.group("beta"))
    architecture = Architecture({group: values.shape for group, values in alpha.items()}, seed=0)
    for group, values in alpha.items():
        architecture.alpha[group].assign(values)
    return architecture


def _batch(case):
    return tf.constant(case["images"]), tf.constant(case["labels"])


def test_evaluation(case, supernet, architecture):
    objective = Objective(supernet, _batch(case), training=False)
    case.check("eval/logits", objective.logits(case["images"], architecture.mixture()))
    case.check("eval/loss", objective.loss_and_gradient(architecture.mixture())[0])


def test_gradient_by_alpha_and_edge_weights(case, supernet, architecture):
    mixture, pullback = architecture.mixture_and_pullback()
    _, gradient = Objective(supernet, _batch(case), training=True).loss_and_gradient(mixture)
    gradient = pullback(gradient)
    for kind in case.alpha:
        case.check(f"train/alpha_grad/{kind}", gradient[kind])
        if f"train/beta_grad/{kind}" in case:
            edges = tf.concat([gradient[group][0] for group in edge_groups(kind)], axis=0)
            case.check(f"train/beta_grad/{kind}", edges)


def test_gradient_by_the_mixture(case, supernet):
    if "perturbed/mixture/normal" not in case:
        pytest.skip("no recorded perturbation")
    mixture = {group: tf.constant(values) for group, values in case.group("perturbed/mixture").items()}
    loss, gradient = Objective(supernet, _batch(case), training=False).loss_and_gradient(mixture)
    case.check("perturbed/eval/loss", loss)
    for group, values in gradient.items():
        case.check(f"perturbed/eval/mixture_grad/{group}", values)


def test_training(case, supernet, architecture):
    objective = Objective(supernet, _batch(case), training=True, record=True)
    loss, gradients, _ = objective.loss_and_weight_gradient(architecture.mixture())
    case.check("train/loss", loss)
    case.check_training(supernet, gradients)


def test_genotypes(case, space):
    draws = [(case.alpha, case.group("beta"), case["genotype"])]
    if "discretize/genotype" in case:
        alphas, betas = case.group("discretize/alpha"), case.group("discretize/beta")
        for number, text in enumerate(case["discretize/genotype"].tolist()):
            draws.append(({k: v[number] for k, v in alphas.items()}, {k: v[number] for k, v in betas.items()}, text))
    for alpha, beta, text in draws:
        mixture = {group: tf.nn.softmax(values).numpy() for group, values in _alpha(alpha, beta).items()}
        genotype, official = space.discretize(mixture), json.loads(text)
        for kind, edges in genotype.cells.items():
            assert [[edge.operation, edge.source] for edge in edges] == official[kind]
            assert list(genotype.outputs[kind]) == official[f"{kind}_concat"]
