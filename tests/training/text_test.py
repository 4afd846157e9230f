"""A search and a training on a small text, from the flags to the sampled words."""

import dataclasses
import itertools
import json
import math
import random
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.config import EvaluateConfig, ExportConfig, RetrainConfig, SearchConfig
from sdarts_tf.data import text
from sdarts_tf.errors import InputError
from sdarts_tf.evaluate import evaluate
from sdarts_tf.export import export
from sdarts_tf.interop import language_model
from sdarts_tf.methods import perturbations
from sdarts_tf.retrain import retrain
from sdarts_tf.search import search
from sdarts_tf.training import trained_files, trained_network
from sdarts_tf.training.optimizers import Average
from sdarts_tf.training.text_evaluate import TextEvaluation
from sdarts_tf.training.text_search import TextTask, build_text_step

UNITS, STREAMS = 6, 4
SMALL = {"units": UNITS, "batch_size": STREAMS, "bptt": 8}


@pytest.fixture(scope="module")
def text_dir(tmp_path_factory):
    """Sentences whose third word follows from the first, so that there is something to learn."""
    folder, draw = tmp_path_factory.mktemp("text"), random.Random(0)
    for part, lines in (("train", 150), ("valid", 60), ("test", 20)):
        words = (draw.choice(("cats see mice", "dogs see cats", "mice fear all")) for _ in range(lines))
        (folder / f"{part}.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return str(folder)


def settings(config_class, text_dir, **changes):
    return config_class(**{"dataset": "text", "data_dir": text_dir} | SMALL | changes)


@pytest.fixture(scope="module")
def task(text_dir):
    config = settings(SearchConfig, text_dir, space="recurrent", method="adv+second_order").completed()
    return TextTask(config, text.read("text", text_dir))


def state(step, hidden):
    variables = [*step.architecture.alpha.values(), *(v.value for v in step.supernet.variables), *hidden.values()]
    return [variable.numpy() for variable in variables]


# The step.


def test_windows_of_alpha_follow_those_of_the_weights(task):
    """At the same row modulo the length of the shorter text, with the usual length; zero states in every epoch."""
    first = task.first_step(1)
    for number, (train, valid) in enumerate(task.batches(0, first + 1)):
        row = task.windows.epoch(number // first)[number % first][0]
        np.testing.assert_array_equal(train.tokens[0], task.train_rows[row])
        start = row % (len(task.valid_rows) - 1)
        np.testing.assert_array_equal(valid.tokens[0], task.valid_rows[start])
        assert valid.length == min(8, len(task.valid_rows) - 1 - start)
        assert train.fresh == valid.fresh == (number in (0, first))
    assert number == first


def test_a_step_moves_all_and_is_traced_once(task):
    """Windows of several lengths, rates and epsilons share a trace; both hidden states go on."""
    step, hidden = task.step, task.tracked["hidden"]
    function = tf.function(step)
    before = state(step, hidden)
    # The last windows of both texts are shorter than the others.
    last = task.first_step(1)
    for number, (train, valid) in enumerate(task.batches(last - 3, last + 1)):
        figures = function(train, valid, tf.constant(1.0), tf.constant(0.1), tf.constant([0, number]))
        assert float(figures["non_finite"]) == 0
    assert function.experimental_get_tracing_count() == 1
    for value, old in zip(state(step, hidden), before, strict=True):
        assert np.isfinite(value).all() and not np.array_equal(value, old)


def test_the_step_of_the_weights_is_as_long_as_the_window():
    """Plain SGD after clipping to 0.25: a window of a quarter of the usual length moves a quarter as far."""
    moves = []
    for bptt in (8, 32):
        tf.keras.utils.set_random_seed(1)
        config = SearchConfig(space="recurrent", method="darts", units=UNITS, batch_size=STREAMS, bptt=bptt)
        step, _ = build_text_step(dataclasses.replace(config, weight_decay=0.0), vocabulary=9)
        rows = np.random.RandomState(0).randint(0, 9, (9, STREAMS)).astype(np.int32)
        batch = tf.nest.map_structure(tf.constant, text.window(rows, 0, 8, 8, fresh=True))
        bias = step.supernet.bias.numpy()
        step(batch, batch, tf.constant(4.0), tf.constant(0.1), tf.constant([0, 1]))
        moves.append(step.supernet.bias.numpy() - bias)
    np.testing.assert_allclose(moves[0], 4 * moves[1], rtol=1e-4, atol=1e-7)


def test_an_attack_raises_the_loss_and_moves_nothing(task):
    step, hidden = task.step, task.tracked["hidden"]
    train, _ = next(iter(task.batches(0, 1)))
    objective = step._train_objective(step.supernet, tf.nest.map_structure(tf.constant, train), training=False)
    before, clean = state(step, hidden), step.architecture.mixture()
    hard = perturbations.adversarial()(clean, objective.repeated(), epsilon=tf.constant(0.3), seed=(1, 2))
    assert float(objective.loss_and_gradient(hard)[0]) > float(objective.loss_and_gradient(clean)[0]) + 1e-5
    for value, old in zip(state(step, hidden), before, strict=True):
        np.testing.assert_array_equal(value, old)


def test_perplexity_does_not_depend_on_the_length_of_the_windows(task):
    """The state goes on from window to window, so that a text is one long window."""
    mixture = task.step.architecture.mixture()
    evaluation = TextEvaluation(task.step.supernet, UNITS)
    whole = evaluation(text.sweep(task.evaluated_rows, len(task.evaluated_rows)), mixture)
    np.testing.assert_allclose(evaluation(text.sweep(task.evaluated_rows, 3), mixture), whole, rtol=1e-5)
    # An untrained model says little: its perplexity is near the number of words.
    assert abs(task.evaluate(0, mixture)["valid_perplexity"] - math.exp(whole[0])) < 1e-3


# The commands.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dataset": "digits"},
            r"--dataset=digits is not for the space recurrent; choose from ptb, text, or a space",
        ),
        ({"dataset": "nothing"}, r"--dataset=nothing is unknown; choose from ptb, text\.$"),
        ({"space": "s5"}, r"--dataset=text is not for the space s5; choose from digits, .*, or a space for texts\.$"),
        ({"data_dir": "/nowhere"}, r"^--data_dir=/nowhere holds no text for --dataset=text; put train\.txt"),
        ({"batch_size": 100}, r"^The validation text has 240 tokens, too few for 100 streams of at least 3; lower"),
    ],
)
def test_a_search_that_cannot_be_started_writes_nothing(text_dir, tmp_path, changes, message):
    given = {"space": "recurrent", "run_dir": str(tmp_path / "run")} | changes
    with pytest.raises(InputError, match=message):
        search(settings(SearchConfig, text_dir, **given))
    assert not (tmp_path / "run").exists()


