"""Says how good and how expensive a trained network is: `python -m sdarts_tf.evaluate --run_dir=runs/x`."""

import pathlib
import sys
import time

from sdarts_tf import command_line
from sdarts_tf.analysis.evaluation import Evaluation
from sdarts_tf.analysis.text_evaluation import TextEvaluation, TextScores
from sdarts_tf.config import EvaluateConfig
from sdarts_tf.data import text
from sdarts_tf.data.vocabulary import Vocabulary
from sdarts_tf.errors import InputError
from sdarts_tf.training import trained_files
from sdarts_tf.training.run_directory import RunDirectory
from sdarts_tf.training.trained_files import TrainedFiles

_LATENCY_BATCHES = (1, 64)


def evaluate(config: EvaluateConfig) -> Evaluation | TextEvaluation:
    """Evaluates the trained network of a run: a classifier on images, or a language model on two texts.

    Writes `evaluation.json` and, of a classifier, `confusion.svg` and `confusion.png` to the run's `retrain/`.

    Raises:
        InputError: there is no trained network, or its data set is missing; nothing has been written then.

    Example:
        evaluation = evaluate(EvaluateConfig(run_dir="runs/x", data_dir="~/data"))
        print(evaluation.top_1, evaluation.latency[64])
    """
    if config.run_dir is None:
        raise InputError("--run_dir is needed: name the folder of a run that was retrained.")
    files = trained_files.read(config.run_dir, config.checkpoint)
    if isinstance(files.data, Vocabulary):
        return _evaluate_text(config, files)
    with command_line.native_output_held():  # tensorflow-datasets, if it is needed, imports TensorFlow
        examples = files.examples(config.split, config.data_dir, config.max_examples)
    command_line.import_tensorflow()
    command_line.load_plugin(files.plugin)
    evaluation = _measure(config, examples)
    _write(evaluation, files)
    return evaluation


def _evaluate_text(config, files) -> TextEvaluation:
    streams = config.batch_size or 1  # published figures read a text as one stream
    corpus = files.corpus(config.data_dir)
    rows = {
        split: text.parallel(getattr(corpus, split)[: config.max_examples], streams, f"The {split} text")
        for split in ("valid", "test")
    }
    command_line.import_tensorflow()
    from sdarts_tf.analysis import cost
    from sdarts_tf.training import text_evaluate, trained_network

    network = trained_network.load(config.run_dir, config.checkpoint).network
    scores, seconds = {}, 0.0
    evaluate = text_evaluate.TextEvaluation(network, files.config.units)
    for split in ("valid", "test"):  # the first one also traces, so the seconds of the second one count
        began = time.perf_counter()
        loss, accuracy = evaluate(text.sweep(rows[split], files.config.bptt))
        seconds = time.perf_counter() - began
        scores[split] = TextScores(rows[split][1:].size, loss, accuracy)
    evaluation = TextEvaluation(
        dataset=corpus.vocabulary.name,
        unit=corpus.vocabulary.unit,
        checkpoint=files.checkpoint,
        epoch=files.epoch,
        streams=streams,
        **scores,
        vocabulary=len(corpus.vocabulary),
        parameters=network.count_params(),
        tokens_per_second=scores["test"].tokens / seconds,
        device=cost.describe_device(),
    )
    RunDirectory(files.path).write("evaluation.json", evaluation.to_json())
    return evaluation


def _measure(config, examples) -> Evaluation:
    from sdarts_tf.analysis import accuracy, cost
    from sdarts_tf.training import trained_network

    trained = trained_network.load(config.run_dir, config.checkpoint)
    network, files, data = trained.network, trained.files, trained.files.data
    # The training's test used batches of this size, and noise depends on it.
    batch_size = files.config.batch_size if config.batch_size is None else config.batch_size
    scores = accuracy.measure(examples.labels, accuracy.predict(network, examples, data, batch_size))
    parameters = cost.count_parameters(network)
    return Evaluation(
        dataset=data.name,
        split=config.split,
        checkpoint=files.checkpoint,
        epoch=files.epoch,
        images=scores.images,
        top_1=scores.top_1,
        top_5=scores.top_5,
        class_accuracy=dict(zip(data.label_names, scores.by_class, strict=True)),
        confusion=[list(row) for row in scores.confusion],
        parameters=parameters.network,
        auxiliary_parameters=parameters.auxiliary_head,
        multiply_adds=cost.multiply_adds(network, data.image_shape),
        latency={size: cost.measure_latency(network, data.image_shape, size).seconds for size in _LATENCY_BATCHES},
        device=cost.describe_device(),
    )


def _write(evaluation: Evaluation, files: TrainedFiles):
    from sdarts_tf.analysis import confusion  # imports matplotlib

    title = f"{evaluation.dataset}, {evaluation.split} split: {100 * evaluation.top_1:.1f} % of {evaluation.images:,}"
    directory = RunDirectory(files.path)
    for kind in ("svg", "png"):
        picture = confusion.paint(evaluation.confusion, files.data.label_names, title, kind)
        directory.write(f"confusion.{kind}", picture)
    directory.write("evaluation.json", evaluation.to_json())


def main(config: EvaluateConfig) -> None:
    """Evaluates and prints the figures."""
    evaluation = evaluate(config)
    print(evaluation.to_table())
    folder = pathlib.Path(config.run_dir) / trained_files.FOLDER
    print(f"\nFigures:   {folder / 'evaluation.json'}")
    if isinstance(evaluation, Evaluation):
        print(f"Confusion: {folder / 'confusion.svg'} and .png")


if __name__ == "__main__":
    sys.exit(command_line.run(main, EvaluateConfig, description=__doc__))
