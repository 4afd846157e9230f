"""The subjects of the conformance tests: every space with every method, tiny."""

import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.training.search_step import build_step

PERTURBATIONS = ("darts", "rs", "adv")
METHODS = [a + b for a in PERTURBATIONS for b in ("", "+second_order")]
# The other spaces differ in their tables only, and the other methods in nothing new; two replicas are slow to trace.
QUICK_ON_TWO_REPLICAS = [("s2", method) for method in ("darts", "rs", "adv", "darts+second_order")]


def pytest_generate_tests(metafunc):
    if "space" in metafunc.fixturenames:
        metafunc.parametrize("space", spaces.NAMES)
    if "method" in metafunc.fixturenames:
        metafunc.parametrize("method", METHODS)
    if "perturbation" in metafunc.fixturenames:
        metafunc.parametrize("perturbation", PERTURBATIONS)


def pytest_collection_modifyitems(items):
    for item in items:  # those of all folders
        names = getattr(item, "fixturenames", ())
        if {"two_replicas", "space", "method"} <= set(names):
            subject = item.callspec.params["space"], item.callspec.params["method"]
            if subject not in QUICK_ON_TWO_REPLICAS:
                item.add_marker(pytest.mark.slow)


class Tiny:
    """Makes small steps and batches."""

    @staticmethod
    def step(space, method="darts", **settings):
        """A search step on 8 x 8 images, with three cells of two channels."""
        return build_step(SearchConfig(space=space, method=method, channels=2, cells=3, **settings), num_classes=5)

    @staticmethod
    def batch(number):
        """Four images and labels, different for every number."""
        images = tf.random.stateless_normal([4, 8, 8, 3], (number, 0))
        return images, tf.random.stateless_uniform([4], (number, 1), 0, 5, tf.int32)


@pytest.fixture
def tiny():
    """Makes small steps and batches."""
    return Tiny
