"""Looking genotypes up in a table of NAS-Bench-201."""

import csv
import itertools
import json

import pytest

from sdarts_tf import benchmarks
from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Edge, Genotype
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
        ("", "is no table of NAS-Bench-201"),
        ("a,b\n1,2\n", "is no table of NAS-Bench-201; its first column must be 'architecture'"),
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


def test_a_missing_table_and_a_space_without_one(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv cannot be read \(No such file"):
        benchmarks.load(tmp_path / "nowhere.csv", "nasbench201", "cifar10")
    with pytest.raises(InputError, match="cannot be of the space s2; benchmarks are of nasbench201"):
        benchmarks.load(tmp_path / "nowhere.csv", "s2", "cifar10")


def test_a_search_records_true_accuracies(tmp_path):
    """The table knows every architecture, so each epoch has a figure: the number of its skip connections."""
    lines = ["architecture,cifar10_test"]
    for names in itertools.product(nasbench201_cells.CANDIDATES, repeat=6):
        edges = tuple(Edge(name, *edge) for name, edge in zip(names, nasbench201_cells.EDGES, strict=True))
        genotype = Genotype("nasbench201", {"cell": edges}, {"cell": (3,)})
        lines.append(f"{nasbench201_cells.architecture(genotype)},{10 * names.count('skip_connect')}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
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
    assert len(metrics) == 2
    for record in metrics:
        assert record["true_test_accuracy"] == pytest.approx(record["skip_connections"] / 10)
        assert record["regret"] == pytest.approx(0.6 - record["true_test_accuracy"])
    assert run.genotype.count("skip_connect") == metrics[-1]["skip_connections"]
