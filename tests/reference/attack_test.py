"""The clip rule, SDARTS-RS and every step of SDARTS-ADV."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.methods import perturbations, simplex
from sdarts_tf.training.objective import Objective

PATTERN = "attack_*.npz"


def _tensors(arrays):
    return {group: tf.constant(array) for group, array in arrays.items()}


def test_clip_rule(case):
    for group, rows in simplex.clip(_tensors(case.group("clip/input"))).items():
        case.check(f"clip/output/{group}", rows)


@pytest.mark.parametrize("size", ["small", "large", "huge"])
def test_random(case, size):
    noise = _tensors(case.group(f"rs/{size}/noise"))
    perturb = perturbations.random(draw=lambda mixture, epsilon, seed: noise)
    shifted = perturb(_tensors(case.group("mixture")), None, epsilon=case[f"rs/{size}/epsilon"], seed=(0, 0))
    for group, shares in shifted.items():
        case.check(f"rs/{size}/mixture/{group}", shares)


@pytest.mark.parametrize("name", ["small", "large", "no_random_start", "rejected"])
def test_adversarial(case, supernet, name):
    prefix = f"adv/{name}"
    if f"{prefix}/losses" not in case:
        pytest.skip(f"the file has no attack {name!r}")
    start = f"{prefix}/mixture_before" if case.keys(f"{prefix}/mixture_before/") else "mixture"
    clean = _tensors(case.group(start))
    random_start = bool(case[f"{prefix}/random_start"])
    noise = _tensors(case.group(f"{prefix}/noise")) if random_start else tf.nest.map_structure(tf.zeros_like, clean)
    objective = Objective(supernet, (tf.constant(case["images"]), tf.constant(case["labels"])), training=False)
    seen = []

    def recording(mixture):
        loss, gradient = objective.loss_and_gradient(mixture)
        seen.append((mixture, loss, gradient))
        return loss, gradient

    steps = int(case[f"{prefix}/steps"])
    perturb = perturbations.adversarial(steps=steps, draw=lambda mixture, epsilon, seed: noise)
    hard = perturb(clean, recording, epsilon=case[f"{prefix}/epsilon"], seed=(0, 0))

    # Official losses: before the attack, at the start of every step, after it.
    case.check(f"{prefix}/losses", [float(loss) for _, loss, _ in seen])
    for group in clean:
        if random_start:
            case.check(f"{prefix}/start/{group}", seen[1][0][group])
        case.check(f"{prefix}/gradient/{group}", np.stack([gradient[group] for _, _, gradient in seen[1:-1]]))
        case.check(f"{prefix}/path/{group}", np.stack([mixture[group] for mixture, _, _ in seen[2:]]))
        case.check(f"{prefix}/mixture/{group}", hard[group])
    accepted = any(bool(np.any(hard[group] != clean[group])) for group in clean)
    assert accepted == bool(case[f"{prefix}/accepted"])
