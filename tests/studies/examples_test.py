"""The programs of `examples/` that need Keras or keras-tuner."""

import importlib.util
import pathlib
import sys

import keras
import numpy as np
import pytest

from sdarts_tf.data import sources
from sdarts_tf.genotypes import published

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def load(name):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_found_cell_is_a_layer_that_fit_trains(tmp_path):
    """Every weight of the cells moves, the batch statistics too, and the loss falls."""
    source = sources.get("digits")
    digits = source.load("train")
    model = load("cell_in_my_model").build(published.get("c10_s2_pgd"), source.image_shape, 10, channels=2, blocks=1)
    cells = [layer for layer in model.layers if type(layer).__name__ == "Cell"]
    before = [variable.numpy() for cell in cells for variable in cell.variables]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Eagerly: building a graph takes longer than these steps.
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"], run_eagerly=True)
    history = model.fit(digits.images[:16], digits.labels[:16], batch_size=16, epochs=4, verbose=0).history
    after = [variable.numpy() for cell in cells for variable in cell.variables]
    assert len(cells) == 2 and len(before) > 50
    assert all(np.abs(x - y).max() > 0 for x, y in zip(before, after, strict=True))
    assert history["loss"][-1] < history["loss"][0] - 0.1
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(digits.images[:4]), model(digits.images[:4]))


@pytest.mark.parametrize(("genotype", "message"), [("nowhere", "nowhere"), ("penn_pgd", "one 'normal' and one 'red")])
def test_the_cell_example_refuses_what_is_no_image_cell(genotype, message, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cell_in_my_model.py", f"--genotype={genotype}"])
    with pytest.raises(SystemExit, match=message):
        load("cell_in_my_model").main()


@pytest.mark.slow
def test_the_cell_example_as_a_program(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cell_in_my_model.py", "--epochs=5", "--channels=4", "--blocks=1"])
    load("cell_in_my_model").main()
    accuracy = float(capsys.readouterr().out.splitlines()[-1].split()[-1].rstrip("%"))
    assert accuracy > 60


def test_the_settings_of_the_keras_tuner_example():
    """The space that keras-tuner explores there; the program itself is a slow test."""
    keras_tuner = pytest.importorskip("keras_tuner")
    settings, hp = load("tune_from_keras_tuner").settings, keras_tuner.HyperParameters()
    assert (settings(hp).method, settings(hp).epsilon, settings(hp).epochs) == ("darts", 0.3, 1)
    hp.values |= {"method": "rs", "epsilon": 0.5, "epochs": 3}
    assert (settings(hp).method, settings(hp).epsilon, settings(hp).epochs) == ("rs", 0.5, 3)
    assert [each.name for each in hp.space] == ["method", "epsilon", "epochs"]


@pytest.mark.slow
def test_the_keras_tuner_example_as_a_program(tmp_path, monkeypatch, capsys):
    pytest.importorskip("keras_tuner")
    monkeypatch.setattr(sys, "argv", ["x", f"--directory={tmp_path / 'tune'}", "--trials=2"])
    load("tune_from_keras_tuner").main()
    assert capsys.readouterr().out.splitlines()[-1].startswith("{'method': ")
    assert len(list((tmp_path / "tune" / "trials").glob("*/genotype.json"))) == 2
