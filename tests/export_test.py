"""`sdarts_tf.export` of a small trained network in every format."""

import dataclasses
import errno
import importlib.util
import shutil

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import command_line
from sdarts_tf.analysis.evaluation import Evaluation
from sdarts_tf.config import ExportConfig
from sdarts_tf.data import sources
from sdarts_tf.data.augment import normalize
from sdarts_tf.errors import RunError
from sdarts_tf.export import export, main
from sdarts_tf.interop import lite, model_card, onnx, saved_model
from sdarts_tf.training import trained_files, trained_network

FORMATS = ("saved_model", "lite", "onnx")
MODELS = {
    "saved_model": {"saved_model.pb", "variables", "assets", "fingerprint.pb"},
    "lite": {"float32.tflite", "int8.tflite", "labels.txt", "genotype.json"},
    "onnx": {"model.onnx", "labels.txt", "genotype.json"},
}


def settings(run, out, **changes):
    return ExportConfig(run_dir=str(run), out=str(out), **changes)


@pytest.fixture(scope="module")
def exports(trained_run, tmp_path_factory):
    """Format -> the folder of its export; all three are versions of one folder."""
    out = tmp_path_factory.mktemp("exports") / "out"
    return {name: export(settings(trained_run, out, format=name)) for name in FORMATS}


@pytest.fixture(scope="module")
def expected(trained_run):
    """Test images and the network's probabilities of them."""
    source, network = sources.get("digits"), trained_network.load(trained_run).network
    images = source.load("test").images[:70]
    return images, tf.nn.softmax(network(normalize(images, source.mean, source.std))).numpy()


def test_each_export_is_a_version(exports):
    assert [exports[name].name for name in FORMATS] == ["1", "2", "3"]
    assert sorted(path.name for path in exports["onnx"].parent.iterdir()) == ["1", "2", "3"]
    for name, folder in exports.items():
        assert {path.name for path in folder.iterdir()} == MODELS[name] | {"MODEL_CARD.md"}


def test_labels_and_genotype_travel_along(exports, trained_run):
    genotype = trained_files.read(trained_run).genotype
    for name, folder in exports.items():
        assets = folder / "assets" if name == "saved_model" else folder
        assert (assets / "labels.txt").read_text().splitlines() == list("0123456789")
        assert type(genotype).load(assets / "genotype.json") == genotype


def test_saved_model(exports, expected):
    images, probabilities = expected
    model = tf.saved_model.load(exports["saved_model"])
    for count in (1, 70):
        answer = model.signatures["serving_default"](images=tf.constant(images[:count]))
        np.testing.assert_allclose(answer["probabilities"], probabilities[:count], atol=1e-5)
        np.testing.assert_allclose(tf.nn.softmax(answer["logits"]), probabilities[:count], atol=1e-5)
    assert [label.decode() for label in answer["label"].numpy()] == [str(i) for i in probabilities.argmax(1)]
    files = [tf.io.encode_png(image).numpy() for image in images]
    encoded = model.signatures["serve_encoded"](encoded_images=tf.constant(files))
    np.testing.assert_array_equal(encoded["class_index"], answer["class_index"])
    np.testing.assert_allclose(encoded["probabilities"], probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "module", "file"), [("lite", lite, lite.FLOAT), ("lite", lite, lite.INT8), ("onnx", onnx, onnx.MODEL)]
)
def test_other_runtimes(exports, expected, name, module, file):
    images, probabilities = expected
    answer = module.run(exports[name] / file, images)
    if file == lite.INT8:
        assert (answer["probabilities"].argmax(1) == probabilities.argmax(1)).mean() >= 0.95
    else:
        np.testing.assert_allclose(answer["probabilities"], probabilities, atol=1e-5)
        np.testing.assert_allclose(tf.nn.softmax(answer["logits"]), probabilities, atol=1e-5)


def test_the_card_has_the_figures(exports):
    cards = {name: (folder / "MODEL_CARD.md").read_text() for name, folder in exports.items()}
    for card in cards.values():
        assert "| parameters | 8,226 |" in card and "| multiply-adds per image | 0.13 M" in card
        assert "normal  node 2 <- sep_conv_3x3(1) + sep_conv_3x3(0)" in card
        assert "| channels | 4 |" in card and "On 360 test images" in card
        assert "run `python -m sdarts_tf.evaluate` and export again" in card
    assert "| serve_encoded | TensorFlow" in cards["saved_model"] and "`encoded_images`" in cards["saved_model"]
    assert "| float32.tflite | LiteRT" in cards["lite"] and "| accuracy -2 points |" in cards["lite"]
    assert "| model.onnx | onnxruntime" in cards["onnx"] and "| 1e-04 |" in cards["onnx"]


