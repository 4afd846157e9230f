"""Folders of runs, written as the commands write them, with figures that tell where they came from."""

import json

import numpy as np
import pytest

from sdarts_tf import config as configuration
from sdarts_tf import spaces
from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.genotypes import published

GENOTYPE = published.get("c10_s2_pgd")
EVALUATION = {
    "dataset": "pets",
    "split": "test",
    "checkpoint": "last",
    "epoch": 2,
    "images": 40,
    "top_1": 0.8125,
    "top_5": None,
    "class_accuracy": {"cat": 0.75, "dog": 0.875, "emu": None},
    "confusion": [[15, 5], [3, 17]],
    "parameters": 12345,
    "auxiliary_parameters": 0,
    "multiply_adds": 678901,
    "latency": {"1": 0.00321},
    "device": "CPU, 2 threads",
}


def mixture(epoch):
    """Row r of a group in which the first candidate has the share (10 + r + epoch) / 100."""
    first = (10 + np.arange(14) + epoch) / 100
    return np.stack([first, 1 - first], axis=1).tolist()


def metrics(epoch, **more):
    figures = {"train_loss": 2.0 - epoch / 10, "train_accuracy": 0.301 + epoch / 10, "valid_loss": 1.9 - epoch / 10}
    figures |= {"valid_accuracy": 0.2525 + epoch / 10, "learning_rate": 0.025, "epsilon": 0.03 * epoch}
    return {"epoch": epoch, **figures, "alpha_entropy": 0.69, "skip_connections": epoch, "seconds": 1.5, **more}


def checkpoint(epoch):
    plane = {"x": [-1.0, 0.0, 1.0], "y": [-0.5, 0.5], "loss": [[1, 2, 3], [4, 5, 6.5]]}
    plane["accuracy"] = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.625]]
    return {
        "epoch": epoch,
        "alpha_hessian": {
            "spectral_norm": 0.1234,
            "spread": 0.0056,
            "largest": 0.1222,
            "trace": 0.789,
            "eigenvalues": [-0.01, 0.0, 0.05, 0.1222],
        },
        "weight_hessian": {"spectral_norm": 9.87, "trace": 65.4, "grid": [-1.0, 0.0, 9.0], "density": [1e-9, 2.0, 0.1]},
        "gap": {
            "mixture": {"loss": 0.5, "accuracy": 0.9125},
            "one_hot": {"loss": 0.9, "accuracy": 0.7375},
            "pruned": {"loss": 1.5, "accuracy": 0.5625},
        },
        "sensitivity": {
            "clean_loss": 0.5,
            "clean_accuracy": 0.9125,
            "epsilon": [0.03, 0.3],
            "random_loss": [0.51, 0.6],
            "random_spread": [0.01, 0.02],
            "adversarial_loss": [0.7, 1.75],
            "random_accuracy": [0.91, 0.9],
            "random_accuracy_spread": [0, 0.01],
            "adversarial_accuracy": [0.8, 0.4],
        },
        "landscapes": [
            {"domain": "mixture", "directions": ["random 1", "random 2"], **plane},
            {"domain": "alpha", "directions": ["attack", "random 1"], **plane},
        ],
    }


@pytest.fixture(scope="session")
def write_run(tmp_path_factory):
    """Function of a name and settings: a searched, analyzed, trained and evaluated run of two epochs, as its folder."""

    def write(name="run", **settings):
        folder = tmp_path_factory.mktemp("runs") / name
        config = SearchConfig(**{"space": "s2", "dataset": "digits", "epochs": 2, "run_dir": str(folder), **settings})
        record = GENOTYPE.to_dict()
        files = {
            "config.json": configuration.to_json(config),
            "metrics.jsonl": [metrics(epoch, hessian_norm=0.2 / epoch, hessian_spread=0.01) for epoch in (1, 2)],
            "genotypes.jsonl": [{"epoch": epoch, **record} for epoch in range(3)],
            "mixtures.jsonl": [
                {"epoch": epoch, "mixture": {"normal": mixture(epoch), "reduce": mixture(epoch)}} for epoch in range(3)
            ],
            "genotype.json": record,
            "analysis/analysis.json": {
                "batches": 4,
                "batch_size": 32,
                "statistics": "training",
                "checkpoints": [checkpoint(1), checkpoint(2)],
            },
            "retrain/config.json": configuration.to_json(RetrainConfig(dataset="digits", epochs=2)),
            "retrain/genotype.json": record,
            "retrain/metrics.jsonl": [{"epoch": 1, "train_loss": 1.1}, {"epoch": 2, "train_loss": 0.9}],
            "retrain/result.json": {"checkpoint": "last", "test_loss": 0.8765, "test_accuracy": 0.8125},
            "retrain/evaluation.json": EVALUATION,
        }
        for file, content in files.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, list):
                content = "".join(json.dumps(line) + "\n" for line in content)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        assert [len(rows) for rows in spaces.rows(config.space).values()] == [14, 14]
        return folder

    return write
