"""The subjects of the conformance tests: every space of images with every method, tiny."""

import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.training.search_step import build_step

PERTURBATIONS = ("darts", "rs", "adv")
METHODS = [a + b for a in PERTURBATIONS for b in ("", "+second_order", "+pc")] + ["adv+second_order+pc"]
SUBJECTS = [(s, m) for s in spaces.IMAGE_NAMES for m in METHODS if s[:3] != "nas" or "pc" not in m.split("+")]
# Those of NAS-Bench-1Shot1 differ in their tables only.
SLOW_SPACES = ("nasbench1shot1_1", "nasbench1shot1_3")
# One space of each family sees every method, the others one only: second order is slow to trace.
QUICK_WITH_ALL_METHODS = ("s2", "nasbench201")
# Two replicas are slow to trace; partial channels are tried where edges differ, with two ingredients.
QUICK_ON_TWO_REPLICAS = [("s2", "adv")]
QUICK_WITH_PARTIAL_CHANNELS = [("s1", 1)]

# As a search on a CPU does; the graph optimizer would take a fifth of the time of these tests. A search's threads are
# left out: they round in another way, and a rectifier of a golden network (supernet_s2) stands on the edge.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def pytest_generate_tests(metafunc):
    if {"space", "method"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("space", "method"), SUBJECTS)
    elif "space" in metafunc.fixturenames:
        metafunc.parametrize("space", spaces.IMAGE_NAMES)
    if "perturbation" in metafunc.fixturenames:
        metafunc.parametrize("perturbation", PERTURBATIONS)


def pytest_collection_modifyitems(items):
    for item in items:  # those of all folders
        names = getattr(item, "fixturenames", ())
        if {"tiny", "space"} <= set(names) and _is_slow("two_replicas" in names, **item.callspec.params):
            item.add_marker(pytest.mark.slow)


def _is_slow(on_two_replicas, space, method="adv", perturbation="adv", **_):
    if "pc" in method.split("+"):
        quick = (space, method.count("+")) in QUICK_WITH_PARTIAL_CHANNELS
    else:
        quick = space in QUICK_WITH_ALL_METHODS or (method, perturbation) == ("adv", "adv")
    return not quick or space in SLOW_SPACES or (on_two_replicas and (space, method) not in QUICK_ON_TWO_REPLICAS)


class Tiny:
    """Makes small steps and batches."""

    @staticmethod
    def step(space, method="darts", **settings):
        """A search step on 8 x 8 images, with three cells of two channels; half of four with partial channels.

        In nasbench201 there is one cell in each of three stages.
        """
        partial = "pc" in method.split("+")
        settings = {"channels": 4 if partial else 2, "channel_divisor": 2, **settings}
        cells = 1 if space == "nasbench201" else 3
        return build_step(SearchConfig(space=space, method=method, cells=cells, **settings), num_classes=5)

    @staticmethod
    def batch(number):
        """Four images and labels, different for every number."""
        images = tf.random.stateless_normal([4, 8, 8, 3], (number, 0))
        return images, tf.random.stateless_uniform([4], (number, 1), 0, 5, tf.int32)


@pytest.fixture
def tiny():
    """Makes small steps and batches."""
    return Tiny