def test_the_card_knows_the_accuracy(trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    files = trained_files.read(run)
    (files.path / "result.json").write_text('{"checkpoint": "last", "test_accuracy": 0.5, "test_top5": null}')
    assert model_card.accuracy(files) == "Top-1 50.00 %, on the test split."
    assert model_card.accuracy(dataclasses.replace(files, checkpoint="best")).startswith("Not measured")


def test_the_card_has_no_accuracy_of_earlier_weights(trained_run, tmp_path):
    """A training that was evaluated, and then went on, keeps the name of its checkpoint and its evaluation.json."""
    run = shutil.copytree(trained_run, tmp_path / "run")
    files = trained_files.read(run)
    figures = {"images": 8, "top_1": 0.25, "top_5": 0.5, "class_accuracy": {}, "confusion": [], "latency": {}}
    cost = {"parameters": 1, "auxiliary_parameters": 0, "multiply_adds": 1, "device": "CPU"}
    weights = {"checkpoint": "last", "epoch": files.epoch}
    evaluated = Evaluation(dataset="digits", split="test", **weights, **figures, **cost)
    (files.path / "evaluation.json").write_text(evaluated.to_json())
    assert model_card.accuracy(files) == "Top-1 25.00 %, top-5 50.00 %, on 8 images of the test split."
    trained_network.save(files.path, "last", trained_network.load(run).network, files.epoch + 1)
    assert model_card.accuracy(trained_files.read(run)).startswith("Not measured")


def test_a_mismatch_leaves_nothing(trained_run, tmp_path, monkeypatch):
    convert = onnx.convert
    monkeypatch.setattr(onnx, "convert", lambda network, data: convert(lambda x: network(x) * 1.001, data))
    with pytest.raises(RunError, match=r"^model\.onnx differs from the network by .* and 1e-04 is allowed"):
        export(settings(trained_run, tmp_path / "out", format="onnx", compared_images=20))
    assert not (tmp_path / "out").exists()


def test_wrong_labels_leave_nothing(trained_run, tmp_path, monkeypatch):
    run = saved_model.run

    def swapped(folder, sample):
        outputs = run(folder, sample)
        outputs["serve_encoded"]["label"] = outputs["serve_encoded"]["label"][::-1]
        return outputs

    monkeypatch.setattr(saved_model, "run", swapped)
    with pytest.raises(RunError, match="The labels of signature serve_encoded are not those of its logits"):
        export(settings(trained_run, tmp_path / "out", compared_images=20))
    assert not (tmp_path / "out").exists()


def call(monkeypatch, capsys, *argv):
    monkeypatch.setattr("sys.argv", ["export.py", *argv])
    status = command_line.run(main, ExportConfig, description="")
    return status, capsys.readouterr().err


def test_a_full_disk_leaves_nothing(trained_run, tmp_path, monkeypatch, capsys):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(model_card, "write", full)  # the model itself has been written then
    flags = ("--format=onnx", "--compared_images=2")
    status, text = call(monkeypatch, capsys, f"--run_dir={trained_run}", f"--out={tmp_path}/out", *flags)
    assert (status, text) == (1, "sdarts_tf.export: The disk is full; free some space, then run the command again.\n")
    assert not (tmp_path / "out").exists()


def test_bad_input_is_one_sentence_and_writes_nothing(trained_run, tmp_path, monkeypatch, capsys):
    out, run = f"--out={tmp_path / 'out'}", f"--run_dir={trained_run}"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")

    def sentence(*argv):
        status, text = call(monkeypatch, capsys, *argv)
        assert status == 2 and text.count("\n") == 1
        return text

    assert "--run_dir and --out are both needed" in sentence(run)
    assert "--format=caffe is not known; choose from saved_model, lite, onnx." in sentence(run, out, "--format=caffe")
    assert "holds no trained network; run python -m sdarts_tf.retrain" in sentence(f"--run_dir={tmp_path}", out)
    assert "holds no best checkpoint" in sentence(run, out, "--checkpoint=best")
    assert "holds 'notes.txt', so it is no folder of exports" in sentence(run, f"--out={tmp_path / 'mine'}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "module"), [("lite", "ai_edge_litert"), ("onnx", "tf2onnx")])
def test_a_missing_extra_is_named(trained_run, tmp_path, monkeypatch, capsys, name, module):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted == module else find(wanted))
    status, text = call(
        monkeypatch, capsys, f"--run_dir={trained_run}", f"--out={tmp_path / 'out'}", f"--format={name}"
    )
    assert status == 2
    assert f"--format={name} needs {module}, which is not installed; run pip install 'sdarts_tf[{name}]'." in text
