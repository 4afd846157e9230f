"""The recurrent supernet, the language model of a genotype, and what they drop."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.data.text import Window
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import published
from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.spaces.recurrent import Dropout, Masks, RecurrentSpace
from sdarts_tf.spaces.recurrent_table import CANDIDATES, EDGES, OUTPUTS
from sdarts_tf.training.text_objective import TextObjective, slowness

SPACE = spaces.get("recurrent")
ALL_DROPPED = Dropout(word=0.3, embedding=0.2, input=0.3, hidden=0.25, output=0.4)
RECURRENT_CELLS = [name for name in published.NAMES if published.get(name).space == "recurrent"]


def window(length=5, streams=3, vocabulary=11):
    tokens = tf.random.stateless_uniform([length + 1, streams], (0, 1), 0, vocabulary, tf.int32)
    return Window(tokens[:-1], tokens[1:], tf.constant(length), tf.constant(False))


def objective(supernet, **options):
    hidden = tf.Variable(0.3 * tf.random.stateless_normal([3, supernet.units], (0, 2)))
    defaults = {"batch": window(), "training": True, "seed": (3, 4), "hidden": hidden}
    return TextObjective(supernet, **defaults | options)


def mixture_of(supernet=None, seed=0):
    shares = np.random.RandomState(seed).dirichlet(np.ones(len(CANDIDATES)), len(EDGES))
    return {"recurrent": tf.constant(shares, tf.float32)}


def one_hot(genotype):
    """The mixture of that cell alone: `none` on every other row."""
    shares = np.zeros((len(EDGES), len(CANDIDATES)), np.float32)
    chosen = {(edge.source, edge.target): edge.operation for edge in genotype.cells["recurrent"]}
    for row, edge in enumerate(EDGES):
        shares[row, CANDIDATES.index(chosen.get(edge, "none"))] = 1
    return {"recurrent": tf.constant(shares)}


def test_the_official_numbers_of_parameters():
    """Embedding and bias of 10,000 words, the first matrix, and one for each of eight blocks."""
    assert SPACE.build_supernet(10_000, 300).count_params() - 2 * 300 == 4_810_000
    assert SPACE.build_network(published.get("penn_random"), 10_000, 300).count_params() == 4_810_000
    assert SPACE.alpha_shapes() == {"recurrent": (36, 5)}


def test_gradient_reaches_every_alpha():
    supernet = SPACE.build_supernet(11, 6, ALL_DROPPED)
    mixture, pullback = Architecture(SPACE.alpha_shapes(), seed=1).mixture_and_pullback()
    _, gradient = objective(supernet).loss_and_gradient(mixture)
    assert np.all(pullback(gradient)["recurrent"].numpy() != 0)


@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_those_of_finite_differences(training):
    """Along the gradient the slope is its norm: by the mixture and by the weights, with everything dropped."""
    supernet = SPACE.build_supernet(11, 6, ALL_DROPPED)
    for variable in supernet.trainable_variables:
        variable.assign(6 * variable)
    loss, mixture = objective(supernet, training=training), mixture_of()
    weights = [variable.value for variable in supernet.trainable_variables]
    _, by_weights, by_mixture = loss.loss_and_gradients(weights, mixture)
    norm = tf.linalg.global_norm(by_weights)

    def at(distance):
        moved = [w + distance * g / norm for w, g in zip(weights, by_weights, strict=True)]
        return loss.loss_and_gradients(moved, mixture)[0]

    np.testing.assert_allclose((at(1e-2) - at(-1e-2)) / 2e-2, norm, rtol=0.02)
    norm = tf.linalg.global_norm(list(by_mixture.values()))

    def shifted(distance):
        return loss.loss_and_gradient({"recurrent": mixture["recurrent"] + distance * by_mixture["recurrent"] / norm})[
            0
        ]

    np.testing.assert_allclose((shifted(1e-2) - shifted(-1e-2)) / 2e-2, norm, rtol=0.02)


@pytest.mark.parametrize("name", [name for name in RECURRENT_CELLS if name != "ENAS"])
def test_the_mixture_of_one_cell_is_that_cell(name):
    """In evaluation mode the untouched normalization divides by sqrt(1 + 1e-5) alone."""
    genotype = published.get(name)
    supernet, network = SPACE.build_supernet(11, 6), SPACE.build_network(genotype, 11, 6)
    for ours, theirs in zip(network.trainable_variables, supernet.trainable_variables, strict=True):
        ours.assign(6 * theirs)
        theirs.assign(6 * theirs)
    hidden = tf.random.stateless_normal([3, 6], (0, 5))
    expected, states = network(window().tokens, hidden)
    logits, mixed_states = supernet(window().tokens, hidden, one_hot(genotype))
    np.testing.assert_allclose(mixed_states, states, atol=1e-3)
    np.testing.assert_allclose(logits, expected, atol=1e-3)
    assert SPACE.discretize({"recurrent": one_hot(genotype)["recurrent"].numpy()}) == genotype


def test_a_network_in_closed_form():
    """One block, weights of zero: every gate is a half, so that each state halves the last one but for relu(0)."""
    genotype = Genotype("recurrent", {"recurrent": (Edge("relu", 0, 1),)}, {"recurrent": (1,)})
    network = SPACE.build_network(genotype, 4, 2)
    for variable in network.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    _, states = network(tf.zeros([3, 1], tf.int32), tf.constant([[16.0, -8.0]]))
    # s0 = h + 1/2 (tanh(0) - h) = h / 2, s1 = s0 / 2
    np.testing.assert_allclose(states[:, 0], [[4, -2], [1, -0.5], [0.25, -0.125]])


def test_the_time_steps_of_a_window_are_those_of_two():
    """The state that one window leaves is where the next one begins."""
    network = SPACE.build_network(published.get("penn_pgd"), 11, 6)
    tokens, hidden = window().tokens, tf.random.stateless_normal([3, 6], (0, 5))
    whole, states = network(tokens, hidden)
    first, first_states = network(tokens[:2], hidden)
    second, _ = network(tokens[2:], first_states[-1])
    np.testing.assert_allclose(tf.concat([first, second], 0), whole, atol=1e-6)
    assert states.shape == (5, 3, 6)


def test_masks_keep_their_share_and_are_drawn_per_sequence():
    masks = Masks.draw(ALL_DROPPED, vocabulary=2000, units=100, batch_size=50, seed=(1, 2))
    for name, rate in dataclasses.asdict(ALL_DROPPED).items():
        mask = getattr(masks, name).numpy()
        assert mask.shape == ((2000, 1) if name == "word" else (50, 100))
        values = np.unique(mask)
        np.testing.assert_allclose(values, [0, 1 / (1 - rate)], rtol=1e-6)
        assert abs((mask > 0).mean() - (1 - rate)) < 0.04
    assert not np.array_equal(masks.input > 0, masks.output > 0)
    again = Masks.draw(ALL_DROPPED, vocabulary=2000, units=100, batch_size=50, seed=(1, 2))
    other = Masks.draw(ALL_DROPPED, vocabulary=2000, units=100, batch_size=50, seed=(1, 3))
    assert np.array_equal(again.hidden, masks.hidden) and not np.array_equal(other.hidden, masks.hidden)
    assert Masks.draw(Dropout(), 5, 2, 3, (0, 0)) == Masks()


def test_each_mask_acts_in_its_place():
    """A mask of zeros: no word, no embedding and no input leave the hidden state alone; no output leaves the bias."""
    network = SPACE.build_network(published.get("penn_random"), 11, 6)
    network.bias.assign(tf.range(11, dtype=tf.float32))
    tokens, hidden = window().tokens, tf.random.stateless_normal([3, 6], (0, 5))
    _, unseen = network(tokens, hidden, masks=Masks(word=tf.zeros([11, 1])))
    for name in ("embedding", "input"):
        _, states = network(tokens, hidden, masks=Masks(**{name: tf.zeros([3, 6])}))
        np.testing.assert_array_equal(states, unseen)
    logits, states = network(tokens, hidden, masks=Masks(output=tf.zeros([3, 6])))
    np.testing.assert_array_equal(logits, tf.broadcast_to(network.bias.value, logits.shape))
    np.testing.assert_array_equal(states, network(tokens, hidden)[1])
    # Without any state before the matrices only s <- s - s / 2 + f(0) / 2 is left, whatever the tokens are.
    _, states = network(tokens, hidden, masks=Masks(hidden=tf.zeros([3, 6]), input=tf.zeros([3, 6])))
    np.testing.assert_allclose(
        states, network(0 * tokens, hidden, masks=Masks(*[None] * 2, *[tf.zeros([3, 6])] * 2))[1]
    )


def test_slowness_in_closed_form():
    assert float(slowness(tf.constant([[[1.0, 2.0]], [[4.0, 2.0]], [[4.0, 0.0]]]))) == (9 + 0 + 0 + 4) / 4


def test_passes_move_only_what_they_record():
    supernet = SPACE.build_supernet(11, 6, ALL_DROPPED)
    hidden = tf.Variable(tf.ones([3, 6]))
    variables = [*supernet.variables, hidden]
    before = [variable.numpy() for variable in variables]
    weights = [variable.value for variable in supernet.trainable_variables]
    for options in ({"training": False}, {"training": True}):
        loss = objective(supernet, hidden=hidden, **options)
        loss.loss_and_gradient(mixture_of())
        loss.loss_and_gradients(weights, mixture_of())
        loss.loss_and_weight_gradient(mixture_of())
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    objective(supernet, hidden=hidden, record=True).loss_and_gradients(weights, mixture_of())
    assert np.all(hidden.numpy() != 1)
    np.testing.assert_array_equal(supernet.cell.normalization.moving_mean.numpy(), 0)
    objective(supernet, hidden=hidden, record=True).loss_and_gradient(mixture_of())
    assert np.all(supernet.cell.normalization.moving_mean.numpy() != 0)


def test_a_fresh_window_begins_at_zero():
    supernet = SPACE.build_supernet(11, 6)
    fresh = window()._replace(fresh=tf.constant(True))
    zero = objective(supernet, hidden=tf.Variable(tf.zeros([3, 6]))).loss_and_gradient(mixture_of())[0]
    assert objective(supernet, batch=fresh).loss_and_gradient(mixture_of())[0] == zero
    assert objective(supernet).loss_and_gradient(mixture_of())[0] != zero


def test_only_the_length_of_a_window_counts():
    supernet = SPACE.build_supernet(11, 6)
    padded = Window(
        *(tf.pad(rows, [[0, 4], [0, 0]], constant_values=7) for rows in window()[:2]),
        tf.constant(5),
        tf.constant(False),
    )
    loss = objective(supernet, batch=padded, bptt=20)
    assert loss.loss_and_gradient(mixture_of())[0] == objective(supernet).loss_and_gradient(mixture_of())[0]
    assert float(loss.step_share) == 0.25


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cells": {"normal": []}, "outputs": {"normal": [1]}}, "has cells 'normal'; a language model needs one 'rec"),
        ({"cells": {"recurrent": [["tanh", 0, 1], ["tanh", 0, 1]]}}, r"lead to the blocks \[1, 1\]; give each block"),
        ({"cells": {"recurrent": [["max_pool_3x3", 0, 1]]}}, "has max_pool_3x3; choose from tanh, relu, sigmoid, id"),
        ({"outputs": {"recurrent": [9]}}, r"outputs \[9\] must be blocks between 1 and 8\.$"),
    ],
)
def test_a_genotype_that_cannot_be_built(change, message):
    record = json.loads(published.get("penn_pgd").to_json()) | change
    with pytest.raises(InputError, match=message):
        SPACE.build_network(Genotype.from_dict(record), 11, 6)


def test_every_published_cell_is_built():
    for name in RECURRENT_CELLS:
        logits, _ = SPACE.build_network(published.get(name), 11, 6)(window().tokens, tf.zeros([3, 6]))
        assert logits.shape == (5, 3, 11) and np.isfinite(logits).all()
    assert isinstance(SPACE, RecurrentSpace) and published.get("penn_pgd").outputs["recurrent"] == OUTPUTS
