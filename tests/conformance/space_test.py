"""What every search space must do."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.methods import simplex
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.training.objective import Objective

# Parameters of the supernets with 16 channels, the default cells and 10 or 100 classes, counted on the official code.
PARAMETERS = {
    "s1": (405_146, 428_276),
    "s2": (665_466, 688_596),
    "s3": (665_466, 688_596),
    "s4": (624_506, 647_636),
    "s5": (1_930_618, 1_953_748),
    "darts": (1_930_618, 1_953_748),
    "nasbench201": (1_686_106, 1_691_956),
    "nasbench1shot1_1": (1_101_402, 1_107_252),
    "nasbench1shot1_2": (1_101_402, 1_107_252),
    "nasbench1shot1_3": (1_509_594, 1_515_444),
}


def test_gradient_reaches_every_alpha(space, tiny):
    step = tiny.step(space)
    mixture, pullback = step.architecture.mixture_and_pullback()
    _, gradient = Objective(step.supernet, tiny.batch(0), training=True).loss_and_gradient(mixture)
    for kind, values in pullback(gradient).items():
        assert np.all(values.numpy() != 0), f"{kind}: {values}"


def test_gradient_of_the_mixture_is_that_of_finite_differences(space, tiny):
    step = tiny.step(space)
    objective = Objective(step.supernet, tiny.batch(0), training=False, seed=tf.constant([1, 2]))
    mixture = step.architecture.mixture()
    _, gradient = objective.loss_and_gradient(mixture)
    for kind, group in mixture.items():
        # Along the gradient the slope is its norm, far above the rounding of a float32 loss.
        norm = tf.norm(gradient[kind])
        direction = gradient[kind] / norm
        ahead, behind = (mixture | {kind: group + sign * 5e-3 * direction} for sign in (1, -1))
        slope = (objective.loss_and_gradient(ahead)[0] - objective.loss_and_gradient(behind)[0]) / 1e-2
        np.testing.assert_allclose(norm, slope, rtol=0.02, atol=1e-4)


def test_weights_and_alpha_are_disjoint(space, tiny):
    step = tiny.step(space)
    weights = {id(variable.value) for variable in step.supernet.trainable_variables}
    assert len(weights) == len(step.supernet.trainable_variables)
    assert not weights & {id(alpha) for alpha in step.architecture.alpha.values()}
    assert {group: tuple(alpha.shape) for group, alpha in step.architecture.alpha.items()} == spaces.get(
        space
    ).alpha_shapes()


def test_rows_of_the_mixture_sum_to_one(space):
    architecture = Architecture(spaces.get(space).alpha_shapes(), seed=1)
    for group, alpha in architecture.alpha.items():
        alpha.assign(5 * tf.random.stateless_normal(alpha.shape, (0, 1)))
        rows = architecture.mixture()[group].numpy()
        np.testing.assert_allclose(rows.sum(axis=-1), 1, rtol=1e-6)
        assert rows.min() > 0


def test_number_of_parameters(space):
    for classes, expected in zip((10, 100), PARAMETERS[space], strict=True):
        supernet = spaces.get(space).build_supernet(classes, 16, spaces.supernet_cells(space))
        assert sum(variable.value.shape.num_elements() for variable in supernet.trainable_variables) == expected


def test_one_hot_mixture_gives_that_operation(space):
    """Discretizing a one-hot mixture gives back the operations it points to."""
    mixture, expected = {}, {}
    for kind, rows in spaces.rows(space).items():
        last = [len(names) - 1 for _, names in rows]
        mixture[kind] = np.eye(len(rows[0][1]), dtype=np.float32)[last]
        expected[kind] = {names[-1] for _, names in rows}
    genotype = spaces.get(space).discretize(mixture)
    assert Genotype.from_json(genotype.to_json()) == genotype
    for kind, edges in genotype.cells.items():
        if space.startswith("nasbench1shot1"):
            # The output reads the last blocks, which read the last before them; the first of all reads the input.
            assert genotype.outputs[kind][-1] == spaces.get(space).table.blocks[-1]
            assert {edge.operation for edge in edges} == expected["ops"]
        else:
            assert len(edges) == (6 if space == "nasbench201" else 8)
            assert {edge.operation for edge in edges} <= expected[kind]


def test_one_hot_and_pruned_mixtures_lead_to_the_genotype(space):
    """Rounding a mixture changes no genotype; pruned, only what the genotype keeps is left."""
    searched = spaces.get(space)
    mixture = {
        group: tf.nn.softmax(tf.random.stateless_normal(shape, (3, 4)))
        for group, shape in searched.alpha_shapes().items()
    }
    genotype = searched.discretize({group: shares.numpy() for group, shares in mixture.items()})
    one_hot, pruned = searched.one_hot(mixture, genotype), searched.pruned(mixture, genotype)
    kept = searched.kept(genotype)
    for group, shares in mixture.items():
        np.testing.assert_allclose(one_hot[group].numpy().sum(axis=-1), 1, rtol=1e-6)
        single, mixed = kept[group].sum(axis=-1) == 1, kept[group].sum(axis=-1) != 1
        np.testing.assert_array_equal(one_hot[group].numpy()[single], kept[group][single])
        np.testing.assert_array_equal(one_hot[group].numpy()[mixed], shares.numpy()[mixed])
        np.testing.assert_array_equal(pruned[group].numpy() > 0, kept[group])
    again = searched.discretize({group: shares.numpy() for group, shares in pruned.items()})
    assert {kind: set(edges) for kind, edges in again.cells.items()} == {
        kind: set(edges) for kind, edges in genotype.cells.items()
    }


def test_odd_image_sizes(space, tiny):
    step = tiny.step(space)
    logits = step.supernet(tf.zeros([2, 11, 7, 3]), step.architecture.mixture(), training=True)
    assert logits.shape == (2, 5)


@pytest.mark.parametrize(("name", "training"), [("s1", False), ("s4", True), ("s5", False), ("nasbench1shot1_2", True)])
def test_what_is_prepared_once_gives_what_is_computed_anew(name, tiny, training):
    """`repeated` computes once what does not depend on the mixture; loss and gradient stay, at any mixture."""
    step = tiny.step(name)
    objective = Objective(step.supernet, tiny.batch(0), training=training, seed=tf.constant([5, 6]))
    repeated = objective.repeated()
    for number in range(2):
        random = np.random.RandomState(number)
        mixture = {
            kind: tf.constant(random.dirichlet(np.ones(shape[1]), size=shape[0]) - 0.1, tf.float32)
            for kind, shape in spaces.get(name).alpha_shapes().items()
        }
        mixture = simplex.clip(mixture)  # some shares become 0, as in an attack
        loss, gradient = repeated(mixture)
        expected_loss, expected_gradient = objective.loss_and_gradient(mixture)
        np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
        for kind, values in gradient.items():
            np.testing.assert_allclose(values, expected_gradient[kind], rtol=1e-3, atol=1e-5)
