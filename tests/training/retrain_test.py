"""Whole trainings of derived networks, from Python and from the command line."""

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sdarts_tf import command_line, spaces
from sdarts_tf import config as configuration
from sdarts_tf.analysis import cost
from sdarts_tf.config import EvaluateConfig, RetrainConfig, SearchConfig
from sdarts_tf.data import pictures, sources
from sdarts_tf.errors import InputError, RunError
from sdarts_tf.evaluate import evaluate
from sdarts_tf.genotypes import published
from sdarts_tf.retrain import retrain
from sdarts_tf.spaces import nasbench1shot1_cells, nasbench201_cells
from sdarts_tf.training import trained_network
from sdarts_tf.training.interruption import Paused

ROOT = pathlib.Path(__file__).parents[2]
TINY = {"channels": 2, "cells": 3, "epochs": 2, "max_examples": 100, "batch_size": 16}
DIGITS = TINY | {"dataset": "digits", "genotype": "c10_s2_pgd"}
IMAGE_CELLS = [name for name in published.NAMES if published.get(name).space in spaces.NAMES]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def searched(run_dir, **settings):
    """The folder of a finished search, as far as retraining reads it."""
    run_dir.mkdir()
    (run_dir / "config.json").write_text(configuration.to_json(SearchConfig(**settings)))
    (run_dir / "genotype.json").write_text(published.get("c10_s2_random").to_json())
    return str(run_dir)


