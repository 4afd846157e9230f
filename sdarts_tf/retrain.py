"""Trains the network of a genotype from scratch: `python -m sdarts_tf.retrain --run_dir=runs/rs-s5-cifar10-2`."""

import dataclasses
import json
import pathlib
import sys

from sdarts_tf import command_line
from sdarts_tf.config import RetrainConfig
from sdarts_tf.data import sources, text
from sdarts_tf.data.description import DataDescription
from sdarts_tf.data.inspection import Inspection
from sdarts_tf.data.vocabulary import Vocabulary
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import published
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.spaces import plugins
from sdarts_tf.training import cluster, handover, trained_files
from sdarts_tf.training.run_directory import RunDirectory


@dataclasses.dataclass(frozen=True)
class RetrainResult:
    """A trained network, and how well it does on the test images.

    Args:
        run_dir: the run; the network lies in its folder `retrain`.
        genotype: the network's architecture.
        checkpoint: which weights were tested: `"best"` on the held-out images, or, without such, `"last"`.
        test_loss: mean cross entropy.
        test_accuracy: share of rightly classified images, 0 to 1.
        test_top5: share whose class is among the five most probable; None with five classes or fewer.
        test_perplexity: of a language model; its `test_loss` is per token, its accuracy that of the next token.
    """

    run_dir: pathlib.Path
    genotype: Genotype
    checkpoint: str
    test_loss: float
    test_accuracy: float
    test_top5: float | None = None
    test_perplexity: float | None = None


def retrain(config: RetrainConfig) -> RetrainResult:
    """Runs a training to its end, or goes on with one, and tests the network once.

    Keys every random draw of the process by `config.seed` and switches TensorFlow to deterministic kernels.

    Args:
        config: the settings; what is None is taken from the search in `run_dir`, if there is one.

    Returns:
        The test figures and the run's folder, in which `retrain/` holds `config.json`, `run.flags`, `genotype.json`,
        `data.json`, `metrics.jsonl`, `result.json`, the weights `last/` and `best/`, `checkpoints/` and `events/`.

    Raises:
        InputError: a setting or a file cannot be used; nothing has been written then.
        RunError: the training failed, was interrupted, or has come to `stop_after`; its last checkpoint can be resumed.

    Example:
        >>> import tempfile
        >>> tiny = dict(dataset="digits", channels=2, cells=3, epochs=1, max_examples=8, batch_size=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = retrain(RetrainConfig(genotype="c10_s2_pgd", run_dir=folder + "/run", **tiny))
        >>> result.checkpoint, 0 <= result.test_accuracy <= result.test_top5 <= 1
        ('last', True)
    """
    config = dataclasses.replace(config, run_dir=handover.run_dir(config))
    processes = cluster.read(config.strategy)
    directory = RunDirectory(config.run_dir, trained_files.FOLDER, what="a trained network", writes=processes.is_chief)
    if config.resume:
        config = directory.resumed_config(config)
        command_line.load_plugin(plugins.kept(directory.path))
        genotype = Genotype.load(directory.path / "genotype.json")
    else:
        directory.require_unused(("genotype.json", "data.json", plugins.FILE))
        config = handover.complete(config)
        command_line.load_plugin(config.plugin)
        genotype = published.find(config.genotype)
    handover.check(genotype, config)
    config = handover.sized(config, genotype)
    read = _text if handover.family(genotype) == "recurrent" else _images
    make, data, test = read(config, genotype, directory)

    command_line.import_tensorflow()
    from sdarts_tf.training import runtime, strategy

    plugins.try_operations()
    runtime.make_reproducible(config.seed)
    with strategy.together(processes, config.run_dir), strategy.create(config.strategy).scope():
        loop = make()
        if not config.resume:
            files = {"genotype.json": genotype.to_json() + "\n", "data.json": data.to_json()}
            files |= {plugins.FILE: plugins.read(config.plugin)} if config.plugin else {}
            flags, size = command_line.to_flagfile(config), loop.checkpoint_bytes()
            directory.create(config, flags, checkpoint_bytes=size, files=files)
        loop.run()
        figures = loop.test(test)
    directory.write("result.json", json.dumps(figures, indent=2) + "\n")
    return RetrainResult(directory.run_dir, genotype, **figures)


def check_data(config: RetrainConfig) -> tuple[Inspection, pathlib.Path | None]:
    """Looks at the data of a training instead of starting it; writes `contact_sheet.png` to the run's `retrain/`.

    Raises:
        InputError: a setting cannot be used, or there are no such data.
    """
    config = handover.complete(dataclasses.replace(config, run_dir=handover.run_dir(config)))
    command_line.load_plugin(config.plugin)
    genotype = published.find(config.genotype)
    handover.check(genotype, config)
    if handover.family(genotype) == "recurrent":
        raise InputError("--check_data looks at images; leave it away for recurrent cells.")
    directory = RunDirectory(config.run_dir, trained_files.FOLDER)
    with command_line.native_output_held():  # tensorflow-datasets, if it is needed, imports TensorFlow
        source = sources.get(config.dataset, config.data_dir, config.image_size)
    command_line.import_tensorflow()
    from sdarts_tf.analysis import data_check

    return data_check.run(config, source, directory)


def _images(config, genotype, directory):
    """What makes the loop once TensorFlow is there, what the data are, and the images to test on."""
    with command_line.native_output_held():  # tensorflow-datasets, if it is needed, imports TensorFlow
        source = sources.get(config.dataset, config.data_dir, config.image_size)
        if config.resume and source.description != DataDescription.load(directory.path / "data.json"):
            raise InputError(f"--data_dir={config.data_dir} has other data than the run began with; name its folder.")
        train = source.load("train", config.data_dir, config.max_examples)
        test = source.load("test", config.data_dir)
        valid = source.load("valid", config.data_dir) if "valid" in source.splits else None

    def make():
        from sdarts_tf.training.retrain_loop import RetrainLoop

        return RetrainLoop(config, genotype, source, train, directory, valid=valid)

    return make, source.description, test


def _text(config, genotype, directory):
    """What makes the loop once TensorFlow is there, what the data are, and the text to test on."""
    corpus = text.read(config.dataset, config.data_dir, config.text_unit, config.max_examples)
    if config.resume and corpus.vocabulary != Vocabulary.load(directory.path / "data.json"):
        raise InputError(f"--data_dir={config.data_dir} has other tokens than the run began with; name its folder.")

    def make():
        from sdarts_tf.training.text_retrain import TextRetrainLoop

        return TextRetrainLoop(config, genotype, corpus, directory)

    return make, corpus.vocabulary, corpus.test


def main(config: RetrainConfig) -> int | None:
    """Trains and says how good the network is, or only looks at the data."""
    if config.check_data:
        return command_line.say_inspection(*check_data(config))
    result = retrain(config)
    top5 = "" if result.test_top5 is None else f", top-5 {result.test_top5:.2%}"
    if result.test_perplexity is not None:
        print(f"Test perplexity: {result.test_perplexity:.2f} ({result.checkpoint} weights)")
    print(f"Test accuracy: {result.test_accuracy:.2%}{top5}, loss {result.test_loss:.4f} ({result.checkpoint} weights)")
    print(f"Trained network: {result.run_dir / trained_files.FOLDER}")
    return None


if __name__ == "__main__":
    sys.exit(command_line.run(main, RetrainConfig, description=__doc__))
