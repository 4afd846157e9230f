"""One step of retraining against arithmetic written out here."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.genotypes import published
from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.training.objective import cross_entropy
from sdarts_tf.training.optimizers import SGD
from sdarts_tf.training.retrain_step import RetrainStep

RATE, SEED = tf.constant(0.1), tf.constant([1, 2])


CELL = published.get("c10_s2_pgd")


def build(genotype=CELL, *, auxiliary=False, decay=0.0, clip=1e9, **options):
    network = spaces.get("s2").build_network(genotype, 4, 2, 3, auxiliary=auxiliary)
    weights = [variable.value for variable in network.trainable_variables]
    return RetrainStep(network, SGD(weights, momentum=0.9, weight_decay=decay), gradient_clip=clip, **options)


def batch(side=8, number=0):
    images = tf.random.stateless_normal([6, side, side, 3], (number, 0))
    return images, tf.random.stateless_uniform([6], (number, 1), 0, 4, tf.int32)


def weights_of(step):
    return [variable.numpy() for variable in step.network.trainable_variables]


def log_softmax(logits):
    logits = np.asarray(logits, np.float64)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def loss_of(network, images, labels, smoothing=0.0):
    """Cross entropies of both heads, from the definition; batch statistics are put back."""
    statistics = [variable.numpy() for variable in network.non_trainable_variables]
    answer = network(images, training=True)
    for variable, value in zip(network.non_trainable_variables, statistics, strict=True):
        variable.assign(value)
    targets = np.eye(4)[labels.numpy()] * (1 - smoothing) + smoothing / 4
    return [-(targets * log_softmax(logits)).sum(axis=1).mean() for logits in answer]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_both_heads(smoothing):
    step = build(auxiliary=True, auxiliary_weight=0.4, label_smoothing=smoothing)
    images, labels = batch(side=32)
    main, auxiliary = loss_of(step.network, images, labels, smoothing)
    figures = step((images, labels), RATE, SEED)
    assert float(figures["loss"]) == pytest.approx(main + 0.4 * auxiliary, rel=1e-5)
    assert int(figures["non_finite"]) == 0


def test_accuracy_is_the_main_classifiers():
    step = build(auxiliary=True)
    images, labels = batch(side=32)
    statistics = [variable.numpy() for variable in step.network.non_trainable_variables]
    logits, _ = step.network(images, training=True)
    for variable, value in zip(step.network.non_trainable_variables, statistics, strict=True):
        variable.assign(value)
    expected = (logits.numpy().argmax(axis=1) == labels.numpy()).mean()
    assert float(step((images, labels), RATE, SEED)["accuracy"]) == pytest.approx(expected)


def test_label_smoothing_of_known_logits():
    """With probabilities .7, .2, .1 and .1 of the label spread: -(.1/3 + .9) log .7 - .1/3 (log .2 + log .1)."""
    logits = tf.math.log([[0.7, 0.2, 0.1]])
    expected = -(0.1 / 3 + 0.9) * np.log(0.7) - 0.1 / 3 * (np.log(0.2) + np.log(0.1))
    assert cross_entropy(tf.constant([0]), logits, 0.1).numpy() == pytest.approx([expected], rel=1e-6)
    assert cross_entropy(tf.constant([0]), logits).numpy() == pytest.approx([-np.log(0.7)], rel=1e-6)


def test_a_step_descends_along_the_gradient_with_decay_and_momentum():
    """Two steps: b1 = g1 + d w0, w1 = w0 - r b1; b2 = .9 b1 + g2 + d w1, w2 = w1 - r b2, with r = .1, d = .01."""
    step, probe = build(decay=0.01), build()
    images, labels = batch()

    def gradient():
        for variable, source in zip(probe.network.variables, step.network.variables, strict=True):
            variable.assign(source.value)
        before = weights_of(probe)
        for velocity in probe.optimizer.velocities:
            velocity.assign(tf.zeros_like(velocity))
        probe((images, labels), tf.constant(1.0), SEED)
        return [old - new for old, new in zip(before, weights_of(probe), strict=True)]

    first, w0 = gradient(), weights_of(step)
    step((images, labels), RATE, SEED)
    b1 = [g + 0.01 * w for g, w in zip(first, w0, strict=True)]
    w1 = [w - 0.1 * b for w, b in zip(w0, b1, strict=True)]
    for ours, expected in zip(weights_of(step), w1, strict=True):
        np.testing.assert_allclose(ours, expected, atol=2e-6)
    second, w1 = gradient(), weights_of(step)
    step((images, labels), RATE, SEED)
    b2 = [0.9 * b + g + 0.01 * w for b, g, w in zip(b1, second, w1, strict=True)]
    for ours, weight, velocity in zip(weights_of(step), w1, b2, strict=True):
        np.testing.assert_allclose(ours, weight - 0.1 * velocity, atol=2e-6)


def test_the_gradient_is_clipped_before_decay_is_added():
    """With a limit of 1e-3 the weights move by the learning rate times that, in a straight line from (1 - r d) w."""
    free, clipped = build(), build(clip=1e-3, decay=0.5)
    for variable, source in zip(clipped.network.variables, free.network.variables, strict=True):
        variable.assign(source.value)
    before = weights_of(free)
    norm = float(free(batch(), RATE, SEED)["gradient_norm"])
    assert float(clipped(batch(), RATE, SEED)["gradient_norm"]) == pytest.approx(norm) and norm > 0.1
    moved = [new - (1 - 0.1 * 0.5) * old for new, old in zip(weights_of(clipped), before, strict=True)]
    assert np.sqrt(sum((m**2).sum() for m in moved)) == pytest.approx(0.1 * 1e-3, rel=0.02)
    for ours, old, new in zip(moved, before, weights_of(free), strict=True):
        np.testing.assert_allclose(ours, (new - old) * 1e-3 / norm, atol=2e-7)


def _unread_node(cell):
    """The operations of the edge to node 3."""
    return [cell.operations[1]]


def _input_read_by_noise(cell):
    """What prepares the older input."""
    return [cell.preprocess[0]]


@pytest.mark.parametrize(
    ("edges", "outputs", "unread_in"),
    [
        ((Edge("sep_conv_3x3", 0, 2), Edge("sep_conv_3x3", 1, 3), Edge("sep_conv_3x3", 1, 4)), (2, 4), _unread_node),
        ((Edge("noise", 0, 2), Edge("sep_conv_3x3", 1, 2)), (2,), _input_read_by_noise),
    ],
    ids=["a node", "an input of noise"],
)
def test_weights_that_nothing_reads_decay(edges, outputs, unread_in):
    """With r = .1 and d = .5 they become .95 w; whatever is read moves along its gradient too."""
    kinds = ("normal", "reduce")
    step = build(Genotype("s4", dict.fromkeys(kinds, edges), dict.fromkeys(kinds, outputs)), decay=0.5)
    cells = step.network.cells
    unread = {id(v) for cell in cells for layer in unread_in(cell) for v in layer.trainable_variables}
    before = weights_of(step)
    figures = tf.function(step)(batch(), RATE, SEED)
    assert np.isfinite(float(figures["loss"])) and len(unread) >= 3 * len(cells)
    for variable, old, new in zip(step.network.trainable_variables, before, weights_of(step), strict=True):
        alone = np.allclose(new, 0.95 * old, rtol=1e-6, atol=0)
        assert alone == (id(variable) in unread), variable.path


def test_one_trace_serves_all_rates_and_seeds_and_paths_are_dropped_anew():
    step = build()
    function, losses = tf.function(step), set()
    state = [variable.numpy() for variable in step.network.variables]
    for number in range(4):
        for variable, value in zip(step.network.variables, state, strict=True):
            variable.assign(value)
        seed = tf.constant([5, number])
        losses.add(float(function(batch(), RATE / (number + 1), seed, tf.constant(0.5))["loss"]))
    assert function.experimental_get_tracing_count() == 1
    assert len(losses) == 4


def test_a_rate_of_zero_drops_nothing():
    losses = []
    for rate in (None, tf.constant(0.0)):
        tf.keras.utils.set_random_seed(3)
        losses.append(float(build()(batch(), RATE, SEED, rate)["loss"]))
    assert losses[0] == losses[1]


def test_a_loss_that_is_not_finite_is_counted():
    images, labels = batch()
    assert int(build()((images * np.nan, labels), RATE, SEED)["non_finite"]) == 1


def assign(network, values):
    for variable, value in zip(network.variables, values, strict=True):
        variable.assign(value)


@pytest.fixture
def replicated(two_replicas):
    """A step on two replicas, its variables' values, and a function that calls it with a batch for each replica."""
    with two_replicas.scope():
        step = build()
    function = tf.function(step)

    def per_replica(values):
        return two_replicas.experimental_distribute_values_from_function(
            lambda context: values[context.replica_id_in_sync_group]
        )

    def call(batches, *args):
        with two_replicas.scope():
            return function(tuple(per_replica(values) for values in zip(*batches, strict=True)), *args)

    return step, [variable.numpy() for variable in step.network.variables], call