def accuracies(network, data, split):
    """Top-1 and top-5, computed by NumPy."""
    examples = sources.get("digits").load(split)
    logits = network(((examples.images / 255 - data.mean) / data.std).astype(np.float32)).numpy()
    ranking = np.argsort(-logits, axis=1) == examples.labels[:, np.newaxis]
    return ranking[:, 0].mean(), ranking[:, :5].any(axis=1).mean()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three epochs on digits, with a fifth of 100 images held out."""
    settings = DIGITS | {"epochs": 3, "valid_share": 0.2, "learning_rate": 0.1}
    return retrain(RetrainConfig(run_dir=str(tmp_path_factory.mktemp("retrain") / "run"), **settings))


def test_files_of_a_trained_network(run):
    assert [path.name for path in run.run_dir.iterdir()] == ["retrain"]
    assert {path.name for path in (run.run_dir / "retrain").iterdir()} == {
        *("config.json", "run.flags", "genotype.json", "data.json", "metrics.jsonl", "result.json", "log.txt"),
        *("best", "last", "checkpoints", "events"),
    }
    assert list((run.run_dir / "retrain" / "events").glob("events*"))
    assert run.genotype == published.get("c10_s2_pgd")


def test_figures_of_every_epoch(run):
    metrics = lines(run.run_dir / "retrain" / "metrics.jsonl")
    assert [record["epoch"] for record in metrics] == [1, 2, 3]
    rates = [0.05 * (1 + np.cos(np.pi * epoch / 3)) for epoch in range(3)]
    assert [record["learning_rate"] for record in metrics] == pytest.approx(rates)
    assert [record["drop_rate"] for record in metrics] == pytest.approx([0.0, 0.2 / 3, 0.4 / 3])
    for record in metrics:
        assert 0 <= record["valid_accuracy"] <= record["valid_top5"] <= 1
        assert record["valid_loss"] > 0 and record["seconds"] > 0 and record["non_finite_losses"] == 0


def test_the_test_figures_are_those_of_the_stored_network(run):
    trained = trained_network.load(run.run_dir)
    files = trained.files
    assert files.checkpoint == run.checkpoint == "best" and files.data == sources.get("digits").description
    top1, top5 = accuracies(trained.network, files.data, "test")
    assert run.test_accuracy == pytest.approx(top1, abs=1e-6) and run.test_top5 == pytest.approx(top5, abs=1e-6)
    record = json.loads((run.run_dir / "retrain" / "result.json").read_text())
    assert record == {name: getattr(run, name) for name in record} and len(record) == 4


def test_best_is_the_epoch_with_the_highest_validation_accuracy(run):
    metrics = lines(run.run_dir / "retrain" / "metrics.jsonl")
    best = max(range(3), key=lambda epoch: (metrics[epoch]["valid_accuracy"], -epoch))
    assert (run.run_dir / "retrain" / "best" / "checkpoint").read_text().splitlines()[0].endswith(f'-{best + 1}"')
    assert (run.run_dir / "retrain" / "last" / "checkpoint").read_text().splitlines()[0].endswith('-3"')


def test_the_held_out_images_are_the_last(run):
    trained = trained_network.load(run.run_dir, "last")
    examples, data = sources.get("digits").load("train").part(80, 100), trained.files.data
    logits = trained.network(((examples.images / 255 - data.mean) / data.std).astype(np.float32))
    expected = lines(run.run_dir / "retrain" / "metrics.jsonl")[-1]["valid_accuracy"]
    assert (logits.numpy().argmax(axis=1) == examples.labels).mean() == pytest.approx(expected, abs=1e-6)


def test_evaluation_repeats_the_test_of_a_network_with_noise(tmp_path):
    """To the digit, though noise is drawn in both, from a seed of its own in every training."""
    record = _genotype(
        cells={"normal": [["sep_conv_3x3", 0, 2], ["noise", 1, 2]]}, outputs={"normal": [2], "reduce": [2]}
    )
    (tmp_path / "genotype.json").write_text(json.dumps(record))
    settings = DIGITS | {"genotype": str(tmp_path / "genotype.json"), "epochs": 1, "seed": 3}
    result = retrain(RetrainConfig(run_dir=str(tmp_path / "run"), **settings))
    evaluation = evaluate(EvaluateConfig(run_dir=str(tmp_path / "run")))
    assert (evaluation.top_1, evaluation.top_5) == (result.test_accuracy, result.test_top5)


def test_saved_flags_reproduce_the_run(run, tmp_path):
    flags = [f"--flagfile={run.run_dir}/retrain/run.flags", f"--run_dir={tmp_path}/again"]
    again = retrain(command_line.parse(RetrainConfig, flags))
    assert dataclasses.replace(again, run_dir=run.run_dir) == run


def test_a_search_gives_genotype_data_set_and_folder(tmp_path):
    run_dir = searched(tmp_path / "run", dataset="digits", data_dir=str(tmp_path), space="s2")
    result = retrain(RetrainConfig(run_dir=run_dir, **TINY | {"epochs": 1}))
    assert result.genotype == published.get("c10_s2_random") and result.checkpoint == "last"
    saved = configuration.from_json(RetrainConfig, (tmp_path / "run" / "retrain" / "config.json").read_text())
    assert (saved.dataset, saved.data_dir) == ("digits", str(tmp_path))
    assert not (tmp_path / "run" / "retrain" / "best").exists()
    again = retrain(RetrainConfig(run_dir=run_dir, resume=True))
    assert again == result


def test_the_default_folder_is_named_after_the_genotype(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = retrain(RetrainConfig(**DIGITS | {"epochs": 1}))
    assert result.run_dir == pathlib.Path("runs/c10_s2_pgd-digits-0")


def test_photos_of_three_classes(tmp_path):
    """Without top-5 where there are not more than five classes."""
    noise = np.random.RandomState(0)
    for split in ("train", "val"):
        for name in "abc":
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(4):
                pixels = noise.randint(0, 256, (20 + number, 30, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{number}.jpg")
    settings = TINY | {"dataset": "folder", "data_dir": str(tmp_path), "image_size": 16, "batch_size": 4, "epochs": 1}
    result = retrain(RetrainConfig(genotype="c10_s2_pgd", run_dir=str(tmp_path / "run"), **settings))
    assert result.test_top5 is None and result.test_loss > 0
    assert result.test_accuracy * 12 == pytest.approx(round(result.test_accuracy * 12), abs=1e-4)
    assert trained_network.load(tmp_path / "run").files.data.label_names == ("a", "b", "c")
    resumed = RetrainConfig(run_dir=str(tmp_path / "run"), resume=True)
    photo = tmp_path / "train" / "a" / "0.jpg"
    photo.rename(tmp_path / "train" / "a" / "8.jpg")  # as many images and the same labels
    with pytest.raises(
        InputError, match=r"run began with other training images than it finds now in --data_dir=\S+; give"
    ):
        retrain(resumed)
    (tmp_path / "train" / "d").mkdir()
    shutil.copy(tmp_path / "train" / "a" / "1.jpg", tmp_path / "train" / "d")
    with pytest.raises(InputError, match="has other data than the run began with"):
        retrain(resumed)


def test_a_broken_photo_is_named_and_a_run_goes_on_once_it_is_mended(tmp_path, monkeypatch):
    """Before the run among the photos that are looked at, else where it stops; it ends as if it had not."""
    monkeypatch.setattr(pictures, "SAMPLE", 1)
    noise = np.random.RandomState(0)
    for place in ("train/a", "train/b", "val/a", "val/b"):
        (tmp_path / place).mkdir(parents=True)
        for number in range(6):
            Image.fromarray(noise.randint(0, 256, (12, 14, 3), np.uint8)).save(tmp_path / place / f"{number}.jpg")
    settings = TINY | {"dataset": "folder", "data_dir": str(tmp_path), "image_size": 8, "batch_size": 2}
    whole = RetrainConfig(genotype="c10_s2_pgd", run_dir=str(tmp_path / "whole"), **settings)
    expected = retrain(whole)
    path = tmp_path / "train" / "b" / "3.jpg"
    content = path.read_bytes()
    path.write_bytes(content[:200])
    config = dataclasses.replace(whole, run_dir=str(tmp_path / "broken"), checkpoint_seconds=0.0)
    with monkeypatch.context() as all_are_looked_at, pytest.raises(InputError, match=f"^{path} cannot be decoded"):
        all_are_looked_at.setattr(pictures, "SAMPLE", 1000)
        retrain(config)
    assert not (tmp_path / "broken").exists()
    with pytest.raises(RunError, match=f"^{path} cannot be decoded"):
        retrain(config)
    path.write_bytes(content)
    mended = retrain(dataclasses.replace(config, resume=True))
    assert dataclasses.replace(mended, run_dir=expected.run_dir) == expected


# What a user does wrong.


def test_a_published_cell_and_a_search_are_alternatives():
    with pytest.raises(InputError, match="--run_dir or --genotype is needed"):
        retrain(RetrainConfig(dataset="digits"))


def test_a_folder_without_a_genotype(tmp_path):
    with pytest.raises(
        InputError, match=r"run holds no genotype\.json; name the folder of a search, or add --genotype"
    ):
        retrain(RetrainConfig(run_dir=str(tmp_path / "run"), dataset="digits"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"genotype": "c10_s9"}, "--genotype=c10_s9 is neither a file nor a published cell"),
        ({"genotype": "penn_pgd"}, "--dataset=digits is not for the space recurrent; choose from ptb, text"),
        ({"dataset": "mnist"}, "--dataset=mnist is unknown; choose from digits, .*, imagenet, folder"),
        ({"dataset": "folder"}, "--data_dir is missing; name the folder that holds train/<class>/<image>"),
        ({"image_size": 16}, "--image_size=16 is for photos in files"),
        ({"batch_size": 101}, "--batch_size=101 is not between 1 and the 100 images for training"),
        ({"valid_share": 0.9, "max_examples": 4}, "--valid_share=0.9 of 4 images leaves nothing to train on"),
        ({"auxiliary": True}, "--auxiliary needs images of more than 8 pixels"),
        ({"cutout_length": 16}, "--cutout_length=16 blanks all of an image of 8 pixels"),
        ({"cells": 2}, "--cells=2 is out of range; the space s2 needs at least 3"),
        ({"large_images": True, "channels": 3}, "--channels=3 is odd, but the stem for large images needs"),
    ],
)
def test_bad_input_writes_nothing(tmp_path, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        retrain(RetrainConfig(**DIGITS | {"run_dir": str(tmp_path / "run")} | settings))
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


def _genotype(**changes):
    record = published.get("c10_s2_pgd").to_dict()
    record["cells"] |= changes.pop("cells", {})
    return record | changes


GENOTYPES = {
    "another space": (_genotype(space="nasbench201"), "is no cell of nasbench201, which has the edges 0->1, 0->2"),
    "no such operation": (
        _genotype(
            cells={"normal": [["conv_9x9", 0, 2], ["skip_connect", 1, 2]]}, outputs={"normal": [2], "reduce": [2]}
        ),
        "Unknown operation 'conv_9x9'; choose from",
    ),
    "an edge to an earlier node": (
        _genotype(cells={"normal": [["skip_connect", 3, 2]]}),
        "goes from node 3 to node 2; an edge must lead from a node to a later one",
    ),
    "another kind of cell": (_genotype(cells={"upsample": []}), "needs one 'normal' and one 'reduce'"),
    "edges in disorder": (
        _genotype(cells={"normal": [["skip_connect", 2, 3], ["skip_connect", 0, 2]]}),
        r"The normal cell lists its edges by the nodes \[3, 2\]; sort them by target node",
    ),
    "no JSON object": ([1, 2], "This is not a genotype"),
}


@pytest.mark.parametrize("name", GENOTYPES)
def test_a_wrong_genotype_is_one_sentence(tmp_path, name):
    record, message = GENOTYPES[name]
    (tmp_path / "genotype.json").write_text(json.dumps(record))
    settings = DIGITS | {"genotype": str(tmp_path / "genotype.json"), "run_dir": str(tmp_path / "run")}
    with pytest.raises(InputError, match=message):
        retrain(RetrainConfig(**settings))
    assert not (tmp_path / "run").exists()


def test_a_trained_network_is_not_overwritten(run):
    with pytest.raises(InputError, match="already holds a trained network; add --resume to go on with it, or name"):
        retrain(RetrainConfig(run_dir=str(run.run_dir), **DIGITS))
    with pytest.raises(InputError, match=r"--channels=4 contradicts the run in .*, which was started with 2"):
        retrain(RetrainConfig(run_dir=str(run.run_dir), resume=True, channels=4))
    with pytest.raises(InputError, match=r"--genotype=c10_s3_pgd contradicts the run in .*, which"):
        retrain(RetrainConfig(run_dir=str(run.run_dir), resume=True, genotype="c10_s3_pgd"))


def test_nothing_to_resume(tmp_path):
    with pytest.raises(InputError, match="run holds no run to resume; leave --resume away to start one"):
        retrain(RetrainConfig(run_dir=str(tmp_path / "run"), resume=True))


def test_a_diverged_training_says_so(tmp_path):
    settings = DIGITS | {"epochs": 1, "gradient_clip": 1e30, "learning_rate": 1e30, "momentum": 0.0}
    with pytest.raises(RunError, match="The training loss of epoch 1 is not finite"):
        retrain(RetrainConfig(run_dir=str(tmp_path / "run"), **settings))


def test_command_line_prints_the_test_accuracy(tmp_path):
    flags = [f"--{name}={value}" for name, value in (DIGITS | {"epochs": 1}).items()]
    command = [sys.executable, "-m", "sdarts_tf.retrain", f"--run_dir={tmp_path}/run", *flags]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    assert first.startswith("Test accuracy: ") and ", top-5 " in first and first.endswith("(last weights)")
    assert second == f"Trained network: {tmp_path}/run/retrain"
    # Nothing but progress on standard error: no banner of TensorFlow.
    assert all(line.startswith("epoch 1/1") for line in result.stderr.splitlines())


# Recipes.


def test_the_defaults_are_the_official_recipe():
    config = RetrainConfig().completed("images")
    assert (config.epochs, config.batch_size, *spaces.network_size("s5")) == (600, 96, 36, 20)
    assert (config.learning_rate, config.min_learning_rate, config.momentum) == (0.025, 0.0, 0.9)
    assert (config.weight_decay, config.gradient_clip, config.drop_path) == (3e-4, 5.0, 0.2)
    assert (config.auxiliary_weight, config.label_smoothing, config.schedule) == (0.4, 0.0, "cosine")
    assert sources.get("cifar10").cutout_length == 16 and sources.get("cifar10").crop_padding == 4


def test_the_recipe_of_imagenet():
    config = command_line.parse(RetrainConfig, [f"--flagfile={ROOT}/flags/imagenet.flags"])
    assert (config.epochs, config.batch_size, config.channels, config.cells, config.image_size) == (
        250,
        1024,
        48,
        14,
        224,
    )
    assert (config.learning_rate, config.weight_decay, config.schedule, config.warmup_epochs) == (
        0.5,
        3e-5,
        "linear",
        5,
    )
    assert (config.label_smoothing, config.drop_path, config.auxiliary_weight) == (0.1, 0.0, 0.4)


_BEST = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"  # of CIFAR-100
)


@pytest.mark.parametrize(
    ("genotype", "parameters"),
    [
        (nasbench201_cells.parse(_BEST), 1_288_506),
        (nasbench201_cells.parse(_BEST.replace("skip_connect", "nor_conv_3x3")), 1_531_546),
        (nasbench1shot1_cells.genotype_of("nasbench1shot1_1", {1: "conv1x1-bn-relu"}, {1: (0,)}, (0, 1)), 2_793_866),
        (published.get("c10_s5_pgd"), 3_344_806),
    ],
    ids=["nasbench201", "nasbench201_convolutions", "nasbench1shot1", "s5"],
)
def test_networks_have_the_size_of_their_space_unless_it_is_given(genotype, parameters):
    """The numbers of parameters are those of the benchmarks and of the official code."""
    network = trained_network.build(genotype, RetrainConfig(), sources.get("cifar10").description)
    assert cost.count_parameters(network).network == parameters


def test_a_run_records_the_size_of_its_network_and_goes_on_at_it(tmp_path):
    """One cell in each stage, which a search allows too; the channels are the benchmark's."""
    (tmp_path / "genotype.json").write_text(nasbench201_cells.parse(_BEST).to_json())
    settings = TINY | {"dataset": "digits", "genotype": str(tmp_path / "genotype.json"), "cells": 1, "channels": None}
    run_dir = str(tmp_path / "run")
    with pytest.raises(Paused):
        retrain(RetrainConfig(run_dir=run_dir, stop_after=1, **settings))
    saved = json.loads((tmp_path / "run" / "retrain" / "config.json").read_text())
    assert (saved["channels"], saved["cells"]) == (16, 1)
    retrain(RetrainConfig(run_dir=run_dir, resume=True))
    assert len(trained_network.load(run_dir).network.cells) == 3 + 2  # with the reductions