def variables(folder):
    """All that the last checkpoint holds, but for times."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
    names = [name for name in reader.get_variable_to_shape_map() if "/.ATTRIBUTES/VARIABLE_VALUE" in name]
    return {name: reader.get_tensor(name) for name in names if not name.startswith(("epoch_seconds", "save_count"))}


def assert_equal(folder, expected):
    found, wanted = variables(folder), variables(expected)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_search_resumes_bit_for_bit(text_dir, tmp_path, monkeypatch):
    """Stopped within an epoch, when both hidden states and the place in the texts matter."""
    config = settings(SearchConfig, text_dir, space="recurrent", method="rs", epochs=2, max_examples=150)
    config = dataclasses.replace(config, checkpoint_seconds=0.0)
    whole = search(dataclasses.replace(config, run_dir=str(tmp_path / "whole")))
    _stop_after(monkeypatch, 3)
    with pytest.raises(KeyError):
        search(dataclasses.replace(config, run_dir=str(tmp_path / "parts")))
    monkeypatch.undo()
    parts = search(SearchConfig(run_dir=str(tmp_path / "parts"), resume=True))
    assert parts.genotype == whole.genotype
    assert_equal(tmp_path / "parts" / "checkpoints", tmp_path / "whole" / "checkpoints")
    epochs = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert epochs[-1]["valid_perplexity"] == math.exp(epochs[-1]["valid_loss"])


def _stop_after(monkeypatch, steps):
    """Lets every later step fail."""
    from sdarts_tf.training.epoch_loop import EpochLoop

    before = EpochLoop._save

    def save(loop, number):
        before(loop, number)
        if number >= steps:
            raise KeyError

    monkeypatch.setattr(EpochLoop, "_save", save)


@pytest.fixture(scope="module")
def trained(text_dir, tmp_path_factory):
    """A model that has learned the sentences."""
    run_dir = str(tmp_path_factory.mktemp("trained") / "run")
    dropout = {f"{name}_dropout": 0.0 for name in ("word", "embedding", "input", "hidden", "output")}
    changes = {"genotype": "penn_pgd", "epochs": 14, "averaging_patience": 1, "learning_rate": 10.0, "units": 12}
    return retrain(settings(RetrainConfig, text_dir, run_dir=run_dir, **changes, **dropout))


def test_the_sentences_are_learned(trained):
    """Nine words and ends of lines; only which of three sentences comes next cannot be known: log(3) in 4 tokens."""
    metrics = [json.loads(line) for line in (trained.run_dir / "retrain" / "metrics.jsonl").read_text().splitlines()]
    assert metrics[0]["valid_perplexity"] > 4 > trained.test_perplexity > 3 ** (1 / 4)
    assert trained.test_perplexity == math.exp(trained.test_loss)
    assert trained.checkpoint == "best"


def test_averaging_starts_where_the_loss_is_above_the_best_before(trained):
    metrics = [json.loads(line) for line in (trained.run_dir / "retrain" / "metrics.jsonl").read_text().splitlines()]
    losses, expected, averaged = [], [], 0
    for line in metrics:
        expected.append(averaged)
        averaged |= len(losses) > 1 and line["valid_loss"] > min(losses[:-1])
        losses.append(line["valid_loss"])
    assert [line["averaged"] for line in metrics] == expected
    assert 0 < sum(expected) < len(expected)


def test_the_average_is_the_mean_since_it_is_active():
    weight = tf.Variable([1.0, -1.0])
    average = Average([weight])
    average.update()
    with average.applied():
        np.testing.assert_array_equal(weight, [1, -1])
    average.active.assign(True)
    update = tf.function(average.update)
    values = np.random.RandomState(0).normal(size=(5, 2)).astype(np.float32)
    for value in values:
        weight.assign(value)
        update()
    with average.applied():
        np.testing.assert_allclose(weight, values.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(weight, values[-1])


def test_a_training_resumes_bit_for_bit(text_dir, tmp_path, monkeypatch):
    config = settings(RetrainConfig, text_dir, genotype="penn_random", epochs=3, averaging_patience=1)
    config = dataclasses.replace(config, checkpoint_seconds=0.0, max_examples=200)
    whole = retrain(dataclasses.replace(config, run_dir=str(tmp_path / "whole")))
    _stop_after(monkeypatch, 9)
    with pytest.raises(KeyError):
        retrain(dataclasses.replace(config, run_dir=str(tmp_path / "parts")))
    monkeypatch.undo()
    parts = retrain(RetrainConfig(run_dir=str(tmp_path / "parts"), resume=True))
    assert parts.test_perplexity == whole.test_perplexity
    for folder in ("checkpoints", "best", "last"):
        assert_equal(tmp_path / "parts" / "retrain" / folder, tmp_path / "whole" / "retrain" / folder)


def test_a_training_goes_on_with_its_own_text_only(trained, text_dir, tmp_path):
    for part in text.SPLITS:
        (tmp_path / f"{part}.txt").write_text("other words\n" * 20)
    resumed = {"run_dir": str(trained.run_dir), "resume": True, "data_dir": str(tmp_path)}
    with pytest.raises(InputError, match=r"has other tokens than the run began with; name its folder\.$"):
        retrain(RetrainConfig(**resumed))
    with pytest.raises(InputError, match=r"have other words than the \d+ that the model in .* was trained for; name"):
        evaluate(EvaluateConfig(run_dir=str(trained.run_dir), data_dir=str(tmp_path)))


def test_evaluation_finds_what_training_found(trained):
    evaluation = evaluate(EvaluateConfig(run_dir=str(trained.run_dir)))
    assert evaluation.test.perplexity == pytest.approx(trained.test_perplexity, rel=1e-6)
    assert evaluation.test.tokens == 4 * 20 - 1 and evaluation.streams == 1
    record = json.loads((trained.run_dir / "retrain" / "evaluation.json").read_text())
    assert record["valid"]["perplexity"] == evaluation.valid.perplexity == math.exp(record["valid"]["loss"])


def test_an_exported_model_goes_on_from_its_state_and_writes(trained, tmp_path):
    folder = export(ExportConfig(run_dir=str(trained.run_dir), out=str(tmp_path / "out"), compared_images=30))
    assert "on 30 tokens, read one by one" in (folder / "MODEL_CARD.md").read_text()
    flags = [str(folder), "--prompt=<eos> dogs", "--length=40", "--temperature=0.2"]
    process = subprocess.run([sys.executable, "examples/sample_text.py", *flags], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    written = process.stdout.replace("\n", " <eos> ").split()
    assert written[:2] == ["<eos>", "dogs"]
    # The least that was learned at so low a temperature: after "mice fear" comes "all", after "all" the end.
    pairs = list(itertools.pairwise(written))
    assert all(after == "<eos>" for word, after in pairs if word == "all")
    assert len(set(written)) > 3
    other = trained_network.load(trained.run_dir, "last").network
    other.bias.assign_add(tf.range(other.vocabulary, dtype=tf.float32))
    tokens = np.zeros(3, np.int32)
    assert language_model.difference(other, trained_files.read(trained.run_dir).data, tokens, folder) > 1e-2
    with pytest.raises(InputError, match=r"^--format=onnx is for classifiers|needs onnx"):
        export(ExportConfig(run_dir=str(trained.run_dir), out=str(tmp_path / "out"), format="onnx"))


def test_a_recurrent_cell_is_not_trained_on_images(tmp_path):
    config = RetrainConfig(genotype="penn_pgd", dataset="digits", run_dir=str(tmp_path / "run"))
    with pytest.raises(InputError, match=r"^--dataset=digits is not for the space recurrent; choose from ptb, text"):
        retrain(config)
    config = RetrainConfig(genotype="c10_s2_pgd", dataset="ptb", run_dir=str(tmp_path / "run"))
    with pytest.raises(
        InputError, match=r"^--dataset=ptb is not for the space s2; choose from digits, .* for texts\.$"
    ):
        retrain(config)
    assert not (tmp_path / "run").exists()
