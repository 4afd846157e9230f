"""Grey images and an operation of one's own, from the dry run over search and training to evaluation and export."""

import dataclasses
import json
import pathlib
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf

import sdarts_tf.retrain
import sdarts_tf.search
from sdarts_tf import command_line, spaces
from sdarts_tf.config import EvaluateConfig, ReportConfig, RetrainConfig, SearchConfig
from sdarts_tf.data import sources
from sdarts_tf.data.description import DataDescription
from sdarts_tf.errors import InputError
from sdarts_tf.evaluate import evaluate
from sdarts_tf.interop import saved_model
from sdarts_tf.report import report
from sdarts_tf.retrain import retrain
from sdarts_tf.search import search

EXAMPLE = pathlib.Path(__file__).parents[1] / "examples" / "squeeze_excitation.py"
TINY = {"channels": 2, "cells": 3, "epochs": 1, "max_examples": 24, "batch_size": 12}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """scikit-learn's digits as grey images of 8 x 6 pixels in an npz file without splits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    path = tmp_path_factory.mktemp("data") / "grey.npz"
    np.savez(path, images=np.rint(digits.images[:120, :, 1:7] * 15).astype(np.uint8), labels=digits.target[:120])
    return f"npz:{path}"


@pytest.fixture(scope="module")
def run(data, tmp_path_factory, as_in_a_new_process):
    """A search with the example's space, and the training of what it found, each from the plugin that the run keeps."""
    folder = tmp_path_factory.mktemp("runs") / "own"
    plugin = folder.parent / "mine.py"
    shutil.copy(EXAMPLE, plugin)
    settings = {"space": "s2_squeeze", "plugin": str(plugin), "dataset": data, "run_dir": str(folder), "method": "rs"}
    with as_in_a_new_process():
        assert sdarts_tf.search.main(SearchConfig(**settings, **TINY, check_data=True)) == 0
        searched = search(SearchConfig(**settings, **TINY))
    plugin.unlink()
    with pytest.raises(InputError, match="--space=s2_squeeze is unknown"):
        spaces.check("s2_squeeze")
    with as_in_a_new_process():
        trained = retrain(RetrainConfig(run_dir=str(folder), **TINY))
    return searched, trained


def test_the_network_sees_grey_images_of_their_size(run, data):
    searched, trained = run
    assert searched.genotype.space == "s2_squeeze" and trained.genotype == searched.genotype
    description = DataDescription.load(trained.run_dir / "retrain" / "data.json")
    assert (description.image_shape, description.num_classes, description.photos) == ((8, 6, 1), 10, False)
    assert description == sources.get(data).description
    assert (trained.run_dir / "retrain" / "plugin.py").read_text() == EXAMPLE.read_text()
    first, *_ = (trained.run_dir / "mixtures.jsonl").read_text().splitlines()
    assert np.shape(json.loads(first)["mixture"]["normal"]) == (14, 3)


@pytest.mark.slow
def test_evaluation_loads_the_plugin_of_the_run(run, as_in_a_new_process):
    _, trained = run
    with as_in_a_new_process():
        evaluation = evaluate(EvaluateConfig(run_dir=str(trained.run_dir)))
    assert evaluation.images == 25 and evaluation.top_1 == pytest.approx(trained.test_accuracy, abs=1e-6)


def test_the_report_names_the_candidates_of_the_plugin(run, as_in_a_new_process):
    searched, _ = run
    with as_in_a_new_process():
        page = report(ReportConfig(run_dir=(str(searched.run_dir),))).read_text(encoding="utf-8")
    assert "squeeze_1x1" in page and "0 -&gt; 2" in page and "row 0" not in page


def test_the_sheet_lies_where_the_run_was_started(run):
    searched, _ = run
    assert (searched.run_dir / "contact_sheet.png").read_bytes()[1:4] == b"PNG"


def test_a_dry_run_in_a_file_is_one_sentence(data, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match=r"--run_dir=.*/run cannot be written \(File exists\); name another"):
        sdarts_tf.search.main(SearchConfig(dataset=data, run_dir=str(tmp_path / "run"), check_data=True, **TINY))


def test_the_dry_run_prints_what_is_odd_and_its_status_says_whether_the_data_can_be_used(data, tmp_path, capsys):
    path = data.removeprefix("npz:")
    with np.load(path) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    np.savez(tmp_path / "bad.npz", x_train=images, y_train=labels, x_test=images[:9], y_test=labels[:9] + 5)
    config = RetrainConfig(genotype="c10_s2_pgd", dataset=f"npz:{tmp_path / 'bad.npz'}", run_dir=str(tmp_path / "run"))
    assert sdarts_tf.retrain.main(dataclasses.replace(config, check_data=True)) == 2
    printed = capsys.readouterr().out
    assert "train: 120 images of 8 x 6 x 1, 10 classes" in printed and "has labels from 5 to 13" in printed
    assert (tmp_path / "run" / "retrain" / "contact_sheet.png").exists()
    assert not (tmp_path / "run" / "retrain" / "config.json").exists()


def test_a_served_grey_network_takes_files_of_any_color():
    data = DataDescription("own", (8, 6, 1), ("a", "b"), (0.5,), (0.5,))
    colored = tf.io.encode_png(tf.constant(np.full((8, 6, 3), (200, 100, 50), np.uint8)))
    grey = tf.io.encode_png(tf.constant(np.full((8, 6, 1), 124, np.uint8)))
    decoded = saved_model.decode(tf.stack([colored, grey]), data).numpy()
    assert decoded.shape == (2, 8, 6, 1) and np.unique(decoded).tolist() == [124]  # .299 R + .587 G + .114 B


def test_a_missing_plugin_ends_before_tensorflow_is_needed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["search.py", "--plugin=nowhere.py"])
    monkeypatch.setattr(command_line, "import_tensorflow", lambda: pytest.fail("imported"))
    assert command_line.run(sdarts_tf.search.main, SearchConfig, description="") == 2
    assert "--plugin=nowhere.py cannot be read (FileNotFoundError" in capsys.readouterr().err
