"""The Hessian of the validation loss by alpha.

Source: `optimizers/analyze.py` of the official code; Zela et al., "Understanding and Robustifying Differentiable
Architecture Search", ICLR 2020, section 4.
"""

import tensorflow as tf

from sdarts_tf.spaces.base import Architecture
from sdarts_tf.training.objective import Objective


def alpha_hessian(objective: Objective, architecture: Architecture) -> tf.Tensor:
    """The dense Hessian of a loss by alpha, without any weight-decay term.

    Args:
        objective: the loss on one batch; batch statistics are never moved.
        architecture: alpha.

    Returns:
        `[n, n]`, n the number of alphas: group after group, row-major.

    Example:
        >>> from sdarts_tf.config import SearchConfig
        >>> from sdarts_tf.training.search_step import build_step
        >>> step = build_step(SearchConfig(space="s2", channels=2, cells=3), num_classes=3)
        >>> batch = tf.zeros([2, 8, 8, 3]), tf.constant([0, 1])
        >>> alpha_hessian(Objective(step.supernet, batch, training=False), step.architecture).shape
        TensorShape([56, 56])
    """
    alpha = {group: tf.convert_to_tensor(variable) for group, variable in architecture.alpha.items()}

    @tf.function
    def rows(alpha):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(alpha)
            mixture, pullback = architecture.mixture_and_pullback(alpha)
            _, gradient = objective.loss_and_gradient(mixture)
            flat = _flat(pullback(gradient))
        # A loop, not a vectorized map: batch normalization's second derivative has no vectorized form.
        jacobian = tape.jacobian(flat, alpha, experimental_use_pfor=False)
        return tf.concat([tf.reshape(part, [flat.shape[0], -1]) for part in jacobian.values()], axis=1)

    return rows(alpha)


def _flat(groups):
    return tf.concat([tf.reshape(values, [-1]) for values in groups.values()], axis=0)
