"""Half precision: what is rounded, what is not, and what happens to a step that overflows."""

import functools
import json

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import published
from sdarts_tf.layers.operations import weighed
from sdarts_tf.search import check, search
from sdarts_tf.training import search_step
from sdarts_tf.training.epoch_loop import StepTotals
from sdarts_tf.training.objective import Objective
from sdarts_tf.training.optimizers import SGD
from sdarts_tf.training.precision import Precision
from sdarts_tf.training.replicas import per_replica
from sdarts_tf.training.retrain_step import RetrainStep
from sdarts_tf.training.search_step import build_step

RATE, EPSILON, SEED = tf.constant(0.025), tf.constant(0.3), tf.constant([3, 4])


def batch(number, scale=1.0):
    images = scale * tf.random.stateless_normal([4, 8, 8, 3], (number, 0))
    return images, tf.random.stateless_uniform([4], (number, 1), 0, 5, tf.int32)


def build(precision, method="rs", space="nasbench201", **settings):
    settings = {"channels": 2, "cells": 1 if space == "nasbench201" else 3, "pgd_steps": 2, **settings}
    return build_step(SearchConfig(space=space, method=method, precision=precision, **settings), num_classes=5)


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
def test_half_precision_rounds_maps_and_nothing_else(precision, digits, monkeypatch):
    """Losses and gradients differ from float32's by some roundings of `digits` bits; all that is kept is float32."""
    # At the rectifier's kink a gradient jumps: float32's own moves by 5 to 10 % when its images change by 2^-11.
    monkeypatch.setattr(tf.nn, "relu", tf.nn.softplus)
    exact, half = build("float32"), build(precision)
    copy(exact, half)
    if half.precision.scaled:
        half.precision.factor.assign(2.0**10)
    gradients = []
    for step in (exact, half):
        objective = Objective(step.supernet, batch(1), training=True, precision=step.precision)
        gradients.append(tf.function(objective.loss_and_gradient)(exact.architecture.mixture())[1]["cell"])
    assert tf.norm(gradients[1] - gradients[0]) < 32 * 2.0**-digits * tf.norm(gradients[0])
    expected, figures = (tf.function(step)(batch(0), batch(1), RATE, EPSILON, SEED) for step in (exact, half))
    for name in ("loss", "validation_loss"):
        difference = abs(float(figures[name]) / float(expected[name]) - 1)
        assert 0 < difference < 8 * 2.0**-digits, name
    assert float(figures["gradient_norm"]) == pytest.approx(float(expected["gradient_norm"]), rel=32 * 2.0**-digits)
    assert int(figures["skipped"]) == 0
    variables = [*half.supernet.variables, *half.architecture.alpha.values(), *half.weight_optimizer.velocities]
    assert {tf.as_dtype(variable.dtype) for variable in variables} == {tf.float32}
    assert {figures[name].dtype for name in ("loss", "validation_loss", "gradient_norm")} == {tf.float32}


def test_the_loss_sees_a_change_of_the_mixture_that_half_precision_cannot_hold():
    """Shares that bfloat16 rounds to the same number give different maps before these are rounded."""
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
    step, totals = build("float16"), StepTotals(skips=True)
    function = tf.function(step)
    totals.add(function(batch(0, 1e6), batch(1), RATE, EPSILON, SEED))
    assert all(np.isfinite(variable.numpy()).all() for variable in step.supernet.variables)
    figures = function(batch(0), batch(1), RATE, EPSILON, SEED)
    totals.add(figures)
    assert totals.means()[:2] == (float(figures["loss"]), float(figures["accuracy"]))
    assert float(totals.sums["steps"]) == 1 and float(totals.sums["skipped"]) == 1


@pytest.mark.parametrize("overflowing", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_an_overflow_of_either_replica_skips_the_step_on_both(overflowing, two_replicas):
    """Its share of the training images overflows; alpha has already moved by the others."""
    scale = tf.reshape(tf.constant([1e6, 1e6, 1.0, 1.0] if overflowing == 0 else [1.0, 1.0, 1e6, 1e6]), [4, 1, 1, 1])
    with two_replicas.scope():
        step = build("float16", sync_batch_norm=overflowing == 0)
        weights = [variable.value for variable in step.supernet.trainable_variables]
        before = [weight.numpy() for weight in weights]
        function, (images, labels) = tf.function(step), batch(0)
        bad, good = per_replica(((images * scale, labels), batch(1)))
        assert int(function(bad, good, RATE, EPSILON, SEED)["skipped"]) == 1
        for old, weight in zip(before, weights, strict=True):
            np.testing.assert_array_equal(weight.numpy(), old)
        assert all(np.isfinite(variable.numpy()).all() for variable in step.supernet.variables)
        assert float(step.precision.factor.numpy()) == 2.0**14
        assert int(function(good, good, RATE, EPSILON, SEED)["skipped"]) == 0
        assert all(np.any(weight.numpy() != old) for old, weight in zip(before, weights, strict=True))
    for variable in [*weights, *step.architecture.alpha.values(), step.precision.factor]:
        copies = two_replicas.experimental_local_results(variable)
        np.testing.assert_array_equal(copies[0].numpy(), copies[1].numpy())


def test_a_retraining_step_that_overflows_is_skipped():
    network = spaces.get("s5").build_network(published.get("c10_s5_pgd"), 5, 4, 3)
    weights = [variable.value for variable in network.trainable_variables]
    optimizer, before = SGD(weights, momentum=0.9, weight_decay=3e-4), [weight.numpy() for weight in weights]
    step = RetrainStep(network, optimizer, gradient_clip=5.0, precision=Precision("float16"))
    function = tf.function(step)
    assert int(function(batch(0, 1e6), RATE, SEED)["skipped"]) == 1
    assert all(np.array_equal(weight.numpy(), old) for weight, old in zip(weights, before, strict=True))
    figures = function(batch(0), RATE, SEED)
    assert int(figures["skipped"]) == 0 and np.isfinite(figures["loss"])
    assert all(np.any(weight.numpy() != old) for weight, old in zip(weights, before, strict=True))


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


@pytest.mark.slow
def test_a_search_with_everything_that_saves_memory_counts_the_skipped_steps(tmp_path, monkeypatch):
    """The scale begins so high that the first steps are skipped; the last one is taken."""
    monkeypatch.setattr(search_step, "Precision", functools.partial(Precision, start=2.0**24))
    saving = {"precision": "float16", "accumulate_steps": 2, "recompute": True}
    tiny = {"dataset": "digits", "space": "s2", "method": "rs", "channels": 2, "cells": 3, "epochs": 1}
    size = {"max_examples": 240, "batch_size": 8}
    run = search(SearchConfig(run_dir=str(tmp_path / "run"), **tiny, **size, **saving))
    (record,) = [json.loads(line) for line in (run.run_dir / "metrics.jsonl").read_text().splitlines()]
    assert 0 < record["skipped_steps"] < 15 and np.isfinite(record["train_loss"])
    assert f"skipped {record['skipped_steps']}" in (run.run_dir / "log.txt").read_text()


def test_second_order_refuses_half_precision():
    with pytest.raises(InputError, match="use float32"):
        check(SearchConfig(method="adv+second_order", precision="bfloat16"))
