"""`sdarts_tf.evaluate` on a small trained network."""

import json
import shutil

import numpy as np
import pytest

from sdarts_tf import command_line
from sdarts_tf.analysis.evaluation import Evaluation
from sdarts_tf.config import EvaluateConfig
from sdarts_tf.data import sources
from sdarts_tf.data.augment import normalize
from sdarts_tf.errors import InputError
from sdarts_tf.evaluate import evaluate, main
from sdarts_tf.training import trained_files, trained_network


@pytest.fixture(scope="module")
def run(trained_run, tmp_path_factory):
    """A copy, since evaluating writes into the run."""
    return shutil.copytree(trained_run, tmp_path_factory.mktemp("evaluate") / "run")


@pytest.fixture(scope="module")
def evaluation(run):
    return evaluate(EvaluateConfig(run_dir=str(run)))


def test_the_accuracy_is_the_networks(run, evaluation):
    source, network = sources.get("digits"), trained_network.load(run).network
    test = source.load("test")
    right = np.argmax(network(normalize(test.images, source.mean, source.std)), axis=1) == test.labels
    assert evaluation.images == 360
    assert evaluation.top_1 == pytest.approx(right.mean()) and evaluation.top_1 > 0.85
    for label, name in enumerate(source.label_names):
        assert evaluation.class_accuracy[name] == pytest.approx(right[test.labels == label].mean())
    assert np.trace(evaluation.confusion) == right.sum()
    assert evaluation.top_1 <= evaluation.top_5 <= 1


def test_cost(evaluation):
    assert (evaluation.parameters, evaluation.auxiliary_parameters) == (8226, 0)
    assert evaluation.multiply_adds == 134_592
    assert evaluation.latency.keys() == {1, 64}
    assert min(evaluation.latency.values()) > 0


def test_files(run, evaluation):
    path = run / trained_files.FOLDER
    assert Evaluation.from_json((path / "evaluation.json").read_text()) == evaluation
    assert json.loads((path / "evaluation.json").read_text())["split"] == "test"
    assert (path / "confusion.png").read_bytes()[1:4] == b"PNG"
    assert (path / "confusion.svg").read_text().startswith("<?xml")


def test_first_examples_of_the_training_split(run, capsys, monkeypatch):
    monkeypatch.setattr("sdarts_tf.evaluate._LATENCY_BATCHES", (1,))
    config = EvaluateConfig(run_dir=str(run), split="train", max_examples=30, batch_size=7, checkpoint="last")
    main(config)
    table = capsys.readouterr().out
    assert table.startswith("digits, train split, 30 images, checkpoint last of epoch 60\n")
    labels = sources.get("digits").load("train").labels[:30]
    saved = Evaluation.from_json((run / trained_files.FOLDER / "evaluation.json").read_text())
    assert np.sum(saved.confusion, axis=1).tolist() == np.bincount(labels, minlength=10).tolist()


def call(monkeypatch, capsys, *argv):
    monkeypatch.setattr("sys.argv", ["evaluate.py", *argv])
    status = command_line.run(main, EvaluateConfig, description="")
    return status, capsys.readouterr().err


def test_bad_input_is_one_sentence(tmp_path, trained_run, monkeypatch, capsys):
    def sentence(*argv):
        status, text = call(monkeypatch, capsys, *argv)
        assert status == 2 and text.count("\n") == 1
        return text

    assert "--run_dir is needed" in sentence()
    assert f"--run_dir={tmp_path} holds no trained network; run python -m" in sentence(f"--run_dir={tmp_path}")
    assert "holds no best checkpoint" in sentence(f"--run_dir={trained_run}", "--checkpoint=best")
    assert "--split=valid is not known; choose from test, train." in sentence("--split=valid")


@pytest.mark.parametrize("name", ["genotype.json", "data.json", "config.json"])
def test_a_damaged_file_is_named(tmp_path, trained_run, name):
    run = shutil.copytree(trained_run, tmp_path / "run")
    (run / trained_files.FOLDER / name).write_text("{")
    with pytest.raises(InputError, match=r"damaged|not JSON"):
        evaluate(EvaluateConfig(run_dir=str(run)))


def test_a_folder_without_a_checkpoint(tmp_path, trained_run):
    run = shutil.copytree(trained_run, tmp_path / "run", ignore=shutil.ignore_patterns("last"))
    with pytest.raises(InputError, match="holds no best and no last checkpoint; finish at least one epoch"):
        evaluate(EvaluateConfig(run_dir=str(run)))


def test_data_of_other_classes(tmp_path, trained_run):
    run = shutil.copytree(trained_run, tmp_path / "run")
    path = run / trained_files.FOLDER / "data.json"
    path.write_text(path.read_text().replace('"9"', '"nine"'))
    with pytest.raises(InputError, match=r"has other classes than the 10 that the network in .* was trained for"):
        evaluate(EvaluateConfig(run_dir=str(run)))
