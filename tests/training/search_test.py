"""Whole searches on the digits, from Python and from the command line."""

import collections
import dataclasses
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from sdarts_tf import command_line, spaces
from sdarts_tf.analysis import cost_target
from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.errors import InputError, RunError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.search import search
from sdarts_tf.training import curvature, discretization
from sdarts_tf.training.interruption import Paused

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


def test_measuring_and_pausing_disturb_nothing(run, tmp_path):
    """Apart from what is measured the run is that without; `tests/analyze_test.py` checks the measurements."""
    measuring = {"hessian_every": 2, "hessian_batches": 2, "keep_every": 3, "gap_every": 2, "gap_batches": 2}
    config = SearchConfig(method="rs", run_dir=str(tmp_path / "run"), **TINY, **measuring, stop_after=1)
    with pytest.raises(Paused, match=r"Stopped after epoch 1 of 2, .*--resume --run_dir=.*/run") as raised:
        search(config)
    assert raised.value.exit_status == 0 and not (tmp_path / "run" / "genotype.json").exists()
    assert search(SearchConfig(run_dir=config.run_dir, resume=True)).genotype == run.genotype
    assert _lines(tmp_path / "run" / "mixtures.jsonl") == _lines(run.run_dir / "mixtures.jsonl")
    first, second = _lines(tmp_path / "run" / "metrics.jsonl")
    measured = {name: second.pop(name) for name in ("hessian_norm", "hessian_spread", "hessian_largest")}
    gap = {name: second.pop(name) for name in list(second) if name.startswith(("mixture_", "one_hot_", "pruned_"))}
    assert len(gap) == 6 and gap["pruned_loss"] > 0
    assert measured["hessian_norm"] >= measured["hessian_largest"] > 0 and measured["hessian_spread"] > 0
    for record, plain in zip((first, second), _lines(run.run_dir / "metrics.jsonl"), strict=True):
        assert {**record, "seconds": 0} == {**plain, "seconds": 0}
    assert [path.name for path in (tmp_path / "run" / "kept").iterdir()] == ["epoch-2"]
    assert "Hessian 0." in (tmp_path / "run" / "log.txt").read_text().splitlines()[-1]


def test_with_a_target_what_is_rounded_is_what_is_found(tmp_path, monkeypatch):
    """The gap is that of the tilted genotype, and that stays when the network cannot be measured at the end."""
    rounded, gap = [], discretization.gap

    def fail(*args, **kwargs):
        raise RunError("The latency could not be measured.")

    monkeypatch.setattr(discretization, "gap", lambda *args: rounded.append(args[-1]) or gap(*args))
    monkeypatch.setattr(cost_target.CostTarget, "report", fail)
    config = SearchConfig(
        method="darts", target="params:1150", gap_every=1, gap_batches=1, run_dir=str(tmp_path), **TINY | {"epochs": 1}
    )
    with pytest.raises(RunError, match="could not be measured"):
        search(config)
    found = Genotype.from_dict(_lines(tmp_path / "genotypes.jsonl")[-1])
    assert rounded == [found] and found.count("skip_connect") == 16  # the cheapest
    assert Genotype.from_dict(json.loads((tmp_path / "genotype.json").read_text())) == found
    mixture = _lines(tmp_path / "mixtures.jsonl")[-1]
    shares = {group: np.array(rows) for group, rows in mixture["mixture"].items()}
    assert spaces.get("s2").discretize(shares) != found


def test_a_search_that_stops_by_skips_ends_with_the_genotype_before(tmp_path):
    """The same search without the rule says what must happen; resuming the stopped one changes nothing."""
    settings = TINY | {"epochs": 5, "alpha_learning_rate": 0.3, "method": "darts"}
    search(SearchConfig(run_dir=str(tmp_path / "free"), **settings))
    recorded = [Genotype.from_dict(line) for line in _lines(tmp_path / "free" / "genotypes.jsonl")]
    skips = [sum(edge.operation == "skip_connect" for edge in genotype.cells["normal"]) for genotype in recorded]
    # The first epoch with more skips than an earlier one.
    end = next(epoch for epoch in range(2, 6) if skips[epoch] > min(skips[1:epoch]))
    back = next(epoch for epoch in range(end - 1, 0, -1) if skips[epoch] < skips[end])
    config = SearchConfig(run_dir=str(tmp_path / "run"), stop=f"skips:{skips[end]}", **settings)
    assert search(config).genotype == recorded[back]
    assert Genotype.load(tmp_path / "run" / "genotype.json") == recorded[back]
    assert len(_lines(tmp_path / "run" / "metrics.jsonl")) == end
    line = f"stopped after epoch {end} by --stop=skips:{skips[end]}: back to the genotype of epoch {back}"
    assert (tmp_path / "run" / "log.txt").read_text().splitlines()[-1] == line
    assert search(dataclasses.replace(config, resume=True)).genotype == recorded[back]
    assert len(_lines(tmp_path / "run" / "metrics.jsonl")) == end


def test_a_search_that_stops_by_eigenvalue(tmp_path, monkeypatch):
    """Eigenvalues that grow from epoch 12 on: the averages around the epochs 15 and 11 differ by more than 1.3."""
    values = iter([1.0] * 12 + [2.0] * 20)
    monkeypatch.setattr(curvature, "measure", lambda *_: {"hessian_largest": next(values)})
    settings = TINY | {"epochs": 20, "max_examples": 48, "hessian_batches": 1, "alpha_weight_decay": 0.0}
    config = SearchConfig(run_dir=str(tmp_path / "run"), stop="eigenvalue", hessian_every=1, **settings)
    genotype = search(config).genotype
    # Around 15: all 2; around 11: (1 + 1 + 1 + 1 + 2) / 5. One epoch earlier: 1.8 over 1.
    assert len(_lines(tmp_path / "run" / "metrics.jsonl")) == 16
    assert genotype == Genotype.from_dict(_lines(tmp_path / "run" / "genotypes.jsonl")[10])


def test_drop_path_begins_at_nothing_and_grows(run, tmp_path):
    config = SearchConfig(method="rs", run_dir=str(tmp_path / "run"), drop_path=0.6, **TINY)
    search(config)
    dropped, plain = (_lines(folder / "metrics.jsonl") for folder in (tmp_path / "run", run.run_dir))
    assert [record.pop("drop_rate") for record in dropped] == pytest.approx([0.0, 0.6])
    assert {**dropped[0], "seconds": 0} == {**plain[0], "seconds": 0}
    assert dropped[1]["train_loss"] != plain[1]["train_loss"]


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
        ({"stop": "skip:2"}, "--stop=skip:2 is not known; write eigenvalue, or skips:N"),
        ({"stop": "eigenvalue"}, "--stop=eigenvalue reads the Hessian; add --hessian_every=2"),
        ({"stop": "skips:2", "method": "pdarts"}, "--stop=skips:2 ends a search, of which pdarts is several"),
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


RETRAINING = ("retrain", "imagenet", "digits_retrain")


@pytest.mark.parametrize("path", sorted((ROOT / "flags").glob("*.flags")), ids=lambda path: path.name)
def test_flag_files_are_valid_and_begin_with_their_figure(path):
    assert path.read_text().startswith("# ")
    command_line.parse(RetrainConfig if path.name.startswith(RETRAINING) else SearchConfig, [f"--flagfile={path}"])


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
