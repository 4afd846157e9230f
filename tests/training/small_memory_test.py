"""Batches in parts and cells computed again: the same numbers as without, on one device and on two."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import retrain, search, spaces
from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import published
from sdarts_tf.layers.normalization import synchronize
from sdarts_tf.layers.recomputation import recompute_cells
from sdarts_tf.training.accumulation import in_parts
from sdarts_tf.training.curvature import AlphaHessian, image_objective
from sdarts_tf.training.objective import Objective
from sdarts_tf.training.optimizers import SGD
from sdarts_tf.training.replicas import per_replica
from sdarts_tf.training.retrain_step import RetrainStep
from sdarts_tf.training.search_step import build_step

RATE, EPSILON, SEED = tf.constant(0.025), tf.constant(0.3), tf.constant([3, 4])
DROPPED = {"skip_dropout": tf.constant(0.3), "drop_rate": tf.constant(0.2)}


def batch(number, size=4, side=8):
    images = tf.random.stateless_normal([size, side, side, 3], (number, 0))
    return images, tf.random.stateless_uniform([size], (number, 1), 0, 5, tf.int32)


def build(**settings):
    keras.utils.set_random_seed(0)
    config = {"space": "s2", "method": "adv", "channels": 2, "cells": 3, "pgd_steps": 2, "batch_size": 4} | settings
    return build_step(SearchConfig(**config), num_classes=5)


def strategy_of(replicas, two_replicas):
    return two_replicas if replicas == 2 else tf.distribute.get_strategy()


def assert_same(ours, expected):
    variables = [[*s.supernet.variables, *s.architecture.alpha.values()] for s in (ours, expected)]
    for one, other in zip(*variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "replicas", "rates"),
    [
        pytest.param({"method": "rs", "sync_batch_norm": True}, 2, {}, id="two replicas", marks=pytest.mark.slow),
        pytest.param({"method": "second_order"}, 1, {}, id="second order", marks=pytest.mark.slow),
        pytest.param({"space": "s3", "method": "rs+pdarts"}, 1, DROPPED, id="drawn", marks=pytest.mark.slow),
        pytest.param(
            {"space": "nasbench201", "method": "adv", "cells": 1}, 1, {}, id="nasbench201", marks=pytest.mark.slow
        ),
    ],
)
def test_a_search_step_that_recomputes_is_the_same(settings, replicas, rates, two_replicas):
    """Loss, weights, alpha, and batch statistics, which are moved once."""
    with strategy_of(replicas, two_replicas).scope():
        steps, figures = [build(recompute=again, **settings) for again in (False, True)], []
        for step in steps:
            batches = per_replica((batch(0), batch(1)))
            figures.append(tf.function(step)(*batches, RATE, EPSILON, SEED, **rates))
        for name, value in figures[0].items():
            np.testing.assert_allclose(figures[1][name], value, rtol=1e-5, err_msg=name)
        assert_same(*steps)


def test_cells_are_computed_again_in_the_backward_pass():
    """The graph of a weight gradient has the forward convolutions of every cell twice."""
    counts = []
    for recompute in (False, True):
        step = build(recompute=recompute)
        objective = Objective(step.supernet, batch(0), training=True, record=True)
        function = tf.function(objective.loss_and_weight_gradient)
        graph = function.get_concrete_function(step.architecture.mixture()).graph
        counts.append(sum(op.type == "DepthwiseConv2dNative" for op in graph.get_operations()))
    assert counts[1] >= 1.9 * counts[0] > 0


def test_a_cell_that_is_computed_again_is_differentiated_twice():
    vector, products = np.random.RandomState(0).standard_normal(30), []
    for recompute in (False, True):
        step = build(recompute=recompute, space="nasbench201", cells=1)
        hessian = AlphaHessian(functools.partial(image_objective, step.supernet, training=True), step.architecture)
        products.append(hessian.product((*batch(0), SEED), vector))
    assert np.abs(products[0]).max() > 1e-3
    np.testing.assert_allclose(products[1], products[0], rtol=1e-3, atol=1e-5)


def _evaluated(step, parts):
    """Loss and all gradients in evaluation mode, where an image does not depend on the others."""
    objective = Objective(step.supernet, batch(0), training=False, parts=parts)
    mixture = step.architecture.mixture()
    loss, gradient, accuracy = tf.function(objective.loss_and_weight_gradient)(mixture)
    return [loss, accuracy, *gradient, *tf.function(objective.loss_and_gradient)(mixture)[1].values()]


def test_a_batch_in_parts_gives_the_loss_and_the_gradients_of_the_whole():
    step = build(space="nasbench201", cells=1)
    for whole, in_pieces in zip(_evaluated(step, 1), _evaluated(step, 4), strict=True):
        np.testing.assert_allclose(in_pieces, whole, rtol=1e-4, atol=1e-6)


def test_an_attack_in_parts_is_the_attack_on_the_whole():
    step, attacked = build(), []
    for parts in (1, 2):
        objective = Objective(step.supernet, batch(0), training=False, parts=parts)
        attacked.append(
            step.method.perturbation(step.architecture.mixture(), objective.repeated(), epsilon=EPSILON, seed=SEED)
        )
    for group, shares in attacked[0].items():
        np.testing.assert_allclose(attacked[1][group], shares, atol=1e-5)


def test_parts_in_training_have_statistics_of_their_own():
    """Their running mean is 0.9 (0.9 m0 + 0.1 m1) + 0.1 m2, where a whole batch moves it once."""
    step = build()
    stem = step.supernet.stem
    images, labels = batch(0)
    halves = [tf.nn.conv2d(half, stem.kernel, 1, "SAME") for half in tf.split(images, 2)]
    first, second = (tf.reduce_mean(half, [0, 1, 2]) for half in halves)
    objective = Objective(step.supernet, (images, labels), training=True, record=True, parts=2)
    tf.function(objective.loss_and_gradient)(step.architecture.mixture())
    expected = 0.09 * first + 0.1 * second
    np.testing.assert_allclose(stem.normalization.moving_mean.numpy(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_two_replicas_in_parts_are_one_device_in_twice_as_many(two_replicas):
    """Every part normalizes by itself, so that only the number of parts in all counts."""
    settings = {"batch_size": 8, "method": "darts"}
    alone = build(accumulate_steps=4, **settings)
    expected = tf.function(alone)(batch(0, 8), batch(1, 8), RATE, EPSILON, SEED)
    with two_replicas.scope():
        together = build(accumulate_steps=2, **settings)
        batches = per_replica((batch(0, 8), batch(1, 8)))
        figures = tf.function(together)(*batches, RATE, EPSILON, SEED)
    for name in ("loss", "validation_loss", "gradient_norm"):
        np.testing.assert_allclose(figures[name], expected[name], rtol=1e-4, err_msg=name)


def test_parts_are_numbered():
    numbers = in_parts(lambda number, x: tf.cast(number, tf.float32) ** 2 + 0 * tf.reduce_mean(x), 4)(tf.zeros([4]))
    assert float(numbers) == 3.5  # the mean of 0, 1, 4, 9


@pytest.mark.parametrize(
    ("recompute", "replicas"), [(False, 1), (True, 1), pytest.param(True, 2, marks=pytest.mark.slow)]
)
def test_a_retraining_step_that_saves_memory_is_the_same(recompute, replicas, two_replicas):
    """Recomputed, with dropped paths; or in two parts that hold the same images, whose statistics are the same too."""
    genotype, results = published.get("c10_s5_pgd"), []
    images, labels = batch(0)
    twice = tf.concat([images, images], 0), tf.concat([labels, labels], 0)
    rate = tf.constant(0.3) if recompute else None
    for saving in (False, True):
        keras.utils.set_random_seed(0)
        with strategy_of(replicas, two_replicas).scope():
            network = spaces.get("s5").build_network(genotype, 5, 4, 3)
            synchronize(network)
            if recompute and saving:
                recompute_cells(network)
            weights = [variable.value for variable in network.trainable_variables]
            optimizer = SGD(weights, momentum=0.9, weight_decay=3e-4)
            step = RetrainStep(network, optimizer, gradient_clip=5.0, parts=2 if saving and not recompute else 1)
            figures = tf.function(step)(per_replica(twice), RATE, SEED, rate)
        results.append([figures["loss"], figures["gradient_norm"], *(v.numpy() for v in weights)])
    for plain, saved in zip(*results, strict=True):
        np.testing.assert_allclose(saved, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", [SearchConfig, RetrainConfig])
def test_batches_that_cannot_be_computed_in_parts_are_refused(config):
    with pytest.raises(InputError, match="--batch_size=6 cannot be divided into --accumulate_steps=4"):
        config(batch_size=6, accumulate_steps=4)
    with pytest.raises(InputError, match="leave one of them away"):
        config(batch_size=8, accumulate_steps=4, sync_batch_norm=True)
    with pytest.raises(InputError, match="multiple of their product"):
        in_parts(lambda number, x: tf.reduce_mean(x), 4)(tf.zeros([6]))


def test_a_network_without_cells_cannot_recompute():
    with pytest.raises(InputError, match="leave it away"):
        recompute_cells(keras.Sequential([]))


@pytest.mark.parametrize("saving", [{"precision": "bfloat16"}, {"accumulate_steps": 2}, {"recompute": True}])
def test_recurrent_cells_refuse_what_is_for_images(saving, tmp_path):
    (name,) = saving
    with pytest.raises(InputError, match=f"--{name}=.* leave it away for recurrent ones"):
        search.check(SearchConfig(space="recurrent", **saving).completed())
    with pytest.raises(InputError, match=f"--{name}=.* leave it away for recurrent ones"):
        retrain.retrain(RetrainConfig(genotype="penn_pgd", run_dir=str(tmp_path / "run"), **saving))
    assert not list(tmp_path.iterdir())
