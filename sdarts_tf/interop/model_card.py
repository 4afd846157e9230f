"""What an exported model is, in Markdown."""

import contextlib
import dataclasses
import json
import pathlib

from sdarts_tf.analysis.evaluation import Evaluation
from sdarts_tf.genotypes.drawing import describe
from sdarts_tf.interop.comparison import TOLERANCE, Comparison
from sdarts_tf.training.trained_files import TrainedFiles

FILE = "MODEL_CARD.md"
_NO_RECIPE = {"run_dir", "data_dir", "resume", "genotype", "dataset", "checkpoint_seconds"}


def write(files: TrainedFiles, interface: str, parameters: int, multiply_adds: int, comparisons) -> str:
    """The model card.

    Args:
        files: the trained network.
        interface: Markdown that tells how the model is called.
        parameters: of the network as it classifies.
        multiply_adds: for one image.
        comparisons: list of `Comparison`, one for each file or signature.
    """
    data, config = files.data, files.config
    height, width, _ = data.image_shape
    recipe = {k: v for k, v in dataclasses.asdict(config).items() if k not in _NO_RECIPE and v is not None}
    architecture = {
        "search space": files.genotype.space,
        "cells": config.cells,
        "channels of the first cells": config.channels,
        "parameters": f"{parameters:,}",
        "multiply-adds per image": f"{multiply_adds / 1e6:,.2f} M (convolutions and linear layers)",
    }
    dataset = {
        "data set": data.name,
        "classes": f"{data.num_classes}: {', '.join(data.label_names[:20])}{', ...' * (data.num_classes > 20)}",
        "input": f"{height} x {width} pixels, RGB",
        "normalization": f"(pixel / 255 - {list(data.mean)}) / {list(data.std)}, part of the model",
    }
    return "\n\n".join(
        [
            f"# Image classifier for {data.name}",
            "A network whose cells were found by differentiable architecture search, trained from scratch and exported "
            "by sdarts_tf.",
            "## Architecture",
            _table(architecture),
            f"```\n{describe(files.genotype)}\n```",
            "## Data",
            _table(dataset),
            "## Training",
            f"Weights: the `{files.checkpoint}` checkpoint. Settings of `sdarts_tf.retrain`:",
            _table(recipe),
            "## Accuracy",
            accuracy(files),
            "## Use",
            interface,
            "## Compared with the trained network",
            _comparison_table(comparisons),
            "## Licence",
            f"sdarts_tf is under Apache-2.0. These weights were computed from {data.name}: whether and how they may be "
            "used depends on the terms of that data set too, so check them before you pass the model on.\n",
        ]
    )


def accuracy(files: TrainedFiles) -> str:
    """What evaluation, or else the test at the end of training, found for this checkpoint; one paragraph."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = Evaluation.from_json(_read(files.path / "evaluation.json"))
        # A training that went on since then has other weights under the same name.
        if (found.split, found.checkpoint, found.epoch) == ("test", files.checkpoint, files.epoch):
            return _sentence(found.top_1, found.top_5, f"{found.images:,} images of the test split")
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        result = json.loads(_read(files.path / "result.json"))
        if result["checkpoint"] == files.checkpoint:
            return _sentence(result["test_accuracy"], result.get("test_top5"), "the test split")
    return "Not measured on the whole test split; run `python -m sdarts_tf.evaluate` and export again."


def _read(path: pathlib.Path) -> str:
    return path.read_text(encoding="utf-8")


def _sentence(top_1, top_5, images):
    second = "" if top_5 is None else f", top-5 {100 * top_5:.2f} %"
    return f"Top-1 {100 * top_1:.2f} %{second}, on {images}."


def _table(rows):
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _comparison_table(comparisons: list[Comparison]):
    lines = [
        f"On {comparisons[0].images:,} test images; differences are the largest. Logits are compared relative to the "
        "network's largest.",
        "",
        "| model | runtime | probability | logit | same class | accuracy | network's accuracy | allowed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for c in comparisons:
        allowed = f"{TOLERANCE:.0e}" if c.allowed_drop is None else f"accuracy -{100 * c.allowed_drop:g} points"
        differences = f"{c.probability_difference:.1e} | {c.logit_difference:.1e} | {100 * c.agreement:.2f} %"
        accuracies = f"{100 * c.accuracy:.2f} % | {100 * c.network_accuracy:.2f} %"
        lines.append(f"| {c.model} | {c.runtime} | {differences} | {accuracies} | {allowed} |")
    return "\n".join(lines)
