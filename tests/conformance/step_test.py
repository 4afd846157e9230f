"""What every method must do on every space."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.training.checkpoint import Checkpoints
from sdarts_tf.training.objective import Objective, cross_entropy
from sdarts_tf.training.replicas import mean_over_replicas, per_replica

RATE, SEED = tf.constant(0.025), tf.constant([3, 4])


def _values(variables):
    return [variable.numpy() for variable in variables]


def _assert_same_state(step, expected):
    """Alpha, weights and statistics, up to rounding."""
    for group, alpha in expected.architecture.alpha.items():
        np.testing.assert_allclose(step.architecture.alpha[group].numpy(), alpha.numpy(), atol=1e-6)
    for ours, one in zip(step.supernet.variables, expected.supernet.variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), one.numpy(), rtol=1e-3, atol=2e-5)


def _all_variables(step):
    return [*(v.value for v in step.supernet.variables), *step.architecture.alpha.values()]


def test_step(space, method, tiny, tmp_path):
    """One trace serves all learning rates and epsilons; alpha, weights and statistics move; a checkpoint keeps them."""
    step = tiny.step(space, method)
    function = tf.function(step)
    before = {name: alpha.numpy() for name, alpha in step.architecture.alpha.items()}
    weights = _values(v.value for v in step.supernet.trainable_variables)
    for number, epsilon in enumerate((0.03, 0.3)):
        figures = function(tiny.batch(0), tiny.batch(1), RATE / (number + 1), tf.constant(epsilon), SEED + number)
        assert np.isfinite(figures["loss"]) and np.isfinite(figures["validation_loss"])
        assert int(figures["non_finite"]) == 0
    assert function.experimental_get_tracing_count() == 1
    for name, alpha in step.architecture.alpha.items():
        moved = np.abs(alpha.numpy() - before[name])
        # Adam's first two steps move an entry by at most 1 and 1.054 step sizes.
        assert np.all(moved > 0) and np.all(moved <= 2.06 * 3e-4)
    moved = [np.abs(v.numpy() - w).max() for v, w in zip(step.supernet.trainable_variables, weights, strict=True)]
    assert min(moved) > 0

    states = {"weight_optimizer": step.weight_optimizer.state, "alpha_optimizer": step.alpha_optimizer.state}
    checkpoints = Checkpoints(tmp_path, supernet=step.supernet, architecture=step.architecture, **states)
    checkpoints.save(1)
    everything = [*_all_variables(step), *tf.nest.flatten(states)]
    saved = _values(everything)
    for variable in everything:
        variable.assign(tf.zeros_like(variable))
    assert checkpoints.restore()
    for variable, value in zip(everything, saved, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_perturbation(space, perturbation, tiny):
    """It leaves alpha, weights and statistics untouched, stays on the simplex, and an attack never lowers the loss."""
    step = tiny.step(space, perturbation)
    # Without any statistics yet, a supernet of choice blocks is so flat that its attack may be dropped.
    of_the_batch = space.startswith("nasbench1shot1")
    objective = Objective(step.supernet, tiny.batch(0), training=of_the_batch, seed=SEED)
    clean = step.architecture.mixture()
    before = _values(_all_variables(step))
    hard = step.method.perturbation(
        clean, tf.function(objective.loss_and_gradient), epsilon=tf.constant(0.2), seed=SEED
    )
    for variable, value in zip(_all_variables(step), before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    for kind, rows in hard.items():
        np.testing.assert_allclose(rows.numpy().sum(axis=-1), 1, rtol=1e-6)
        assert rows.numpy().min() >= 0
        changed = np.abs(rows - clean[kind]).max()
        assert changed == 0 if perturbation == "darts" else changed > 0.01
    if perturbation == "adv":
        assert objective.loss_and_gradient(hard)[0] > objective.loss_and_gradient(clean)[0]


def test_two_replicas_equal_one(space, method, tiny, two_replicas):
    """With synchronized batch normalization five steps on the same batches end in the same state."""
    strategies, steps = (tf.distribute.get_strategy(), two_replicas), []
    for strategy in strategies:
        keras.utils.set_random_seed(0)
        with strategy.scope():
            steps.append(tiny.step(space, method, sync_batch_norm=True))
    alone, together = steps
    functions = [tf.function(step) for step in steps]
    for number in range(5):
        figures = []
        for strategy, function in zip(strategies, functions, strict=True):
            with strategy.scope():
                batches = [per_replica(tiny.batch(2 * number + half)) for half in range(2)]
                figures.append(function(*batches, RATE, tf.constant(0.3), SEED + number))
    for name, value in figures[0].items():
        np.testing.assert_allclose(figures[1][name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    for group, mixture in alone.architecture.mixture().items():
        np.testing.assert_allclose(together.architecture.mixture()[group], mixture, atol=1e-6)
        np.testing.assert_allclose(
            together.architecture.alpha[group].numpy(), alone.architecture.alpha[group], atol=1e-6
        )
    for ours, one in zip(together.supernet.variables, alone.supernet.variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), one.numpy(), atol=1e-5)
        np.testing.assert_array_equal(*(copy.numpy() for copy in two_replicas.experimental_local_results(ours.value)))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["rs", "adv"])
def test_four_replicas_equal_one(method):
    """The test of two, in a process with four devices, each of which sees one image of a batch."""
    test = f"{__file__}::test_two_replicas_equal_one[s2-{method}]"
    environment = os.environ | {"SDARTS_TEST_LOGICAL_DEVICES": "4"}
    subprocess.run([sys.executable, "-m", "pytest", "-q", test], env=environment, check=True)


def test_without_synchronization_statistics_are_the_mean_and_equal_everywhere(tiny, two_replicas):
    """The stem's running mean moves by a tenth of the mean of both shares' means, on both replicas alike."""
    with two_replicas.scope():
        step = tiny.step("s2", "adv")
        batch = tiny.batch(0)
        objective = Objective(step.supernet, per_replica(batch), training=True, record=True)
        tf.function(objective.loss_and_weight_gradient)(step.architecture.mixture())
    stem = step.supernet.stem
    maps = tf.nn.conv2d(batch[0], stem.kernel.numpy(), 1, "SAME").numpy()
    np.testing.assert_allclose(stem.normalization.moving_mean.numpy(), 0.1 * maps.mean((0, 1, 2)), atol=1e-6)
    variances = [maps[half].var((0, 1, 2), ddof=1) for half in (slice(0, 2), slice(2, 4))]
    expected = 0.9 + 0.1 * (variances[0] + variances[1]) / 2
    np.testing.assert_allclose(stem.normalization.moving_variance.numpy(), expected, rtol=1e-5)
    for variable in step.supernet.non_trainable_variables:
        copies = two_replicas.experimental_local_results(variable.value)
        np.testing.assert_array_equal(copies[0].numpy(), copies[1].numpy())


@pytest.mark.parametrize(
    "settings",
    [
        {"attack_statistics": "training"},
        pytest.param({"projection": "exact"}, marks=pytest.mark.slow),
        pytest.param({"pgd_steps": 2}, marks=pytest.mark.slow),
    ],
)
def test_variants_of_the_attack_change_it_and_move_no_statistics(settings, tiny):
    """Each setting gives other weights than the default; one more forward pass would give other statistics."""
    steps = [tiny.step("s2", "adv"), tiny.step("s2", "adv", **settings)]
    for variable, source in zip(steps[1].supernet.variables, steps[0].supernet.variables, strict=True):
        variable.assign(source.value)
    for step in steps:
        tf.function(step)(tiny.batch(0), tiny.batch(1), RATE, tf.constant(0.3), SEED)
    ours, default = (_values(v.value for v in step.supernet.trainable_variables) for step in steps)
    assert max(np.abs(a - b).max() for a, b in zip(ours, default, strict=True)) > 1e-6
    # The stem sees two recorded batches, whatever the attack: its statistics are equal in both.
    for name in ("moving_mean", "moving_variance"):
        first, second = (getattr(step.supernet.stem.normalization, name).numpy() for step in steps)
        np.testing.assert_array_equal(first, second)


def _operations(graph):
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    return {node.op for node in nodes}


def test_no_work_of_the_host_in_the_step(tiny):
    """The graph never leaves the device: no Python, no printing, no file, no string."""
    step = tiny.step("s5", "adv")
    concrete = tf.function(step).get_concrete_function(tiny.batch(0), tiny.batch(1), RATE, tf.constant(0.3), SEED)
    on_host = {"PyFunc", "PyFuncStateless", "EagerPyFunc", "PrintV2", "StringFormat", "WriteScalarSummary", "ReadFile"}
    operations = _operations(concrete.graph)
    assert {"Conv2D", "FusedBatchNorm"} <= operations and not operations & on_host


@pytest.mark.slow
def test_step_compiles_under_xla(tiny):
    """As on a TPU, the whole step is one program; it moves alpha and weights as the plain step does.

    The radius is zero, because XLA draws other random numbers from the same seed.
    """
    plain, compiled = tiny.step("s2", "adv"), tiny.step("s2", "adv")
    for variable, source in zip(compiled.supernet.variables, plain.supernet.variables, strict=True):
        variable.assign(source.value)
    arguments = tiny.batch(0), tiny.batch(1), RATE, tf.constant(0.0), SEED
    expected = tf.function(plain)(*arguments)
    figures = tf.function(compiled, jit_compile=True)(*arguments)
    for name, value in expected.items():
        np.testing.assert_allclose(figures[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    _assert_same_state(compiled, plain)


def test_only_operations_are_perturbed_unless_edges_are_asked_for(tiny):
    """The weights of edges stay clean, and the gradient that the attack follows is that of operations alone."""
    seen = []
    for perturb_edges in (False, True):
        step = tiny.step("s2", "rs+pc", perturb_edges=perturb_edges)
        clean = step.architecture.mixture()
        hard = step._perturb(None, tf.constant(0.2), SEED)
        assert hard.keys() == clean.keys()
        seen.append({group: np.abs(hard[group] - clean[group]).max() > 0.001 for group in clean})
    operations = {"normal", "reduce"}
    assert {group for group, moved in seen[0].items() if moved} == operations
    assert all(seen[1].values()) and len(seen[1]) == 2 + 8


def test_a_step_without_the_alpha_step(tiny):
    """An alpha learning rate of 0 leaves alpha, its optimizer and its batch alone."""
    step = tiny.step("s2", "adv+pc")
    function, optimizer = tf.function(step), step.alpha_optimizer
    before = _values(step.architecture.alpha.values())

    def take(rate, valid_batch):
        return function(tiny.batch(0), valid_batch, RATE, tf.constant(0.3), SEED, tf.constant(rate))

    poison = tf.fill([4, 8, 8, 3], np.nan), tiny.batch(1)[1]
    figures = take(0.0, poison)
    assert float(figures["validation_loss"]) == 0 and int(figures["non_finite"]) == 0
    assert int(optimizer.step) == 0
    for alpha, value in zip(step.architecture.alpha.values(), before, strict=True):
        np.testing.assert_array_equal(alpha.numpy(), value)
    assert all(np.isfinite(variable.numpy()).all() for variable in step.supernet.non_trainable_variables)
    assert float(take(2e-4, tiny.batch(1))["validation_loss"]) > 0
    for alpha, value in zip(step.architecture.alpha.values(), before, strict=True):
        # Adam's first step moves an entry by its step size, whatever the gradient.
        np.testing.assert_allclose(np.abs(alpha.numpy() - value), 2e-4, rtol=0.05)
    assert function.experimental_get_tracing_count() == 1


def test_every_loss_that_is_not_finite_is_counted(tiny):
    """Alpha's, the clean one, two of the attack, the attacked one, and that of the weights; in each step anew."""
    step = tiny.step("s2", "adv", pgd_steps=2)
    step.supernet.classifier.bias.assign(np.full(5, np.nan))
    function = tf.function(step)
    for _ in range(2):
        figures = function(tiny.batch(0), tiny.batch(1), RATE, tf.constant(0.3), SEED)
        assert int(figures["non_finite"]) == 6


