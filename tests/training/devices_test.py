"""Whole runs on two devices of one machine: the same end as on one; checkpoints go from one to two and back."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.retrain import retrain
from sdarts_tf.search import search
from sdarts_tf.training import search_loop
from sdarts_tf.training.interruption import Interrupted

TINY = {"dataset": "digits", "channels": 2, "cells": 3, "max_examples": 96, "batch_size": 16, "sync_batch_norm": True}
SEARCH = TINY | {"space": "s4", "method": "rs", "epochs": 3}


def state(folder):
    """All that the last checkpoint holds, but for times."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
    names = [name for name in reader.get_variable_to_shape_map() if "/.ATTRIBUTES/VARIABLE_VALUE" in name]
    return {name: reader.get_tensor(name) for name in names if not name.startswith(("epoch_seconds", "save_count"))}


@pytest.fixture
def stops_after_every_epoch(monkeypatch):
    """A search ends after each of its epochs, and goes on from there when it is called again."""
    keep = search_loop.SearchLoop._finish_epoch

    def finish(self, epoch, progress):
        keep(self, epoch, progress)
        raise Interrupted("Stopped", 15)

    def use():
        monkeypatch.setattr(search_loop.SearchLoop, "_finish_epoch", finish)

    return use


def test_a_search_goes_from_one_device_to_two_and_back(tmp_path, stops_after_every_epoch):
    """Noise in the cells and on the mixture, crops and the search's figures are those of one device throughout."""
    alone = search(SearchConfig(run_dir=str(tmp_path / "alone"), **SEARCH))
    stops_after_every_epoch()
    config = SearchConfig(run_dir=str(tmp_path / "moved"), **SEARCH)
    for number, strategy in enumerate(("one_device", "mirrored", "one_device")):
        with pytest.raises(Interrupted):
            search(dataclasses.replace(config, strategy=strategy, resume=number > 0))
    ours, expected = (state(tmp_path / name / "checkpoints") for name in ("moved", "alone"))
    assert ours.keys() == expected.keys() and len(ours) > 50
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    for name in ("metrics", "genotypes"):
        lines = [(path / f"{name}.jsonl").read_text().splitlines() for path in (tmp_path / "moved", alone.run_dir)]
        for line, other in zip(*lines, strict=True):
            record, expected = json.loads(line), json.loads(other)
            for figure in record.keys() - {"seconds", "cells", "outputs", "space"}:
                assert record[figure] == pytest.approx(expected[figure], abs=1e-5), figure


@pytest.mark.slow
def test_a_training_with_dropped_paths_is_that_of_one_device(tmp_path):
    """Both replicas together drop what one device drops; accuracies come out equal, losses up to rounding."""
    settings = TINY | {"genotype": "c10_s4_pgd", "epochs": 2, "drop_path": 0.5, "valid_share": 0.25}
    alone, together = (
        retrain(RetrainConfig(strategy=strategy, run_dir=str(tmp_path / strategy), **settings))
        for strategy in ("one_device", "mirrored")
    )
    assert together.test_accuracy == alone.test_accuracy and together.checkpoint == alone.checkpoint
    assert together.test_loss == pytest.approx(alone.test_loss, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"batch_size": 15}, "--batch_size=15 cannot be divided among 2 replicas; choose a multiple of 2."),
        ({"jit_compile": True}, "--jit_compile serves one device"),
    ],
)
def test_what_does_not_fit_two_devices_is_refused_and_nothing_written(tmp_path, settings, sentence):
    config = SearchConfig(strategy="mirrored", run_dir=str(tmp_path / "run"), **(SEARCH | settings))
    with pytest.raises(InputError, match=sentence):
        search(config)
    assert not (tmp_path / "run").exists()