def test_two_replicas_move_along_the_mean_of_their_gradients(replicated):
    """Each normalizes by its own half of the batch, as if it were alone."""
    together, state, call = replicated
    halves, before = (batch(number=0), batch(number=1)), weights_of(together)
    losses, moved = [], []
    for half in halves:
        alone = build()
        assign(alone.network, state)
        losses.append(float(alone(half, RATE, SEED)["loss"]))
        moved.append([new - old for new, old in zip(weights_of(alone), before, strict=True)])
    assert float(call(halves, RATE, SEED)["loss"]) == pytest.approx(sum(losses) / 2, rel=1e-5)
    for new, old, first, second in zip(weights_of(together), before, *moved, strict=True):
        np.testing.assert_allclose(new, old + (first + second) / 2, atol=2e-6)
    assert (
        losses[0] != losses[1]
        and max(np.abs(first - second).max() for first, second in zip(*moved, strict=True)) > 1e-3
    )


def test_two_replicas_drop_different_paths(replicated):
    """Two replicas of one batch find another loss than a device that gives both copies the first one's paths."""
    together, state, call = replicated
    alone, differences = build(), []
    for rate in (0.0, 0.5):
        for step in (alone, together):
            assign(step.network, state)
        args = RATE, SEED, tf.constant(rate)
        losses = float(call([batch()] * 2, *args)["loss"]), float(alone(batch(), *args)["loss"])
        differences.append(abs(losses[0] - losses[1]))
    assert differences[0] < 1e-5 and differences[1] > 1e-4
