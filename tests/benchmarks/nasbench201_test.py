"""Looking genotypes up in a table of NAS-Bench-201."""

import csv
import json

import pytest

from sdarts_tf import benchmarks
from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.search import search
from sdarts_tf.spaces import nasbench201_cells

# Published figures: a residual-like cell, and the one that is best on CIFAR-100.
RESIDUAL = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
ROWS = [
    {"architecture": RESIDUAL, "cifar10_test": "93.91", "cifar10_valid_12ep": "", "cifar100_test": "70.89"},
    {"architecture": BEST, "cifar10_test": "94.36", "cifar10_valid_12ep": "83.5", "cifar100_test": "73.51"},
]


@pytest.fixture(params=["table.csv", "table.json"])
def table(request, tmp_path):
    path = tmp_path / request.param
    if path.suffix == ".json":
        path.write_text(json.dumps(ROWS))
    else:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ROWS[0])
            writer.writeheader()
            writer.writerows(ROWS)
    return path


def test_figures_of_a_genotype(table):
    benchmark = benchmarks.load(table, "nasbench201", "cifar10")
    assert benchmark.figures(nasbench201_cells.parse(RESIDUAL)) == {"true_test_accuracy": 0.9391, "regret": 0.0045}
    assert benchmark.figures(nasbench201_cells.parse(BEST)) == {
        "true_test_accuracy": 0.9436,
        "true_valid_accuracy": 0.835,
        "regret": 0.0,
    }
    on_cifar100 = benchmarks.load(table, "nasbench201", "cifar100")
    assert on_cifar100.figures(nasbench201_cells.parse(RESIDUAL))["regret"] == 0.0262
    assert benchmark.figures(nasbench201_cells.parse(BEST.replace("skip_connect", "none"))) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; get the table again"),
        ("architecture,cifar10_test\n", "has no architectures; get the table again"),
        ("a,b\n1,2\n", "is no table of NAS-Bench-201; it needs the columns 'architecture' and '<data set>_test'"),
        (f"architecture,cifar10\n{BEST},94\n", "it needs .* '<data set>_test', for example 'cifar10_test'"),
        (f"architecture,cifar10_test\n{BEST},94\n{BEST},93\n", "Row 2 of .* has other accuracies in an earlier row"),
        (f"architecture,cifar100_test\n{BEST},70\n", "has no test accuracies of cifar10; choose .* from cifar100"),
        (f"architecture,cifar10_test\n{BEST},much\n", "Row 1 of .* is damaged .* get the table again"),
        (f"architecture,cifar10_test\n{BEST},194\n", r"Row 1 of .* \(194 is no percentage\)"),
        ("architecture,cifar10_test\n|conv~0|,94\n", "Row 1 of .* is damaged|is no architecture of NAS-Bench-201"),
    ],
)
def test_a_damaged_table_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        benchmarks.load(path, "nasbench201", "cifar10")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps([{"architecture": BEST, "cifar10_test": 10**400}]), "Row 1 of .* is damaged .int too large"),
        (f'[{{"architecture": 1{"0" * 5000}}}]', "is not JSON .Exceeds the limit"),
        ("[]", "has no architectures"),
    ],
)
def test_a_damaged_list_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        benchmarks.load(path, "nasbench201", "cifar10")


def test_a_byte_order_mark_and_the_home_folder(tmp_path, monkeypatch):
    """And the same row twice."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "table.csv").write_text(f"\ufeffarchitecture,cifar10_test\n{BEST},94\n{BEST},94\n")
    assert benchmarks.load("~/table.csv", "nasbench201", "cifar10").records == {BEST: benchmarks.Record(0.94)}


def test_a_missing_table_and_a_space_without_one(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv cannot be read \(No such file"):
        benchmarks.load(tmp_path / "nowhere.csv", "nasbench201", "cifar10")
    with pytest.raises(InputError, match="cannot be of the space s2; benchmarks are of nasbench201"):
        benchmarks.load(tmp_path / "nowhere.csv", "s2", "cifar10")


def test_a_search_says_once_that_the_table_is_partial(tmp_path):
    """The only architecture in the table is not what these two epochs find."""
    (tmp_path / "table.csv").write_text(f"architecture,cifar10_test\n{BEST},94\n")
    settings = {"space": "nasbench201", "dataset": "digits", "channels": 2, "cells": 1, "epochs": 2, "batch_size": 12}
    run = search(
        SearchConfig(
            benchmark=str(tmp_path / "table.csv"),
            benchmark_dataset="cifar10",
            run_dir=str(tmp_path / "run"),
            max_examples=48,
            **settings,
        )
    )
    metrics = [json.loads(line) for line in (run.run_dir / "metrics.jsonl").read_text().splitlines()]
    assert len(metrics) == 2 and not {"true_test_accuracy", "true_valid_accuracy", "regret"} & set().union(*metrics)
    assert (run.run_dir / "log.txt").read_text().count("--benchmark lacks the genotype of this epoch") == 1
