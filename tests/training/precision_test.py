"""Half precision: what stays float32, and what an overflow does, on one device and on two."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.search import check
from sdarts_tf.training.epoch_loop import StepTotals
from sdarts_tf.training.precision import Precision
from sdarts_tf.training.search_step import build_step

RATE, EPSILON, SEED = tf.constant(0.025), tf.constant(0.3), tf.constant([3, 4])


def batch(number, scale=1.0):
    images = scale * tf.random.stateless_normal([4, 8, 8, 3], (number, 0))
    return images, tf.random.stateless_uniform([4], (number, 1), 0, 5, tf.int32)


def build(precision, method="rs"):
    config = SearchConfig(space="s2", method=method, channels=2, cells=3, pgd_steps=2, precision=precision)
    return build_step(config, num_classes=5)


def state(step):
    """Weights and alpha."""
    variables = [*(v.value for v in step.supernet.trainable_variables), *step.architecture.alpha.values()]
    return [variable.numpy() for variable in variables]


def copy(source, target):
    for old, new in zip(source.supernet.variables, target.supernet.variables, strict=True):
        new.assign(old.value)
    for old, new in zip(source.architecture.alpha.values(), target.architecture.alpha.values(), strict=True):
        new.assign(old)


@pytest.mark.parametrize(("precision", "digits"), [("bfloat16", 8), ("float16", 11)])
def test_half_precision_rounds_maps_and_nothing_else(precision, digits):
    """The loss differs from float32's by some roundings of `digits` bits; all that is kept is float32."""
    exact, half = build("float32"), build(precision)
    copy(exact, half)
    expected, figures = (tf.function(step)(batch(0), batch(1), RATE, EPSILON, SEED) for step in (exact, half))
    for name in ("loss", "validation_loss"):
        difference = abs(float(figures[name]) / float(expected[name]) - 1)
        assert 0 < difference < 8 * 2.0**-digits, name
    assert float(figures["gradient_norm"]) == pytest.approx(float(expected["gradient_norm"]), rel=32 * 2.0**-digits)
    assert int(figures["skipped"]) == 0
    variables = [*half.supernet.variables, *half.architecture.alpha.values(), *half.weight_optimizer.velocities]
    assert {tf.as_dtype(variable.dtype) for variable in variables} == {tf.float32}
    # Adam's first step is one step size, wherever the gradient's sign is that of float32.
    for ours, theirs in zip(half.architecture.alpha.values(), exact.architecture.alpha.values(), strict=True):
        assert np.mean(np.abs(ours - theirs) < 1e-5) > 0.9


def test_the_loss_sees_a_change_of_the_mixture_that_half_precision_cannot_hold():
    """Shares that bfloat16 rounds to the same number give different maps before these are rounded."""
    from sdarts_tf.layers.operations import weighed

    x = tf.cast(tf.fill([1, 1, 1, 1], 3.0), tf.bfloat16)
    near = [float(weighed(x, tf.constant([share]))[0, 0, 0, 0]) for share in (1.00195, 1.0033)]
    assert tf.cast(1.00195, tf.bfloat16) == tf.cast(1.0033, tf.bfloat16)
    assert near[0] != near[1]


def test_an_overflow_is_skipped_and_halves_the_scale():
    step = build("float16", "adv")
    step.precision.factor.assign(2.0**24)
    function, before = tf.function(step), state(step)
    figures = function(batch(0), batch(1), RATE, EPSILON, SEED)
    assert int(figures["skipped"]) == 1 and float(step.precision.factor) == 2.0**23
    for old, new in zip(before, state(step), strict=True):
        np.testing.assert_array_equal(old, new)
    assert all(np.all(velocity == 0) for velocity in step.weight_optimizer.velocities)
    step.precision.factor.assign(2.0**10)
    assert int(function(batch(0), batch(1), RATE, EPSILON, SEED)["skipped"]) == 0
    assert all(np.any(old != new) for old, new in zip(before, state(step), strict=True))
    assert float(step.precision.factor) == 2.0**10


def test_batch_statistics_outlive_images_that_overflow():
    step = build("float16")
    figures = step(batch(0, 1e6), batch(1), RATE, EPSILON, SEED)
    assert int(figures["skipped"]) == 1
    assert all(np.isfinite(variable.numpy()).all() for variable in step.supernet.variables)
    totals = StepTotals()
    totals.add(figures)
    totals.add(step(batch(0), batch(1), RATE, EPSILON, SEED))
    assert np.isfinite(totals.means()[0]) and float(totals.sums["steps"]) == 1 and float(totals.sums["skipped"]) == 1


@pytest.mark.parametrize("overflowing", [0, 1])
def test_an_overflow_of_either_replica_skips_the_step_on_both(overflowing, two_replicas):
    with two_replicas.scope():
        step = build("float16")
        before = state(step)

        def per_replica(parts):
            return tuple(
                two_replicas.experimental_distribute_values_from_function(
                    lambda context, values=values: values[context.replica_id_in_sync_group]
                )
                for values in zip(*parts, strict=True)
            )

        parts = [batch(number, 1e6 if number == overflowing else 1.0) for number in range(2)]
        valid = per_replica([batch(2), batch(3)])
        function = tf.function(step)
        alpha_moved = [alpha.numpy() for alpha in step.architecture.alpha.values()]
        assert int(function(per_replica(parts), valid, RATE, EPSILON, SEED)["skipped"]) == 1
        for old, new in zip(before, state(step)[: -len(alpha_moved)], strict=False):
            np.testing.assert_array_equal(old, new)
        assert int(function(valid, valid, RATE, EPSILON, SEED)["skipped"]) == 0
        assert any(np.any(old != new) for old, new in zip(before, state(step), strict=True))


def test_the_scale_grows_after_enough_steps_without_an_overflow():
    precision, factors = Precision("float16", start=4.0, patience=3), []
    for gradient in (1.0, 1.0, 1.0, np.inf, 1.0, 1.0, 1.0, 1.0, np.nan):
        precision.begin_step()
        precision.apply([tf.constant(gradient)], lambda: None)
        precision.end_step()
        factors.append(float(precision.factor))
    assert factors == [4, 4, 8, 4, 4, 4, 8, 8, 4]


def test_a_scaled_gradient_comes_back_as_it_is():
    """Of 1e-8 * x in float16 only the scaled gradient is not zero."""
    x = tf.constant(1.0)
    for precision, expected in ((Precision("float16"), 1e-8), (Precision("float32"), 0.0)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            half = tf.cast(x, tf.float16)
            loss = tf.cast(half, tf.float32) * 1e-8
        gradient = precision.unscaled(precision.gradient(tape, loss, x))
        assert float(gradient) == pytest.approx(expected, rel=1e-2)


def test_second_order_refuses_half_precision():
    with pytest.raises(InputError, match="use float32"):
        check(SearchConfig(method="adv+second_order", precision="bfloat16"))
