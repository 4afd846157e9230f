"""Whole searches on the digits, from Python and from the command line."""

import collections
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from sdarts_tf import command_line, spaces
from sdarts_tf.analysis.hessian import alpha_hessian
from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.data import sources
from sdarts_tf.errors import InputError, RunError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.search import search
from sdarts_tf.training import curvature
from sdarts_tf.training.checkpoint import Checkpoints
from sdarts_tf.training.objective import Objective
from sdarts_tf.training.search_step import build_step

ROOT = pathlib.Path(__file__).parents[2]
TINY = {
    "dataset": "digits",
    "space": "s2",
    "channels": 2,
    "cells": 3,
    "epochs": 2,
    "max_examples": 100,
    "batch_size": 24,
}


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return search(SearchConfig(method="rs", run_dir=str(tmp_path_factory.mktemp("search") / "run"), **TINY))


def test_files_of_a_run(run):
    names = {path.name for path in run.run_dir.iterdir()}
    assert names == {
        *("config.json", "run.flags", "genotype.json", "genotype.svg", "genotype.png", "genotypes.jsonl"),
        *("mixtures.jsonl", "metrics.jsonl", "checkpoints", "events", "log.txt"),
    }
    assert Genotype.load(run.run_dir / "genotype.json") == run.genotype
    assert list((run.run_dir / "events").glob("events*"))


def test_figures_of_every_epoch(run):
    metrics = _lines(run.run_dir / "metrics.jsonl")
    assert [record["epoch"] for record in metrics] == [1, 2]
    assert [round(record["epsilon"], 4) for record in metrics] == [0.03, 0.165]
    assert [round(record["learning_rate"], 4) for record in metrics] == [0.025, 0.013]
    for record in metrics:
        assert 0 <= record["valid_accuracy"] <= 1 and 0 <= record["train_accuracy"] <= 1
        assert record["valid_loss"] > 0 and record["train_loss"] > 0 and record["seconds"] > 0
        assert record["alpha_entropy"] == pytest.approx(np.log(2), abs=1e-3)
        assert record["non_finite_losses"] == 0


def test_genotype_before_training_and_after_every_epoch(run):
    genotypes = _lines(run.run_dir / "genotypes.jsonl")
    assert [record["epoch"] for record in genotypes] == [0, 1, 2]
    assert Genotype.from_dict(genotypes[-1]) == run.genotype
    skips = [Genotype.from_dict(record).count("skip_connect") for record in genotypes[1:]]
    assert skips == [record["skip_connections"] for record in _lines(run.run_dir / "metrics.jsonl")]


def test_mixtures_give_the_genotypes(run):
    mixtures, genotypes = (_lines(run.run_dir / f"{name}.jsonl") for name in ("mixtures", "genotypes"))
    assert [record["epoch"] for record in mixtures] == [0, 1, 2]
    for mixture, genotype in zip(mixtures, genotypes, strict=True):
        shares = {group: np.array(rows) for group, rows in mixture["mixture"].items()}
        np.testing.assert_allclose([rows.sum(axis=-1) for rows in shares.values()], 1, rtol=1e-6)
        assert spaces.get("s2").discretize(shares) == Genotype.from_dict(genotype)


def test_the_hessian_is_measured_on_kept_weights_and_disturbs_nothing(run, tmp_path):
    """What the search wrote is what its kept checkpoint gives; apart from it the run is that without measuring."""
    measuring = {"hessian_every": 2, "hessian_batches": 2, "keep_every": 3}
    config = SearchConfig(method="rs", run_dir=str(tmp_path / "run"), **TINY, **measuring)
    assert search(config).genotype == run.genotype
    first, second = _lines(tmp_path / "run" / "metrics.jsonl")
    measured = {name: second.pop(name) for name in ("hessian_norm", "hessian_spread", "hessian_largest")}
    for record, plain in zip((first, second), _lines(run.run_dir / "metrics.jsonl"), strict=True):
        assert {**record, "seconds": 0} == {**plain, "seconds": 0}

    assert [path.name for path in (tmp_path / "run" / "kept").iterdir()] == ["epoch-2"]
    step, source = build_step(config, num_classes=10), sources.get("digits")
    tracked = {"supernet": step.supernet, "architecture": step.architecture}
    assert Checkpoints(tmp_path / "run" / "kept" / "epoch-2", **tracked).restore()
    batches = curvature.fixed_batches(source.load("train").part(50, 100), source, batch_size=24, count=2)
    norms, largest = [], []
    for images, labels, _ in batches:
        objective = Objective(step.supernet, (images, labels), training=True)
        dense = alpha_hessian(objective, step.architecture).numpy()
        eigenvalues = np.linalg.eigvalsh((dense + dense.T) / 2)
        norms.append(np.abs(eigenvalues).max())
        largest.append(eigenvalues.max())
    expected = {"hessian_norm": np.mean(norms), "hessian_spread": np.std(norms, ddof=1)}
    assert measured == pytest.approx(expected | {"hessian_largest": np.mean(largest)}, rel=1e-4)


