"""The Hessian by alpha of a search on text: exact, measured by a search, and the same when it is analyzed."""

import json

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.analyze import analyze
from sdarts_tf.config import AnalyzeConfig, SearchConfig
from sdarts_tf.data import text
from sdarts_tf.errors import InputError
from sdarts_tf.layers import recurrent
from sdarts_tf.search import search
from sdarts_tf.training.text_search import TextTask

SMALL = {"space": "recurrent", "dataset": "text", "units": 3, "batch_size": 4, "bptt": 4}


@pytest.fixture(scope="module")
def text_dir(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("text"), np.random.RandomState(0)
    for part in text.SPLITS:
        (folder / f"{part}.txt").write_text(" ".join(random.choice(["a", "b", "c", "d"], 90)))
    return str(folder)


@pytest.fixture
def task(text_dir, monkeypatch):
    """With a smooth function in place of the rectifier, at whose kink a finite difference meets a jump."""
    monkeypatch.setitem(recurrent.ACTIVATIONS, "relu", tf.nn.softplus)
    task = TextTask(SearchConfig(**SMALL).completed(), text.read("text", text_dir))
    for number, variable in enumerate(task.step.supernet.trainable_variables):
        variable.assign(0.5 * tf.random.stateless_normal(variable.shape, (number, 0)))
    return task


def flat(nest):
    return np.concatenate([np.reshape(part, -1) for part in tf.nest.flatten(nest)]).astype(np.float64)


@pytest.mark.parametrize(("of", "training"), [("alpha", True), pytest.param("weights", False, marks=pytest.mark.slow)])
def test_products_are_slopes_of_the_gradient(task, of, training):
    """And batch statistics do not move."""
    architecture, supernet = task.step.architecture, task.step.supernet
    objective = task.objective(tf.nest.map_structure(tf.constant, task.fixed_batches(4, 2)[1]), training=training)
    mixture = architecture.mixture()
    before = [variable.numpy() for variable in supernet.variables]

    def gradient(at):
        if of == "weights":
            return objective.loss_and_gradients(at, mixture)[1]
        mixture_there, pullback = architecture.mixture_and_pullback(at)
        return pullback(objective.loss_and_gradient(mixture_there)[1])

    def arguments(at):
        if of == "weights":
            return {"mixture": mixture, "weights": at}
        return {"mixture": architecture.mixture_and_pullback(at)[0]}

    alpha = {group: tf.convert_to_tensor(variable) for group, variable in architecture.alpha.items()}
    weights = [tf.convert_to_tensor(variable.value) for variable in supernet.trainable_variables]
    at, size = (alpha, 1e-2) if of == "alpha" else (weights, 1e-3)
    draws = [tf.random.stateless_normal(part.shape, (number, 1)) for number, part in enumerate(tf.nest.flatten(at))]
    direction = tf.nest.pack_sequence_as(at, draws)

    def shifted(by):
        return flat(gradient(tf.nest.map_structure(lambda x, d: x + by * d, at, direction)))

    slope = (shifted(size) - shifted(-size)) / (2 * size)
    exact = flat(tf.function(lambda: objective.hessian_product(at, direction, arguments))())
    assert np.linalg.norm(exact) > 1e-3
    assert np.linalg.norm(exact - slope) < 2e-3 * np.linalg.norm(exact)
    for variable, value in zip(supernet.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


@pytest.mark.slow
def test_a_search_measures_what_its_analysis_finds(text_dir, tmp_path):
    measuring = {"hessian_every": 1, "hessian_batches": 2, "stop": "eigenvalue"}
    # Else all three units are often dropped: normalizing nothing nine times in a row lets the gradient overflow.
    kept = {f"{what}_dropout": 0.0 for what in ("embedding", "input", "hidden", "output")}
    settings = {"data_dir": text_dir, "epochs": 2, "run_dir": str(tmp_path / "run"), **kept}
    search(SearchConfig(**SMALL, **measuring, **settings))
    recorded = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert recorded["hessian_norm"] > 1e-3
    small = {"batches": 2, "grid": 0, "weight_steps": 2, "weight_vectors": 1, "draws": 1}
    (analysis,) = analyze(AnalyzeConfig(run_dir=(str(tmp_path / "run"),), **small)).values()
    (checkpoint,) = analysis["checkpoints"]
    hessian = checkpoint["alpha_hessian"]
    assert len(hessian["eigenvalues"]) == 36 * 5
    for ours, theirs in (("spectral_norm", "hessian_norm"), ("spread", "hessian_spread")):
        assert hessian[ours] == pytest.approx(recorded[theirs], rel=1e-3)
    assert set(checkpoint["gap"]) == {"mixture", "one_hot", "pruned"}
    assert checkpoint["gap"]["mixture"]["loss"] == pytest.approx(checkpoint["sensitivity"]["clean_loss"])
    assert checkpoint["weight_hessian"]["spectral_norm"] > 0


def test_what_cannot_be_measured(text_dir, tmp_path):
    settings = {**SMALL, "data_dir": text_dir, "run_dir": str(tmp_path / "run")}
    with pytest.raises(InputError, match="9 windows of 4 x 4 tokens are more than the 5 of the validation text"):
        search(SearchConfig(**settings, hessian_every=1, hessian_batches=9))
    with pytest.raises(InputError, match="--stop=skips:2 counts skip connections, which a recurrent cell has not"):
        search(SearchConfig(**settings, stop="skips:2"))
    assert not (tmp_path / "run").exists()
