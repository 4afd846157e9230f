"""What all tests share: two logical CPU devices, fixed seeds, the option that names golden numbers."""

import os
import pathlib

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


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
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(autouse=True)
def fixed_seed():
    """Every test draws the same initial weights, whatever ran before it."""
    import keras

    keras.utils.set_random_seed(0)


def pytest_configure(config):
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
