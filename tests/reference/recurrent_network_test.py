"""Language models around published recurrent cells, with and without dropout."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.interop import torch_state
from sdarts_tf.spaces.recurrent import Masks, RecurrentSpace
from sdarts_tf.training.objective import cross_entropy
from sdarts_tf.training.text_objective import slowness

PATTERN = "recurrent_network_*.npz"
SLOWNESS = 1e-3


@pytest.mark.parametrize("mode", ["eval", "dropout"])
def test_network(case, mode):
    official = json.loads(case["config/genotype"])
    edges = [Edge(name, source, number) for number, (name, source) in enumerate(official["recurrent"], 1)]
    genotype = Genotype("recurrent", {"recurrent": tuple(edges)}, {"recurrent": tuple(official["concat"])})
    model = RecurrentSpace().build_network(genotype, case["config/vocabulary"], case["config/size"])
    torch_state.assign(model, case.state)
    masks = _masks(case) if mode == "dropout" else Masks(word=tf.ones([model.vocabulary, 1]))
    word_mask = masks.word * tf.ones_like(model.embedding)
    tokens, targets = tf.constant(case["tokens"]), tf.constant(case["targets"])
    weights = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(word_mask)
        options = {"training": mode == "dropout", "masks": dataclasses.replace(masks, word=word_mask)}
        logits, states = model(tokens, tf.constant(case["hidden"][0]), **options)
        loss = tf.reduce_mean(cross_entropy(targets, logits))
        total = loss + SLOWNESS * slowness(states)
    case.check(f"{mode}/log_probs", tf.nn.log_softmax(logits))
    case.check(f"{mode}/hidden", states[-1:])
    case.check(f"{mode}/loss", loss)
    case.check(f"{mode}/slowness", SLOWNESS * slowness(states))
    by_weight, by_mask = tape.gradient(total, (weights, word_mask))
    gradient = [tf.convert_to_tensor(each) for each in by_weight]
    # Officially the last word of the vocabulary counts as padding: looking it up gives its row no gradient.
    looked_up = by_mask * word_mask / model.embedding
    assert weights[0] is model.embedding.value
    gradient[0] -= looked_up * tf.one_hot([model.vocabulary - 1], model.vocabulary, axis=0)
    case.check_training(model, gradient, mode)


def _masks(case):
    """The recorded masks; official names tell what is dropped by their last letter."""
    names = {"word": "e", "embedding": "i", "input": "x", "hidden": "h", "output": ""}
    masks = {}
    for name, letter in names.items():
        mask = case[f"mask/dropout{letter}"].astype(np.float32)
        masks[name] = tf.constant(
            (mask if mask.ndim == 2 else mask[0]) / np.float32(1 - case[f"config/dropout{letter}"])
        )
    return Masks(**masks)
