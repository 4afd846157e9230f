"""In which numbers a network computes, and the scale of the loss that float16 needs."""

import tensorflow as tf


class Precision(tf.Module):
    """The type of the maps of a network. Weights, mixture, batch statistics, logits and losses are always float32.

    float16 holds nothing between 0 and 6e-8, and nothing above 65,504. So the loss is multiplied by `factor` before it
    is differentiated, and gradients are divided by it once they are float32 and averaged over the replicas: what
    overflows on any of them is seen by all. A step that overflows is skipped from there on, and halves the factor;
    `patience` steps in a row without an overflow double it.

    Args:
        dtype: `"float32"`, `"bfloat16"` or `"float16"`; the first two scale nothing and skip nothing.
        start: first factor.
        patience: steps.

    Source: Micikevicius et al., "Mixed precision training", ICLR 2018, section 3.2.

    Example:
        >>> precision = Precision("float16", start=8.0)
        >>> precision.begin_step()
        >>> precision.apply([tf.constant([float("inf")])], lambda: print("moved"))
        >>> int(precision.end_step()), float(precision.factor)
        (1, 4.0)
    """

    def __init__(self, dtype="float32", *, start=2.0**15, patience=2000):
        super().__init__(name="precision")
        self.dtype, self.patience = tf.as_dtype(dtype), patience
        self.scaled = self.dtype == tf.float16
        if self.scaled:
            self.factor = tf.Variable(start, trainable=False, name="factor")
            self.good_steps = tf.Variable(0, trainable=False, name="good_steps")
            self._overflowed = tf.Variable(False, trainable=False, name="overflowed")

    @property
    def state(self):
        """What a checkpoint must hold, by name."""
        return {"loss_factor": self.factor, "good_steps": self.good_steps} if self.scaled else {}

    def cast(self, images):
        """The images in the type of the maps; float32 is left as it is."""
        return images if self.dtype == tf.float32 else tf.cast(images, self.dtype)

    def gradient(self, tape, loss, sources, **options):
        """`tape.gradient(loss, sources)`, multiplied by the factor."""
        scale = tf.cast(self.factor, loss.dtype) if self.scaled else None
        return tape.gradient(loss, sources, output_gradients=scale, **options)

    def unscaled(self, gradients):
        """A nest of gradients, divided by the factor."""
        return tf.nest.map_structure(lambda g: g / self.factor, gradients) if self.scaled else gradients

    def begin_step(self):
        """Forgets the overflow of the step before."""
        if self.scaled:
            self._overflowed.assign(False)

    def watch(self, gradients):
        """Notes an overflow in a nest of gradients, which are the same on all replicas."""
        if self.scaled:
            finite = [tf.reduce_all(tf.math.is_finite(gradient)) for gradient in tf.nest.flatten(gradients)]
            self._overflowed.assign(self._overflowed | ~tf.reduce_all(finite))

    def apply(self, gradients, update):
        """Calls `update()`, unless these gradients or others of this step have overflowed."""
        if not self.scaled:
            update()
            return
        self.watch(gradients)

        def moved():
            update()
            return True

        tf.cond(self._overflowed, lambda: False, moved)

    def end_step(self):
        """Adapts the factor; returns 1 if the step was skipped, else 0, an int32 scalar."""
        if not self.scaled:
            return tf.constant(0)
        good = tf.where(self._overflowed, 0, self.good_steps + 1)
        grows = good >= self.patience
        growth = tf.where(self._overflowed, 0.5, tf.where(grows, 2.0, 1.0))
        self.factor.assign(tf.clip_by_value(self.factor * growth, 1.0, 2.0**24))
        self.good_steps.assign(tf.where(grows, 0, good))
        return tf.cast(self._overflowed, tf.int32)