@pytest.mark.parametrize(
    ("side", "large", "auxiliary"), [(32, False, True), (29, False, True), (28, False, False), (224, True, True)]
)
def test_the_auxiliary_head_is_there_where_its_map_is_large_enough(side, large, auxiliary):
    data = dataclasses.replace(sources.get("cifar10").description, image_shape=(side, side, 3))
    network = trained_network.build(published.get("c10_s2_pgd"), RetrainConfig(channels=2, cells=3), data)
    assert network.large_images == large and (network.auxiliary_head is not None) == auxiliary
    answer = network(np.zeros((1, side, side, 3), np.float32), training=True)
    assert isinstance(answer, tuple) == auxiliary
    without = RetrainConfig(channels=2, cells=3, auxiliary=False)
    assert trained_network.build(published.get("c10_s2_pgd"), without, data).auxiliary_head is None


@pytest.mark.slow
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("name", IMAGE_CELLS)
def test_every_published_cell_trains(tmp_path, name, large):
    """One epoch, with the stem for CIFAR's and for ImageNet's sizes."""
    settings = DIGITS | {"genotype": name, "epochs": 1, "max_examples": 32, "large_images": large}
    result = retrain(RetrainConfig(run_dir=str(tmp_path / "run"), **settings))
    assert np.isfinite(result.test_loss) and 0 <= result.test_accuracy <= result.test_top5


@pytest.mark.slow
def test_the_digits_are_learned(tmp_path):
    flags = [f"--flagfile={ROOT}/flags/digits_retrain.flags", "--genotype=c10_s2_pgd", f"--run_dir={tmp_path}/run"]
    assert retrain(command_line.parse(RetrainConfig, flags)).test_accuracy >= 0.9
