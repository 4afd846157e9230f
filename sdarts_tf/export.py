"""Exports a trained network: `python -m sdarts_tf.export --run_dir=runs/x --out=exports/x --format=saved_model`."""

import importlib.util
import pathlib
import sys

from sdarts_tf import command_line
from sdarts_tf.config import ExportConfig
from sdarts_tf.data.vocabulary import Vocabulary
from sdarts_tf.errors import InputError
from sdarts_tf.interop import version_folder
from sdarts_tf.training import trained_files
from sdarts_tf.training.trained_files import TrainedFiles

# Format -> the modules that it needs; the extra of setup.py has the format's name.
_NEEDED = {"saved_model": (), "lite": ("ai_edge_litert",), "onnx": ("onnx", "tf2onnx", "onnxruntime")}


def check(config: ExportConfig) -> TrainedFiles:
    """Raises InputError for what cannot be exported, or to where. Imports no TensorFlow."""
    if config.run_dir is None or config.out is None:
        raise InputError("--run_dir and --out are both needed: the run that was retrained, and a folder for exports.")
    missing = [name for name in _NEEDED[config.format] if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"--format={config.format} needs {', '.join(missing)}, which is not installed; run pip install "
            f"'sdarts_tf[{config.format}]'."
        )
    version_folder.check(config.out)
    files = trained_files.read(config.run_dir, config.checkpoint)
    if isinstance(files.data, Vocabulary) and config.format != "saved_model":
        raise InputError(f"--format={config.format} is for classifiers of images; a language model is a saved_model.")
    return files


def export(config: ExportConfig) -> pathlib.Path:
    """Exports the trained network of a run, and compares what was written with it on real images.

    Args:
        config: the settings.

    Returns:
        The new version's folder, `<out>/1` or the next free number, with the model, `MODEL_CARD.md`, the classes and
        the genotype. It exists only if the model does what the network does.

    Raises:
        InputError: there is no trained network, its data set or an extra is missing, or `out` is not for exports.
        RunError: the network cannot be converted, or the result differs from it.

    Example:
        folder = export(ExportConfig(run_dir="runs/x", out="exports/x", format="onnx"))
    """
    files = check(config)
    if isinstance(files.data, Vocabulary):
        return _export_text(config, files)
    with command_line.native_output_held():  # tensorflow-datasets, if it is needed, imports TensorFlow
        test = files.examples("test", config.data_dir, config.compared_images)
        int8 = config.format == "lite"
        train = files.examples("train", config.data_dir, config.calibration_images) if int8 else None
    command_line.import_tensorflow()
    from sdarts_tf.analysis import cost
    from sdarts_tf.interop import comparison, lite, model_card, onnx, saved_model
    from sdarts_tf.training import trained_network

    command_line.load_plugin(files.plugin)
    data = files.data
    network = trained_network.load(config.run_dir, config.checkpoint).network
    module = {"saved_model": saved_model, "lite": lite, "onnx": onnx}[config.format]
    assets = {
        "labels.txt": "".join(f"{name}\n" for name in data.label_names),
        "genotype.json": files.genotype.to_json(),
    }
    sample = comparison.Sample.of(network, data, test)
    options = {"calibration": comparison.pixels(train), "allowed_drop": config.int8_drop} if int8 else {}
    with version_folder.new_version(config.out) as folder:
        with command_line.native_output_held():  # converters and runtimes talk
            comparisons = module.export(network, data, assets, folder, sample, **options)
        for compared in comparisons:
            compared.require()
        sizes = cost.count_parameters(network).network, cost.multiply_adds(network, data.image_shape)
        card = model_card.write(files, module.interface(data), *sizes, comparisons)
        (folder / model_card.FILE).write_text(card, encoding="utf-8")
    return version_folder.latest(config.out)


def _export_text(config, files) -> pathlib.Path:
    tokens = files.corpus(config.data_dir).test[: config.compared_images]
    command_line.import_tensorflow()
    from sdarts_tf.interop import language_model
    from sdarts_tf.training import trained_network

    model = trained_network.load(config.run_dir, config.checkpoint).network
    with version_folder.new_version(config.out) as folder:
        with command_line.native_output_held():
            card = language_model.export(model, files, tokens, folder)
        (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    return version_folder.latest(config.out)


def main(config: ExportConfig) -> None:
    """Exports and says where to."""
    print(f"Exported: {export(config)}")


if __name__ == "__main__":
    sys.exit(command_line.run(main, ExportConfig, description=__doc__))