def test_the_gradient_of_alpha_is_clipped(tiny):
    """To its limit, whatever its norm was."""
    moments = []
    for clip in (None, 1e-6):
        step = tiny.step("s2", alpha_gradient_clip=clip, alpha_weight_decay=0.0)
        tf.function(step)(tiny.batch(0), tiny.batch(1), RATE, tf.constant(0.3), SEED)
        moments.append(np.concatenate([moment.numpy().ravel() for moment in step.alpha_optimizer.first]))
    # Adam keeps half of the first gradient.
    assert np.linalg.norm(moments[0]) > 1e-4
    np.testing.assert_allclose(np.linalg.norm(moments[1]), 0.5e-6, rtol=1e-2)


@pytest.mark.slow
def test_the_work_of_a_replica_compiles_under_xla(tiny, two_replicas):
    """As on a TPU, each replica runs one program on its share, and only the reduction lies outside."""
    with two_replicas.scope():
        step = tiny.step("s2")
        mixture, batch = step.architecture.mixture(), per_replica(tiny.batch(0))

        def loss_and_gradient(images, labels):
            weights = [variable.value for variable in step.supernet.trainable_variables]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                losses = cross_entropy(labels, step.supernet(images, mixture, training=False))
                loss = tf.reduce_mean(losses)
            return loss, tape.gradient(loss, weights)

        expected, figures = (
            tf.function(lambda function=function: mean_over_replicas(function, batch))()
            for function in (loss_and_gradient, tf.function(loss_and_gradient, jit_compile=True))
        )
    np.testing.assert_allclose(figures[0], expected[0], rtol=1e-5)
    for ours, plain in zip(figures[1], expected[1], strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-3, atol=1e-5)
    assert max(np.abs(gradient).max() for gradient in expected[1]) > 1e-2
