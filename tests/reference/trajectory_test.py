"""Three steps of the whole search, method by method."""

import numpy as np
import tensorflow as tf

from sdarts_tf.interop import torch_state
from sdarts_tf.methods import perturbations
from sdarts_tf.methods.method import Method
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.training.objective import Objective
from sdarts_tf.training.optimizers import SGD, Adam
from sdarts_tf.training.search_step import SearchStep

PATTERN = "trajectory_*.npz"


class Recorder:
    """A search step fed with recorded noise, which writes down what happens inside."""

    def __init__(self, case, supernet):
        self.case, self.supernet, self.number = case, supernet, 0
        self.clean, self.perturbed, self.losses, self.alpha_gradients, self.unused_norms = [], [], [], [], []
        self.architecture = Architecture({group: alpha.shape for group, alpha in case.alpha.items()}, seed=0)
        for group, alpha in case.alpha.items():
            self.architecture.alpha[group].assign(alpha)
        choices = {
            "none": perturbations.none,
            "rs": perturbations.random(draw=self._noise),
            "adv": perturbations.adversarial(draw=self._noise),
        }
        self._perturbation = choices[case["config/method"]]
        weights = [variable.value for variable in supernet.trainable_variables]
        self.step = SearchStep(
            supernet,
            self.architecture,
            Method(perturbation=self._perturb),
            SGD(weights, momentum=case["config/momentum"], weight_decay=case["config/weight_decay"]),
            Adam(
                list(self.architecture.alpha.values()),
                learning_rate=case["config/alpha_learning_rate"],
                betas=case["config/alpha_betas"].tolist(),
                weight_decay=case["config/alpha_weight_decay"],
            ),
            gradient_clip=case["config/gradient_clip"],
        )
        apply = self.step.alpha_optimizer.apply
        self.step.alpha_optimizer.apply = lambda gradients, *rate: (
            self.alpha_gradients.append(gradients),
            apply(gradients, *rate),
        )

    def _noise(self, mixture, epsilon, seed):
        return {group: tf.constant(draws[self.number]) for group, draws in self.case.group("noise").items()}

    def _perturb(self, mixture, loss_and_gradient, *, epsilon, seed):
        losses = []

        def recording(mixture):
            loss, gradient = loss_and_gradient(mixture)
            losses.append(float(loss))
            return loss, gradient

        self.clean.append(mixture)
        self.perturbed.append(self._perturbation(mixture, recording, epsilon=epsilon, seed=seed))
        self.losses.append(losses)
        if self.case["config/family"] == "nasbench201":
            self.unused_norms.append(self._norm_of_the_unused_gradient())
        return self.perturbed[-1]

    def _norm_of_the_unused_gradient(self):
        """Norm of the weight loss's gradient by what the official code keeps alpha in at that moment.

        Its alphas of NAS-Bench-201 are parameters of the network, so the norm that it clips counts their gradient too:
        by the perturbed mixture, which stands in alpha's place, or by alpha if nothing is perturbed. We clip weights.
        """
        _, pullback = self.architecture.mixture_and_pullback()
        _, gradient = Objective(self.supernet, self.train_batch, training=True).loss_and_gradient(self.perturbed[-1])
        gradient = pullback(gradient) if self.case["config/method"] == "none" else gradient
        return float(tf.linalg.global_norm(list(gradient.values())))

    def run(self):
        """Takes the recorded steps; returns the figures of each."""
        figures = []
        for number in range(self.case["config/steps"]):
            self.number = number
            train, valid = (
                (
                    tf.constant(self.case[f"{part}/images"][self.number]),
                    tf.constant(self.case[f"{part}/labels"][self.number]),
                )
                for part in ("train", "valid")
            )
            self.train_batch = train
            result = self.step(
                train,
                valid,
                tf.constant(self.case["config/learning_rate"], tf.float32),
                tf.constant(self.case["config/epsilon"], tf.float32) if "config/epsilon" in self.case else 0.0,
                tf.constant([0, self.number]),
            )
            alpha = {group: alpha.numpy() for group, alpha in self.architecture.alpha.items()}
            figures.append({name: float(value) for name, value in result.items()} | {"alpha": alpha})
        return figures


def test_three_steps(case, supernet):
    recorder = Recorder(case, supernet)
    figures = recorder.run()
    case.check("valid_loss", [step["validation_loss"] for step in figures])
    case.check("train_loss", [step["loss"] for step in figures])
    norms = np.hypot([step["gradient_norm"] for step in figures], recorder.unused_norms or 0)
    case.check("grad_norm_before_clipping", norms)
    # Above the limit official weights of NAS-Bench-201 would move less than ours.
    assert not recorder.unused_norms or max(norms) < case["config/gradient_clip"]
    for index, group in enumerate(case.alpha):
        case.check(f"alpha_grad/{group}", np.stack([gradients[index] for gradients in recorder.alpha_gradients]))
        case.check(f"alpha_after/{group}", np.stack([step["alpha"][group] for step in figures]))
        case.check(f"mixture/{group}", np.stack([mixture[group] for mixture in recorder.clean]))
        case.check(f"perturbed/{group}", np.stack([mixture[group] for mixture in recorder.perturbed]))
    if "attack/losses" in case:
        case.check("attack/losses", recorder.losses)

    golden, ours = case.packed("after"), {}
    for entry in torch_state.entries(supernet):
        ours |= entry.split(entry.variable.numpy())
    assert set(golden) == set(ours)
    case.check("after/values", np.concatenate([ours[name].ravel() for name in golden]))
