"""What is particular to the spaces of NAS-Bench-1Shot1; tests/conformance has what they share with others."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.data import sources
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Edge
from sdarts_tf.search import check
from sdarts_tf.training import trained_network


def test_genotype_and_what_it_keeps_of_the_mixture():
    """Block 3 is not read, so it is not in the genotype, and its rows keep nothing."""
    space = spaces.get("nasbench1shot1_2")
    mixture = {
        "ops": np.array([[0.1, 0.8, 0.1], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.2, 0.3, 0.5]]),
        "output": np.array([[0.3, 0.2, 0.25, 0.05, 0.2]]),  # of the equal shares 0.2 the first is taken
        "inputs_0": np.array([[0.4, 0.6]]),
        "inputs_1": np.array([[0.1, 0.2, 0.7]]),
        "inputs_2": np.array([[0.3, 0.1, 0.4, 0.2]]),
    }
    genotype = space.discretize(mixture)
    assert genotype.cells["cell"] == (Edge("conv3x3-bn-relu", 0, 1), Edge("maxpool3x3", 1, 2))
    assert genotype.outputs["cell"] == (0, 1, 2)
    kept = space.kept(genotype)
    assert kept["ops"].astype(int).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert {group: kept[group].astype(int).tolist() for group in kept if group != "ops"} == {
        "output": [[1, 1, 1, 0, 0]],
        "inputs_0": [[0, 1]],
        "inputs_1": [[0, 0, 0]],
        "inputs_2": [[0, 0, 0, 0]],
    }
    pruned = space.pruned({group: tf.constant(shares, tf.float32) for group, shares in mixture.items()}, genotype)
    np.testing.assert_allclose(pruned["output"], [[1 / 3, 1 / 3, 1 / 3, 0, 0]], rtol=1e-6)


@pytest.mark.parametrize(("official", "sides", "momentum"), [(False, (16, 8), 0.1), (True, (17, 9), 0.997)])
def test_what_the_official_supernet_does_otherwise(official, sides, momentum):
    supernet = spaces.get("nasbench1shot1_1", official=official).build_supernet(3, 2, 3)
    seen = []
    for cell in supernet.cells[1:]:
        cell.prepare = lambda x, training=False, prepare=cell.prepare: (seen.append(x.shape), prepare(x, training))[1]
    mixture = {
        group: tf.nn.softmax(tf.zeros(shape)) for group, shape in spaces.get("nasbench1shot1_1").alpha_shapes().items()
    }
    supernet(tf.zeros([1, 32, 32, 3]), mixture)
    assert [tuple(shape[1:3]) for shape in seen] == [(side, side) for side in sides]
    assert {cell.projections.normalization.momentum for cell in supernet.cells} == {momentum}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "adv+pc"}, "--method=adv.pc: 'pc' needs the cells of DARTS; leave it out"),
        ({"method": "pdarts"}, "--method=pdarts: 'pdarts' needs the cells of DARTS; leave it out"),
        ({"max_skips": 2}, "--max_skips=2 limits cells of DARTS; leave it away for nasbench1shot1_3"),
        ({"cells": 2}, "--cells=2 is out of range; the space nasbench1shot1_3 needs at least 3"),
        ({"space": "s5", "official_supernet": True}, "--official_supernet is for nasbench1shot1; leave it away"),
        ({"space": "nasbench201", "official_supernet": True}, "--official_supernet is for nasbench1shot1; leave it"),
    ],
)
def test_what_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        check(SearchConfig(**{"space": "nasbench1shot1_3", **settings}).completed())


@pytest.mark.parametrize("name", ["nasbench1shot1_3", "nasbench201"])
def test_derived_networks_have_no_second_classifier(name):
    """By default there is none, at the size of CIFAR's images too; asked for, it is refused."""
    space, cifar = spaces.get(name), sources.get("cifar10").description
    mixture = {group: np.full(shape, 1 / shape[1]) for group, shape in space.alpha_shapes().items()}
    genotype, sizes = space.discretize(mixture), {"channels": 4, "cells": 3}
    network = trained_network.build(genotype, RetrainConfig(**sizes).completed("images"), cifar)
    assert network(tf.zeros([2, 32, 32, 3]), training=True).shape == (2, 10)
    with pytest.raises(InputError, match=f"--auxiliary is for cells of DARTS; .* networks of {name} have none"):
        trained_network.build(genotype, RetrainConfig(auxiliary=True, **sizes).completed("images"), cifar)
    with pytest.raises(InputError, match="have neither a second classifier nor a stem for large images"):
        space.build_network(genotype, 10, 4, 3, large_images=True)
