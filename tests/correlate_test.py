"""`sdarts_tf.correlate` on a small search whose supernet's opinion is known."""

import itertools
import json
import math

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from sdarts_tf import benchmarks, command_line, spaces
from sdarts_tf.analysis import ranking
from sdarts_tf.config import CorrelateConfig, SearchConfig
from sdarts_tf.correlate import correlate, main
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.search import search
from sdarts_tf.spaces import nasbench201_cells
from sdarts_tf.training.fixed_loss import FixedLoss

TINY = {"space": "nasbench201", "dataset": "digits", "channels": 2, "cells": 1, "epochs": 1, "batch_size": 16}
SMALL = {"architectures": 6, "batches": 2, "benchmark_dataset": "cifar10"}


def _write(path, accuracies=None):
    """A table of all architectures, in percent; those that are not named have 10, or what tells them apart."""
    lines = ["architecture,cifar10_test"]
    for number, name in enumerate(nasbench201_cells.architectures()):
        lines.append(f"{name},{number / 200 if accuracies is None else accuracies.get(name, 10)}")
    path.write_text("\n".join(lines))
    return str(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search") / "run"
    table = _write(folder.with_name("table.csv"))
    search(SearchConfig(run_dir=str(folder), max_examples=80, benchmark=table, benchmark_dataset="cifar10", **TINY))
    return folder


@pytest.fixture(scope="module")
def correlation(run):
    return correlate(CorrelateConfig(run_dir=str(run), seed=3, **SMALL))


def test_a_search_records_true_accuracies(run):
    """The genotype of the epoch has the figures of its row; the best row is the last."""
    (metrics,), (_, genotype) = (
        [json.loads(line) for line in (run / name).read_text().splitlines()]
        for name in ("metrics.jsonl", "genotypes.jsonl")
    )
    name = nasbench201_cells.architecture(Genotype.from_dict(genotype))
    number = list(nasbench201_cells.architectures()).index(name)
    assert metrics["true_test_accuracy"] == pytest.approx(number / 2e4, abs=1e-6)
    assert metrics["regret"] == pytest.approx((15624 - number) / 2e4, abs=2e-6)
    shown = f"true test accuracy {metrics['true_test_accuracy']:.2%}  regret {metrics['regret']:.2%}"
    assert shown in (run / "log.txt").read_text()


def test_what_is_written(run, correlation):
    assert json.loads((run / "correlation.json").read_text()) == correlation
    assert (correlation["batches"], correlation["batch_size"], correlation["statistics"]) == (2, 16, "training")
    assert len(set(correlation["architectures"])) == 6
    numbers = {name: number for number, name in enumerate(nasbench201_cells.architectures())}
    assert correlation["true_accuracies"] == [round(numbers[a] / 2e4, 6) for a in correlation["architectures"]]
    assert [each["epoch"] for each in correlation["checkpoints"]] == [1]


def test_a_supernet_agrees_with_itself_and_contradicts_its_opposite(run, correlation, tmp_path, capsys):
    """The same architectures are drawn from tables that hold the supernet's own losses, and their negatives."""
    losses = dict(zip(correlation["architectures"], correlation["checkpoints"][0]["losses"], strict=True))
    assert len(set(losses.values())) == 6
    for sign in (1, -1):
        own = {name: 50 - 2 * sign * loss for name, loss in losses.items()}
        config = CorrelateConfig(run_dir=str(run), seed=3, benchmark=_write(tmp_path / "own.csv", own), **SMALL)
        (checkpoint,) = correlate(config)["checkpoints"]
        assert checkpoint["losses"] == pytest.approx(list(losses.values()), rel=1e-5)
        assert checkpoint["tau_of_loss"] == sign
    capsys.readouterr()


@pytest.mark.parametrize("sign", [1, -1])
def test_tau_has_the_sign_of_agreement(run, correlation, tmp_path, monkeypatch, sign):
    """The supernet is set to find each drawn architecture better than the one before, and the table agrees or not."""
    answers = iter([(6 - number, number / 10) for number in range(6)])  # losses and accuracies
    monkeypatch.setattr(FixedLoss, "figures", lambda loss, mixture: next(answers))
    own = {name: 50 + sign * number for number, name in enumerate(correlation["architectures"])}
    config = CorrelateConfig(run_dir=str(run), seed=3, benchmark=_write(tmp_path / "own.csv", own), **SMALL)
    (checkpoint,) = correlate(config)["checkpoints"]
    assert checkpoint["tau"] == checkpoint["tau_of_loss"] == sign
    assert checkpoint["p_value"] == pytest.approx(2 / math.factorial(6))  # two of all orders are as extreme


def test_a_rank_correlation_is_scipys():
    scores, accuracies = [0.3, 0.3, 0.5, 0.1, 0.7, 0.6], [0.91, 0.9, 0.93, 0.92, 0.94, 0.9]
    expected = scipy.stats.kendalltau(scores, accuracies, variant="b")
    assert ranking.kendall(scores, accuracies) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-6)
    assert ranking.kendall([-score for score in scores], accuracies)[0] == pytest.approx(-expected.statistic, abs=1e-6)


