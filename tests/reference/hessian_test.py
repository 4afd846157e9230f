"""The full Hessian by alpha on one batch."""

import numpy as np
import tensorflow as tf

from sdarts_tf.analysis.hessian import alpha_hessian
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.training.curvature import AlphaHessian, extreme_eigenvalues, image_objective
from sdarts_tf.training.objective import Objective

PATTERN = "hessian*.npz"


def test_hessian(case, supernet):
    architecture = Architecture({group: alpha.shape for group, alpha in case.alpha.items()}, seed=0)
    for group, alpha in case.alpha.items():
        architecture.alpha[group].assign(alpha)
    batch = tf.constant(case["images"]), tf.constant(case["labels"])
    objective = Objective(supernet, batch, training=True)
    mixture, pullback = architecture.mixture_and_pullback()
    loss, gradient = objective.loss_and_gradient(mixture)
    case.check("loss", loss)
    for group, values in pullback(gradient).items():
        case.check(f"alpha_grad/{group}", values)

    hessian = alpha_hessian(objective, architecture).numpy()
    case.check("hessian", hessian)
    eigenvalues = np.linalg.eigvalsh((hessian + hessian.T).astype(np.float64) / 2)
    case.check("eigenvalues", np.sort(eigenvalues)[:: 1 if case["eigenvalues"][0] < case["eigenvalues"][-1] else -1])
    case.check("dominant", eigenvalues.max())
    # The official figure contains alpha's weight decay; ours does not.
    case.check("dominant_official", eigenvalues.max() + case["config/alpha_weight_decay"])

    lanczos = AlphaHessian(lambda batch: image_objective(supernet, batch, training=True), architecture)
    extremes = extreme_eigenvalues(lambda vector: lanczos.product((*batch, tf.constant([0, 0])), vector), lanczos.size)
    case.check("dominant", extremes.largest)
    np.testing.assert_allclose(extremes.spectral_norm, np.abs(case["eigenvalues"]).max(), rtol=1e-5)