def test_saved_flags_reproduce_the_run(run, tmp_path):
    config = command_line.parse(SearchConfig, [f"--flagfile={run.run_dir}/run.flags", f"--run_dir={tmp_path}/again"])
    again = search(config)
    assert again.genotype == run.genotype
    for record, first in zip(*(_lines(r.run_dir / "metrics.jsonl") for r in (again, run)), strict=True):
        assert {**record, "seconds": 0} == {**first, "seconds": 0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "rs+adv"}, "--method=rs.adv sets the perturbation twice"),
        ({"space": "s6"}, "--space=s6 is unknown; choose from s1,"),
        ({"dataset": "mnist"}, "--dataset=mnist is unknown; choose from digits,"),
        ({"batch_size": 51}, "--batch_size=51 is not between 1 and the 50 images"),
        ({"hessian_every": 1, "hessian_batches": 3}, "3 batches of 24 images are more than the 50 that train alpha"),
        ({"train_share": 0.0}, "--train_share=0.0 of 100 images leaves one of the two parts empty"),
    ],
)
def test_bad_input_writes_nothing(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        search(SearchConfig(**{**TINY, "run_dir": str(tmp_path / "run"), **settings}))
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 10, 0))
    with pytest.raises(InputError, match="has 0 MB free and its checkpoints need about"):
        search(SearchConfig(run_dir=str(tmp_path / "run"), **TINY))
    assert not list((tmp_path / "run").iterdir())


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is not a run"):
        search(SearchConfig(run_dir=str(tmp_path), **TINY))


def test_a_diverged_search_says_so(tmp_path):
    settings = TINY | {"epochs": 1, "gradient_clip": 1e30, "learning_rate": 1e25, "momentum": 0.0}
    with pytest.raises(RunError, match="The training loss of epoch 1 is not finite"):
        search(SearchConfig(run_dir=str(tmp_path / "run"), **settings))


RETRAINING = ("digits_retrain.flags", "imagenet.flags", "retrain_cifar10.flags")


@pytest.mark.parametrize("path", sorted((ROOT / "flags").glob("*.flags")), ids=lambda path: path.name)
def test_flag_files_are_valid_and_begin_with_their_figure(path):
    assert path.read_text().startswith("# ")
    command_line.parse(RetrainConfig if path.name in RETRAINING else SearchConfig, [f"--flagfile={path}"])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["darts", "rs", "adv"])
def test_noise_loses_against_a_convolution(tmp_path, method):
    """On S4 a short search keeps at most 2 noise operations of 16."""
    config = SearchConfig(
        method=method,
        space="s4",
        dataset="digits",
        channels=8,
        cells=3,
        epochs=30,
        batch_size=32,
        alpha_learning_rate=0.01,
        run_dir=str(tmp_path / "run"),
    )
    assert search(config).genotype.count("noise") <= 2


def test_command_line_prints_the_genotype(tmp_path):
    flags = [f"--{name}={value}" for name, value in (TINY | {"epochs": 1}).items()]
    command = [sys.executable, "-m", "sdarts_tf.search", "--method=darts", f"--run_dir={tmp_path}/run", *flags]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\nreduce  node") == 4
    assert f"Genotype: {tmp_path}/run/genotype.json" in result.stdout
    # Nothing but progress on standard error: no banner of TensorFlow.
    assert all(line.startswith("epoch 1/1") for line in result.stderr.splitlines())
