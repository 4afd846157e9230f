"""Derived networks of published cells, for CIFAR's and for ImageNet's sizes."""

import json

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.interop import torch_state
from sdarts_tf.layers.blocks import DropPath

PATTERN = "*network_*.npz"
AUXILIARY_WEIGHT = 0.4


def _genotype(case):
    record = json.loads(case["config/genotype"])
    cells = {
        kind: tuple(Edge(name, source, 2 + number // 2) for number, (name, source) in enumerate(record[kind]))
        for kind in ("normal", "reduce")
    }
    return Genotype("darts", cells, {kind: tuple(record[f"{kind}_concat"]) for kind in cells})


@pytest.fixture
def network(case):
    if case["config/case"] != "network":
        pytest.skip("not a derived image network")
    model = spaces.get("darts").build_network(
        _genotype(case),
        case["config/classes"],
        case["config/channels"],
        case["config/cells"],
        auxiliary=bool(case["config/auxiliary"]),
        large_images=case["config/family"] == "imagenet",
    )
    torch_state.assign(model, case.state)
    return model


def _images(case):
    if "images" in case:
        return case["images"]
    # ImageNet's picture is a formula of row, column and channel.
    h, w, c = np.meshgrid(np.arange(224), np.arange(224), np.arange(3), indexing="ij")
    value = 3 * h * h + 5 * w * w + 7 * h * w + 1013 * c + case["config/picture_offset"]
    return ((value % 251 - 125) / 64).astype(np.float32)[np.newaxis]


def _cross_entropy(case, logits, smoothing=0.0):
    classes = case["config/classes"]
    targets = (1 - smoothing) * tf.one_hot(case["labels"], classes) + smoothing / classes
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))


def test_evaluation(case, network):
    case.check("eval/logits", network(_images(case)))


def test_training(case, network):
    with tf.GradientTape() as tape:
        logits, auxiliary = network(_images(case), training=True)
        loss, auxiliary_loss = _cross_entropy(case, logits), _cross_entropy(case, auxiliary)
        total = loss + AUXILIARY_WEIGHT * auxiliary_loss
    case.check("train/logits", logits)
    case.check("train/auxiliary_logits", auxiliary)
    case.check("train/loss", loss)
    case.check("train/auxiliary_loss", auxiliary_loss)
    case.check("train/total_loss", total)
    if "train/label_smooth_loss" in case:
        case.check("train/label_smooth_loss", _cross_entropy(case, logits, smoothing=0.1))

    gradients = tape.gradient(total, [variable.value for variable in network.trainable_variables])
    case.check_training(network, gradients)


def test_drop_path(case, network):
    if "drop_path_masks" not in case:
        pytest.skip("the file has no drop path")
    masks = case["drop_path_masks"]
    for cell, cell_masks in zip(network.cells, masks, strict=True):
        for layer, mask in zip(cell.drop_paths, cell_masks, strict=True):
            if isinstance(layer, DropPath):
                # A draw of 0 keeps, of 1 drops.
                layer.draw = lambda shape, seed, mask=mask: tf.constant(1.0 - mask.reshape(-1, 1, 1, 1), tf.float32)
    logits, auxiliary = network(_images(case), training=True, drop_rate=case["config/drop_path"], seed=(0, 0))
    case.check("drop_path/logits", logits)
    case.check("drop_path/auxiliary_logits", auxiliary)
