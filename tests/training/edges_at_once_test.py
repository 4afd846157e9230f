"""How many edges one kernel computes changes no number but by rounding."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import search
from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError, RunError
from sdarts_tf.interop import torch_state
from sdarts_tf.layers.mixed import MixedOperation
from sdarts_tf.training.search_step import build_step


def _batch(number):
    images = tf.random.stateless_normal([4, 8, 8, 3], (number, 0))
    return images, tf.random.stateless_uniform([4], (number, 1), 0, 5, tf.int32)


def _build(**settings):
    keras.utils.set_random_seed(0)
    config = {"space": "s3", "channels": 4, "cells": 3, "pgd_steps": 2, "batch_size": 4} | settings
    return build_step(SearchConfig(**config), num_classes=5)


def _state(model):
    """Weights and statistics by their official names, which know no groups of edges."""
    state = {}
    for entry in torch_state.entries(model):
        state |= entry.split(entry.variable.numpy())
    return state


@pytest.mark.parametrize(
    ("edges_at_once", "settings"),
    [
        (1, {"method": "adv"}),
        (2, {"method": "adv"}),
        pytest.param(1, {"method": "rs+pc", "channel_divisor": 2}, marks=pytest.mark.slow),
        pytest.param(3, {"method": "adv+second_order", "space": "s5"}, marks=pytest.mark.slow),
    ],
)
def test_a_step_is_the_same(edges_at_once, settings):
    """The first weights, and losses, weights, statistics and alpha after one step."""
    together, divided = _build(**settings), _build(edges_at_once=edges_at_once, **settings)
    starts = [_state(step.supernet) for step in (together, divided)]
    for name, value in starts[0].items():
        np.testing.assert_array_equal(starts[1][name], value, err_msg=name)
    assert len(divided.supernet.trainable_variables) > len(together.supernet.trainable_variables)
    results = [
        tf.function(step)(_batch(0), _batch(1), tf.constant(0.1), tf.constant(0.2), tf.constant([0, 1]))
        for step in (together, divided)
    ]
    for name, expected in results[0].items():
        np.testing.assert_allclose(results[1][name], expected, rtol=1e-5, err_msg=name)
    expected, found = _state(together.supernet), _state(divided.supernet)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=2e-6, err_msg=name)
    for group, alpha in together.architecture.alpha.items():
        np.testing.assert_allclose(divided.architecture.alpha[group], alpha, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("most", "sizes"), [(0, [5]), (1, [1] * 5), (2, [1, 2, 2]), (3, [2, 3]), (9, [5])])
def test_groups_are_few_and_even(most, sizes):
    names = ("skip_connect", "sep_conv_3x3")
    mixed = MixedOperation(2, dict.fromkeys(range(5), names), edges_at_once=most)
    groups = [places for places in mixed.places if places[0][1] == 1]
    assert [len(places) for places in groups] == sizes
    assert [place for places in groups for place in places] == [(row, 1) for row in range(5)]
    assert [layer.edges for layer in mixed.operations if layer.name == "sep_conv_3x3"] == sizes


def test_other_cells_have_no_such_groups():
    with pytest.raises(
        InputError, match="--edges_at_once=2 is for DARTS cells; leave it away with --space=nasbench201"
    ):
        _build(space="nasbench201", edges_at_once=2)
    for space, cells in (("recurrent", "image cells"), ("nasbench1shot1_1", "cells of DARTS")):
        with pytest.raises(InputError, match=f"--edges_at_once=2 is for {cells}"):
            search.check(SearchConfig(space=space, edges_at_once=2).completed())


def test_a_run_keeps_its_number_and_an_older_one_goes_on_with_all(tmp_path, monkeypatch):
    """The number decides which weights a variable holds; runs that have none were begun with all edges at once."""
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind=None: [])
    tiny = {"dataset": "digits", "space": "s2", "channels": 2, "cells": 3, "max_examples": 8, "batch_size": 4}
    tiny |= {"epochs": 2}
    for given, kept in ((None, 2), (0, None)):
        folder = tmp_path / f"run-{kept}"
        with pytest.raises(RunError, match="stop_after"):
            search.search(SearchConfig(run_dir=str(folder), stop_after=1, edges_at_once=given, **tiny))
        record = json.loads((folder / "config.json").read_text())
        if kept is None:
            assert record.pop("edges_at_once") == 0
            (folder / "config.json").write_text(json.dumps(record))
        assert record.get("edges_at_once") == kept
        search.search(SearchConfig(run_dir=str(folder), resume=True, **tiny))