def test_an_accuracy_is_that_of_the_one_hot_mixture_on_batch_statistics(run, correlation):
    from sdarts_tf.data import sources
    from sdarts_tf.training import curvature, searched
    from sdarts_tf.training.objective import Objective
    from sdarts_tf.training.search_step import build_step

    found = searched.read(run)
    step = build_step(found.config, num_classes=10)
    found.restore(step.supernet, step.architecture)
    source = sources.get("digits")
    alpha_part = source.load("train", None, 80).take(np.arange(40, 80))
    name = correlation["architectures"][-1]
    shares = np.zeros((6, 5), np.float32)
    for row, edge in enumerate(nasbench201_cells.parse(name).cells["cell"]):
        shares[row, nasbench201_cells.CANDIDATES.index(edge.operation)] = 1
    before = [variable.numpy() for variable in step.supernet.variables]
    figures = [
        Objective(step.supernet, batch[:2], training=True).loss_and_accuracy({"cell": tf.constant(shares)})
        for batch in curvature.fixed_batches(alpha_part, source, batch_size=16, count=2)
    ]
    loss, accuracy = np.mean(figures, axis=0)
    (checkpoint,) = correlation["checkpoints"]
    assert checkpoint["losses"][-1] == pytest.approx(loss, rel=1e-5)
    assert checkpoint["accuracies"][-1] == pytest.approx(accuracy)
    for variable, value in zip(step.supernet.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_the_sample_is_of_the_table_and_of_the_seed():
    space = spaces.get("nasbench201")
    records = {
        name: benchmarks.Record(0.5) for number, name in enumerate(nasbench201_cells.architectures()) if number % 3 == 0
    }
    benchmark = benchmarks.Benchmark(records, nasbench201_cells.architecture)
    drawn = ranking.sample(space, benchmark, 40, seed=1)
    assert len(drawn) == 40 and set(drawn) < set(records)
    assert all(nasbench201_cells.architecture(genotype) == name for name, genotype in drawn.items())
    assert drawn == ranking.sample(space, benchmark, 40, seed=1) != ranking.sample(space, benchmark, 40, seed=2)
    # Every candidate is drawn about as often as any other: 240 edges, 48 for each.
    counts = [sum(genotype.count(name) for genotype in drawn.values()) for name in nasbench201_cells.CANDIDATES]
    assert sum(counts) == 240 and min(counts) > 24 and max(counts) < 72
    two = benchmarks.Benchmark(dict(itertools.islice(records.items(), 2)), nasbench201_cells.architecture)
    with pytest.raises(InputError, match="--architectures=3 are too many: 1500 random draws met"):
        ranking.sample(space, two, 3, seed=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run_dir": None}, "--run_dir is needed"),
        ({"run_dir": "nowhere"}, "--run_dir=nowhere holds no search"),
        ({"benchmark": "nowhere.csv"}, r"--benchmark=nowhere\.csv cannot be read"),
        ({"benchmark_dataset": "svhn"}, "has no test accuracies of svhn; choose --benchmark_dataset from cifar10"),
        ({"batches": 4}, "4 batches of 16 images are more than the 40 that train alpha"),
    ],
)
def test_a_mistake_is_one_sentence(run, correlation, change, message):
    with pytest.raises(InputError, match=message):
        correlate(CorrelateConfig(**{"run_dir": str(run), **SMALL, **change}))


def test_what_is_printed(run, correlation, monkeypatch, capsys):
    monkeypatch.setattr("sdarts_tf.correlate.correlate", lambda config: correlation)
    main(command_line.parse(CorrelateConfig, [f"--run_dir={run}"]))
    _, header, row, path = capsys.readouterr().out.splitlines()
    assert header.split() == ["epoch", "tau", "p", "tau", "of", "loss"] and path == f"Figures: {run}/correlation.json"
    epoch, tau, _, of_loss = row.split()
    (checkpoint,) = correlation["checkpoints"]
    assert (int(epoch), float(of_loss)) == (1, pytest.approx(checkpoint["tau_of_loss"], abs=5e-4))
    assert tau == ("-" if checkpoint["tau"] is None else f"{checkpoint['tau']:.3f}")
