"""Commands on ImageNet as tensorflow-datasets prepares it."""

import dataclasses

import numpy as np
import pytest

from sdarts_tf.config import EvaluateConfig, ExportConfig, RetrainConfig
from sdarts_tf.errors import RunError
from sdarts_tf.evaluate import evaluate
from sdarts_tf.export import export
from sdarts_tf.retrain import retrain
from sdarts_tf.training import trained_files

TINY = {
    "dataset": "imagenet",
    "genotype": "c10_s2_pgd",
    "image_size": 32,
    "channels": 2,
    "cells": 3,
    "batch_size": 5,
    "auxiliary": False,
}


def test_a_network_is_trained(imagenet, tmp_path):
    config = RetrainConfig(**TINY, data_dir=str(imagenet.data_dir), epochs=1, run_dir=str(tmp_path / "run"))
    result = retrain(config)
    assert np.isfinite(result.test_loss) and 0 <= result.test_accuracy <= 1
    files = trained_files.read(config.run_dir)
    assert files.data.label_names == imagenet.classes and files.data.name == "imagenet"
    assert imagenet.numbers_of(files.examples("train", max_examples=2)) == imagenet.numbers_of(imagenet.load())[:2]


@pytest.mark.slow
def test_a_trained_network_is_evaluated_and_exported(imagenet, tmp_path):
    run_dir = str(tmp_path / "run")
    settings = TINY | {"data_dir": str(imagenet.data_dir), "epochs": 2, "valid_share": 0.3}
    trained = retrain(RetrainConfig(**settings, run_dir=run_dir))
    evaluation = evaluate(EvaluateConfig(run_dir=run_dir, batch_size=4))
    assert evaluation.images == 6 and evaluation.top_1 == pytest.approx(trained.test_accuracy)
    assert list(evaluation.class_accuracy) == list(imagenet.classes) and trained.checkpoint == "best"
    folder = export(ExportConfig(run_dir=run_dir, out=str(tmp_path / "export"), compared_images=4))
    assert (folder / "assets" / "labels.txt").read_text().split() == list(imagenet.classes)


@pytest.mark.slow
def test_a_training_that_failed_goes_on_as_if_it_had_not(own, tmp_path):
    settings = TINY | {"data_dir": str(own.data_dir), "epochs": 4, "checkpoint_seconds": 0.0}
    whole = RetrainConfig(**settings, run_dir=str(tmp_path / "whole"))
    expected = retrain(whole)
    examples = own.load()
    content = examples.content(5)
    own.overwrite(examples, 5, b"x" * len(content))
    config = dataclasses.replace(whole, run_dir=str(tmp_path / "broken"))
    with pytest.raises(RunError, match=r"^The image at byte \d+ of .* cannot be decoded"):
        retrain(config)
    own.overwrite(examples, 5, content)
    again = retrain(dataclasses.replace(config, resume=True))
    assert dataclasses.replace(again, run_dir=expected.run_dir) == expected
