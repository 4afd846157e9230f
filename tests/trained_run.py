"""A small network trained for seconds, saved as a run of `sdarts_tf.retrain` lies on disk."""

import pathlib

import keras
import tensorflow as tf

from sdarts_tf import config as configuration
from sdarts_tf.config import RetrainConfig
from sdarts_tf.data import sources
from sdarts_tf.data.augment import Augmentation
from sdarts_tf.data.streams import Stream
from sdarts_tf.genotypes import published
from sdarts_tf.training import trained_network


def write(run_dir, name="c10_s5_random", *, steps=0, **settings) -> pathlib.Path:
    """Trains a published cell on the digits for some steps and saves it; returns `run_dir`.

    Args:
        run_dir: the folder of the run.
        name: of the cell.
        steps: of Adam; 0 leaves the initial weights.
        **settings: of `RetrainConfig`.
    """
    source, genotype = sources.get("digits"), published.get(name)
    config = RetrainConfig(**{"dataset": "digits", "channels": 4, "cells": 3, "auxiliary": False, **settings})
    network = trained_network.build(genotype, config, source.description)
    if steps:
        _train(network, source, steps)
    path = pathlib.Path(run_dir) / trained_network.FOLDER
    path.mkdir(parents=True)
    (path / "config.json").write_text(configuration.to_json(config))
    (path / "genotype.json").write_text(genotype.to_json())
    (path / "data.json").write_text(source.description.to_json())
    trained_network.save(path, "last", network, steps)
    return pathlib.Path(run_dir)


def _train(network, source, steps):
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(network.trainable_variables)

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            losses = keras.losses.sparse_categorical_crossentropy(labels, network(images, training=True), True)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, network.trainable_variables))

    plain = Augmentation(source.mean, source.std)
    for images, labels in Stream(source.load("train"), 128, plain, seed=0, purpose="test").batches(0, steps):
        step(images, labels)
