"""The recurrent supernet: passes, attack, second order, discretization."""

import json

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.data.text import Window
from sdarts_tf.interop import torch_state
from sdarts_tf.methods import hypergradients, perturbations, simplex
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.spaces.recurrent import RecurrentSpace
from sdarts_tf.training.optimizers import SGD
from sdarts_tf.training.text_objective import TextObjective, slowness

PATTERN = "recurrent_search*.npz"
SLOWNESS = 1e-3


def _window(case, prefix=""):
    tokens, targets = tf.constant(case[f"{prefix}tokens"]), tf.constant(case[f"{prefix}targets"])
    return Window(tokens, targets, tf.constant(len(tokens)), tf.constant(False))


def _hidden(case, prefix=""):
    return tf.Variable(case[f"{prefix}hidden"][0])


def _alpha(case):
    return {group: tf.constant(values) for group, values in case.alpha.items()}


def _pullback(case):
    return Architecture({group: values.shape for group, values in case.alpha.items()}, seed=0).mixture_and_pullback(
        _alpha(case)
    )


@pytest.fixture
def search(case):
    """The supernet with its official state."""
    model = RecurrentSpace().build_supernet(case["config/vocabulary"], case["config/size"])
    torch_state.assign(model, case.state)
    return model


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_supernet(case, search, mode):
    mixture, pullback = _pullback(case)
    hidden = _hidden(case)
    options = {"training": mode == "train", "hidden": hidden}
    logits, states = search(tf.constant(case["tokens"]), hidden, mixture)
    if mode == "eval":
        case.check("eval/log_probs", tf.nn.log_softmax(logits))
        case.check("eval/hidden", states[-1:])
    loss, gradient = TextObjective(search, _window(case), **options).loss_and_gradient(mixture)
    case.check(f"{mode}/loss", loss)
    case.check(f"{mode}/alpha_grad/recurrent", pullback(gradient)["recurrent"])


def test_training_pass(case, search):
    """Log-probabilities, gradients, the carried state, and the statistics after nine states at each time step."""
    mixture, _ = _pullback(case)
    hidden = _hidden(case)
    objective = TextObjective(
        search, _window(case), training=True, record=True, hidden=hidden, slowness=SLOWNESS, seed=(0, 0)
    )
    loss, gradient, _ = objective.loss_and_weight_gradient(mixture)
    case.check("train/loss", loss)
    case.check_training(search, gradient)
    case.check("train/hidden", hidden[tf.newaxis])


def test_training_log_probabilities(case, search):
    mixture, _ = _pullback(case)
    logits, states = search(_window(case)[0], _hidden(case), mixture, training=True)
    case.check("train/log_probs", tf.nn.log_softmax(logits))
    case.check("train/slowness", SLOWNESS * slowness(states))


def test_clip_rule(case, search):
    for group, rows in simplex.clip({"recurrent": tf.constant(case["clip/input/recurrent"])}).items():
        case.check(f"clip/output/{group}", rows)


@pytest.mark.parametrize("size", ["small", "large", "huge"])
def test_random(case, search, size):
    noise = {"recurrent": tf.constant(case[f"rs/{size}/noise/recurrent"])}
    perturb = perturbations.random(draw=lambda mixture, epsilon, seed: noise)
    clean = {"recurrent": tf.constant(case["mixture/recurrent"])}
    shifted = perturb(clean, None, epsilon=case[f"rs/{size}/epsilon"], seed=(0, 0))
    case.check(f"rs/{size}/mixture/recurrent", shifted["recurrent"])


@pytest.mark.parametrize("name", ["small", "large", "no_random_start"])
def test_adversarial(case, search, name):
    prefix = f"adv/{name}"
    clean = {"recurrent": tf.constant(case["mixture/recurrent"])}
    random_start = bool(case[f"{prefix}/random_start"])
    start = tf.constant(case[f"{prefix}/noise/recurrent"]) if random_start else tf.zeros_like(clean["recurrent"])
    objective = TextObjective(search, _window(case), training=False, hidden=_hidden(case))
    seen = []

    def recording(mixture):
        loss, gradient = objective.loss_and_gradient(mixture)
        seen.append((mixture["recurrent"], loss, gradient["recurrent"]))
        return loss, gradient

    perturb = perturbations.adversarial(
        steps=int(case[f"{prefix}/steps"]), draw=lambda mixture, epsilon, seed: {"recurrent": start}
    )
    hard = perturb(clean, recording, epsilon=case[f"{prefix}/epsilon"], seed=(0, 0))["recurrent"]
    case.check(f"{prefix}/losses", [float(loss) for _, loss, _ in seen])
    if random_start:
        case.check(f"{prefix}/start/recurrent", seen[1][0])
    case.check(f"{prefix}/gradient/recurrent", np.stack([gradient for _, _, gradient in seen[1:-1]]))
    case.check(f"{prefix}/path/recurrent", np.stack([mixture for mixture, _, _ in seen[2:]]))
    case.check(f"{prefix}/mixture/recurrent", hard)
    assert bool(np.any(hard != clean["recurrent"])) == bool(case[f"{prefix}/accepted"])


def test_second_order(case, search):
    """The official one clips the training gradient and the direction at 0.25, at a learning rate of 20."""
    mixture, pullback = _pullback(case)
    weights = [variable.value for variable in search.trainable_variables]
    optimizer = SGD(weights, momentum=0.0, weight_decay=5e-7)
    train, valid = (
        TextObjective(search, _window(case, prefix), training=True, hidden=_hidden(case, prefix), seed=(0, 0))
        for prefix in ("", "valid/")
    )

    def lookahead(gradients):
        # The official code loads the tied matrix twice into the model ahead, the second time from before the step.
        ahead = optimizer.lookahead(gradients, 20.0)
        return [weights[0], *ahead[1:]]

    assert search.trainable_variables[0] is search.embedding
    _, gradient = hypergradients.second_order(
        train,
        valid,
        weights,
        mixture,
        learning_rate=tf.constant(20.0),
        lookahead=lookahead,
        gradient_clip=0.25,
    )
    case.check("unrolled/alpha_grad/recurrent", pullback(gradient)["recurrent"])


def test_genotype(case, search):
    genotype = RecurrentSpace().discretize({"recurrent": case["mixture/recurrent"]})
    golden = json.loads(case["genotype"])
    assert [[edge.operation, edge.source] for edge in genotype.cells["recurrent"]] == golden["recurrent"]
    assert list(genotype.outputs["recurrent"]) == golden["concat"]
