"""SGD and Adam with PyTorch's arithmetic: L2 decay inside the gradient, the learning rate outside of the velocity.

Both are called in cross-replica context with gradients that have been reduced, and update every replica alike.
"""

import contextlib

import tensorflow as tf


def clip_by_global_norm(gradients, limit):
    """PyTorch's `clip_grad_norm_`: scales all gradients by min(1, limit / (norm + 1e-6)).

    Returns:
        The clipped gradients, and the norm before clipping.
    """
    norm = tf.linalg.global_norm(gradients)
    factor = tf.minimum(1.0, limit / (norm + 1e-6))
    return [gradient * tf.cast(factor, gradient.dtype) for gradient in gradients], norm


def _slots(variables, name):
    return [tf.Variable(tf.zeros_like(v), trainable=False, name=f"{name}_{i}") for i, v in enumerate(variables)]


def _update(variable, function, *args):
    """Runs `function(variable, *args)` on every replica's copy."""
    return tf.distribute.get_strategy().extended.update(variable, function, args=args)


class SGD:
    """Momentum SGD: b <- momentum * b + g + decay * w; w <- w - learning_rate * b.

    Args:
        variables: list of `tf.Variable`.
        momentum: 0 to 1.
        weight_decay: L2 decay per step.
    """

    def __init__(self, variables, *, momentum, weight_decay):
        self._variables = tuple(variables)
        self.momentum, self.weight_decay = momentum, weight_decay
        self.velocities = _slots(variables, "velocity")

    @property
    def state(self):
        """What a checkpoint must hold; the variables themselves belong to the model."""
        return {"velocities": self.velocities}

    def apply(self, gradients, learning_rate):
        """Moves the variables by one step; `learning_rate` is a scalar tensor."""
        # One constant for all variables: each of its own would be thousands of graph nodes.
        momentum, decay = (tf.constant(value, learning_rate.dtype) for value in (self.momentum, self.weight_decay))

        def update(variable, velocity, gradient):
            # This kernel keeps the learning rate out of the velocity, as PyTorch does and Keras does not.
            tf.raw_ops.ResourceApplyMomentum(
                var=variable.handle,
                accum=velocity.handle,
                lr=learning_rate,
                grad=gradient + decay * variable,
                momentum=momentum,
            )

        for variable, velocity, gradient in zip(self._variables, self.velocities, gradients, strict=True):
            _update(variable, update, velocity, gradient)

    def lookahead(self, gradients, learning_rate):
        """Where `apply` would move the variables, as tensors; nothing is changed."""
        return [
            variable - learning_rate * (self.momentum * velocity + (gradient + self.weight_decay * variable))
            for variable, velocity, gradient in zip(self._variables, self.velocities, gradients, strict=True)
        ]


class Adam:
    """Adam with bias correction: w <- w - learning_rate * m / (sqrt(v) + epsilon).

    Args:
        variables: list of `tf.Variable`.
        learning_rate: step size, unless `apply` gets another.
        betas: decay of the first and second moment.
        weight_decay: L2 decay, added to the gradient.
        epsilon: added to the root of the second moment; PyTorch's 1e-8, not Keras's 1e-7.
    """

    def __init__(self, variables, *, learning_rate, betas=(0.5, 0.999), weight_decay=1e-3, epsilon=1e-8):
        self._variables = tuple(variables)
        self.learning_rate, self.betas, self.weight_decay, self.epsilon = learning_rate, betas, weight_decay, epsilon
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.first, self.second = _slots(variables, "first_moment"), _slots(variables, "second_moment")

    @property
    def state(self):
        """What a checkpoint must hold; the variables themselves belong to the model."""
        return {"step": self.step, "first": self.first, "second": self.second}

    def apply(self, gradients, learning_rate=None):
        """Moves the variables by one step."""
        learning_rate = self.learning_rate if learning_rate is None else learning_rate
        self.step.assign_add(1)
        step = tf.cast(self.step, tf.float32)
        beta1, beta2 = self.betas
        corrections = 1 - tf.pow(beta1, step), 1 - tf.pow(beta2, step)

        def update(variable, first, second, gradient):
            gradient = gradient + self.weight_decay * variable
            m = first.assign(beta1 * first + (1 - beta1) * gradient)
            v = second.assign(beta2 * second + (1 - beta2) * tf.square(gradient))
            denominator = tf.sqrt(v / corrections[1]) + self.epsilon
            variable.assign_sub(learning_rate * (m / corrections[0]) / denominator)

        for variable, *state in zip(self._variables, self.first, self.second, gradients, strict=True):
            _update(variable, update, *state)


class Average:
    """The running mean of variables over all updates since it was made active; before, it does nothing.

    Args:
        variables: list of `tf.Variable`.

    Example:
        >>> weight = tf.Variable(5.0)
        >>> average = Average([weight])
        >>> for value in (1.0, 2.0):
        ...     _ = average.active.assign(True), weight.assign(value), average.update()
        >>> with average.applied():
        ...     float(weight)
        1.5
        >>> float(weight)
        2.0
    """

    def __init__(self, variables):
        self._variables = tuple(variables)
        self.active = tf.Variable(False, trainable=False, name="active")
        self.count = tf.Variable(0, dtype=tf.int64, trainable=False, name="count")
        self.means = _slots(variables, "mean")

    @property
    def state(self):
        """What a checkpoint must hold; the variables themselves belong to the model."""
        return {"active": self.active, "count": self.count, "means": self.means}

    def is_active(self) -> bool:
        """Whether updates count."""
        return bool(self.active.numpy())

    def update(self):
        """Takes the present values of the variables into the mean."""

        def move():
            self.count.assign_add(1)
            for mean, variable in zip(self.means, self._variables, strict=True):
                mean.assign_add((variable - mean) / tf.cast(self.count, mean.dtype))

        tf.cond(self.active, move, lambda: None)

    @contextlib.contextmanager
    def applied(self):
        """While entered, the variables hold their means; if there were no updates yet, they stay as they are."""
        if not int(self.count.numpy()):
            yield
            return
        kept = [tf.identity(variable) for variable in self._variables]
        try:
            for variable, mean in zip(self._variables, self.means, strict=True):
                variable.assign(mean)
            yield
        finally:
            for variable, value in zip(self._variables, kept, strict=True):
                variable.assign(value)
