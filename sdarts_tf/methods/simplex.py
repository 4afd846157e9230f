"""Moving a mixture and bringing it back to the simplex. Rows are the last axis; a mixture is `{group: [rows, n]}`.

Source: `attacker/perturb.py` and `Network.clip` of the official code.
"""

import tensorflow as tf


def uniform_noise(mixture, epsilon, seed):
    """Independent draws from U(-epsilon, epsilon), shaped like the mixture; `seed` is int32 `[2]`."""
    return {
        group: tf.random.stateless_uniform(
            shares.shape, tf.random.fold_in(seed, index), -epsilon, epsilon, shares.dtype
        )
        for index, (group, shares) in enumerate(mixture.items())
    }


def clip(mixture):
    """The official rule: clamp to [0, 1], then divide by the row's sum.

    A row that clamps to zeros becomes one-hot at its largest entry before clamping. A share may end further than
    epsilon from where it started.

    Example:
        >>> clipped = clip({"cell": tf.constant([[0.5, -0.2, 0.9], [-0.1, -0.05, -0.3]])})
        >>> clipped["cell"].numpy().astype(float).round(6).tolist()
        [[0.357143, 0.0, 0.642857], [0.0, 1.0, 0.0]]
    """
    return tf.nest.map_structure(_clip_rows, mixture)


def _clip_rows(rows):
    clamped = tf.clip_by_value(rows, 0, 1)
    one_hot = tf.one_hot(tf.argmax(rows, axis=-1), rows.shape[-1], dtype=rows.dtype)
    clamped = tf.where(tf.reduce_sum(clamped, axis=-1, keepdims=True) == 0, one_hot, clamped)
    return clamped / tf.reduce_sum(clamped, axis=-1, keepdims=True)


def clip_to_box(mixture, *, center, radius):
    """Moves every entry to at most `radius` from `center`."""
    return tf.nest.map_structure(lambda p, c: c + tf.clip_by_value(p - c, -radius, radius), mixture, center)


def renormalize(mixture, *, center, radius):
    """The official projection: into the box around `center`, then `clip`, which may leave the box again."""
    return clip(clip_to_box(mixture, center=center, radius=radius))


def exact(mixture, *, center, radius):
    """The Euclidean projection on the part of the simplex within `radius` of `center`.

    The nearest point is `clamp(v - t, max(0, center - radius), min(1, center + radius))`, with t such that the row sums
    to one; t is found by bisection.

    Example:
        >>> center, moved = {"cell": tf.constant([[0.6, 0.3, 0.1]])}, {"cell": tf.constant([[0.8, 0.25, -0.15]])}
        >>> exact(moved, center=center, radius=0.1)["cell"].numpy().astype(float).round(5).tolist()
        [[0.7, 0.3, 0.0]]
    """
    return tf.nest.map_structure(lambda v, c: _project_rows(v, c, radius), mixture, center)


def _project_rows(values, center, radius, bisections=40):
    low, high = tf.maximum(center - radius, 0), tf.minimum(center + radius, 1)

    def at(shift):
        return tf.clip_by_value(values - shift, low, high)

    # At the first end every entry is at its upper limit (sum >= 1), at the other at its lower one (sum <= 1).
    below = tf.reduce_min(values - high, axis=-1, keepdims=True)
    above = tf.reduce_max(values - low, axis=-1, keepdims=True)
    for _ in range(bisections):
        middle = (below + above) / 2
        too_much = tf.reduce_sum(at(middle), axis=-1, keepdims=True) > 1
        below, above = tf.where(too_much, middle, below), tf.where(too_much, above, middle)
    return at((below + above) / 2)


PROJECTIONS = {"renormalize": renormalize, "exact": exact}
