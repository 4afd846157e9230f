"""How the loss answers to shifts of the mixture: random ones, and those of an attack."""

import numpy as np
import tensorflow as tf

from sdarts_tf.methods import perturbations
from sdarts_tf.spaces.base import Mixture
from sdarts_tf.training.fixed_loss import FixedLoss

EPSILONS = (0.03, 0.1, 0.2, 0.3)


def sensitivity(loss: FixedLoss, mixture: Mixture, *, project, pgd_steps: int, draws: int, epsilons=EPSILONS) -> dict:
    """Loss and accuracy at shifted mixtures, for shifts of growing radius.

    Args:
        loss: over the fixed batches; one shift is applied to all of them.
        mixture: the clean one.
        project: how a shifted mixture returns to the simplex, as in `methods.simplex`.
        pgd_steps: steps of the attack, which ascends the loss over all batches together.
        draws: random shifts for each radius; the same for every run.
        epsilons: the radii.

    Returns:
        `clean_loss`, a number; for each of `epsilon`: `random_loss` and `random_spread`, mean and standard deviation
        over the draws, and `adversarial_loss`. The same with `accuracy`; its deviation is `random_accuracy_spread`.
    """
    random = perturbations.random(project=project)
    attack = perturbations.adversarial(steps=pgd_steps, project=project)
    record = {"epsilon": list(epsilons)}
    record["clean_loss"], record["clean_accuracy"] = loss.figures(mixture)
    names = ("random_loss", "random_accuracy", "random_spread", "random_accuracy_spread")
    record |= {name: [] for name in (*names, "adversarial_loss", "adversarial_accuracy")}
    for epsilon in epsilons:
        shift = {"epsilon": tf.constant(epsilon), "loss_and_gradient": loss.loss_and_gradient}
        figures = np.array([loss.figures(random(mixture, seed=(draw, 0), **shift)) for draw in range(draws)])
        deviations = figures.std(axis=0, ddof=1) if draws > 1 else np.zeros(2)
        for name, value in zip(names, (*figures.mean(axis=0), *deviations), strict=True):
            record[name].append(float(value))
        for name, value in zip(("loss", "accuracy"), loss.figures(attack(mixture, seed=(0, 1), **shift)), strict=True):
            record[f"adversarial_{name}"].append(value)
    return record
