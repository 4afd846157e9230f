"""Searches in stages, as P-DARTS makes them, on the digits."""

import json

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.search import search
from sdarts_tf.spaces.tables import TABLES
from sdarts_tf.training.search_loop import SearchLoop

TINY = {
    "method": "rs+pdarts",
    "dataset": "digits",
    "space": "s3",
    "channels": 2,
    "stage_cells": "3,4",
    "stage_kept": "2",
    "stage_skip_dropout": "0.1,0.4",
    "epochs": 2,
    "warmup_epochs": 1,
    "max_examples": 48,
    "batch_size": 12,
}


def _lines(path):
    return [{**json.loads(line), "seconds": 0} for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return search(SearchConfig(run_dir=str(tmp_path_factory.mktemp("stages") / "run"), **TINY))


def test_epochs_count_on_through_the_stages(run):
    metrics = _lines(run.run_dir / "metrics.jsonl")
    assert [(record["epoch"], record["stage"]) for record in metrics] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    # Alpha rests in the first epoch of each stage; the radius and the learning rate begin anew.
    assert [record["alpha_learning_rate"] for record in metrics] == [0.0, 3e-4, 0.0, 3e-4]
    assert [record["epsilon"] for record in metrics] == pytest.approx([0.03, 0.165] * 2)
    assert [record["learning_rate"] for record in metrics] == pytest.approx([0.025, 0.013] * 2)
    assert [record["skip_dropout"] for record in metrics] == pytest.approx([0.05, 0.1, 0.2, 0.4])
    assert [line["epoch"] for line in _lines(run.run_dir / "genotypes.jsonl")] == [0, 1, 2, 3, 4]


def test_shares_of_dropped_candidates_are_recorded_as_0(run):
    lines = _lines(run.run_dir / "mixtures.jsonl")
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3, 4]
    (table,) = json.loads((run.run_dir / "stages.json").read_text())
    for kind, rows in TABLES["s3"].items():
        first, last = (np.array(line["mixture"][kind]) for line in (lines[2], lines[-1]))
        assert first.min() > 0 and first.shape == last.shape == (14, 3)
        left = [[name in table[kind][row] for name in names] for row, names in enumerate(rows)]
        np.testing.assert_array_equal(last > 0, left)
        np.testing.assert_allclose(last.sum(axis=-1), 1, rtol=1e-6)


def test_an_edge_keeps_its_strongest_candidates(run):
    (table,) = json.loads((run.run_dir / "stages.json").read_text())
    for kind, rows in table.items():
        assert len(rows) == 14
        for left, before in zip(rows, TABLES["s3"][kind], strict=True):
            assert len(left) == 2 and set(left) < set(before)
    kept = {kind: {(edge.source, edge.target): edge.operation for edge in run.genotype.cells[kind]} for kind in table}
    assert run.genotype.space == "s3" and all(len(edges) == 8 for edges in kept.values())
    assert run.genotype.count("skip_connect", "normal") <= 2


@pytest.mark.parametrize("epoch", [2, 3])
def test_a_run_that_is_stopped_in_any_stage_goes_on_bit_for_bit(run, epoch, tmp_path, monkeypatch):
    config = SearchConfig(run_dir=str(tmp_path / "run"), **TINY)
    keep = SearchLoop._keep

    def stop(self, record):
        keep(self, record)
        if record["epoch"] == epoch:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SearchLoop, "_keep", stop)
        search(config)
    again = search(SearchConfig(run_dir=config.run_dir, resume=True))
    assert again.genotype == run.genotype
    for name in ("metrics.jsonl", "genotypes.jsonl", "mixtures.jsonl"):
        assert _lines(again.run_dir / name) == _lines(run.run_dir / name)
    for stage in ("stage-1", "stage-2"):
        ours, undisturbed = (
            tf.train.load_checkpoint(tf.train.latest_checkpoint(str(path / "checkpoints" / stage)))
            for path in (again.run_dir, run.run_dir)
        )
        for name in undisturbed.get_variable_to_shape_map():
            if "_CHECKPOINTABLE" not in name and not name.startswith(("epoch_seconds", "save_count")):
                np.testing.assert_array_equal(ours.get_tensor(name), undisturbed.get_tensor(name), err_msg=name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stage_cells": "3,x"}, "--stage_cells=3,x is not a list of numbers; separate numbers that are at least 3"),
        ({"stage_cells": "3"}, "do not describe the same stages"),
        ({"stage_skip_dropout": "0.1,1.5"}, "--stage_skip_dropout=0.1,1.5 .* from 0 to 0.99"),
    ],
)
def test_stages_that_cannot_be(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        search(SearchConfig(run_dir=str(tmp_path / "run"), **{**TINY, **settings}))
    assert not (tmp_path / "run").exists()
