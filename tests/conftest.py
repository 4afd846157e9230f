"""What all tests share: two logical CPU devices, fixed seeds, the folder of golden numbers, a trained network."""

import gc
import os
import pathlib

import pytest

import sdarts_tf.command_line  # noqa: F401  # chooses the kernels, as in all commands

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
LOGICAL_DEVICES = "SDARTS_TEST_LOGICAL_DEVICES"  # a test that wants more than two starts itself again with these


def pytest_addoption(parser):
    parser.addoption(
        "--golden-dir",
        type=pathlib.Path,
        default=pathlib.Path(__file__).parent / "golden",
        help="folder with golden numbers of the official code; tests/reference runs every case that it finds there",
    )


@pytest.fixture(scope="session")
def two_replicas():
    """A strategy over two logical CPU devices."""
    from sdarts_tf.training import strategy

    return strategy.create("mirrored")


@pytest.fixture(autouse=True, scope="module")
def graphs_are_freed():
    """Graphs lie in reference cycles, which Python alone collects late: the tests of one process held 12 GB of them."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def fixed_seed():
    """Every test draws the same initial weights, whatever ran before it."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def as_in_a_new_process():
    """A context after which nothing is left of the plugins that were loaded in it."""
    import contextlib

    from sdarts_tf.layers import operations
    from sdarts_tf.spaces import plugins

    @contextlib.contextmanager
    def forgetting():
        tables = (operations.OPERATIONS, plugins.TABLES, plugins.SPACES, plugins._operations)
        before = [table.copy() for table in tables]
        yield
        for table, kept in zip(tables, before, strict=True):
            table.clear()
            table.update(kept)

    return forgetting


def pytest_configure(config):
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    count = int(os.environ.get(LOGICAL_DEVICES, "2"))
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)


@pytest.fixture(scope="session")
def write_trained_run():
    """Function of a folder, steps of training and settings: a published cell on the digits, as retraining saves it."""
    from sdarts_tf import config as configuration
    from sdarts_tf.config import RetrainConfig
    from sdarts_tf.data import sources
    from sdarts_tf.genotypes import published
    from sdarts_tf.training import trained_files, trained_network

    def write(run_dir, *, steps=0, genotype="c10_s5_random", **settings):
        source, genotype = sources.get("digits"), published.get(genotype)
        config = RetrainConfig(**{"dataset": "digits", "channels": 4, "cells": 3, "auxiliary": False, **settings})
        config = config.completed("images")
        network = trained_network.build(genotype, config, source.description)
        if steps:
            _train(network, source, steps)
        path = run_dir / trained_files.FOLDER
        path.mkdir(parents=True)
        (path / "config.json").write_text(configuration.to_json(config))
        (path / "genotype.json").write_text(genotype.to_json())
        (path / "data.json").write_text(source.description.to_json())
        trained_network.save(path, "last", network, steps)
        return run_dir

    return write


@pytest.fixture(scope="session")
def trained_run(write_trained_run, tmp_path_factory):
    """A run whose small network classifies nine of ten digits; not to be changed."""
    import keras

    keras.utils.set_random_seed(0)
    return write_trained_run(tmp_path_factory.mktemp("trained") / "run", steps=60)


def _train(network, source, steps):
    import keras
    import tensorflow as tf

    from sdarts_tf.data.augment import Augmentation
    from sdarts_tf.data.streams import Stream

    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(network.trainable_variables)

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, network(images, training=True))
        optimizer.apply(tape.gradient(losses, network.trainable_variables))

    plain = Augmentation(source.mean, source.std)
    for images, labels in Stream(source.load("train"), 128, plain, seed=0, purpose="test").batches(0, steps):
        step(images, labels)
