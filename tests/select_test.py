"""Other genotypes read off a finished search."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.config import SearchConfig, SelectConfig
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.search import search
from sdarts_tf.select import select
from sdarts_tf.spaces import get
from sdarts_tf.spaces.nasbench201_cells import CANDIDATES
from sdarts_tf.spaces.tables import EDGES, TABLES
from sdarts_tf.training.selection import DecidedArchitecture, SelectionLoop

TINY = {"method": "rs", "dataset": "digits", "space": "s3", "channels": 2, "cells": 3, "epochs": 1, "batch_size": 16}


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    return search(SearchConfig(run_dir=str(tmp_path_factory.mktemp("search") / "run"), max_examples=64, **TINY))


@pytest.fixture
def run_dir(searched, tmp_path):
    return shutil.copytree(searched.run_dir, tmp_path / "run")


def test_largest_shares_are_those_of_the_search(searched, run_dir):
    genotype, path = select(SelectConfig(run_dir=str(run_dir), select="argmax"))
    assert genotype == searched.genotype == Genotype.load(path)


def test_a_limit_of_skip_connections(run_dir):
    mixture = {kind: np.full([14, 3], 0.1) for kind in TABLES["s3"]}
    for shares in mixture.values():
        shares[:, 1] = 0.8  # skip connections everywhere
    mixture["normal"][:8, 1] += 0.01 * np.arange(8)
    record = {"epoch": 1, "mixture": {kind: shares.tolist() for kind, shares in mixture.items()}}
    (run_dir / "mixtures.jsonl").write_text(json.dumps(record) + "\n")
    genotype, _ = select(SelectConfig(run_dir=str(run_dir), select="argmax", max_skips=3))
    assert genotype.count("skip_connect", "normal") == 3 and genotype.count("skip_connect", "reduce") == 8


def test_decided_rows_stay_what_they_are():
    architecture = DecidedArchitecture({"normal": (14, 2), "reduce": (14, 2)}, seed=0)
    architecture.decide("normal", 3, [0, 1])
    architecture.decide("reduce", 5, 0)
    mixture, pullback = architecture.mixture_and_pullback()
    assert mixture["normal"][3].numpy().tolist() == [0, 1] and mixture["reduce"][5].numpy().tolist() == [0, 0]
    gradient = pullback({group: tf.constant(np.arange(28.0).reshape(14, 2), tf.float32) for group in mixture})
    for group, row in (("normal", 3), ("reduce", 5)):
        moved = np.abs(gradient[group].numpy()).sum(axis=-1) > 0
        assert not moved[row] and moved.sum() == 13
    perturbed = architecture.constrained({group: tf.fill([14, 2], 0.5) for group in mixture})
    assert perturbed["normal"][3].numpy().tolist() == [0, 1] and perturbed["normal"][4].numpy().tolist() == [0.5, 0.5]


@pytest.fixture(scope="module")
def selected(searched, tmp_path_factory):
    run_dir = shutil.copytree(searched.run_dir, tmp_path_factory.mktemp("selected") / "run")
    return select(SelectConfig(run_dir=str(run_dir), interval=1))


def test_perturbation_decides_on_every_edge_and_node(selected):
    genotype, path = selected
    decisions = _lines(path.parent / "decisions.jsonl")
    for kind in ("normal", "reduce"):
        edges = [decision for decision in decisions if decision["group"] == kind and "kept" in decision]
        assert sorted(decision["row"] for decision in edges) == list(range(14))
        for decision in edges:
            assert sorted(decision["without"]) == ["sep_conv_3x3", "skip_connect"]  # `none` is never kept
            # What is kept is what it is worst to be without; of equals the loss decides.
            worst = min(decision["without"].items(), key=lambda item: (item[1]["accuracy"], -item[1]["loss"]))
            assert decision["kept"] == worst[0]
        gone = [decision["gone"] for decision in decisions if decision["group"] == kind and "gone" in decision]
        # Nodes of 3, 4 and 5 edges come down to two.
        assert sorted(EDGES[row][1] for row in gone) == [3, 4, 4, 5, 5, 5]
        kept = {EDGES[decision["row"]]: decision["kept"] for decision in edges if decision["row"] not in gone}
        assert {(edge.source, edge.target): edge.operation for edge in genotype.cells[kind]} == kept
    assert len(_lines(path.parent / "metrics.jsonl")) == 14 + 3


def test_selection_starts_from_the_weights_of_the_search(searched, run_dir, monkeypatch):
    started = {}

    def stop(self, *args):
        started["weights"] = [variable.numpy() for variable in self.step.supernet.variables]
        started["alpha"] = {group: alpha.numpy() for group, alpha in self.step.architecture.alpha.items()}
        raise KeyboardInterrupt

    monkeypatch.setattr(SelectionLoop, "_decide", stop)
    with pytest.raises(KeyboardInterrupt):
        select(SelectConfig(run_dir=str(run_dir), interval=1))
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(searched.run_dir / "checkpoints")))
    for group, alpha in started["alpha"].items():
        np.testing.assert_array_equal(
            alpha, reader.get_tensor(f"architecture/alpha/{group}/.ATTRIBUTES/VARIABLE_VALUE")
        )
    for number, value in enumerate(started["weights"]):
        np.testing.assert_array_equal(value, reader.get_tensor(f"supernet/{number}/.ATTRIBUTES/VARIABLE_VALUE"))


@pytest.mark.slow
def test_a_selection_that_is_stopped_goes_on_bit_for_bit(selected, run_dir, monkeypatch):
    """Stopped between two decisions of one epoch."""
    note, count = SelectionLoop._note, []

    def stop(self, *args, **options):
        note(self, *args, **options)
        count.append(1)
        if len(count) == 31:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SelectionLoop, "_note", stop)
        select(SelectConfig(run_dir=str(run_dir), interval=1))
    genotype, path = select(SelectConfig(run_dir=str(run_dir), resume=True))
    assert genotype == selected[0]
    for name in ("decisions.jsonl", "metrics.jsonl"):
        ours, undisturbed = ([{**line, "seconds": 0} for line in _lines(p.parent / name)] for p in (path, selected[1]))
        assert ours == undisturbed


def test_bad_input_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="--run_dir is needed"):
        select(SelectConfig())
    with pytest.raises(InputError, match="holds no finished search"):
        select(SelectConfig(run_dir=str(tmp_path)))
    assert not list(tmp_path.iterdir())


def test_choices_of_a_space():
    choices = get("s3").choices()["normal"]
    assert choices.candidates == ({1: "skip_connect", 2: "sep_conv_3x3"},) * 14
    assert choices.nodes == ((2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12, 13))
    assert get("nasbench201").choices()["cell"].candidates == (dict(enumerate(CANDIDATES)),) * 6


@pytest.mark.slow
def test_nasbench201_decides_on_every_edge(tmp_path):
    settings = {**TINY, "space": "nasbench201", "cells": 1, "max_examples": 64}
    run_dir = search(SearchConfig(run_dir=str(tmp_path / "run"), **settings)).run_dir
    genotype, path = select(SelectConfig(run_dir=str(run_dir), interval=1))
    decisions = _lines(path.parent / "decisions.jsonl")
    kept = {decision["row"]: decision["kept"] for decision in decisions}
    assert [edge.operation for edge in genotype.cells["cell"]] == [kept[row] for row in range(6)]
    assert all(set(decision["without"]) == set(CANDIDATES) for decision in decisions)
